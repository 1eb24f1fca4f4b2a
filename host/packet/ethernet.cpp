#include "host/packet/ethernet.hpp"

#include <algorithm>
#include <cstring>

#include "host/packet/bytes.hpp"

namespace phalanx {

LinkHeader answer_link(const Frame& frame, const ParsedPacket& packet) {
  LinkHeader link;
  link.destination = source_mac(frame);
  link.source = destination_mac(frame);
  link.vlan_count = packet.vlan_count;
  std::copy_n(packet.vlan, kVlanTagsMax, link.vlan);
  return link;
}

uint8_t* write_link(uint8_t* data, const LinkHeader& link, uint16_t ethertype) {
  std::memset(data, 0, sizeof(VirtioNetHeader));
  uint8_t* at = data + sizeof(VirtioNetHeader);
  std::memcpy(at, link.destination.data(), 6);
  std::memcpy(at + 6, link.source.data(), 6);
  at += 12;
  for (uint8_t i = 0; i < link.vlan_count; ++i) {
    // Of two tags the outer one is the service tag (802.1ad).
    store16(at, link.vlan_count == 2 && i == 0 ? kEthertypeServiceVlan : kEthertypeVlan);
    store16(at + 2, link.vlan[i]);
    at += kVlanBytes;
  }
  store16(at, ethertype);
  return at + 2;
}

MacAddress multicast_mac(const IpAddress& group) {
  const auto byte = [&](unsigned shift) { return static_cast<uint8_t>(group.lo >> shift); };
  if (group.is_v4()) return {0x01, 0x00, 0x5e, static_cast<uint8_t>(byte(16) & 0x7f), byte(8), byte(0)};
  return {0x33, 0x33, byte(24), byte(16), byte(8), byte(0)};
}

}  // namespace phalanx
