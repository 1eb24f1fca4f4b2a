// IPv6 neighbour discovery (RFC 4861): solicitations and advertisements; of router messages only what a gateway needs.
#ifndef PHALANX_HOST_PACKET_ND_HPP
#define PHALANX_HOST_PACKET_ND_HPP

#include <optional>

#include "host/packet/ethernet.hpp"

namespace phalanx {

struct NdMessage {
  uint8_t type = 0;  // kNdRouterSolicitation...
  IpAddress source;  // ::, in a solicitation: the sender checks for a duplicate of `target` (RFC 4862, 5.4)
  IpAddress destination;
  IpAddress target;  // neighbour messages and redirects
  std::optional<MacAddress>
      link_layer;       // source (solicitations, RA) or target (advertisements, redirect) link-layer address
  bool router = false;  // advertisement's R, S and O flags
  bool solicited = false;
  bool override_entry = false;

  bool is_duplicate_check() const { return type == kNdNeighbourSolicitation && is_unspecified(source); }
};

inline constexpr uint32_t kNdFrameBytesMax =
    sizeof(VirtioNetHeader) + kEthernetBytes + kVlanTagsMax * kVlanBytes + 40 + 24 + 8;

// Parses a frame of kind kNeighbourDiscovery and applies the validity checks of RFC 4861, 6.1, 7.1 and 8.1: hop limit
// 255, checksum, code 0, options that fit. kNdHopLimit or kNdMalformed otherwise.
DropReason parse_nd(const Frame& frame, const ParsedPacket& packet, NdMessage& out);

// ff02::1:ffXX:XXXX (RFC 4291, 2.7.1).
IpAddress solicited_node(const IpAddress& address);
bool is_solicited_node(const IpAddress& group);
// ff02::1
IpAddress all_nodes();
// fe80::/64 with the interface identifier that a MAC gives (RFC 4291, appendix A).
IpAddress link_local(const MacAddress& mac);

// Builders return the frame's length with the virtio-net header, 0 if `buffer` is too small.
// Who has `target`? To its solicited-node group, or unicast to `known` as a check that it is still there.
uint32_t build_neighbour_solicitation(const MacAddress& mac, const IpAddress& source, const IpAddress& target,
                                      absl::Span<uint8_t> buffer, const MacAddress* known = nullptr);
// Answers `solicitation`, which came in as `frame`: `mac` has its target. A duplicate check is answered to all nodes.
uint32_t build_neighbour_advertisement(const Frame& frame, const ParsedPacket& packet, const NdMessage& solicitation,
                                       const MacAddress& mac, absl::Span<uint8_t> buffer);
// Tells all nodes on the link that `address` is at `mac`, overriding what they have (RFC 4861, 7.2.6).
uint32_t build_unsolicited_advertisement(const MacAddress& mac, const IpAddress& address, absl::Span<uint8_t> buffer);

}  // namespace phalanx

#endif
