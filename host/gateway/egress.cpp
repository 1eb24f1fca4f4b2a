// How packets leave: rewritten, one hop older, to the next hop's MAC address; or an answer why they don't.
#include <algorithm>
#include <cstring>

#include "host/gateway/dataplane.hpp"
#include "host/packet/rewrite.hpp"

namespace phalanx::gateway {
bool Dataplane::forward(int64_t now_ns, Item& item, const abi::Completion& completion) {
  const ParsedPacket& packet = item.packet;
  if (packet.ttl <= 1) [[unlikely]] {
    answer_error(now_ns, item, IcmpError::kTimeExceeded);
    drop(DropReason::kTtlExpired);
    return false;
  }
  NextHop hop;
  bool unreachable = false;
  const IpAddress destination =
      completion.rewritten == 0 ? packet.destination : rewritten_destination(packet, completion.rewrite);
  const DropReason reason = next_hops_.find(now_ns, destination, hop, unreachable);
  const bool wait = reason == DropReason::kNeighbourUnresolved && !unreachable;
  if (reason != DropReason::kNone && !wait) [[unlikely]] {
    if (reason == DropReason::kNoRoute) answer_error(now_ns, item, IcmpError::kNetUnreachable);
    if (unreachable || reason == DropReason::kRouteRefused) answer_error(now_ns, item, IcmpError::kHostUnreachable);
    drop(reason);
    return false;
  }
  const uint32_t mtu = ports_[hop.port].mtu;
  const bool cut = needs_fragmentation(item.frame, packet, mtu);
  if (cut && (packet.dont_fragment || packet.family == 6)) [[unlikely]] {
    answer_error(now_ns, item, IcmpError::kTooBig, mtu);
    drop(DropReason::kTooBig);
    return false;
  }
  if (completion.rewritten != 0) apply_any_rewrite(item.frame, packet, completion.rewrite);
  if (!decrement_ttl(item.frame, packet)) return false;
  set_macs(item.frame, hop.mac, ports_[hop.port].virtual_mac);
  if (wait) [[unlikely]] {
    wait_for_neighbour(now_ns, item, hop, unreachable);
    return true;
  }
  ++counters_.forwarded;
  if (cut) [[unlikely]]
    return send_cut(item, hop.port, mtu);
  transmit(hop.port, item.frame);
  return true;
}

bool Dataplane::send_cut(Item& item, PortIndex out, uint32_t mtu) {
  absl::Span<uint8_t> scratch = arena_.take(fragments_bytes(item.frame, item.packet, mtu));
  cut_.clear();
  const DropReason reason = fragment_ipv4(item.frame, item.packet, mtu, scratch, cut_);
  if (reason != DropReason::kNone) {
    drop(reason);
    return false;
  }
  ++counters_.fragmented;
  for (const Frame& piece : cut_) transmit(out, piece);
  return true;
}

void Dataplane::wait_for_neighbour(int64_t now_ns, const Item& item, const NextHop& hop, bool unreachable) {
  (void)now_ns;
  (void)unreachable;
  if (!next_hops_.neighbours().queue(hop.port, hop.neighbour, {item.frame.data, item.frame.length})) {
    drop(DropReason::kNeighbourQueueFull);
  }
}

// Sends on a port, in the form its network has: with its VLAN tag, or none.
void Dataplane::transmit(PortIndex index, const Frame& frame) {
  const PortConfig& port = ports_[index];
  uint8_t* type = frame.ethernet() + 12;
  const bool tagged = type[0] == 0x81 && type[1] == 0x00;
  const auto tag = [&](uint8_t* at) {
    at[0] = static_cast<uint8_t>((at[0] & 0xf0) | (*port.vlan >> 8));
    at[1] = static_cast<uint8_t>(*port.vlan);
  };
  if (tagged == port.vlan.has_value()) [[likely]] {
    if (tagged) tag(type + 2);
    frames_->send(port.device, frame);
    return;
  }
  VirtioNetHeader vnet = frame.vnet();
  const bool offsets = (vnet.flags & kNeedsChecksum) != 0;
  if (tagged) {  // the tag goes: what is before it moves up
    if (offsets) vnet.checksum_start = static_cast<uint16_t>(vnet.checksum_start - kVlanBytes);
    if (vnet.header_length >= kVlanBytes) vnet.header_length = static_cast<uint16_t>(vnet.header_length - kVlanBytes);
    std::memmove(frame.ethernet() + kVlanBytes, frame.ethernet(), 12);
    std::memcpy(frame.data + kVlanBytes, &vnet, sizeof(vnet));
    frames_->send(port.device, {frame.data + kVlanBytes, frame.length - kVlanBytes});
    return;
  }
  absl::Span<uint8_t> room = arena_.take(frame.length + kVlanBytes);
  if (room.empty()) return drop(DropReason::kBufferFull);
  if (offsets) vnet.checksum_start = static_cast<uint16_t>(vnet.checksum_start + kVlanBytes);
  if (vnet.header_length != 0) vnet.header_length = static_cast<uint16_t>(vnet.header_length + kVlanBytes);
  std::memcpy(room.data(), &vnet, sizeof(vnet));
  uint8_t* ethernet = room.data() + sizeof(vnet);
  std::memcpy(ethernet, frame.ethernet(), 12);
  ethernet[12] = 0x81;
  ethernet[13] = 0x00;
  ethernet[14] = ethernet[15] = 0;
  tag(ethernet + 14);
  std::memcpy(ethernet + 16, frame.ethernet() + 12, frame.ethernet_length() - 12);
  frames_->send(port.device, {room.data(), frame.length + kVlanBytes});
}

bool Dataplane::answer_allowed(int64_t now_ns) {
  const int64_t gained = (now_ns - answer_refill_ns_) * kAnswersPerSecond / 1'000'000'000;
  if (gained > 0) {
    answer_tokens_ = std::min(kAnswersBurst, answer_tokens_ + gained);
    answer_refill_ns_ = now_ns;
  }
  if (answer_tokens_ == 0) return false;
  --answer_tokens_;
  return true;
}

void Dataplane::answer_error(int64_t now_ns, const Item& item, IcmpError error, uint32_t mtu) {
  const IpAddress gateway = ports_.source_for(item.port, item.packet.source);
  if (gateway.family == 0 || !may_answer(item.frame, item.packet, error)) return;
  if (!answer_allowed(now_ns)) return drop(DropReason::kRateLimited);
  absl::Span<uint8_t> room = arena_.take(kIcmpErrorBytesMax);
  if (room.empty()) return drop(DropReason::kBufferFull);
  const uint32_t length = build_icmp_error(item.frame, item.packet, error, mtu, gateway, room);
  if (length == 0) return;
  const Frame frame{room.data(), length};
  set_macs(frame, source_mac(item.frame), ports_[item.port].virtual_mac);
  ++counters_.errors_sent;
  frames_->send(ports_[item.port].device, frame);
}

void Dataplane::answer_reset(int64_t now_ns, const Item& item) {
  if (!answer_allowed(now_ns)) return drop(DropReason::kRateLimited);
  absl::Span<uint8_t> room = arena_.take(kIcmpErrorBytesMax);
  if (room.empty()) return drop(DropReason::kBufferFull);
  const uint32_t length = build_tcp_reset(item.frame, item.packet, room);
  if (length == 0) return;
  ++counters_.errors_sent;
  frames_->send(ports_[item.port].device, {room.data(), length});
}

}  // namespace phalanx::gateway
