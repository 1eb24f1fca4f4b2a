#include "mgmt/ctl/client.hpp"

#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>

#include "absl/strings/match.h"
#include "mgmt/ctl/output.hpp"

namespace phalanx::ctl {
namespace {

std::chrono::system_clock::time_point deadline(double timeout_s) {
  return std::chrono::system_clock::now() + std::chrono::milliseconds(static_cast<int64_t>(timeout_s * 1000));
}

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (file.bad() || !file.is_open()) {
    std::cerr << "phalanxctl: can't read " << path << "\n";
    return {};
  }
  return text;
}

}  // namespace

std::shared_ptr<grpc::ChannelCredentials> Client::credentials(ExitCode& code) const {
  if (absl::StartsWith(options_.target, "unix:")) return grpc::InsecureChannelCredentials();
  code = kExitUsage;
  if (options_.ca_file.empty() || options_.certificate_file.empty() || options_.key_file.empty()) {
    std::cerr << "phalanxctl: " << options_.target << " needs --ca, --cert and --key (a unix: target does not)\n";
    return nullptr;
  }
  code = kExitFailed;
  const auto ca = read_file(options_.ca_file);
  const auto certificate = read_file(options_.certificate_file);
  const auto key = read_file(options_.key_file);
  if (!ca || !certificate || !key) return nullptr;
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = *ca;
  tls.pem_cert_chain = *certificate;
  tls.pem_private_key = *key;
  return grpc::SslCredentials(tls);
}

ExitCode Client::connect() {
  ExitCode code = kExitOk;
  const auto credentials_used = credentials(code);
  if (credentials_used == nullptr) return code;
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (!options_.server_name.empty()) arguments.SetSslTargetNameOverride(options_.server_name);
  channel_ = grpc::CreateCustomChannel(options_.target, credentials_used, arguments);
  if (channel_->WaitForConnected(deadline(options_.timeout_s))) return kExitOk;
  std::cerr << "phalanxctl: no member answers at " << options_.target << "\n";
  return kExitNotReachable;
}

void Client::bound(grpc::ClientContext& context) const { context.set_deadline(deadline(options_.timeout_s)); }

ExitCode Client::ended(const grpc::Status& status) const {
  if (status.ok()) return kExitOk;
  std::cerr << "phalanxctl: " << printable(status.error_message()) << "\n";
  const bool lost = status.error_code() == grpc::StatusCode::UNAVAILABLE ||
                    status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
  return lost ? kExitNotReachable : kExitFailed;
}

}  // namespace phalanx::ctl
