// Why a frame or packet is dropped anywhere in the data plane: one table, from which the enumeration, the counters'
// names and the text for people come.
#ifndef PHALANX_HOST_PACKET_DROP_REASON_HPP
#define PHALANX_HOST_PACKET_DROP_REASON_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "hls/track_reason.hpp"

namespace phalanx {

// X(enumerator, counter's name, text for people)
#define PHALANX_DROP_REASONS(X)                                                                               \
  X(kNone, "none", "not dropped")                                                                             \
  /* frame */                                                                                                 \
  X(kNotForUs, "not_for_us", "destination MAC is neither ours nor one we listen to")                          \
  X(kVnetHeader, "vnet_header", "virtio-net header contradicts the frame")                                    \
  X(kEthernetShort, "ethernet_short", "shorter than an Ethernet header with its tags")                        \
  X(kVlanDepth, "vlan_depth", "more than two 802.1Q tags")                                                    \
  X(kEthertypeUnsupported, "ethertype_unsupported", "neither IPv4, IPv6 nor ARP")                             \
  X(kArpMalformed, "arp_malformed", "malformed ARP packet")                                                   \
  X(kNdMalformed, "nd_malformed", "malformed neighbour discovery message (RFC 4861, 7.1)")                    \
  X(kNdHopLimit, "nd_hop_limit", "neighbour discovery with a hop limit other than 255, so from off the link") \
  /* IP header */                                                                                             \
  X(kIpv4Header, "ipv4_header", "malformed IPv4 header or wrong length")                                      \
  X(kIpv4Checksum, "ipv4_checksum", "wrong IPv4 header checksum")                                             \
  X(kIpv4Options, "ipv4_options", "malformed IPv4 options")                                                   \
  X(kIpv4SourceRoute, "ipv4_source_route", "IPv4 source route option")                                        \
  X(kIpv6Header, "ipv6_header", "malformed IPv6 header or wrong length")                                      \
  X(kIpv6Extension, "ipv6_extension", "malformed, misplaced or too many IPv6 extension headers")              \
  X(kIpv6RoutingType0, "ipv6_routing_type0", "IPv6 routing header of type 0 (RFC 5095)")                      \
  X(kIpv6Routing, "ipv6_routing", "IPv6 routing header that sends the packet on from its destination")        \
  X(kBigTcp, "big_tcp", "IP packet longer than 65535 bytes")                                                  \
  X(kMartianSource, "martian_source", "source address that cannot be a sender")                               \
  X(kMartianDestination, "martian_destination", "destination address that cannot be routed")                  \
  X(kLand, "land", "source and destination address are the same")                                             \
  /* transport header */                                                                                      \
  X(kTcpHeader, "tcp_header", "malformed TCP header")                                                         \
  X(kUdpHeader, "udp_header", "malformed UDP header")                                                         \
  X(kIcmpHeader, "icmp_header", "malformed ICMP header")                                                      \
  X(kIcmpQuote, "icmp_quote", "ICMP error without a usable quoted packet")                                    \
  X(kIcmpDeprecated, "icmp_deprecated", "ICMP source quench (RFC 6633)")                                      \
  X(kIcmpErrorUnmatched, "icmp_error_unmatched", "ICMP error that quotes no packet of a session")             \
  /* fragments */                                                                                             \
  X(kFragmentTiny, "fragment_tiny", "first fragment without the whole transport header")                      \
  X(kFragmentSize, "fragment_size", "fragment length not a multiple of 8, or beyond 65535 bytes")             \
  X(kFragmentOverlap, "fragment_overlap", "fragments of a datagram overlap or contradict each other")         \
  X(kFragmentDuplicate, "fragment_duplicate", "fragment already seen")                                        \
  X(kFragmentTooMany, "fragment_too_many", "more fragments than a datagram may have")                         \
  X(kFragmentTableFull, "fragment_table_full", "evicted: too many datagrams at once are in fragments")        \
  X(kFragmentQueueFull, "fragment_queue_full", "too many bytes of fragments wait for their first one")        \
  X(kFragmentTimeout, "fragment_timeout", "first fragment did not come in time")                              \
  X(kFragmentFirstDropped, "fragment_first_dropped", "the datagram's first fragment was dropped")             \
  /* session: hls::TrackReason */                                                                             \
  X(kTcpNotSyn, "tcp_not_syn", "first packet of a TCP session is no SYN")                                     \
  X(kTcpFlags, "tcp_flags", "TCP flags that do not go together")                                              \
  X(kTcpSequence, "tcp_sequence", "TCP sequence number outside the window")                                   \
  X(kTcpAcknowledge, "tcp_acknowledge", "TCP acknowledges what was not sent")                                 \
  X(kTcpReset, "tcp_reset", "TCP reset not at the expected sequence number (RFC 5961)")                       \
  X(kTcpState, "tcp_state", "TCP packet does not fit the session's state")                                    \
  X(kIcmpState, "icmp_state", "ICMP echo reply without request")                                              \
  /* session and NAT resources */                                                                             \
  X(kSessionTableFull, "session_table_full", "session table is full")                                         \
  X(kHalfOpenLimit, "half_open_limit", "too many half-open sessions")                                         \
  X(kSessionConflict, "session_conflict", "the key belongs to another session already")                       \
  X(kNatNoPort, "nat_no_port", "no free port for address translation")                                        \
  X(kNatUnsupported, "nat_unsupported", "packet of a kind that cannot be translated as the rule says")        \
  X(kEngine, "engine", "session engine refused the operation")                                                \
  X(kEngineQueueFull, "engine_queue_full", "session engine takes no more operations now")                     \
  /* decision and forwarding */                                                                               \
  X(kPolicyDrop, "policy_drop", "policy rule says drop")                                                      \
  X(kPolicyReject, "policy_reject", "policy rule says reject")                                                \
  X(kSpoofed, "spoofed", "source address does not belong behind the port it came from")                       \
  X(kTtlExpired, "ttl_expired", "TTL or hop limit is used up")                                                \
  X(kNoRoute, "no_route", "no route to the destination")                                                      \
  X(kRouteRefused, "route_refused", "route says blackhole, unreachable or prohibit")                          \
  X(kNotForwardable, "not_forwardable", "multicast, broadcast or link-local: never forwarded")                \
  X(kLocalUnserved, "local_unserved", "for an address of the gateway, but nothing there takes it")            \
  X(kTooBig, "too_big", "larger than the MTU and may not be fragmented")                                      \
  X(kNeighbourUnresolved, "neighbour_unresolved", "next hop did not answer")                                  \
  X(kNeighbourQueueFull, "neighbour_queue_full", "too many packets wait for the next hop's address")          \
  X(kPortDown, "port_down", "port is down or unknown")                                                        \
  X(kSendFailed, "send_failed", "port did not take the frame")                                                \
  X(kRateLimited, "rate_limited", "over a rate limit")                                                        \
  X(kBufferFull, "buffer_full", "no buffer left")                                                             \
  /* cluster */                                                                                               \
  X(kMemberNotActive, "member_not_active", "this member is not active")                                       \
  X(kLeaseExpired, "lease_expired", "this member's right to forward has expired")                             \
  X(kSyncBacklog, "sync_backlog", "change could not be handed to delta sync first")                           \
  X(kRelayNoPeer, "relay_no_peer", "packet of another member's session, and that member is not reachable")    \
  X(kRelayLoop, "relay_loop", "relayed packet would be relayed again")                                        \
  X(kRelayMalformed, "relay_malformed", "malformed relayed packet")                                           \
  X(kRelayQueueFull, "relay_queue_full", "too many packets wait to be relayed")

enum class DropReason : uint8_t {
#define PHALANX_DROP_ENUMERATOR(enumerator, name, text) enumerator,
  PHALANX_DROP_REASONS(PHALANX_DROP_ENUMERATOR)
#undef PHALANX_DROP_ENUMERATOR
      kCount
};
inline constexpr size_t kDropReasons = static_cast<size_t>(DropReason::kCount);

// The counter's name, as in metrics and in phalanxctl; "unknown" for a value outside the table.
std::string_view drop_name(DropReason reason);
// The text for people.
std::string_view drop_text(DropReason reason);

// What the session said, in the data plane's words.
DropReason from_track(hls::TrackReason reason);

// Drops by reason. One writer; readers take a copy.
struct DropCounters {
  std::array<uint64_t, kDropReasons> packets{};

  void count(DropReason reason, uint64_t n = 1) { packets[static_cast<size_t>(reason)] += n; }
  uint64_t operator[](DropReason reason) const { return packets[static_cast<size_t>(reason)]; }
  uint64_t total() const;
  DropCounters& operator+=(const DropCounters& other);
};

}  // namespace phalanx

#endif
