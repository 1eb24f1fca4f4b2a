#include "mgmt/service/full_sync_client.hpp"

#include <grpcpp/grpcpp.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "mgmt/service/limits.hpp"
#include "mgmt/service/peer.hpp"
#include "phalanx/v1/sync.grpc.pb.h"

namespace phalanx::mgmt {
namespace {

using Stream = grpc::ClientReaderWriter<v1::FullSyncToActive, v1::FullSyncToJoiner>;

absl::StatusOr<std::shared_ptr<grpc::Channel>> open_channel(const FullSyncOptions& options) {
  const auto ca = read_file(options.tls.ca_file());
  if (!ca.ok()) return ca.status();
  const auto certificate = read_file(options.tls.certificate_file());
  if (!certificate.ok()) return certificate.status();
  const auto key = read_file(options.tls.key_file());
  if (!key.ok()) return key.status();
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = *ca;
  tls.pem_private_key = *key;
  tls.pem_cert_chain = *certificate;
  grpc::ChannelArguments arguments;
  // The certificate must carry the member's name, wherever it is reached.
  arguments.SetSslTargetNameOverride(options.peer_name);
  arguments.SetMaxReceiveMessageSize(kChunkMessageBytesMax);
  // A channel of its own: a broken connection of an earlier try, and its back-off, are not taken over.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(options.address, grpc::SslCredentials(tls), arguments);
}

absl::Status check_chunk(const v1::FullSyncChunk& chunk, uint64_t expected) {
  if (chunk.number() != expected) {
    return absl::DataLossError(absl::StrCat("chunk ", chunk.number(), " instead of ", expected));
  }
  if (chunk.records().size() > kFullSyncChunkBytesMax) {
    return absl::DataLossError(absl::StrCat("chunk ", expected, " has ", chunk.records().size(), " bytes"));
  }
  return absl::OkStatus();
}

// What came in, up to the end of the stream's messages.
struct Outcome {
  absl::Status fault;  // what this side found wrong
  std::string refused;
  std::optional<v1::FullSyncTrailer> trailer;
};

Outcome take_all(Stream& stream, const std::function<absl::Status(const v1::FullSyncChunk&)>& install) {
  Outcome outcome;
  v1::FullSyncToJoiner message;
  for (uint64_t number = 1; stream.Read(&message);) {
    if (message.has_trailer()) {
      outcome.trailer = std::move(*message.mutable_trailer());
      return outcome;
    }
    if (message.has_refused()) {
      outcome.refused = message.refused().reason();
      return outcome;
    }
    outcome.fault = check_chunk(message.chunk(), number);
    if (outcome.fault.ok()) outcome.fault = install(message.chunk());
    if (!outcome.fault.ok()) return outcome;
    v1::FullSyncToActive confirm;
    confirm.mutable_confirm()->set_number(number++);
    if (!stream.Write(confirm)) return outcome;
  }
  return outcome;
}

}  // namespace

struct FullSyncClient::State {
  FullSyncOptions options;
  grpc::ClientContext context;
  std::atomic<bool> cancelled = false;
};

FullSyncClient::FullSyncClient(FullSyncOptions options) : state_(std::make_unique<State>()) {
  state_->options = std::move(options);
}

FullSyncClient::~FullSyncClient() = default;

void FullSyncClient::cancel() {
  state_->cancelled = true;
  state_->context.TryCancel();
}

absl::StatusOr<v1::FullSyncTrailer> FullSyncClient::run(
    const std::function<absl::Status(const v1::FullSyncChunk&)>& install) {
  const FullSyncOptions& options = state_->options;
  const auto channel = open_channel(options);
  if (!channel.ok()) return channel.status();
  const absl::Time give_up = absl::Now() + options.connect_timeout;
  while (!(*channel)->WaitForConnected(absl::ToChronoTime(std::min(give_up, absl::Now() + kPollInterval)))) {
    if (state_->cancelled) return absl::CancelledError("full sync was cancelled");
    if (absl::Now() >= give_up) {
      return absl::UnavailableError(absl::StrCat("no connection to ", options.peer_name, " at ", options.address));
    }
  }
  if (state_->cancelled) return absl::CancelledError("full sync was cancelled");
  state_->context.set_deadline(absl::ToChronoTime(absl::Now() + options.total_timeout));
  const auto stream = v1::Sync::NewStub(*channel)->FullSync(&state_->context);
  v1::FullSyncToActive request;
  *request.mutable_request() = options.request;
  Outcome outcome;
  if (stream->Write(request)) outcome = take_all(*stream, install);
  // An unread message would keep the call open.
  if (!outcome.fault.ok()) state_->context.TryCancel();
  stream->WritesDone();
  v1::FullSyncToJoiner ignored;
  while (stream->Read(&ignored)) {
  }
  const absl::Status ended = from_grpc(stream->Finish());
  if (!outcome.fault.ok()) return outcome.fault;
  if (state_->cancelled) return absl::CancelledError("full sync was cancelled");
  if (!ended.ok()) return ended;
  if (!outcome.refused.empty()) return absl::FailedPreconditionError(outcome.refused);
  if (!outcome.trailer) return absl::DataLossError("the stream ended without a trailer");
  return *std::move(outcome.trailer);
}

}  // namespace phalanx::mgmt
