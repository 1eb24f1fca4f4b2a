// From a frame to what the data plane needs to know of it. Nothing is copied or allocated; nothing is trusted.
#ifndef PHALANX_HOST_PACKET_PARSE_HPP
#define PHALANX_HOST_PACKET_PARSE_HPP

#include <cstdint>

#include "hls/packet_meta.hpp"
#include "host/packet/address.hpp"
#include "host/packet/drop_reason.hpp"
#include "host/packet/frame.hpp"

namespace phalanx {

inline constexpr uint16_t kEthertypeIpv4 = 0x0800;
inline constexpr uint16_t kEthertypeArp = 0x0806;
inline constexpr uint16_t kEthertypeVlan = 0x8100;
inline constexpr uint16_t kEthertypeServiceVlan = 0x88a8;
inline constexpr uint16_t kEthertypeIpv6 = 0x86dd;
inline constexpr uint32_t kEthernetBytes = 14;
inline constexpr uint32_t kVlanBytes = 4;
inline constexpr uint32_t kVlanTagsMax = 2;  // 802.1ad: service tag and customer tag
// Hosts should send each of the six kinds of extension header once, destination options twice (RFC 8200, 4.1): 7, and
// one more.
inline constexpr uint32_t kExtensionHeadersMax = 8;

inline constexpr uint8_t kProtocolHopByHop = 0, kProtocolRouting = 43, kProtocolFragment = 44, kProtocolEsp = 50,
                         kProtocolAh = 51, kProtocolNoNext = 59, kProtocolDestinationOptions = 60;

inline constexpr uint8_t kIcmpEchoReply = 0, kIcmpUnreachable = 3, kIcmpSourceQuench = 4, kIcmpEchoRequest = 8,
                         kIcmpTimeExceeded = 11, kIcmpParameterProblem = 12;
inline constexpr uint8_t kIcmpV6Unreachable = 1, kIcmpV6PacketTooBig = 2, kIcmpV6TimeExceeded = 3,
                         kIcmpV6ParameterProblem = 4, kIcmpV6EchoRequest = 128, kIcmpV6EchoReply = 129;
inline constexpr uint8_t kNdRouterSolicitation = 133, kNdRouterAdvertisement = 134, kNdNeighbourSolicitation = 135,
                         kNdNeighbourAdvertisement = 136, kNdRedirect = 137;

// Which part of the gateway a frame is for.
enum class FrameKind : uint8_t {
  kIp,                  // a packet to be forwarded or taken: `meta` is set
  kArp,                 // for parse_arp()
  kNeighbourDiscovery,  // ICMPv6 types 133 to 137, for parse_nd(); `meta` is set as for any ICMPv6 (kPacketOther)
};

// A parsed frame. Offsets count from the first byte of the Ethernet header (Frame::ethernet()), and all of them have
// been checked: [l3, l3 + l3_length) is inside the frame, and so is the fixed part of every header that is named here.
struct ParsedPacket {
  hls::PacketMeta meta{};
  IpAddress source;
  IpAddress destination;
  uint32_t l3 = 0;
  uint32_t l4 = 0;  // behind IPv4 options and IPv6 extension headers; for a non-first fragment where its data begins
  uint32_t payload =
      0;  // behind the TCP, UDP or 8-byte ICMP header; equals l4 for other protocols and non-first fragments
  uint32_t l3_length = 0;  // IP header and all behind it, by the IP header's own length: Ethernet padding is not in it
  uint32_t quoted_l3 = 0;  // ICMP errors: the quoted packet's IP header...
  uint32_t quoted_l4 = 0;  // ... and transport header (8 bytes of it are there)
  uint32_t fragment_begin = 0;  // fragments: where the data begins that fragment_offset counts from
  uint32_t fragment_id = 0;
  uint16_t fragment_offset = 0;          // bytes
  uint16_t ethertype = 0;                // behind the tags
  uint16_t vlan[kVlanTagsMax] = {0, 0};  // VLAN ids, outermost first
  // As the flow key has them: TCP and UDP ports; ICMP echo: the identifier at the requester's side and 0 at the other;
  // else 0.
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint16_t icmp_id = 0;  // echo only
  uint16_t virtual_system = 0;
  uint8_t vlan_count = 0;
  FrameKind kind = FrameKind::kIp;
  uint8_t family = 0;    // 4, 6; 0 = not IP
  uint8_t protocol = 0;  // the transport protocol, extension headers skipped
  uint8_t icmp_type = 0;
  uint8_t icmp_code = 0;
  uint8_t quoted_family = 0;  // ICMP errors: as `family`
  uint8_t quoted_protocol = 0;
  uint8_t ttl = 0;              // or hop limit
  uint8_t dscp = 0;             // 6 bits
  bool is_fragment = false;     // a real one: IPv6 atomic fragments (RFC 6946) are whole packets
  bool first_fragment = false;  // of a fragment: the one with the transport header
  bool more_fragments = false;
  bool dont_fragment = false;  // IPv4 DF; always true for IPv6
  bool has_options = false;    // IPv4 options, or IPv6 extension headers other than fragment

  bool is_icmp_error() const { return meta.kind == hls::kPacketIcmpError; }
};

// Parses `frame`. Returns kNone if the packet is well-formed, else why it must be dropped; then `out` is filled only as
// far as parsing went and is good for a log line alone. Transport checksums are not verified: they are end to end, and
// a corrupted packet stays recognizably corrupted through rewrites.
DropReason parse(const Frame& frame, uint16_t virtual_system, ParsedPacket& out);

// The destination and source MAC address of a frame of at least 14 bytes behind the virtio-net header.
MacAddress destination_mac(const Frame& frame);
MacAddress source_mac(const Frame& frame);

inline bool is_multicast(const IpAddress& a) {
  return a.is_v4() ? (a.lo >> 28) == 0xe : a.is_v6() && (a.hi >> 56) == 0xff;
}
inline bool is_limited_broadcast(const IpAddress& a) { return a.is_v4() && a.lo == 0xffffffffu; }
inline bool is_unspecified(const IpAddress& a) { return a.hi == 0 && a.lo == 0; }
inline bool is_loopback(const IpAddress& a) {
  return a.is_v4() ? (a.lo >> 24) == 127 : a.is_v6() && a.hi == 0 && a.lo == 1;
}
// 169.254/16 and fe80::/10: never forwarded (RFC 3927, RFC 4291).
inline bool is_link_local(const IpAddress& a) {
  return a.is_v4() ? (a.lo >> 16) == 0xa9fe : a.is_v6() && (a.hi >> 54) == 0x3fa;
}

}  // namespace phalanx

#endif
