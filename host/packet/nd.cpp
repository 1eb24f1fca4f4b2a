#include "host/packet/nd.hpp"

#include <cstring>

#include "host/packet/checksum.hpp"
#include "host/packet/ip_header.hpp"

namespace phalanx {
namespace {

constexpr uint8_t kHopLimit = 255;
constexpr uint8_t kSourceLinkLayer = 1;
constexpr uint8_t kTargetLinkLayer = 2;
constexpr uint8_t kRouterFlag = 0x80, kSolicitedFlag = 0x40, kOverrideFlag = 0x20;
constexpr uint32_t kNeighbourBytes = 24;  // ICMPv6 header and target
constexpr uint32_t kLinkLayerOptionBytes = 8;

// The message's bytes before its options, by type from kNdRouterSolicitation on, and which link-layer option it
// carries.
struct Shape {
  uint32_t bytes;
  uint8_t link_layer_option;
};
constexpr Shape kShapes[] = {
    {8, kSourceLinkLayer},                // router solicitation
    {16, kSourceLinkLayer},               // router advertisement
    {kNeighbourBytes, kSourceLinkLayer},  // neighbour solicitation
    {kNeighbourBytes, kTargetLinkLayer},  // neighbour advertisement
    {40, kTargetLinkLayer},               // redirect
};

// Every option has a length; unknown ones are skipped (RFC 4861, 7.1).
bool parse_options(const uint8_t* option, const uint8_t* end, uint8_t wanted, NdMessage& out) {
  while (option < end) {
    if (end - option < 2 || option[1] == 0 || end - option < option[1] * 8) return false;
    if (option[0] == wanted && option[1] == 1) {
      MacAddress mac;
      std::memcpy(mac.data(), option + 2, mac.size());
      if ((mac[0] & 1) != 0) return false;
      out.link_layer = mac;
    }
    option += option[1] * 8;
  }
  return true;
}

// What RFC 4861 asks of the single types (6.1.1, 6.1.2, 7.1.1, 7.1.2, 8.1).
bool is_valid(const NdMessage& m) {
  switch (m.type) {
    case kNdRouterSolicitation:
      return !(is_unspecified(m.source) && m.link_layer.has_value());
    case kNdRouterAdvertisement:
    case kNdRedirect:
      return is_link_local(m.source);
    case kNdNeighbourSolicitation:
      if (is_multicast(m.target)) return false;
      return !is_unspecified(m.source) || (is_solicited_node(m.destination) && !m.link_layer.has_value());
    default:
      return !is_multicast(m.target) && !(m.solicited && is_multicast(m.destination));
  }
}

struct Neighbour {
  uint8_t type;
  uint8_t flags;
  uint8_t option;
};

uint32_t build(const LinkHeader& link, const IpAddress& source, const IpAddress& destination, const Neighbour& message,
               const IpAddress& target, const MacAddress& mac, bool with_option, absl::Span<uint8_t> buffer) {
  IpHeader ip;
  ip.source = source;
  ip.destination = destination;
  ip.protocol = hls::kProtocolIcmpV6;
  ip.ttl = kHopLimit;
  const uint32_t bytes = kNeighbourBytes + (with_option ? kLinkLayerOptionBytes : 0);
  const uint32_t length = static_cast<uint32_t>(sizeof(VirtioNetHeader)) + link.bytes() + ip.bytes() + bytes;
  if (buffer.size() < length) return 0;
  uint8_t* const at = write_link(buffer.data(), link, kEthertypeIpv6);
  uint8_t* const icmp = write_ip(at, ip, bytes);
  std::memset(icmp, 0, bytes);
  icmp[0] = message.type;
  icmp[4] = message.flags;
  store_address(icmp + 8, target);
  if (with_option) {
    icmp[24] = message.option;
    icmp[25] = 1;
    std::memcpy(icmp + 26, mac.data(), mac.size());
  }
  store_raw(icmp + 2, transport_checksum(ip, icmp, bytes));
  return length;
}

}  // namespace

DropReason parse_nd(const Frame& frame, const ParsedPacket& packet, NdMessage& out) {
  out = NdMessage{};
  if (packet.kind != FrameKind::kNeighbourDiscovery || packet.is_fragment) return DropReason::kNdMalformed;  // RFC 6980
  if (packet.ttl != kHopLimit) return DropReason::kNdHopLimit;
  const uint8_t* const icmp = frame.ethernet() + packet.l4;
  const uint32_t bytes = packet.l3 + packet.l3_length - packet.l4;
  const Shape& shape = kShapes[packet.icmp_type - kNdRouterSolicitation];
  if (bytes < shape.bytes || packet.icmp_code != 0) return DropReason::kNdMalformed;
  const bool partial = (frame.vnet().flags & kNeedsChecksum) != 0;
  const uint64_t pseudo = pseudo_header_sum(packet.source, packet.destination, hls::kProtocolIcmpV6, bytes);
  if (!partial && sum_fold(sum_bytes(icmp, bytes, pseudo)) != 0xffff) return DropReason::kNdMalformed;
  out.type = packet.icmp_type;
  out.source = packet.source;
  out.destination = packet.destination;
  if (shape.bytes >= kNeighbourBytes) out.target = IpAddress::v6(load64(icmp + 8), load64(icmp + 16));
  if (out.type == kNdNeighbourAdvertisement) {
    out.router = (icmp[4] & kRouterFlag) != 0;
    out.solicited = (icmp[4] & kSolicitedFlag) != 0;
    out.override_entry = (icmp[4] & kOverrideFlag) != 0;
  }
  const bool good = parse_options(icmp + shape.bytes, icmp + bytes, shape.link_layer_option, out) && is_valid(out);
  return good ? DropReason::kNone : DropReason::kNdMalformed;
}

IpAddress solicited_node(const IpAddress& address) {
  return IpAddress::v6(0xff02'0000'0000'0000, 0x0000'0001'ff00'0000 | (address.lo & 0xff'ffff));
}

bool is_solicited_node(const IpAddress& group) { return group == solicited_node(group); }

IpAddress all_nodes() { return IpAddress::v6(0xff02'0000'0000'0000, 1); }

IpAddress link_local(const MacAddress& mac) {
  const uint64_t high = uint64_t{mac[0]} << 16 | uint64_t{mac[1]} << 8 | mac[2];
  const uint64_t low = uint64_t{mac[3]} << 16 | uint64_t{mac[4]} << 8 | mac[5];
  return IpAddress::v6(0xfe80'0000'0000'0000, (high ^ 0x02'00'00) << 40 | uint64_t{0xfffe} << 24 | low);
}

uint32_t build_neighbour_solicitation(const MacAddress& mac, const IpAddress& source, const IpAddress& target,
                                      absl::Span<uint8_t> buffer, const MacAddress* known) {
  const IpAddress destination = known != nullptr ? target : solicited_node(target);
  LinkHeader link;
  link.source = mac;
  link.destination = known != nullptr ? *known : multicast_mac(destination);
  return build(link, source, destination, {kNdNeighbourSolicitation, 0, kSourceLinkLayer}, target, mac,
               !is_unspecified(source), buffer);
}

uint32_t build_neighbour_advertisement(const Frame& frame, const ParsedPacket& packet, const NdMessage& solicitation,
                                       const MacAddress& mac, absl::Span<uint8_t> buffer) {
  const bool to_all = solicitation.is_duplicate_check();
  LinkHeader link = answer_link(frame, packet);
  link.source = mac;
  if (to_all) {
    link.destination = multicast_mac(all_nodes());
  } else if (solicitation.link_layer.has_value()) {
    link.destination = *solicitation.link_layer;
  }
  const uint8_t flags = kRouterFlag | kOverrideFlag | (to_all ? 0 : kSolicitedFlag);
  return build(link, solicitation.target, to_all ? all_nodes() : solicitation.source,
               {kNdNeighbourAdvertisement, flags, kTargetLinkLayer}, solicitation.target, mac, true, buffer);
}

uint32_t build_unsolicited_advertisement(const MacAddress& mac, const IpAddress& address, absl::Span<uint8_t> buffer) {
  LinkHeader link;
  link.source = mac;
  link.destination = multicast_mac(all_nodes());
  return build(link, address, all_nodes(), {kNdNeighbourAdvertisement, kRouterFlag | kOverrideFlag, kTargetLinkLayer},
               address, mac, true, buffer);
}

}  // namespace phalanx
