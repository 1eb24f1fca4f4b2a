// What the data plane of a member does that doesn't decide: it learns who is on its networks, and after a planned
// failover it hands packets that still come here to the member that decides now.
#include <utility>

#include "host/cluster/ccp_frame.hpp"
#include "host/gateway/dataplane.hpp"
#include "host/packet/rewrite.hpp"

namespace phalanx::gateway {

void Dataplane::receive_standing_by(int64_t now_ns, DeviceIndex device, absl::Span<const Frame> burst) {
  if (role_.holding) return hold(device, burst);
  const bool relaying = role_.relay_to != 0 && now_ns < role_.relay_until_ns;
  Item item;
  for (const Frame& frame : burst) {
    if (parse(frame, 0, item.packet) != DropReason::kNone) continue;
    item.frame = frame;
    item.port = ports_.find(device, item.packet.vlan_count != 0, item.packet.vlan[0]);
    if (item.port == kNoPort) continue;
    const bool unicast = for_us(frame, item.port);
    if (item.packet.kind == FrameKind::kArp && !unicast) {
      take_arp(now_ns, item, false);
    } else if (item.packet.kind == FrameKind::kNeighbourDiscovery && !unicast) {
      take_nd(now_ns, item, false);
    } else if (unicast && relaying) {
      relay(device, frame);
    } else if (unicast) {
      drop(not_deciding());
    }
  }
  next_hops_.actions().clear();
  frames_->flush();
  arena_.reset();
}

// The frame goes on over the network it came from, from this member's forwarding address to the other's report address,
// which the switches know; whole, so that GSO frames pass as they are.
void Dataplane::relay(DeviceIndex device, const Frame& frame) {
  if (is_relayed(frame)) return drop(DropReason::kRelayLoop);
  set_macs(frame, cluster::ccp_source_mac(cluster::kDefaultMacMagic, role_.relay_to),
           cluster::ccp_source_mac(cluster::kDefaultForwardMacMagic, member_));
  ++counters_.relayed;
  frames_->send(device, frame);
}

void Dataplane::hold(DeviceIndex device, absl::Span<const Frame> burst) {
  for (const Frame& frame : burst) {
    if (held_.size() == kHeldFramesMax || held_bytes_ + frame.length > kHeldBytesMax) {
      drop(DropReason::kRelayQueueFull);
      continue;
    }
    held_.push_back({device, std::vector<uint8_t>(frame.data, frame.data + frame.length)});
    held_bytes_ += frame.length;
  }
}

// The handover is decided: what waited is forwarded here again, or handed over, as the new role says.
void Dataplane::release_held(int64_t now_ns) {
  std::vector<Held> held = std::move(held_);
  held_.clear();
  held_bytes_ = 0;
  counters_.received -= held.size();  // counted when they came
  std::vector<Frame> burst;
  for (size_t i = 0; i < held.size(); ++i) {
    burst.push_back({held[i].bytes.data(), static_cast<uint32_t>(held[i].bytes.size())});
    if (i + 1 < held.size() && held[i + 1].device == held[i].device) continue;
    receive(now_ns, held[i].device, burst);
    burst.clear();
  }
}

}  // namespace phalanx::gateway
