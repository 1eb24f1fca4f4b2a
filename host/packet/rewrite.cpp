#include "host/packet/rewrite.hpp"

#include <cassert>
#include <cstring>

#include "host/packet/checksum.hpp"

namespace phalanx {
namespace {

// Where the parts are that NAT changes, of a packet or of a quoted one.
struct Layout {
  uint8_t* ip;
  uint8_t* l4;
  uint8_t* end;  // of the bytes that are there
  bool v4;
  uint8_t protocol;
};

void replace_address(uint8_t* at, bool v4, uint64_t hi, uint64_t lo, ChecksumChange& change) {
  if (v4) {
    const uint32_t after = to_be32(static_cast<uint32_t>(lo));
    change.replace32(load_raw<uint32_t>(at), after);
    store_raw(at, after);
    return;
  }
  const uint64_t after_hi = to_be64(hi);
  const uint64_t after_lo = to_be64(lo);
  change.replace64(load_raw<uint64_t>(at), after_hi);
  change.replace64(load_raw<uint64_t>(at + 8), after_lo);
  store_raw(at, after_hi);
  store_raw(at + 8, after_lo);
}

void replace_port(uint8_t* at, uint16_t port, ChecksumChange& change) {
  const uint16_t after = to_be16(port);
  change.replace16(load_raw<uint16_t>(at), after);
  store_raw(at, after);
}

// Both addresses and, for IPv4, the header checksum.
ChecksumChange rewrite_addresses(const Layout& at, const hls::Rewrite& rewrite) {
  ChecksumChange change;
  if (rewrite.source) {
    replace_address(at.ip + (at.v4 ? 12 : 8), at.v4, rewrite.source_hi, rewrite.source_lo, change);
  }
  if (rewrite.destination) {
    replace_address(at.ip + (at.v4 ? 16 : 24), at.v4, rewrite.destination_hi, rewrite.destination_lo, change);
  }
  if (at.v4) store_raw(at.ip + 10, change.apply(load_raw<uint16_t>(at.ip + 10)));
  return change;
}

// Ports, or the echo identifier.
ChecksumChange rewrite_ports(const Layout& at, const hls::Rewrite& rewrite) {
  ChecksumChange change;
  if (at.protocol == hls::kProtocolTcp || at.protocol == hls::kProtocolUdp) {
    if (rewrite.source) replace_port(at.l4, rewrite.source_port, change);
    if (rewrite.destination) replace_port(at.l4 + 2, rewrite.destination_port, change);
  } else if (at.protocol == (at.v4 ? hls::kProtocolIcmp : hls::kProtocolIcmpV6)) {
    const uint8_t type = at.l4[0];
    const bool request = type == (at.v4 ? kIcmpEchoRequest : kIcmpV6EchoRequest);
    const bool reply = type == (at.v4 ? kIcmpEchoReply : kIcmpV6EchoReply);
    if (request && rewrite.source) replace_port(at.l4 + 4, rewrite.source_port, change);
    if (reply && rewrite.destination) replace_port(at.l4 + 4, rewrite.destination_port, change);
  }
  return change;
}

// The transport checksum's place, or nullptr if there is none to keep: another protocol, cut off, or UDP without one.
uint8_t* checksum_field(const Layout& at) {
  uint8_t* field = nullptr;
  if (at.protocol == hls::kProtocolTcp) {
    field = at.l4 + 16;
  } else if (at.protocol == hls::kProtocolUdp) {
    field = at.l4 + 6;
  } else if (at.protocol == (at.v4 ? hls::kProtocolIcmp : hls::kProtocolIcmpV6)) {
    field = at.l4 + 2;
  }
  if (field == nullptr || at.end - field < 2) return nullptr;
  return field;
}

bool has_pseudo_header(const Layout& at) { return !(at.v4 && at.protocol == hls::kProtocolIcmp); }

// Whether `field` is the one whose checksum the device completes.
bool is_partial(const Frame& frame, const uint8_t* field) {
  const VirtioNetHeader& vnet = frame.vnet();
  return (vnet.flags & kNeedsChecksum) != 0 && frame.ethernet() + vnet.checksum_start + vnet.checksum_offset == field;
}

// The new value of a complete transport checksum. A UDP checksum of 0 would mean none (RFC 768).
void update_checksum(const Layout& at, uint8_t* field, const ChecksumChange& change) {
  uint16_t value = change.apply(load_raw<uint16_t>(field));
  if (value == 0 && at.protocol == hls::kProtocolUdp) value = 0xffff;
  store_raw(field, value);
}

bool is_without_checksum(const Layout& at, const uint8_t* field) {
  return at.protocol == hls::kProtocolUdp && load_raw<uint16_t>(field) == 0;
}

}  // namespace

void apply_rewrite(const Frame& frame, const ParsedPacket& packet, const hls::Rewrite& rewrite) {
  assert(packet.family != 0 && !packet.is_icmp_error());
  uint8_t* const base = frame.ethernet();
  const Layout at{base + packet.l3, base + packet.l4, base + packet.l3 + packet.l3_length, packet.family == 4,
                  packet.protocol};
  const ChecksumChange addresses = rewrite_addresses(at, rewrite);
  if (packet.is_fragment && !packet.first_fragment) return;
  // Before the ports change: the field's value tells a partial checksum of 0 from none.
  uint8_t* const field = checksum_field(at);
  const ChecksumChange ports = rewrite_ports(at, rewrite);
  if (field == nullptr) return;
  if (is_partial(frame, field)) {
    if (has_pseudo_header(at)) store_raw(field, addresses.apply_to_sum(load_raw<uint16_t>(field)));
    return;
  }
  if (is_without_checksum(at, field)) return;
  ChecksumChange change = ports;
  if (has_pseudo_header(at)) change.add(addresses);
  update_checksum(at, field, change);
}

void apply_error_rewrite(const Frame& frame, const ParsedPacket& packet, const hls::Rewrite& rewrite) {
  assert(packet.is_icmp_error());
  uint8_t* const base = frame.ethernet();
  uint8_t* const end = base + packet.l3 + packet.l3_length;
  const bool v4 = packet.family == 4;
  const Layout outer{base + packet.l3, base + packet.l4, end, v4, packet.protocol};
  const Layout quoted{base + packet.quoted_l3, base + packet.quoted_l4, end, v4, packet.quoted_protocol};

  // The error goes against what it quotes; it has no ports of its own.
  hls::Rewrite outward = rewrite;
  outward.source = rewrite.destination;
  outward.source_hi = rewrite.destination_hi;
  outward.source_lo = rewrite.destination_lo;
  outward.destination = rewrite.source;
  outward.destination_hi = rewrite.source_hi;
  outward.destination_lo = rewrite.source_lo;

  // Everything changed behind the ICMP header counts in the ICMP checksum: addresses, ports and the quote's own
  // checksums.
  ChecksumChange icmp;
  const uint16_t header_before = v4 ? load_raw<uint16_t>(quoted.ip + 10) : 0;
  const ChecksumChange addresses = rewrite_addresses(quoted, rewrite);
  icmp.add(addresses);
  if (v4) icmp.replace16(header_before, load_raw<uint16_t>(quoted.ip + 10));
  uint8_t* const field = checksum_field(quoted);
  const ChecksumChange ports = rewrite_ports(quoted, rewrite);
  icmp.add(ports);
  if (field != nullptr && !is_without_checksum(quoted, field)) {
    const uint16_t before = load_raw<uint16_t>(field);
    ChecksumChange change = ports;
    if (has_pseudo_header(quoted)) change.add(addresses);
    update_checksum(quoted, field, change);
    icmp.replace16(before, load_raw<uint16_t>(field));
  }

  const ChecksumChange outer_addresses = rewrite_addresses(outer, outward);
  uint8_t* const icmp_field = outer.l4 + 2;
  if (is_partial(frame, icmp_field)) {
    if (!v4) store_raw(icmp_field, outer_addresses.apply_to_sum(load_raw<uint16_t>(icmp_field)));
    return;
  }
  if (!v4) icmp.add(outer_addresses);
  store_raw(icmp_field, icmp.apply(load_raw<uint16_t>(icmp_field)));
}

bool decrement_ttl(const Frame& frame, const ParsedPacket& packet) {
  uint8_t* const ip = frame.ethernet() + packet.l3;
  if (packet.family == 6) {
    if (ip[7] <= 1) return false;
    --ip[7];
    return true;
  }
  assert(packet.family == 4);
  if (ip[8] <= 1) return false;
  ChecksumChange change;
  const uint16_t before = load_raw<uint16_t>(ip + 8);
  --ip[8];
  change.replace16(before, load_raw<uint16_t>(ip + 8));
  store_raw(ip + 10, change.apply(load_raw<uint16_t>(ip + 10)));
  return true;
}

void set_macs(const Frame& frame, const MacAddress& destination, const MacAddress& source) {
  std::memcpy(frame.ethernet(), destination.data(), destination.size());
  std::memcpy(frame.ethernet() + 6, source.data(), source.size());
}

void complete_checksum(const Frame& frame, const ParsedPacket& packet) {
  VirtioNetHeader& vnet = frame.vnet();
  if ((vnet.flags & kNeedsChecksum) == 0) return;
  const uint32_t end = packet.l3 + packet.l3_length;
  const uint32_t field = static_cast<uint32_t>(vnet.checksum_start) + vnet.checksum_offset;
  assert(end <= frame.ethernet_length() && field + 2 <= end);  // parse() has checked
  uint8_t* const base = frame.ethernet();
  const uint16_t value = checksum(base + vnet.checksum_start, end - vnet.checksum_start);
  store_raw(base + field, value == 0 ? uint16_t{0xffff} : value);  // the same number, and UDP knows no 0
  vnet.flags = static_cast<uint8_t>(vnet.flags & ~kNeedsChecksum);
  vnet.checksum_start = 0;
  vnet.checksum_offset = 0;
}

}  // namespace phalanx
