#include "host/packet/parse.hpp"

#include <algorithm>
#include <cstring>

#include "host/packet/checksum.hpp"
#include "host/packet/parse_layers.hpp"

namespace phalanx {
namespace {

using layers::set_key;

constexpr uint32_t kIpv4Bytes = 20;
constexpr uint32_t kIpv6Bytes = 40;
constexpr uint32_t kTcpBytes = 20;
constexpr uint32_t kUdpBytes = 8;
constexpr uint32_t kIcmpBytes = 8;  // all types that we tell apart have 8, and RFC 792 knows none with less
constexpr uint32_t kPacketBytesMax = 65535;

uint8_t gso_kind(const Frame& frame) { return static_cast<uint8_t>(frame.vnet().gso_type & ~kGsoEcn); }

// What no device or peer may say: the kernel would refuse such a frame when it is sent on, or read beyond it.
bool vnet_fits(const Frame& frame, uint32_t l3) {
  const VirtioNetHeader& vnet = frame.vnet();
  if ((vnet.flags & kNeedsChecksum) != 0 &&
      (vnet.checksum_start < l3 ||
       static_cast<uint32_t>(vnet.checksum_start) + vnet.checksum_offset + 2 > frame.ethernet_length())) {
    return false;
  }
  switch (gso_kind(frame)) {
    case kGsoNone:
      return vnet.gso_type == kGsoNone;  // kGsoEcn alone says nothing
    case kGsoTcpV4:
    case kGsoTcpV6:
    case kGsoUdp:
    case kGsoUdpL4:
      return vnet.gso_size > 0 && (vnet.flags & kNeedsChecksum) != 0;
    default:
      return false;
  }
}

// Whether the kind of segmentation is one for this packet, and the checksum that the device will write is inside it.
bool vnet_matches(const Frame& frame, const ParsedPacket& out) {
  const VirtioNetHeader& vnet = frame.vnet();
  if ((vnet.flags & kNeedsChecksum) != 0 &&
      static_cast<uint32_t>(vnet.checksum_start) + vnet.checksum_offset + 2 > out.l3 + out.l3_length) {
    return false;
  }
  if (vnet.gso_type == kGsoNone) return true;
  if (out.is_fragment) return false;
  switch (gso_kind(frame)) {
    case kGsoTcpV4:
      return out.family == 4 && out.protocol == hls::kProtocolTcp;
    case kGsoTcpV6:
      return out.family == 6 && out.protocol == hls::kProtocolTcp;
    case kGsoUdp:
    case kGsoUdpL4:
      return out.protocol == hls::kProtocolUdp;
    default:
      return false;
  }
}

// IPv4 addresses as IPv6 ones (::ffff:0:0/96) are for programs, not for the wire.
bool is_mapped(const IpAddress& a) { return a.is_v6() && a.hi == 0 && (a.lo >> 32) == 0xffff; }

DropReason check_addresses(const IpAddress& source, const IpAddress& destination) {
  if (is_multicast(source) || is_loopback(source) || is_limited_broadcast(source) || is_mapped(source)) {
    return DropReason::kMartianSource;
  }
  if (is_loopback(destination) || is_unspecified(destination) || is_mapped(destination)) {
    return DropReason::kMartianDestination;
  }
  return source == destination ? DropReason::kLand : DropReason::kNone;
}

DropReason check_ipv4_options(const uint8_t* option, const uint8_t* end) {
  constexpr uint8_t kEnd = 0, kNoOperation = 1, kLooseSourceRoute = 131, kStrictSourceRoute = 137;
  while (option < end && *option != kEnd) {
    if (*option == kNoOperation) {
      ++option;
      continue;
    }
    if (end - option < 2 || option[1] < 2 || option[1] > end - option) return DropReason::kIpv4Options;
    if (*option == kLooseSourceRoute || *option == kStrictSourceRoute) return DropReason::kIpv4SourceRoute;
    option += option[1];
  }
  return DropReason::kNone;
}

// The shift of a SYN's window scale option. Malformed options end the list, as they do for the receiver.
uint8_t find_window_scale(const uint8_t* option, const uint8_t* end) {
  constexpr uint8_t kEnd = 0, kNoOperation = 1, kWindowScale = 3, kWindowScaleMax = 14;  // RFC 7323, 2.3
  while (option < end && *option != kEnd) {
    if (*option == kNoOperation) {
      ++option;
      continue;
    }
    if (end - option < 2 || option[1] < 2 || option[1] > end - option) break;
    if (*option == kWindowScale && option[1] == 3) return std::min(option[2], kWindowScaleMax);
    option += option[1];
  }
  return hls::kNoWindowScale;
}

DropReason short_header(const ParsedPacket& out, DropReason reason) {
  return out.is_fragment ? DropReason::kFragmentTiny : reason;
}

DropReason parse_tcp(const uint8_t* base, uint32_t end, ParsedPacket& out) {
  const uint8_t* const tcp = base + out.l4;
  const uint32_t available = end - out.l4;
  if (available < kTcpBytes) return short_header(out, DropReason::kTcpHeader);
  const uint32_t header = static_cast<uint32_t>(tcp[12] >> 4) * 4;
  if (header < kTcpBytes) return DropReason::kTcpHeader;
  if (header > available) return short_header(out, DropReason::kTcpHeader);
  out.source_port = load16(tcp);
  out.destination_port = load16(tcp + 2);
  out.payload = out.l4 + header;
  hls::PacketMeta& meta = out.meta;
  meta.kind = hls::kPacketTcp;
  meta.seq = load32(tcp + 4);
  meta.ack = load32(tcp + 8);
  meta.tcp_flags = tcp[13] & 0x3f;
  meta.window = load16(tcp + 14);
  meta.payload = available - header;
  if ((meta.tcp_flags & hls::kTcpSyn) != 0 && header > kTcpBytes) {
    meta.window_scale = find_window_scale(tcp + kTcpBytes, tcp + header);
  }
  return DropReason::kNone;
}

DropReason parse_udp(const uint8_t* base, uint32_t end, ParsedPacket& out) {
  const uint8_t* const udp = base + out.l4;
  const uint32_t available = end - out.l4;
  if (available < kUdpBytes) return short_header(out, DropReason::kUdpHeader);
  const uint32_t length = load16(udp + 4);
  if (length < kUdpBytes) return DropReason::kUdpHeader;
  if (!out.is_fragment && length > available) return DropReason::kUdpHeader;
  out.source_port = load16(udp);
  out.destination_port = load16(udp + 2);
  out.payload = out.l4 + kUdpBytes;
  out.meta.kind = hls::kPacketUdp;
  out.meta.payload = std::min(length, available) - kUdpBytes;
  return DropReason::kNone;
}

DropReason parse_icmp(const uint8_t* base, uint32_t end, ParsedPacket& out) {
  const uint8_t* const icmp = base + out.l4;
  if (end - out.l4 < kIcmpBytes) return short_header(out, DropReason::kIcmpHeader);
  out.icmp_type = icmp[0];
  out.icmp_code = icmp[1];
  out.payload = out.l4 + kIcmpBytes;
  const bool v4 = out.family == 4;
  const uint8_t type = out.icmp_type;
  if (type == (v4 ? kIcmpEchoRequest : kIcmpV6EchoRequest)) {
    out.meta.kind = hls::kPacketEchoRequest;
    out.icmp_id = out.source_port = load16(icmp + 4);
    return DropReason::kNone;
  }
  if (type == (v4 ? kIcmpEchoReply : kIcmpV6EchoReply)) {
    out.meta.kind = hls::kPacketEchoReply;
    out.icmp_id = out.destination_port = load16(icmp + 4);
    return DropReason::kNone;
  }
  if (v4 && type == kIcmpSourceQuench) return DropReason::kIcmpDeprecated;
  const bool error = v4 ? type == kIcmpUnreachable || type == kIcmpTimeExceeded || type == kIcmpParameterProblem
                        : type < kIcmpV6EchoRequest;  // RFC 4443, 2.1: errors are those below 128
  if (error) return layers::parse_quote(base, end, out);
  if (!v4 && type >= kNdRouterSolicitation && type <= kNdRedirect) out.kind = FrameKind::kNeighbourDiscovery;
  return DropReason::kNone;
}

DropReason parse_transport(const Frame& frame, ParsedPacket& out) {
  const uint8_t* const base = frame.ethernet();
  const uint32_t end = out.l3 + out.l3_length;
  out.payload = out.l4;
  out.meta.bytes = out.l3_length;
  if (out.is_fragment) {
    const uint32_t data = end - out.fragment_begin;
    if (data == 0 || (out.more_fragments && data % 8 != 0) || out.fragment_offset + data > kPacketBytesMax) {
      return DropReason::kFragmentSize;
    }
  }
  if (!vnet_matches(frame, out)) return DropReason::kVnetHeader;
  DropReason reason = DropReason::kNone;
  if (!out.is_fragment || out.first_fragment) {
    if (out.protocol == hls::kProtocolTcp) {
      reason = parse_tcp(base, end, out);
    } else if (out.protocol == hls::kProtocolUdp) {
      reason = parse_udp(base, end, out);
    } else if (out.protocol == (out.family == 4 ? hls::kProtocolIcmp : hls::kProtocolIcmpV6)) {
      reason = parse_icmp(base, end, out);
    }
  }
  if (reason != DropReason::kNone || out.is_icmp_error()) return reason;
  if (frame.vnet().gso_type != kGsoNone) {
    const uint32_t size = frame.vnet().gso_size;
    out.meta.segments = static_cast<uint8_t>(std::clamp((out.meta.payload + size - 1) / size, 1u, 255u));
  }
  set_key(out, out.source, out.source_port, out.destination, out.destination_port, out.protocol);
  return DropReason::kNone;
}

DropReason parse_ipv4(const Frame& frame, ParsedPacket& out) {
  const uint32_t length = frame.ethernet_length();
  const uint8_t* const ip = frame.ethernet() + out.l3;
  if (length < out.l3 + kIpv4Bytes || ip[0] >> 4 != 4) return DropReason::kIpv4Header;
  const uint32_t header = static_cast<uint32_t>(ip[0] & 15) * 4;
  const uint32_t total = load16(ip + 2);
  if (total == 0 && frame.vnet().gso_type != kGsoNone) return DropReason::kBigTcp;
  if (header < kIpv4Bytes || total < header || out.l3 + total > length) return DropReason::kIpv4Header;
  if (sum_fold(sum_bytes(ip, header)) != 0xffff) return DropReason::kIpv4Checksum;
  const uint16_t fragment = load16(ip + 6);
  out.family = 4;
  out.protocol = ip[9];
  out.l3_length = total;
  out.l4 = out.l3 + header;
  out.fragment_begin = out.l4;
  out.ttl = ip[8];
  out.dscp = ip[1] >> 2;
  out.source = layers::load_v4(ip + 12);
  out.destination = layers::load_v4(ip + 16);
  out.fragment_id = load16(ip + 4);
  out.fragment_offset = static_cast<uint16_t>((fragment & 0x1fff) * 8);
  out.more_fragments = (fragment & 0x2000) != 0;
  out.dont_fragment = (fragment & 0x4000) != 0;
  out.is_fragment = (fragment & 0x3fff) != 0;
  out.first_fragment = out.is_fragment && out.fragment_offset == 0;
  const DropReason addresses = check_addresses(out.source, out.destination);
  if (addresses != DropReason::kNone) return addresses;
  if (header > kIpv4Bytes) {
    out.has_options = true;
    const DropReason options = check_ipv4_options(ip + kIpv4Bytes, ip + header);
    if (options != DropReason::kNone) return options;
  }
  return parse_transport(frame, out);
}

DropReason parse_ipv6(const Frame& frame, ParsedPacket& out) {
  const uint32_t length = frame.ethernet_length();
  const uint8_t* const ip = frame.ethernet() + out.l3;
  if (length < out.l3 + kIpv6Bytes || ip[0] >> 4 != 6) return DropReason::kIpv6Header;
  const uint32_t behind = load16(ip + 4);
  if (behind == 0 && (frame.vnet().gso_type != kGsoNone || ip[6] == kProtocolHopByHop)) return DropReason::kBigTcp;
  out.l3_length = kIpv6Bytes + behind;
  if (out.l3 + out.l3_length > length) return DropReason::kIpv6Header;
  out.family = 6;
  out.ttl = ip[7];
  out.dscp = static_cast<uint8_t>((load16(ip) >> 6) & 0x3f);
  out.source = layers::load_v6(ip + 8);
  out.destination = layers::load_v6(ip + 24);
  const DropReason addresses = check_addresses(out.source, out.destination);
  if (addresses != DropReason::kNone) return addresses;
  layers::Ipv6Chain chain;
  const DropReason reason = layers::walk_ipv6(frame.ethernet(), out.l3, out.l3 + out.l3_length, chain);
  if (reason != DropReason::kNone) return reason;
  out.protocol = chain.protocol;
  out.l4 = chain.l4;
  out.fragment_begin = chain.fragment_begin;
  out.fragment_id = chain.fragment_id;
  out.fragment_offset = chain.fragment_offset;
  out.more_fragments = chain.more_fragments;
  out.is_fragment = chain.is_fragment;
  out.first_fragment = chain.is_fragment && chain.fragment_offset == 0;
  out.dont_fragment = true;
  out.has_options = chain.has_extensions;
  return parse_transport(frame, out);
}

bool is_vlan(uint16_t ethertype) { return ethertype == kEthertypeVlan || ethertype == kEthertypeServiceVlan; }

}  // namespace

DropReason parse(const Frame& frame, uint16_t virtual_system, ParsedPacket& out) {
  out = ParsedPacket{};
  out.virtual_system = virtual_system;
  out.meta.window_scale = hls::kNoWindowScale;
  out.meta.segments = 1;
  if (frame.length < sizeof(VirtioNetHeader) + kEthernetBytes) return DropReason::kEthernetShort;
  const uint8_t* const base = frame.ethernet();
  const uint32_t length = frame.ethernet_length();
  out.l3 = kEthernetBytes;
  out.ethertype = load16(base + 12);
  while (is_vlan(out.ethertype)) {
    if (out.vlan_count == kVlanTagsMax) return DropReason::kVlanDepth;
    if (length < out.l3 + kVlanBytes) return DropReason::kEthernetShort;
    out.vlan[out.vlan_count++] = load16(base + out.l3) & 0x0fff;
    out.ethertype = load16(base + out.l3 + 2);
    out.l3 += kVlanBytes;
  }
  if (!vnet_fits(frame, out.l3)) return DropReason::kVnetHeader;
  switch (out.ethertype) {
    case kEthertypeIpv4:
      return parse_ipv4(frame, out);
    case kEthertypeIpv6:
      return parse_ipv6(frame, out);
    case kEthertypeArp:
      out.kind = FrameKind::kArp;
      return DropReason::kNone;
    default:
      return DropReason::kEthertypeUnsupported;
  }
}

MacAddress destination_mac(const Frame& frame) {
  MacAddress mac;
  std::memcpy(mac.data(), frame.ethernet(), mac.size());
  return mac;
}

MacAddress source_mac(const Frame& frame) {
  MacAddress mac;
  std::memcpy(mac.data(), frame.ethernet() + 6, mac.size());
  return mac;
}

}  // namespace phalanx
