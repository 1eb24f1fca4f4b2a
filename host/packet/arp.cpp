#include "host/packet/arp.hpp"

#include <algorithm>
#include <cstring>

#include "host/packet/bytes.hpp"

namespace phalanx {
namespace {

constexpr uint32_t kArpBytes = 28;
constexpr uint32_t kFrameBytesMin = 60;  // Ethernet's 64 without the checksum
constexpr uint64_t kEthernetIpv4 = 0x0001'0800'0604;

}  // namespace

DropReason parse_arp(const Frame& frame, const ParsedPacket& packet, ArpMessage& out) {
  if (packet.kind != FrameKind::kArp || frame.ethernet_length() < packet.l3 + kArpBytes) {
    return DropReason::kArpMalformed;
  }
  const uint8_t* const arp = frame.ethernet() + packet.l3;
  const uint16_t operation = load16(arp + 6);
  if (load64(arp) >> 16 != kEthernetIpv4 || operation < 1 || operation > 2) return DropReason::kArpMalformed;
  out.operation = static_cast<ArpOperation>(operation);
  std::memcpy(out.sender_mac.data(), arp + 8, 6);
  out.sender = IpAddress::v4(load32(arp + 14));
  std::memcpy(out.target_mac.data(), arp + 18, 6);
  out.target = IpAddress::v4(load32(arp + 24));
  // No host has these, and whoever believed them would send to a group or to itself.
  if ((out.sender_mac[0] & 1) != 0 || is_multicast(out.sender) || is_limited_broadcast(out.sender) ||
      is_loopback(out.sender)) {
    return DropReason::kArpMalformed;
  }
  return DropReason::kNone;
}

uint32_t build_arp(const LinkHeader& link, const ArpMessage& message, absl::Span<uint8_t> buffer) {
  const uint32_t frame_bytes = std::max(link.bytes() + kArpBytes, kFrameBytesMin);
  const uint32_t length = sizeof(VirtioNetHeader) + frame_bytes;
  if (buffer.size() < length) return 0;
  std::memset(buffer.data(), 0, length);
  uint8_t* const arp = write_link(buffer.data(), link, kEthertypeArp);
  store64(arp, kEthernetIpv4 << 16 | static_cast<uint16_t>(message.operation));
  std::memcpy(arp + 8, message.sender_mac.data(), 6);
  store32(arp + 14, static_cast<uint32_t>(message.sender.lo));
  std::memcpy(arp + 18, message.target_mac.data(), 6);
  store32(arp + 24, static_cast<uint32_t>(message.target.lo));
  return length;
}

uint32_t build_arp_request(const MacAddress& mac, const IpAddress& sender, const IpAddress& target,
                           absl::Span<uint8_t> buffer, const MacAddress& known) {
  LinkHeader link;
  link.destination = known;
  link.source = mac;
  return build_arp(link, {ArpOperation::kRequest, mac, sender, MacAddress{}, target}, buffer);
}

uint32_t build_arp_reply(const Frame& frame, const ParsedPacket& packet, const ArpMessage& request,
                         const MacAddress& mac, absl::Span<uint8_t> buffer) {
  LinkHeader link = answer_link(frame, packet);
  link.source = mac;
  link.destination = request.sender_mac;
  return build_arp(link, {ArpOperation::kReply, mac, request.target, request.sender_mac, request.sender}, buffer);
}

uint32_t build_gratuitous_arp(const MacAddress& mac, const IpAddress& address, ArpOperation operation,
                              absl::Span<uint8_t> buffer) {
  LinkHeader link;
  link.destination = kBroadcastMac;
  link.source = mac;
  const MacAddress target = operation == ArpOperation::kReply ? kBroadcastMac : MacAddress{};
  return build_arp(link, {operation, mac, address, target, address}, buffer);
}

}  // namespace phalanx
