#include "host/gateway/member.hpp"

#include <utility>

#include "drivers/cpu/cpu_engine.hpp"

namespace phalanx::gateway {

absl::StatusOr<std::unique_ptr<Member>> Member::create(const MemberSetup& setup, int64_t now_ns, MemberOutput* out) {
  auto engine = CpuEngine::create(setup.engine);
  if (!engine.ok()) return engine.status();
  auto member = std::unique_ptr<Member>(new Member(out));
  auto data = DataSide::create(setup.gateway, setup.sync, std::move(*engine), out, out, member.get(), out);
  if (!data.ok()) return data.status();
  member->data_ = std::move(*data);
  ControlOutput* control_output = member.get();
  member->control_ = std::make_unique<ControlSide>(setup.control, now_ns, control_output);
  return member;
}

void Member::deliver(int64_t now_ns) {
  while (!commands_.empty() || !events_.empty()) {
    if (!commands_.empty()) {
      const DataCommand command = commands_.front();
      commands_.pop_front();
      data_->command(now_ns, command);
      continue;
    }
    const DataEvent event = std::move(events_.front());
    events_.pop_front();
    control_->data_event(now_ns, event);
  }
}

void Member::frames(int64_t now_ns, DeviceIndex device, absl::Span<const Frame> burst) {
  data_->dataplane().receive(now_ns, device, burst);
  deliver(now_ns);
}

void Member::control_frame(int64_t now_ns, cluster::InterfaceIndex interface, absl::Span<const uint8_t> ethernet) {
  control_->frame(now_ns, interface, ethernet);
  deliver(now_ns);
}

void Member::sync_datagram(int64_t now_ns, cluster::MemberId peer, absl::Span<const uint8_t> datagram) {
  data_->sync().on_datagram(now_ns, peer, datagram);
  data_->poll(now_ns);
  deliver(now_ns);
}

void Member::tick(int64_t now_ns) {
  control_->tick(now_ns);
  deliver(now_ns);
  data_->poll(now_ns);
  deliver(now_ns);
}

void Member::link_changed(int64_t now_ns, cluster::InterfaceIndex interface, bool up) {
  control_->link_changed(now_ns, interface, up);
  deliver(now_ns);
}

void Member::peer_connected(int64_t now_ns, cluster::MemberId peer) {
  control_->peer_connected(now_ns, peer);
  deliver(now_ns);
}

void Member::peer_disconnected(int64_t now_ns, cluster::MemberId peer) {
  control_->peer_disconnected(now_ns, peer);
  deliver(now_ns);
}

absl::Status Member::failover(int64_t now_ns) {
  absl::Status status = control_->failover(now_ns);
  deliver(now_ns);
  return status;
}

}  // namespace phalanx::gateway
