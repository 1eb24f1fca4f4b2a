#include "host/gateway/data_side.hpp"

#include <array>
#include <utility>

namespace phalanx::gateway {
namespace {

constexpr int64_t kTickNs = 1'000'000;

bool same(const cluster::DataPlaneStatus& x, const cluster::DataPlaneStatus& y) {
  return x.workers_alive == y.workers_alive && x.card_fit == y.card_fit && x.whole == y.whole &&
         x.needs_full_sync == y.needs_full_sync && x.sync_id == y.sync_id && x.known_hosts == y.known_hosts;
}

}  // namespace

absl::StatusOr<std::unique_ptr<DataSide>> DataSide::create(const GatewayConfig& gateway, const SyncConfig& sync,
                                                           std::unique_ptr<Accelerator> engine, FrameSink* frames,
                                                           SyncOutput* sync_output, DataEvents* events,
                                                           EventSink* log) {
  auto agent = SyncAgent::create(sync, sync_output);
  if (!agent.ok()) return agent.status();
  auto side = std::unique_ptr<DataSide>(new DataSide(sync, std::move(engine), events));
  side->sync_ = std::move(*agent);
  side->dataplane_ = std::make_unique<Dataplane>(gateway, side->engine_.get(), frames, side->sync_.get(), log);
  side->sync_->attach(side->dataplane_.get());
  return side;
}

void DataSide::command(int64_t now_ns, const DataCommand& command) {
  struct Visitor {
    DataSide& side;
    int64_t now_ns;
    void operator()(const cluster::SetRole& c) const { side.set_role(now_ns, c); }
    void operator()(const cluster::RenewLease& c) const { side.dataplane_->set_lease(c.lease_until_ns); }
    void operator()(const cluster::Announce&) const {
      if (side.dataplane_->deciding(now_ns)) side.dataplane_->announce();
    }
    void operator()(const cluster::StartFullSync& c) const { side.sync_->start_full_sync(c.from, c.sync_id); }
    void operator()(const cluster::FollowActive& c) const { side.sync_->follow(c.active, c.incarnation); }
    void operator()(const cluster::PrepareHandover& c) const {
      side.preparing_ = c;
      side.prepare_handover(now_ns);
    }
    void operator()(const SetLink& c) const { side.dataplane_->set_link(c.device, c.up); }
  };
  std::visit(Visitor{*this, now_ns}, command);
  poll(now_ns);
}

void DataSide::set_role(int64_t now_ns, const cluster::SetRole& command) {
  const bool was_active = role_ == cluster::Role::kActive || role_ == cluster::Role::kHandingOver;
  preparing_.reset();
  holding_ = command.role == cluster::Role::kHandingOver;
  role_ = command.role;
  const bool is_active = role_ == cluster::Role::kActive || role_ == cluster::Role::kHandingOver;
  if (is_active && !was_active) sync_->start_deciding(now_ns, command.taken_from);
  if (was_active && !is_active) {
    dataplane_->publish(now_ns);
    sync_->flush(now_ns);
    sync_->stop_deciding();
    // Handed over without loss: what the new active member holds, this one holds too.
    if (command.relay_to != cluster::kNoMember) sync_->handed_over(command.relay_to);
  }
  const bool relays = role_ == cluster::Role::kStandby || role_ == cluster::Role::kIdle;
  dataplane_->set_role(now_ns, {.active = role_ == cluster::Role::kActive,
                                .holding = holding_,
                                .epoch = command.epoch,
                                .lease_until_ns = command.lease_until_ns,
                                .relay_to = relays ? command.relay_to : cluster::kNoMember,
                                .relay_until_ns = command.relay_until_ns});
}

// First all changes go out while this member still decides; then it stops, the few of the last moments follow, and when
// the target has acknowledged them too, the role may be offered.
void DataSide::prepare_handover(int64_t now_ns) {
  dataplane_->publish(now_ns);
  sync_->flush(now_ns);
  if (!sync_->drained(now_ns, preparing_->target)) return;
  if (!holding_) {
    holding_ = true;
    Role role = dataplane_->role();
    role.active = false;
    role.holding = true;
    dataplane_->set_role(now_ns, role);
    dataplane_->publish(now_ns);
    sync_->flush(now_ns);
    if (!sync_->drained(now_ns, preparing_->target)) return;
  }
  const HandoverPrepared prepared{preparing_->id, sync_->position_sent(preparing_->target)};
  preparing_.reset();
  events_->data_event(prepared);
}

void DataSide::poll(int64_t now_ns) {
  if (now_ns - ticked_ns_ >= kTickNs) {
    ticked_ns_ = now_ns;
    dataplane_->tick(now_ns);
  }
  sync_->poll(now_ns);
  if (preparing_) prepare_handover(now_ns);
  if (now_ns - targets_ns_ >= kProbeTargetsNs) tell_probe_targets(now_ns);
  const cluster::DataPlaneStatus now = status(now_ns);
  if (same(now, told_) && now_ns - told_ns_ < kStatusNs) return;
  told_ = now;
  told_ns_ = now_ns;
  events_->data_event(now);
}

cluster::DataPlaneStatus DataSide::status(int64_t now_ns) const {
  (void)now_ns;
  cluster::DataPlaneStatus status;
  const bool active = role_ == cluster::Role::kActive || role_ == cluster::Role::kHandingOver;
  status.whole = active || sync_->whole();
  status.needs_full_sync = !active && sync_->needs_full_sync();
  status.sync_id = sync_->sync_id();
  status.position =
      active && !config_.peers.empty() ? sync_->position_sent(config_.peers.front()) : sync_->position_taken();
  status.known_hosts = known_hosts_;
  status.card_fit = card_fit_;
  return status;
}

void DataSide::tell_probe_targets(int64_t now_ns) {
  targets_ns_ = now_ns;
  ProbeTargets told;
  std::array<size_t, kPortsMax> count{};
  known_hosts_ = 0;
  for (const routing::NeighbourView& neighbour : dataplane_->next_hops().neighbours().snapshot(now_ns)) {
    if (neighbour.port >= dataplane_->ports().size()) continue;
    const PortConfig& port = dataplane_->ports()[neighbour.port];
    if (!neighbour.address.is_v4() && port.vlan) continue;  // solicitations of probes are untagged
    if (count[port.device]++ >= kProbeTargetsPerDevice) continue;
    known_hosts_ |= uint64_t{1} << port.device;
    told.targets.push_back({port.device, port.vlan.value_or(0), neighbour.address});
  }
  events_->data_event(std::move(told));
}

}  // namespace phalanx::gateway
