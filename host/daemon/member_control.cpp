#include "host/daemon/member_control.hpp"

#include <utility>

#include "absl/strings/str_cat.h"
#include "host/daemon/views.hpp"

namespace phalanx::daemon {
namespace {

// A change of state is told to subscribers at most this often; the last one always.
constexpr auto kNotifyInterval = std::chrono::milliseconds(20);

}  // namespace

class MemberControl::Ticket final : public mgmt::Subscription {
 public:
  Ticket(MemberControl* control, uint64_t id) : control_(control), id_(id) {}
  ~Ticket() override { control_->unsubscribe(id_); }

 private:
  MemberControl* control_;
  uint64_t id_;
};

MemberControl::MemberControl(const Settings& settings, const Clock& clock, Worker* worker, FullSyncHub* hub)
    : settings_(settings),
      clock_(clock),
      worker_(worker),
      hub_(hub),
      worker_card_(worker),
      cards_(worker->card() == nullptr ? nullptr
                                       : std::make_unique<CardManager>(settings.config.engine().card(), &worker_card_)),
      thread_([this] { run(); }) {}

MemberControl::~MemberControl() { stop(); }

void MemberControl::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

// Called on the control thread: it takes no lock, so what it sets is looked for by the thread that tells subscribers.
void MemberControl::notify() { notified_.store(true, std::memory_order_release); }

void MemberControl::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wake_.wait_for(lock, kNotifyInterval);
    if (stopping_ || controller_ == nullptr || !notified_.exchange(false, std::memory_order_acquire)) continue;
    lock.unlock();
    const auto status = cluster_status();
    lock.lock();
    if (!status.ok()) continue;
    healthy_.store(status->state() == v1::MEMBER_STATE_ACTIVE || status->state() == v1::MEMBER_STATE_ACTIVE_ATTENTION ||
                   status->state() == v1::MEMBER_STATE_STANDBY);
    for (const auto& [id, changed] : subscribers_) changed(*status);
  }
}

absl::StatusOr<v1::ClusterStatus> MemberControl::cluster_status() {
  auto status = controller_->tasks().call(
      [this](Controller& controller, int64_t now_ns) { return cluster_view(settings_, controller.control(), now_ns); });
  if (!status.ok()) return status.status();
  auto sync = worker_->tasks().call([this](Worker& worker, int64_t) { return sync_view(settings_, worker.data()); });
  if (!sync.ok()) return sync.status();
  *status->mutable_sync() = std::move(*sync);
  return status;
}

std::unique_ptr<mgmt::Subscription> MemberControl::subscribe(std::function<void(const v1::ClusterStatus&)> changed) {
  const std::lock_guard lock(mutex_);
  if (subscribers_.size() == kSubscriptionsMax) return nullptr;
  const uint64_t id = next_id_++;
  subscribers_[id] = std::move(changed);
  return std::make_unique<Ticket>(this, id);
}

void MemberControl::unsubscribe(uint64_t id) {
  const std::lock_guard lock(mutex_);
  subscribers_.erase(id);
}

absl::Status MemberControl::failover(const v1::FailoverRequest&) {
  const auto result = controller_->tasks().call(
      [](Controller& controller, int64_t now_ns) { return controller.control().failover(now_ns); });
  return result.ok() ? *result : result.status();
}

absl::Status MemberControl::set_member_state(const v1::SetMemberStateRequest& request) {
  const bool up = request.state() == v1::ADMIN_STATE_UP;
  const auto result = controller_->tasks().call([up](Controller& controller, int64_t now_ns) {
    controller.control().admin(now_ns, up);
    return true;
  });
  return result.status();
}

absl::Status MemberControl::walk(const v1::SessionFilter& filter, const std::function<bool(const Page&)>& visit) {
  const auto wanted = filter_of(settings_, filter);
  if (!wanted.ok()) return wanted.status();
  uint64_t first = 0;
  do {
    const auto page = worker_->tasks().call([first, &wanted](Worker& worker, int64_t now_ns) {
      Page out;
      out.now_ms = static_cast<uint32_t>(now_ns / 1'000'000);
      for (const abi::Record& record : worker.data().dataplane().scan(now_ns, first, kListSlots, &out.next)) {
        if (wanted->matches(record.session, record.wide)) out.records.push_back(record);
      }
      return out;
    });
    if (!page.ok()) return page.status();
    if (!visit(*page)) return absl::OkStatus();
    first = page->next;
  } while (first != 0);
  return absl::OkStatus();
}

absl::Status MemberControl::list_sessions(const v1::SessionFilter& filter, uint64_t limit,
                                          std::function<bool(const v1::Session&)> sink) {
  uint64_t given = 0;
  return walk(filter, [&](const Page& page) {
    for (const abi::Record& record : page.records) {
      if (limit != 0 && given == limit) return false;
      ++given;
      if (!sink(session_view(settings_, record, page.now_ms))) return false;
    }
    return true;
  });
}

absl::StatusOr<uint64_t> MemberControl::count_sessions(const v1::SessionFilter& filter) {
  uint64_t count = 0;
  const absl::Status status = walk(filter, [&](const Page& page) {
    count += page.records.size();
    return true;
  });
  if (!status.ok()) return status;
  return count;
}

absl::StatusOr<uint64_t> MemberControl::delete_sessions(const v1::SessionFilter& filter) {
  uint64_t deleted = 0;
  absl::Status failed;
  const absl::Status status = walk(filter, [&](const Page& page) {
    std::vector<hls::FlowKey> keys;
    for (const abi::Record& record : page.records) keys.push_back(record.session.key);
    const auto ended = worker_->tasks().call([keys](Worker& worker, int64_t now_ns) -> int64_t {
      gateway::Dataplane& dataplane = worker.data().dataplane();
      if (!dataplane.deciding(now_ns)) return -1;
      int64_t count = 0;
      for (const hls::FlowKey& key : keys) count += dataplane.end_session(now_ns, key) ? 1 : 0;
      dataplane.publish(now_ns);
      return count;
    });
    if (!ended.ok()) failed = ended.status();
    if (ended.ok() && *ended < 0) failed = absl::FailedPreconditionError("this member is not active");
    if (failed.ok()) deleted += static_cast<uint64_t>(*ended);
    return failed.ok();
  });
  if (!status.ok()) return status;
  if (!failed.ok()) return failed;
  return deleted;
}

absl::StatusOr<v1::Counters> MemberControl::counters() {
  auto out = worker_->tasks().call([this](Worker& worker, int64_t) {
    v1::Counters counters;
    add_data_counters(worker.data(), *settings_.gateway.rules, counters);
    if (const CardEngine* card = worker.card()) {
      add_card_counters({card->status(), card->client_counters(), {}, false}, counters.mutable_counters());
    }
    return counters;
  });
  if (!out.ok()) return out.status();
  auto control = controller_->tasks().call([](Controller& controller, int64_t) {
    v1::Counters counters;
    add_control_counters(controller.control(), counters);
    return counters;
  });
  if (!control.ok()) return control.status();
  out->MergeFrom(*control);
  return out;
}

absl::StatusOr<v1::LinkList> MemberControl::links() {
  auto list = worker_->tasks().call([this](Worker& worker, int64_t) {
    v1::LinkList out;
    for (size_t device = 0; device < worker.ports().size(); ++device) {
      const PortStats& stats = worker.ports()[device]->stats();
      v1::Link* link = out.add_links();
      link->set_name(settings_.devices[device].name);
      link->set_device(settings_.devices[device].device);
      link->set_role(v1::LINK_ROLE_DATA);
      link->set_monitored(true);
      link->set_received_packets(stats.received);
      link->set_received_bytes(stats.received_bytes);
      link->set_sent_packets(stats.sent);
      link->set_sent_bytes(stats.sent_bytes);
      link->set_dropped_packets(stats.rx_dropped_kernel + stats.tx_dropped);
      for (PortIndex port = 0; port < static_cast<PortIndex>(settings_.gateway.ports.size()); ++port) {
        const gateway::PortConfig& config = settings_.gateway.ports[port];
        if (config.device != device) continue;
        link->set_virtual_mac(to_string(config.virtual_mac));
        link->set_mtu_bytes(config.mtu);
        if (!config.vlan) link->set_zone(settings_.zones[port]);
        for (const auto& own : config.addresses) {
          link->add_virtual_addresses(absl::StrCat(to_string(own.address), "/", static_cast<int>(own.prefix_length)));
        }
      }
    }
    v1::Link* link = out.add_links();
    link->set_name("sync");
    link->set_device(settings_.sync_device);
    link->set_role(v1::LINK_ROLE_SYNC);
    link->set_monitored(true);
    link->set_received_packets(worker.sync_stats().received);
    link->set_sent_packets(worker.sync_stats().sent);
    link->set_dropped_packets(worker.sync_stats().rx_dropped_kernel + worker.sync_stats().tx_dropped);
    return out;
  });
  if (!list.ok()) return list.status();
  const auto views = controller_->tasks().call(
      [](Controller& controller, int64_t) { return controller.control().machine().interfaces(); });
  if (!views.ok()) return views.status();
  for (int i = 0; i < list->links_size() && i < static_cast<int>(views->size()); ++i) {
    const cluster::InterfaceView& view = (*views)[static_cast<size_t>(i)];
    v1::Link* link = list->mutable_links(i);
    link->set_mac(to_string(settings_.control.interfaces[static_cast<size_t>(i)].own_mac));
    link->set_state(view.link_up ? v1::LINK_STATE_UP : v1::LINK_STATE_DOWN);
    if (!view.works) link->set_problem(view.link_up ? "nobody answers on this side" : "link is down");
  }
  return list;
}

absl::StatusOr<v1::Version> MemberControl::version() {
  v1::Version out;
  out.set_version(kVersion);
  out.set_build(absl::StrCat("g++ ", __VERSION__,
#ifdef NDEBUG
                             " release"
#else
                             " debug"
#endif
                             ));
  out.set_engine(settings_.config.engine().kind() == v1::ENGINE_KIND_CARD ? "card" : "cpu");
  return out;
}

bool MemberControl::healthy() { return healthy_.load(); }

absl::StatusOr<std::unique_ptr<mgmt::FullSyncFeed>> MemberControl::open_full_sync(const v1::FullSyncRequest& request) {
  return hub_->open_feed(request);
}

absl::StatusOr<v1::CardList> MemberControl::cards() {
  if (cards_ == nullptr) return Control::cards();
  auto status = cards_->status();
  if (!status.ok()) return status.status();
  v1::CardList list;
  *list.add_cards() = *std::move(status);
  return list;
}

absl::StatusOr<std::unique_ptr<mgmt::CardWork>> MemberControl::take_card(const std::string& card) {
  return cards_ == nullptr ? Control::take_card(card) : cards_->take(card);
}

}  // namespace phalanx::daemon
