#include "mgmt/service/peer.hpp"

#include <algorithm>
#include <cerrno>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace phalanx::mgmt {
namespace {

constexpr size_t kFileBytesMax = 1 << 20;

}  // namespace

grpc::Status to_grpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return {static_cast<grpc::StatusCode>(status.raw_code()), std::string(status.message())};
}

absl::Status from_grpc(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

absl::StatusOr<std::string> read_file(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::ErrnoToStatus(errno == 0 ? EIO : errno, path);
  std::string text(kFileBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return absl::ErrnoToStatus(EIO, path);
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kFileBytesMax) return absl::InvalidArgumentError(absl::StrCat(path, ": larger than 1 MiB"));
  return text;
}

Admission::Admission(const v1::ClusterConfig& cluster) {
  for (const v1::Member& member : cluster.members()) members_.emplace(member.id(), member.name());
}

std::vector<std::string> Admission::names_of(const grpc::ServerContext& context) {
  std::vector<std::string> names;
  for (const grpc::string_ref& name : context.auth_context()->FindPropertyValues(GRPC_X509_SAN_PROPERTY_NAME)) {
    names.emplace_back(name.data(), name.size());
  }
  return names;
}

absl::Status Admission::admit(const grpc::ServerContext& context) const {
  if (absl::StartsWith(context.peer(), "unix:")) return absl::OkStatus();  // the socket's mode has let it in
  for (const std::string& name : names_of(context)) {
    if (name == kOperatorName) return absl::OkStatus();
    for (const auto& [id, member] : members_) {
      if (name == member) return absl::OkStatus();
    }
  }
  return absl::PermissionDeniedError("the certificate is of no member and no operator of this cluster");
}

absl::Status Admission::admit_member(const grpc::ServerContext& context, uint32_t member_id) const {
  const auto member = members_.find(member_id);
  if (member == members_.end()) return absl::PermissionDeniedError(absl::StrCat("no member has id ", member_id));
  const std::vector<std::string> names = names_of(context);
  if (std::find(names.begin(), names.end(), member->second) != names.end()) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat("the certificate is not that of member ", member->second));
}

}  // namespace phalanx::mgmt
