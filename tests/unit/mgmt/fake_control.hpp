// A member that says and does what a test wants.
#ifndef PHALANX_TESTS_UNIT_MGMT_FAKE_CONTROL_HPP
#define PHALANX_TESTS_UNIT_MGMT_FAKE_CONTROL_HPP

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>

#include "mgmt/service/control.hpp"
#include "tests/unit/mgmt/fake_card.hpp"

namespace phalanx::mgmt {

// Chunks of `chunk_bytes`, then a trailer; keeps count of what was confirmed.
struct FakeSync {
  std::mutex mutex;
  uint64_t chunks = 3;
  size_t chunk_bytes = 1000;
  uint64_t produced = 0;
  uint64_t confirmed = 0;
  uint64_t most_in_flight = 0;
  uint64_t fail_at = 0;    // next() fails instead of this chunk
  uint64_t refuse_at = 0;  // ... or refuses
  bool stall = false;      // next() has nothing, ever
  std::atomic<int> feeds_alive = 0;
};

class FakeFeed final : public FullSyncFeed {
 public:
  explicit FakeFeed(FakeSync& sync) : sync_(sync) { ++sync_.feeds_alive; }
  ~FakeFeed() override { --sync_.feeds_alive; }

  absl::StatusOr<std::optional<Message>> next(absl::Time deadline) override {
    const std::unique_lock lock(sync_.mutex);
    if (sync_.stall) {
      absl::SleepFor(deadline - absl::Now());
      return std::optional<Message>();
    }
    if (sync_.produced == sync_.chunks) {
      v1::FullSyncTrailer trailer;
      trailer.set_trailer("the end");
      return std::optional<Message>(std::move(trailer));
    }
    if (sync_.produced + 1 == sync_.fail_at) return absl::AbortedError("the member is no longer active");
    if (sync_.produced + 1 == sync_.refuse_at) {
      v1::FullSyncRefused refused;
      refused.set_reason("table is too large");
      return std::optional<Message>(std::move(refused));
    }
    v1::FullSyncChunk chunk;
    chunk.set_number(++sync_.produced);
    chunk.set_records(std::string(sync_.chunk_bytes, static_cast<char>('a' + sync_.produced % 26)));
    sync_.most_in_flight = std::max(sync_.most_in_flight, sync_.produced - sync_.confirmed);
    return std::optional<Message>(std::move(chunk));
  }
  absl::Status confirm(uint64_t number) override {
    const std::lock_guard lock(sync_.mutex);
    sync_.confirmed = number;
    return absl::OkStatus();
  }

 private:
  FakeSync& sync_;
};

class FakeControl : public Control {
 public:
  absl::StatusOr<v1::ClusterStatus> cluster_status() override {
    const std::lock_guard lock(mutex_);
    return status_;
  }
  std::unique_ptr<Subscription> subscribe(std::function<void(const v1::ClusterStatus&)> changed) override {
    const std::lock_guard lock(mutex_);
    subscribers_[++last_] = std::move(changed);
    return std::make_unique<Entry>(*this, last_);
  }
  absl::Status failover(const v1::FailoverRequest& request) override {
    const std::lock_guard lock(mutex_);
    reason_ = request.reason();
    return failover_result_;
  }
  absl::Status set_member_state(const v1::SetMemberStateRequest& request) override {
    const std::lock_guard lock(mutex_);
    admin_ = request.state();
    return absl::OkStatus();
  }
  absl::Status list_sessions(const v1::SessionFilter& filter, uint64_t limit,
                             std::function<bool(const v1::Session&)> sink) override {
    filter_ = filter;
    for (uint64_t i = 0; i < sessions_ && (limit == 0 || i < limit); ++i) {
      v1::Session session;
      session.set_protocol(v1::PROTOCOL_TCP);
      session.set_protocol_number(6);
      session.set_source("10.1.0.10");
      session.set_source_port(static_cast<uint32_t>(40000 + i));
      session.set_destination("10.2.0.20");
      session.set_destination_port(443);
      session.set_nat_source("10.2.0.1");
      session.set_nat_source_port(1024);
      session.set_state(v1::SESSION_STATE_TCP_ESTABLISHED);
      session.set_rule("out");
      session.set_bytes_sent(1500);
      session.set_idle_ms(20);
      session.set_expires_in_ms(3599980);
      ++listed_;
      if (!sink(session)) break;
    }
    return absl::OkStatus();
  }
  absl::StatusOr<uint64_t> count_sessions(const v1::SessionFilter&) override { return sessions_.load(); }
  absl::StatusOr<uint64_t> delete_sessions(const v1::SessionFilter& filter) override {
    filter_ = filter;
    return sessions_.load();
  }
  absl::StatusOr<v1::Counters> counters() override {
    v1::Counters all;
    v1::Counter* received = all.add_counters();
    received->set_name("port.received");
    received->set_kind(v1::COUNTER_KIND_TOTAL);
    received->set_value(18446744073709551615ull);
    received->set_help("frames received");
    v1::Counter* drop = all.add_counters();
    drop->set_name("drop.tcp_sequence");
    drop->set_kind(v1::COUNTER_KIND_DROP);
    drop->set_value(7);
    drop->set_help("outside the window\x1b[31m");
    return all;
  }
  absl::StatusOr<v1::LinkList> links() override {
    v1::LinkList list;
    v1::Link* link = list.add_links();
    link->set_name("lan");
    link->set_device("lan0");
    link->set_role(v1::LINK_ROLE_DATA);
    link->set_state(link_up_ ? v1::LINK_STATE_UP : v1::LINK_STATE_DOWN);
    link->set_monitored(true);
    link->add_virtual_addresses("10.1.0.1/24");
    return list;
  }
  absl::StatusOr<v1::Version> version() override {
    v1::Version version;
    version.set_version("0.1.0");
    version.set_build("test");
    version.set_engine("cpu");
    return version;
  }
  bool healthy() override { return healthy_; }
  absl::StatusOr<std::unique_ptr<FullSyncFeed>> open_full_sync(const v1::FullSyncRequest& request) override {
    if (request.cluster_id() != 10) return absl::FailedPreconditionError("another cluster's member");
    return absl::StatusOr<std::unique_ptr<FullSyncFeed>>(std::make_unique<FakeFeed>(sync_));
  }

  absl::StatusOr<v1::CardList> cards() override {
    if (!card_.there) return Control::cards();
    const std::lock_guard lock(card_.mutex);
    v1::CardList list;
    *list.add_cards() = card_.status;
    return list;
  }
  absl::StatusOr<std::unique_ptr<CardWork>> take_card(const std::string& card) override {
    if (!card_.there) return Control::take_card(card);
    if (!card.empty() && card != "0000:65:00.1") return absl::NotFoundError("card " + card + ": not here");
    if (card_.taken.exchange(true)) return absl::FailedPreconditionError("load is going on; one at a time");
    return absl::StatusOr<std::unique_ptr<CardWork>>(std::make_unique<FakeCardWork>(card_));
  }

  // Two members, alpha active and local, beta standby; a failover in the past.
  static v1::ClusterStatus good_status();

  void set_status(const v1::ClusterStatus& status) {
    const std::lock_guard lock(mutex_);
    status_ = status;
    for (const auto& [id, changed] : subscribers_) changed(status);
  }
  size_t subscribers() {
    const std::lock_guard lock(mutex_);
    return subscribers_.size();
  }

  std::mutex mutex_;
  v1::ClusterStatus status_ = good_status();
  absl::Status failover_result_;
  std::string reason_;
  v1::AdminState admin_ = v1::ADMIN_STATE_UNSPECIFIED;
  v1::SessionFilter filter_;
  std::atomic<uint64_t> sessions_ = 3;
  std::atomic<uint64_t> listed_ = 0;
  std::atomic<bool> healthy_ = true;
  std::atomic<bool> link_up_ = true;
  FakeSync sync_;
  FakeCard card_;

 private:
  struct Entry final : Subscription {
    Entry(FakeControl& c, int i) : control(c), id(i) {}
    ~Entry() override {
      const std::lock_guard lock(control.mutex_);
      control.subscribers_.erase(id);
    }
    FakeControl& control;
    int id;
  };

  std::map<int, std::function<void(const v1::ClusterStatus&)>> subscribers_;
  int last_ = 0;
};

inline v1::ClusterStatus FakeControl::good_status() {
  v1::ClusterStatus status;
  status.set_cluster_id(10);
  status.set_mode(v1::MODE_HIGH_AVAILABILITY);
  status.set_recovery(v1::RECOVERY_ACTIVE_UP);
  status.set_local_member_id(1);
  status.set_state(v1::MEMBER_STATE_ACTIVE);
  status.set_epoch(7);
  v1::MemberStatus* alpha = status.add_members();
  alpha->set_id(1);
  alpha->set_name("alpha");
  alpha->set_sync_address("10.99.0.1");
  alpha->set_state(v1::MEMBER_STATE_ACTIVE);
  alpha->set_priority(1);
  alpha->set_local(true);
  v1::MemberStatus* beta = status.add_members();
  beta->set_id(2);
  beta->set_name("beta");
  beta->set_sync_address("10.99.0.2");
  beta->set_state(v1::MEMBER_STATE_STANDBY);
  beta->set_priority(2);
  beta->set_last_heard_age_ms(4);
  v1::CriticalDevice* device = status.add_critical_devices();
  device->set_name("Interface Active Check");
  device->set_state(v1::DEVICE_STATE_OK);
  v1::StateChange* change = status.mutable_last_state_change();
  change->set_code("CLUS-114704");
  change->set_from(v1::MEMBER_STATE_STANDBY);
  change->set_to(v1::MEMBER_STATE_ACTIVE);
  change->set_reason("member 2 went down");
  change->mutable_time()->set_seconds(1767225600);
  change->mutable_time()->set_nanos(250'000'000);
  v1::FailoverRecord* failover = status.mutable_last_failover();
  failover->set_from_member_id(2);
  failover->set_to_member_id(1);
  failover->set_reason("member 2 went down");
  failover->mutable_time()->set_seconds(1767225600);
  status.set_failovers(1);
  v1::SyncStatus* sync = status.mutable_sync();
  sync->set_state(v1::SYNC_STATE_SYNCHRONIZED);
  sync->set_position(4242);
  sync->set_full_syncs(1);
  sync->set_full_sync_sessions(90000);
  return status;
}

}  // namespace phalanx::mgmt

#endif
