#include "host/packet/parse_layers.hpp"

namespace phalanx::layers {
namespace {

// The length of an extension header that is no fragment header, 0 if `type` is none.
uint32_t extension_bytes(uint8_t type, uint8_t length) {
  switch (type) {
    case kProtocolHopByHop:
    case kProtocolRouting:
    case kProtocolDestinationOptions:
      return (length + 1u) * 8;
    case kProtocolAh:
      return (length + 2u) * 4;  // RFC 4302, 2.2
    default:
      return 0;
  }
}

bool is_extension(uint8_t type) { return type == kProtocolFragment || extension_bytes(type, 0) != 0; }

// What a fragment header says (RFC 8200, 4.5). One that says the packet is whole is skipped (RFC 6946).
void take_fragment_header(const uint8_t* header, uint32_t begin, Ipv6Chain& out) {
  const uint16_t word = load16(header + 2);
  out.fragment_offset = word & 0xfff8;
  out.more_fragments = (word & 1) != 0;
  out.is_fragment = out.fragment_offset != 0 || out.more_fragments;
  out.fragment_id = load32(header + 4);
  out.fragment_begin = begin;
}

// What the quoted packet's first 8 transport bytes say.
DropReason parse_quoted_transport(const uint8_t* l4, ParsedPacket& out, const IpAddress& source,
                                  const IpAddress& destination) {
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  const bool v4 = out.family == 4;
  if (out.quoted_protocol == hls::kProtocolTcp || out.quoted_protocol == hls::kProtocolUdp) {
    source_port = load16(l4);
    destination_port = load16(l4 + 2);
    if (out.quoted_protocol == hls::kProtocolTcp) out.meta.seq = load32(l4 + 4);
  } else if (out.quoted_protocol == (v4 ? hls::kProtocolIcmp : hls::kProtocolIcmpV6)) {
    const uint8_t type = l4[0];
    if (type == (v4 ? kIcmpEchoRequest : kIcmpV6EchoRequest)) {
      source_port = load16(l4 + 4);
    } else if (type == (v4 ? kIcmpEchoReply : kIcmpV6EchoReply)) {
      destination_port = load16(l4 + 4);
    } else if (v4 ? type == kIcmpUnreachable || type == kIcmpTimeExceeded || type == kIcmpParameterProblem
                  : type < kIcmpV6EchoRequest) {
      return DropReason::kIcmpQuote;  // nobody may send an error about an error
    }
  }
  set_key(out, source, source_port, destination, destination_port, out.quoted_protocol);
  return DropReason::kNone;
}

}  // namespace

DropReason walk_ipv6(const uint8_t* base, uint32_t l3, uint32_t end, Ipv6Chain& out) {
  uint8_t type = base[l3 + 6];
  uint32_t at = l3 + 40;
  bool fragment_header = false;
  for (uint32_t count = 0; is_extension(type); ++count) {
    if (count == kExtensionHeadersMax) return DropReason::kIpv6Extension;
    const DropReason too_short = out.is_fragment ? DropReason::kFragmentTiny : DropReason::kIpv6Extension;  // RFC 7112
    if (end - at < 8) return too_short;
    if (type == kProtocolFragment) {
      if (fragment_header) return DropReason::kIpv6Extension;
      fragment_header = true;
      take_fragment_header(base + at, at + 8, out);
      type = base[at];
      at += 8;
      if (out.fragment_offset != 0) break;  // what follows is data
      continue;
    }
    if (type == kProtocolHopByHop && at != l3 + 40) return DropReason::kIpv6Extension;
    if (type == kProtocolRouting && base[at + 2] == 0) return DropReason::kIpv6RoutingType0;
    // With segments left the packet goes where no rule has looked, and its checksum is of another destination.
    if (type == kProtocolRouting && base[at + 3] != 0) return DropReason::kIpv6Routing;
    const uint32_t bytes = extension_bytes(type, base[at + 1]);
    if (bytes < 8) return DropReason::kIpv6Extension;
    if (end - at < bytes) return too_short;
    out.has_extensions = true;
    type = base[at];
    at += bytes;
  }
  out.protocol = type;
  out.l4 = at;
  return DropReason::kNone;
}

DropReason parse_quote(const uint8_t* base, uint32_t end, ParsedPacket& out) {
  if (out.is_fragment) return DropReason::kIcmpQuote;  // no error is long enough to need it
  const uint32_t l3 = out.payload;
  const uint32_t available = end - l3;
  const uint8_t* const ip = base + l3;
  IpAddress source;
  IpAddress destination;
  out.quoted_l3 = l3;
  out.quoted_family = out.family;
  if (out.family == 4) {
    if (available < 20 || ip[0] >> 4 != 4) return DropReason::kIcmpQuote;
    const uint32_t header = static_cast<uint32_t>(ip[0] & 15) * 4;
    const bool later_fragment = (load16(ip + 6) & 0x1fff) != 0;
    if (header < 20 || available < header + 8 || later_fragment) return DropReason::kIcmpQuote;
    source = load_v4(ip + 12);
    destination = load_v4(ip + 16);
    out.quoted_protocol = ip[9];
    out.quoted_l4 = l3 + header;
  } else {
    if (available < 40 || ip[0] >> 4 != 6) return DropReason::kIcmpQuote;
    Ipv6Chain chain;
    if (walk_ipv6(base, l3, end, chain) != DropReason::kNone || chain.fragment_offset != 0 || end - chain.l4 < 8) {
      return DropReason::kIcmpQuote;
    }
    source = load_v6(ip + 8);
    destination = load_v6(ip + 24);
    out.quoted_protocol = chain.protocol;
    out.quoted_l4 = chain.l4;
  }
  // An error goes to the sender of what it quotes; anything else is a forgery made to meet someone else's session.
  if (source != out.destination) return DropReason::kIcmpQuote;
  out.meta.kind = hls::kPacketIcmpError;
  return parse_quoted_transport(base + out.quoted_l4, out, source, destination);
}

}  // namespace phalanx::layers
