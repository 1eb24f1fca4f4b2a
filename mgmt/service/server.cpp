#include "mgmt/service/server.hpp"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <sys/stat.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "mgmt/service/cards_service.hpp"
#include "mgmt/service/limits.hpp"
#include "mgmt/service/peer.hpp"
#include "mgmt/service/services.hpp"
#include "mgmt/service/sync_service.hpp"

namespace phalanx::mgmt {
namespace {

constexpr char kHealthService[] = "phalanx.v1.Cluster";

// Files made while it lives are for their owner only. The mask is the process's; a file that another thread makes
// meanwhile comes out stricter, never more open.
class PrivateFiles {
 public:
  PrivateFiles() : before_(umask(0177)) { umask(before_ | 0177); }
  ~PrivateFiles() { umask(before_); }
  PrivateFiles(const PrivateFiles&) = delete;
  PrivateFiles& operator=(const PrivateFiles&) = delete;

 private:
  mode_t before_;
};

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> credentials_of(const v1::Tls& tls) {
  const auto ca = read_file(tls.ca_file());
  if (!ca.ok()) return ca.status();
  const auto certificate = read_file(tls.certificate_file());
  if (!certificate.ok()) return certificate.status();
  const auto key = read_file(tls.key_file());
  if (!key.ok()) return key.status();
  grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = *ca;
  options.pem_key_cert_pairs.push_back({*key, *certificate});
  return grpc::SslServerCredentials(options);
}

class GrpcServer final : public Server {
 public:
  GrpcServer(const v1::Config& config, Control& control)
      : control_(control),
        admission_(config.cluster()),
        cluster_(control, admission_),
        sessions_(control, admission_),
        system_(control, admission_),
        sync_(control, admission_),
        cards_(control, admission_) {}
  ~GrpcServer() override { shutdown(); }

  absl::Status listen(const v1::Management& management) {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    set_limits(builder);
    // Exactly one member listens on an address.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    std::vector<int> selected(static_cast<size_t>(management.listen_size()));
    absl::Status added = add_listeners(management, builder, selected);
    if (!added.ok()) return added;
    for (grpc::Service* service : {static_cast<grpc::Service*>(&cluster_), static_cast<grpc::Service*>(&sessions_),
                                   static_cast<grpc::Service*>(&system_), static_cast<grpc::Service*>(&sync_),
                                   static_cast<grpc::Service*>(&cards_)}) {
      builder.RegisterService(service);
    }
    const PrivateFiles private_files;
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) return refused_listener(management, selected);
    for (int i = 0; i < management.listen_size(); ++i) {
      ports_.push_back(absl::StartsWith(management.listen(i), "unix:") ? 0 : selected[static_cast<size_t>(i)]);
    }
    return absl::OkStatus();
  }

  // Keeps health up to date by itself.
  void follow() {
    update_health();
    follower_ = std::thread([this] { follow_changes(); });
    subscription_ = control_.subscribe([this](const v1::ClusterStatus&) {
      const std::lock_guard lock(mutex_);
      changed_ = true;
      wake_.notify_one();
    });
  }

  void update_health() override {
    const std::lock_guard lock(health_mutex_);
    if (ended_) return;
    const bool healthy = control_.healthy();
    auto* health = server_->GetHealthCheckService();
    health->SetServingStatus("", healthy);
    health->SetServingStatus(kHealthService, healthy);
  }

  void shutdown() override {
    subscription_.reset();
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      wake_.notify_one();
    }
    if (follower_.joinable()) follower_.join();
    {
      const std::lock_guard lock(health_mutex_);
      if (server_ == nullptr || std::exchange(ended_, true)) return;
      server_->GetHealthCheckService()->Shutdown();
    }
    cluster_.stop();
    sync_.stop();
    cards_.stop();
    server_->Shutdown(absl::ToChronoTime(absl::Now() + kShutdownMax));
    server_->Wait();
  }

  std::vector<int> ports() const override { return ports_; }

 private:
  static void set_limits(grpc::ServerBuilder& builder) {
    grpc::ResourceQuota quota("management");
    quota.SetMaxThreads(kThreadsMax);
    builder.SetResourceQuota(quota);
    builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
    builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
    builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
    builder.SetMaxReceiveMessageSize(kRequestBytesMax);
    builder.SetMaxSendMessageSize(kChunkMessageBytesMax);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsMax);
  }

  static absl::Status add_listeners(const v1::Management& management, grpc::ServerBuilder& builder,
                                    std::vector<int>& selected) {
    std::shared_ptr<grpc::ServerCredentials> tls;
    for (int i = 0; i < management.listen_size(); ++i) {
      int* port = &selected[static_cast<size_t>(i)];
      if (absl::StartsWith(management.listen(i), "unix:")) {
        builder.AddListeningPort(management.listen(i), grpc::InsecureServerCredentials(), port);
        continue;
      }
      if (tls == nullptr) {
        auto credentials = credentials_of(management.tls());
        if (!credentials.ok()) return credentials.status();
        tls = *std::move(credentials);
      }
      builder.AddListeningPort(management.listen(i), tls, port);
    }
    return absl::OkStatus();
  }

  // gRPC logs why; the status names the first address that it could not have.
  static absl::Status refused_listener(const v1::Management& management, const std::vector<int>& selected) {
    for (int i = 0; i < management.listen_size(); ++i) {
      if (selected[static_cast<size_t>(i)] > 0) continue;
      return absl::UnavailableError(absl::StrCat("management.listen[", i, "]: can't listen on ", management.listen(i),
                                                 " (the address is taken, or not the host's, or a TLS file is bad)"));
    }
    return absl::InternalError("the management server doesn't start");
  }

  void follow_changes() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      // Also without a change: what makes a member healthy may change without its status.
      wake_.wait_for(lock, std::chrono::seconds(1), [this] { return changed_ || stopping_; });
      if (stopping_) return;
      changed_ = false;
      lock.unlock();
      update_health();
      lock.lock();
    }
  }

  Control& control_;
  const Admission admission_;
  ClusterService cluster_;
  SessionsService sessions_;
  SystemService system_;
  SyncService sync_;
  CardsService cards_;
  std::unique_ptr<grpc::Server> server_;
  std::vector<int> ports_;

  std::mutex health_mutex_;  // serializes updates, so that the last one tells the latest
  bool ended_ = false;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool changed_ = false;
  bool stopping_ = false;
  std::thread follower_;
  std::unique_ptr<Subscription> subscription_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::start(const v1::Config& config, Control& control) {
  auto server = std::make_unique<GrpcServer>(config, control);
  const absl::Status status = server->listen(config.management());
  if (!status.ok()) return status;
  server->follow();
  return absl::StatusOr<std::unique_ptr<Server>>(std::move(server));
}

}  // namespace phalanx::mgmt
