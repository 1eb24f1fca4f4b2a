// What the gateway itself answers: ARP, neighbour discovery and echo for the virtual addresses; and its own questions.
#include <algorithm>

#include "host/cluster/ccp_frame.hpp"
#include "host/gateway/dataplane.hpp"
#include "host/packet/arp.hpp"
#include "host/packet/bytes.hpp"
#include "host/packet/checksum.hpp"
#include "host/packet/nd.hpp"
#include "host/packet/rewrite.hpp"

namespace phalanx::gateway {
namespace {

LinkHeader link_on(const PortConfig& port, const MacAddress& destination) {
  LinkHeader link{.destination = destination, .source = port.virtual_mac};
  if (port.vlan) {
    link.vlan[0] = *port.vlan;
    link.vlan_count = 1;
  }
  return link;
}

}  // namespace

bool is_relayed(const Frame& frame) {
  const MacAddress source = source_mac(frame);
  return source == cluster::ccp_source_mac(cluster::kDefaultForwardMacMagic, source[5]);
}

// To the virtual MAC, or handed over by the member that was active before.
bool Dataplane::for_us(const Frame& frame, PortIndex port) const {
  const MacAddress destination = destination_mac(frame);
  if (destination == ports_[port].virtual_mac) return true;
  return destination == cluster::ccp_source_mac(cluster::kDefaultMacMagic, member_) && is_relayed(frame);
}

void Dataplane::take_arp(int64_t now_ns, const Item& item, bool answer) {
  ArpMessage message;
  if (const DropReason reason = parse_arp(item.frame, item.packet, message); reason != DropReason::kNone) {
    drop(reason);
    return;
  }
  const bool asks_us = ports_.owner(message.target) == item.port;
  const bool request = message.operation == ArpOperation::kRequest;
  if (!message.is_probe() && ports_.owner(message.sender) == kNoPort) {
    const routing::Evidence evidence = message.is_gratuitous() ? routing::Evidence::kAnnounce
                                       : request               ? routing::Evidence::kRequest
                                                               : routing::Evidence::kReply;
    if (asks_us || evidence == routing::Evidence::kAnnounce) {
      next_hops_.neighbours().learn(now_ns, item.port, message.sender, message.sender_mac, evidence,
                                    next_hops_.actions());
    }
  }
  if (!request || !asks_us || !answer) return;
  absl::Span<uint8_t> room = arena_.take(kArpFrameBytesMax);
  if (room.empty()) return drop(DropReason::kBufferFull);
  const uint32_t length = build_arp_reply(item.frame, item.packet, message, ports_[item.port].virtual_mac, room);
  if (length == 0) return;
  ++counters_.answered_arp;
  frames_->send(ports_[item.port].device, {room.data(), length});
}

void Dataplane::take_nd(int64_t now_ns, const Item& item, bool answer) {
  NdMessage message;
  if (const DropReason reason = parse_nd(item.frame, item.packet, message); reason != DropReason::kNone) {
    drop(reason);
    return;
  }
  const bool solicitation = message.type == kNdNeighbourSolicitation;
  const bool asks_us = solicitation && ports_.owner(message.target) == item.port;
  if (solicitation && asks_us && message.link_layer && !message.is_duplicate_check()) {
    next_hops_.neighbours().learn(now_ns, item.port, message.source, *message.link_layer, routing::Evidence::kRequest,
                                  next_hops_.actions());
  }
  if (message.type == kNdNeighbourAdvertisement && message.link_layer && ports_.owner(message.target) == kNoPort) {
    next_hops_.neighbours().learn(now_ns, item.port, message.target, *message.link_layer,
                                  message.solicited ? routing::Evidence::kReply : routing::Evidence::kAnnounce,
                                  next_hops_.actions());
  }
  if (!asks_us || !answer) return;
  absl::Span<uint8_t> room = arena_.take(kNdFrameBytesMax);
  if (room.empty()) return drop(DropReason::kBufferFull);
  const uint32_t length =
      build_neighbour_advertisement(item.frame, item.packet, message, ports_[item.port].virtual_mac, room);
  if (length == 0) return;
  ++counters_.answered_nd;
  frames_->send(ports_[item.port].device, {room.data(), length});
}

// In place: addresses and type are swapped, so the checksum changes by the type alone.
void Dataplane::answer_echo(int64_t now_ns, Item& item) {
  if (!answer_allowed(now_ns)) return drop(DropReason::kRateLimited);
  if (item.packet.is_fragment) return drop(DropReason::kLocalUnserved);
  uint8_t* ethernet = item.frame.ethernet();
  uint8_t* l3 = ethernet + item.packet.l3;
  uint8_t* icmp = ethernet + item.packet.l4;
  const size_t address_bytes = item.packet.family == 4 ? 4 : 16;
  uint8_t* source = l3 + (item.packet.family == 4 ? 12 : 8);
  std::swap_ranges(source, source + address_bytes, source + address_bytes);
  const uint16_t before = load_raw<uint16_t>(icmp);
  icmp[0] = item.packet.family == 4 ? kIcmpEchoReply : kIcmpV6EchoReply;
  if ((item.frame.vnet().flags & kNeedsChecksum) == 0) {
    // RFC 1624, equation 3.
    uint64_t sum = sum_add(static_cast<uint16_t>(~load_raw<uint16_t>(icmp + 2)), static_cast<uint16_t>(~before));
    sum = sum_add(sum, load_raw<uint16_t>(icmp));
    store_raw(icmp + 2, static_cast<uint16_t>(~sum_fold(sum)));
  }
  set_macs(item.frame, source_mac(item.frame), ports_[item.port].virtual_mac);
  ++counters_.answered_echo;
  frames_->send(ports_[item.port].device, item.frame);
}

void Dataplane::act_on_neighbours(int64_t now_ns) {
  routing::NeighbourActions& actions = next_hops_.actions();
  if (actions.solicits.empty() && actions.released.empty() && actions.failed.empty()) return;
  for (const auto& request : actions.solicits) solicit(request);
  for (auto& pending : actions.released) {
    const Frame frame = arena_.copy({pending.frame.data(), static_cast<uint32_t>(pending.frame.size())});
    if (frame.data == nullptr) {
      drop(DropReason::kBufferFull);
      continue;
    }
    set_macs(frame, pending.mac, ports_[pending.port].virtual_mac);
    transmit(pending.port, frame);
  }
  drop(DropReason::kNeighbourUnresolved, actions.failed.size());
  if (!actions.released.empty()) next_hops_.changed();
  actions.clear();
  (void)now_ns;
}

void Dataplane::solicit(const routing::NeighbourActions::Solicit& request) {
  const PortConfig& port = ports_[request.port];
  const IpAddress source = ports_.source_for(request.port, request.address);
  absl::Span<uint8_t> room = arena_.take(std::max(kArpFrameBytesMax, kNdFrameBytesMax));
  if (room.empty() || source.family == 0) return;
  uint32_t length = 0;
  if (request.address.is_v4()) {
    const MacAddress to = request.unicast ? request.mac : kBroadcastMac;
    const ArpMessage message{.operation = ArpOperation::kRequest,
                             .sender_mac = port.virtual_mac,
                             .sender = source,
                             .target_mac = {},
                             .target = request.address};
    length = build_arp(link_on(port, to), message, room);
  } else {
    length = build_neighbour_solicitation(port.virtual_mac, source, request.address, room,
                                          request.unicast ? &request.mac : nullptr);
    if (port.vlan) return transmit(request.port, {room.data(), length});
  }
  if (length != 0) frames_->send(port.device, {room.data(), length});
}

void Dataplane::announce() {
  const auto ports = static_cast<PortIndex>(ports_.size());
  for (PortIndex index = 0; index < ports; ++index) {
    const PortConfig& port = ports_[index];
    for (const InterfaceAddress& own : port.addresses) {
      absl::Span<uint8_t> room = arena_.take(std::max(kArpFrameBytesMax, kNdFrameBytesMax));
      if (room.empty()) break;
      const uint32_t length = own.address.is_v4()
                                  ? build_gratuitous_arp(port.virtual_mac, own.address, ArpOperation::kRequest, room)
                                  : build_unsolicited_advertisement(port.virtual_mac, own.address, room);
      if (length == 0) continue;
      ++counters_.announcements;
      transmit(index, {room.data(), length});
    }
  }
  frames_->flush();
  arena_.reset();
}

}  // namespace phalanx::gateway
