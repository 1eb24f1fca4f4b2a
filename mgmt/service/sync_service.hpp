// The active member's side of full sync: chunks out as far as the joiner confirms them.
#ifndef PHALANX_MGMT_SERVICE_SYNC_SERVICE_HPP
#define PHALANX_MGMT_SERVICE_SYNC_SERVICE_HPP

#include <atomic>

#include "mgmt/service/control.hpp"
#include "mgmt/service/peer.hpp"
#include "phalanx/v1/sync.grpc.pb.h"

namespace phalanx::mgmt {

class SyncService final : public v1::Sync::Service {
 public:
  SyncService(Control& control, const Admission& admission) : control_(control), admission_(admission) {}

  grpc::Status FullSync(grpc::ServerContext* context,
                        grpc::ServerReaderWriter<v1::FullSyncToJoiner, v1::FullSyncToActive>* stream) override;

  // Streams end soon; no new ones begin.
  void stop() { stopping_ = true; }

 private:
  Control& control_;
  const Admission& admission_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> streams_ = 0;
};

}  // namespace phalanx::mgmt

#endif
