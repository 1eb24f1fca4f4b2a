// The link header of frames that the gateway itself builds.
#ifndef PHALANX_HOST_PACKET_ETHERNET_HPP
#define PHALANX_HOST_PACKET_ETHERNET_HPP

#include "host/packet/parse.hpp"

namespace phalanx {

struct LinkHeader {
  MacAddress destination{};
  MacAddress source{};
  uint16_t vlan[kVlanTagsMax] = {0, 0};  // outermost first
  uint8_t vlan_count = 0;

  uint32_t bytes() const { return kEthernetBytes + vlan_count * kVlanBytes; }
};

// The link header of an answer to a frame: addresses swapped, same tags.
LinkHeader answer_link(const Frame& frame, const ParsedPacket& packet);

// Writes a zero virtio-net header and the link header at `data`, which has room for 10 + link.bytes(). Returns where
// the payload begins.
uint8_t* write_link(uint8_t* data, const LinkHeader& link, uint16_t ethertype);

// The MAC address that a multicast IP address is sent to (RFC 1112, 6.4; RFC 2464, 7).
MacAddress multicast_mac(const IpAddress& group);

}  // namespace phalanx

#endif
