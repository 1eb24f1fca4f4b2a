// ARP for IPv4 over Ethernet (RFC 826).
#ifndef PHALANX_HOST_PACKET_ARP_HPP
#define PHALANX_HOST_PACKET_ARP_HPP

#include "host/packet/ethernet.hpp"

namespace phalanx {

enum class ArpOperation : uint16_t { kRequest = 1, kReply = 2 };

struct ArpMessage {
  ArpOperation operation = ArpOperation::kRequest;
  MacAddress sender_mac{};
  IpAddress sender;  // 0.0.0.0: an address probe (RFC 5227)
  MacAddress target_mac{};
  IpAddress target;

  bool is_gratuitous() const { return sender == target; }
  bool is_probe() const { return sender.lo == 0; }
};

inline constexpr uint32_t kArpFrameBytesMax = sizeof(VirtioNetHeader) + kEthernetBytes + kVlanTagsMax * kVlanBytes + 46;

// Parses a frame of kind kArp. kArpMalformed if it is not a request or reply of IPv4 over Ethernet, or its sender is no
// host.
DropReason parse_arp(const Frame& frame, const ParsedPacket& packet, ArpMessage& out);

// Builds a frame, padded to Ethernet's minimum, into `buffer`. Returns its length with the virtio-net header; 0 = no
// room.
uint32_t build_arp(const LinkHeader& link, const ArpMessage& message, absl::Span<uint8_t> buffer);

// Who has `target`? Broadcast, or to `known` for a unicast check that a neighbour is still there.
uint32_t build_arp_request(const MacAddress& mac, const IpAddress& sender, const IpAddress& target,
                           absl::Span<uint8_t> buffer, const MacAddress& known = kBroadcastMac);
// Answers `request`, which came in as `frame`, with `mac` for its target address.
uint32_t build_arp_reply(const Frame& frame, const ParsedPacket& packet, const ArpMessage& request,
                         const MacAddress& mac, absl::Span<uint8_t> buffer);
// Tells everyone on the link that `address` is at `mac`, as a request or a reply (hosts differ in which they believe).
uint32_t build_gratuitous_arp(const MacAddress& mac, const IpAddress& address, ArpOperation operation,
                              absl::Span<uint8_t> buffer);

}  // namespace phalanx

#endif
