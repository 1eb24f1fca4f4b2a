// What the management services ask of this member, answered by the threads that own the state.
#ifndef PHALANX_HOST_DAEMON_MEMBER_CONTROL_HPP
#define PHALANX_HOST_DAEMON_MEMBER_CONTROL_HPP

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "host/daemon/card_manager.hpp"
#include "host/daemon/controller.hpp"
#include "host/daemon/full_sync_hub.hpp"
#include "host/daemon/settings.hpp"
#include "host/daemon/worker.hpp"
#include "host/daemon/worker_card.hpp"
#include "mgmt/service/control.hpp"

namespace phalanx::daemon {

inline constexpr size_t kSubscriptionsMax = 64;
// Sessions looked at in one visit to the worker: 4096 x 128 bytes, some 100 us, between which packets go on.
inline constexpr uint64_t kListSlots = 4096;

class MemberControl final : public mgmt::Control {
 public:
  MemberControl(const Settings& settings, const Clock& clock, Worker* worker, FullSyncHub* hub);
  ~MemberControl() override;
  // Before the first call.
  void attach(Controller* controller) { controller_ = controller; }
  // The cluster's state has changed; any thread, never waits.
  void notify();
  // Ends the thread that tells subscribers.
  void stop();

  absl::StatusOr<v1::ClusterStatus> cluster_status() override;
  std::unique_ptr<mgmt::Subscription> subscribe(std::function<void(const v1::ClusterStatus&)> changed) override;
  absl::Status failover(const v1::FailoverRequest& request) override;
  absl::Status set_member_state(const v1::SetMemberStateRequest& request) override;
  absl::Status list_sessions(const v1::SessionFilter& filter, uint64_t limit,
                             std::function<bool(const v1::Session&)> sink) override;
  absl::StatusOr<uint64_t> count_sessions(const v1::SessionFilter& filter) override;
  absl::StatusOr<uint64_t> delete_sessions(const v1::SessionFilter& filter) override;
  absl::StatusOr<v1::Counters> counters() override;
  absl::StatusOr<v1::LinkList> links() override;
  absl::StatusOr<v1::Version> version() override;
  bool healthy() override;
  absl::StatusOr<std::unique_ptr<mgmt::FullSyncFeed>> open_full_sync(const v1::FullSyncRequest& request) override;
  absl::StatusOr<v1::CardList> cards() override;
  absl::StatusOr<std::unique_ptr<mgmt::CardWork>> take_card(const std::string& card) override;

 private:
  class Ticket;
  struct Page {
    std::vector<abi::Record> records;  // that fit the filter
    uint64_t next = 0;
    uint32_t now_ms = 0;
  };
  // Walks the table, a page at a time; `visit` returns false to end it.
  absl::Status walk(const v1::SessionFilter& filter, const std::function<bool(const Page&)>& visit);
  void run();
  void unsubscribe(uint64_t id);

  const Settings& settings_;
  const Clock& clock_;
  Worker* worker_;
  FullSyncHub* hub_;
  Controller* controller_ = nullptr;
  WorkerCard worker_card_;
  std::unique_ptr<CardManager> cards_;  // null without a card

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  uint64_t next_id_ = 1;
  std::map<uint64_t, std::function<void(const v1::ClusterStatus&)>> subscribers_;
  std::atomic<bool> healthy_{false};
  std::atomic<bool> notified_{false};
  std::thread thread_;
};

}  // namespace phalanx::daemon

#endif
