#include "tests/simulation/node.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace phalanx::simulation {

void Node::start(const gateway::MemberSetup& setup) {
  assert(member_ == nullptr);
  auto member = gateway::Member::create(setup, scheduler_->now_ns(), this);
  assert(member.ok());
  member_ = std::move(*member);
  ++life_;
  paused_ = false;
  lag_ns_ = lagging_until_ns_ = 0;
  inbox_.clear();
  scheduler_->after(0, [this, life = life_] { tick(life); });
}

void Node::crash() {
  member_.reset();
  ++life_;
  inbox_.clear();
  paused_ = false;
}

void Node::tick(uint64_t life) {
  if (life != life_ || member_ == nullptr) return;
  if (!paused_) take({[](gateway::Member& member, int64_t now_ns) { member.tick(now_ns); }, nullptr, 0});
  scheduler_->after(kTickNs, [this, life] { tick(life); });
}

void Node::resume() {
  if (!paused_ || member_ == nullptr) return;
  paused_ = false;
  // A timer is as likely to be looked at first as a socket: the daemon's loops begin where they were stopped.
  std::deque<Event> inbox = std::move(inbox_);
  inbox_.clear();
  run_burst(inbox);
}

void Node::run_burst(std::deque<Event>& events) {
  const uint64_t life = life_;
  while (!events.empty() && life == life_) {
    if (events.front().frame == nullptr) {
      run(events.front());
      events.pop_front();
      continue;
    }
    const PortIndex device = events.front().device;
    std::vector<Bytes> copies;
    while (!events.empty() && events.front().frame != nullptr && events.front().device == device &&
           copies.size() < kBurstMax) {
      copies.push_back(*events.front().frame);
      events.pop_front();
    }
    std::vector<Frame> burst;
    for (Bytes& copy : copies) burst.push_back({copy.data(), static_cast<uint32_t>(copy.size())});
    member_->frames(scheduler_->now_ns(), device, burst);
  }
}

void Node::run(Event& event) {
  if (event.frame == nullptr) return event.what(*member_, scheduler_->now_ns());
  Bytes copy = *event.frame;
  const Frame frame{copy.data(), static_cast<uint32_t>(copy.size())};
  member_->frames(scheduler_->now_ns(), event.device, absl::MakeConstSpan(&frame, 1));
}

void Node::take(Event event) {
  if (member_ == nullptr) return;
  if (paused_) {
    if (inbox_.size() < kInboxMax) inbox_.push_back(std::move(event));
    return;
  }
  if (lag_ns_ == 0 && scheduler_->now_ns() >= lagging_until_ns_) return run(event);
  // In order, also when the lag changes.
  lagging_until_ns_ = std::max(lagging_until_ns_, scheduler_->now_ns() + lag_ns_);
  scheduler_->at(lagging_until_ns_, [this, life = life_, event = std::move(event)]() mutable {
    if (life != life_ || member_ == nullptr) return;
    if (paused_) {
      if (inbox_.size() < kInboxMax) inbox_.push_back(std::move(event));
      return;
    }
    run(event);
  });
}

void Node::frame(PortIndex device, const SharedFrame& frame) { take({nullptr, frame, device}); }

void Node::control_frame(uint8_t interface, const SharedFrame& frame) {
  take({[interface, frame](gateway::Member& member, int64_t now_ns) {
          member.control_frame(now_ns, interface, absl::MakeConstSpan(*frame).subspan(sizeof(VirtioNetHeader)));
        },
        nullptr, 0});
}

void Node::datagram(std::shared_ptr<const Bytes> bytes) {
  take({[peer = peer(), bytes = std::move(bytes)](gateway::Member& member, int64_t now_ns) {
          member.sync_datagram(now_ns, peer, *bytes);
        },
        nullptr, 0});
}

void Node::post(std::function<void(gateway::Member&, int64_t)> what) { take({std::move(what), nullptr, 0}); }

}  // namespace phalanx::simulation
