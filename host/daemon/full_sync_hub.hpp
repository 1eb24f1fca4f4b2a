// Full sync between worker and gRPC: as joiner it runs the stream to the active member, as giver it feeds the joiners'
// streams.
#ifndef PHALANX_HOST_DAEMON_FULL_SYNC_HUB_HPP
#define PHALANX_HOST_DAEMON_FULL_SYNC_HUB_HPP

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "host/daemon/settings.hpp"
#include "host/daemon/worker.hpp"
#include "mgmt/service/control.hpp"
#include "mgmt/service/full_sync_client.hpp"

namespace phalanx::daemon {

// Messages of one stream between two threads. Chunks not confirmed are bounded by the protocol, so the queue is too.
class MessageQueue {
 public:
  void push(std::string message);
  // Nothing by `deadline`, or after close(): nullopt.
  std::optional<std::string> pop(absl::Time deadline);
  void close();
  bool closed() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::string> messages_;
  bool closed_ = false;
};

class FullSyncHub final : public FullSyncStreams {
 public:
  explicit FullSyncHub(const Settings& settings) : settings_(settings) {}
  ~FullSyncHub() override;
  // Before the worker runs.
  void attach(Worker* worker) { worker_ = worker; }
  // Ends the joiner's stream; nothing more reaches the worker.
  void stop();

  // FullSyncStreams, on the worker's thread.
  void open(cluster::MemberId active, const gateway::FullSyncOpen& open) override;
  void answer(uint64_t snapshot, std::string message) override;
  void give(cluster::MemberId joiner, uint64_t snapshot, std::string message) override;

  // mgmt::Control::open_full_sync, on a gRPC thread.
  absl::StatusOr<std::unique_ptr<mgmt::FullSyncFeed>> open_feed(const v1::FullSyncRequest& request);

 private:
  class Feed;
  struct Joining {
    uint64_t snapshot = 0;
    std::unique_ptr<mgmt::FullSyncClient> client;
    std::shared_ptr<MessageQueue> answers;
    std::thread thread;
  };
  void join(const PeerSettings& peer, gateway::FullSyncOpen open, Joining& joining);
  absl::Status install(uint64_t snapshot, const std::string& message, MessageQueue& answers);
  void end_joining();

  const Settings& settings_;
  Worker* worker_ = nullptr;
  std::mutex mutex_;
  std::unique_ptr<Joining> joining_;
  // By joiner: what its feed sends next.
  std::map<cluster::MemberId, std::pair<uint64_t, std::shared_ptr<MessageQueue>>> feeds_;
};

}  // namespace phalanx::daemon

#endif
