// What the gateway changes in a packet on its way: addresses and ports (NAT), TTL, MAC addresses. Checksums follow
// incrementally (RFC 1624), so that a packet that arrived corrupted leaves corrupted.
#ifndef PHALANX_HOST_PACKET_REWRITE_HPP
#define PHALANX_HOST_PACKET_REWRITE_HPP

#include "hls/rewrite.hpp"
#include "host/packet/parse.hpp"

namespace phalanx {

// Rewrites addresses and ports of a packet that is no ICMP error. ICMP echo: the identifier is the requester's port, so
// a request takes `source_port` and a reply `destination_port`. Protocols without ports and non-first fragments change
// only addresses. `packet` is as parse() left it and is not updated: parse again if it is still needed. The family of
// the rewrite is the packet's own.
void apply_rewrite(const Frame& frame, const ParsedPacket& packet, const hls::Rewrite& rewrite);

// The same for an ICMP error (packet.is_icmp_error()). `rewrite` is what the engine gives for one
// (hls::rewrite_for_error): what source and destination of the *quoted* packet become. The error itself goes to the
// quoted packet's new source. If the quoted destination changes, it is also the error's new source: that of the quoted
// destination itself, and also that of a router on its side of the translation, whose address would otherwise show
// through (RFC 5508, 4.2, and as Linux does it). A quote cut off before the transport checksum is handled.
void apply_error_rewrite(const Frame& frame, const ParsedPacket& packet, const hls::Rewrite& rewrite);

// Where a packet goes once `rewrite` is applied: what to look up in the route table.
inline IpAddress rewritten_destination(const ParsedPacket& packet, const hls::Rewrite& rewrite) {
  if (packet.is_icmp_error()) {
    return rewrite.source ? IpAddress{rewrite.source_hi, rewrite.source_lo, packet.family} : packet.destination;
  }
  return rewrite.destination ? IpAddress{rewrite.destination_hi, rewrite.destination_lo, packet.family}
                             : packet.destination;
}

// Whichever of the two the packet needs.
inline void apply_any_rewrite(const Frame& frame, const ParsedPacket& packet, const hls::Rewrite& rewrite) {
  if (packet.is_icmp_error()) {
    apply_error_rewrite(frame, packet, rewrite);
  } else {
    apply_rewrite(frame, packet, rewrite);
  }
}

// Takes one from TTL or hop limit. False, and nothing changed, if it is 1 or 0 already: the packet has expired.
[[nodiscard]] bool decrement_ttl(const Frame& frame, const ParsedPacket& packet);

void set_macs(const Frame& frame, const MacAddress& destination, const MacAddress& source);

// Computes the transport checksum that the virtio-net header leaves to the device (kNeedsChecksum) and clears the flag.
// For frames that no device or kernel will finish: relayed and fragmented ones. Not for TCP or UDP GSO frames, whose
// segments each have their own.
void complete_checksum(const Frame& frame, const ParsedPacket& packet);

}  // namespace phalanx

#endif
