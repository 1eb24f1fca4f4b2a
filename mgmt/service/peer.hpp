// Who is calling, and how errors and files are handed on.
#ifndef PHALANX_MGMT_SERVICE_PEER_HPP
#define PHALANX_MGMT_SERVICE_PEER_HPP

#include <grpcpp/grpcpp.h>

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "phalanx/v1/config.pb.h"

namespace phalanx::mgmt {

// The name in the certificate of people's tools.
inline constexpr char kOperatorName[] = "operator";

grpc::Status to_grpc(const absl::Status& status);
absl::Status from_grpc(const grpc::Status& status);

// A whole file, at most 1 MiB.
absl::StatusOr<std::string> read_file(const std::string& path);

// Certificate names and whom they stand for.
class Admission {
 public:
  explicit Admission(const v1::ClusterConfig& cluster);

  // A local caller (unix socket), a member of the cluster or an operator.
  absl::Status admit(const grpc::ServerContext& context) const;
  // Only the member `member_id`, by its certificate.
  absl::Status admit_member(const grpc::ServerContext& context, uint32_t member_id) const;

 private:
  static std::vector<std::string> names_of(const grpc::ServerContext& context);

  std::map<uint32_t, std::string> members_;
};

}  // namespace phalanx::mgmt

#endif
