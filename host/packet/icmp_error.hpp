// What the gateway answers to a packet it cannot or may not forward: ICMP errors and TCP resets.
#ifndef PHALANX_HOST_PACKET_ICMP_ERROR_HPP
#define PHALANX_HOST_PACKET_ICMP_ERROR_HPP

#include "host/packet/parse.hpp"

namespace phalanx {

enum class IcmpError : uint8_t {
  kTimeExceeded,     // TTL or hop limit used up in transit
  kTooBig,           // v4: fragmentation needed and DF set; v6: packet too big; both with the MTU
  kNetUnreachable,   // no route
  kHostUnreachable,  // next hop did not answer
  kPortUnreachable,
  kAdminProhibited,
};

// Room for the largest answer: virtio-net, Ethernet and two tags, an IPv6 packet of 1280 bytes.
inline constexpr uint32_t kIcmpErrorBytesMax =
    sizeof(VirtioNetHeader) + kEthernetBytes + kVlanTagsMax * kVlanBytes + 1280;

// Whether an ICMP error may be sent about a packet at all: never about ICMP errors and redirects, multicast, broadcast
// (link or IP), non-first fragments, and senders that are no host (RFC 1812, 4.3.2.7; RFC 4443, 2.4 e; an IPv6 "too
// big" may answer multicast).
bool may_answer(const Frame& offending, const ParsedPacket& packet, IcmpError error);

// Builds the error about `offending` (as it came in: not rewritten, TTL not taken) into `buffer`: virtio-net header,
// Ethernet with the offending frame's tags and its addresses swapped, IP from `gateway`, ICMP with as much of the
// packet as goes into 576 bytes (RFC 1812, 4.3.2.3) or 1280 (RFC 4443, 2.4 c). `mtu` is used by kTooBig. Returns the
// frame's length with the virtio-net header, or 0 if no answer may be sent or `buffer` is too small.
uint32_t build_icmp_error(const Frame& offending, const ParsedPacket& packet, IcmpError error, uint32_t mtu,
                          const IpAddress& gateway, absl::Span<uint8_t> buffer);

// Builds the reset that refuses a TCP packet as if its destination sent it (RFC 9293, 3.10.7.1): addresses, ports and
// MACs swapped. Returns as build_icmp_error(); 0 for a packet that is no TCP, is a reset itself, or is a non-first
// fragment.
uint32_t build_tcp_reset(const Frame& offending, const ParsedPacket& packet, absl::Span<uint8_t> buffer);

}  // namespace phalanx

#endif
