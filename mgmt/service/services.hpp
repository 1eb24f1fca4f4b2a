// The services that people and tools use: Cluster, Sessions, System. Each checks its caller and request, and asks
// Control.
#ifndef PHALANX_MGMT_SERVICE_SERVICES_HPP
#define PHALANX_MGMT_SERVICE_SERVICES_HPP

#include <atomic>

#include "mgmt/service/control.hpp"
#include "mgmt/service/peer.hpp"
#include "phalanx/v1/cluster.grpc.pb.h"
#include "phalanx/v1/session.grpc.pb.h"
#include "phalanx/v1/system.grpc.pb.h"

namespace phalanx::mgmt {

class ClusterService final : public v1::Cluster::Service {
 public:
  ClusterService(Control& control, const Admission& admission) : control_(control), admission_(admission) {}

  grpc::Status GetStatus(grpc::ServerContext* context, const v1::GetStatusRequest* request,
                         v1::ClusterStatus* response) override;
  grpc::Status Watch(grpc::ServerContext* context, const v1::WatchRequest* request,
                     grpc::ServerWriter<v1::ClusterStatus>* writer) override;
  grpc::Status Failover(grpc::ServerContext* context, const v1::FailoverRequest* request,
                        v1::FailoverResponse* response) override;
  grpc::Status SetMemberState(grpc::ServerContext* context, const v1::SetMemberStateRequest* request,
                              v1::SetMemberStateResponse* response) override;

  // Streams end soon; no new ones begin.
  void stop() { stopping_ = true; }

 private:
  absl::Status watch(grpc::ServerContext& context, grpc::ServerWriter<v1::ClusterStatus>& writer);

  Control& control_;
  const Admission& admission_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> watchers_ = 0;
};

class SessionsService final : public v1::Sessions::Service {
 public:
  SessionsService(Control& control, const Admission& admission) : control_(control), admission_(admission) {}

  grpc::Status List(grpc::ServerContext* context, const v1::ListSessionsRequest* request,
                    grpc::ServerWriter<v1::ListSessionsResponse>* writer) override;
  grpc::Status Count(grpc::ServerContext* context, const v1::CountSessionsRequest* request,
                     v1::CountSessionsResponse* response) override;
  grpc::Status Delete(grpc::ServerContext* context, const v1::DeleteSessionsRequest* request,
                      v1::DeleteSessionsResponse* response) override;

 private:
  Control& control_;
  const Admission& admission_;
};

class SystemService final : public v1::System::Service {
 public:
  SystemService(Control& control, const Admission& admission) : control_(control), admission_(admission) {}

  grpc::Status GetCounters(grpc::ServerContext* context, const v1::GetCountersRequest* request,
                           v1::Counters* response) override;
  grpc::Status ListLinks(grpc::ServerContext* context, const v1::ListLinksRequest* request,
                         v1::LinkList* response) override;
  grpc::Status GetVersion(grpc::ServerContext* context, const v1::GetVersionRequest* request,
                          v1::Version* response) override;

 private:
  Control& control_;
  const Admission& admission_;
};

}  // namespace phalanx::mgmt

#endif
