// Between the parser's parts; not for others.
#ifndef PHALANX_HOST_PACKET_PARSE_LAYERS_HPP
#define PHALANX_HOST_PACKET_PARSE_LAYERS_HPP

#include "host/packet/bytes.hpp"
#include "host/packet/parse.hpp"

namespace phalanx::layers {

// What the chain of an IPv6 packet's extension headers says.
struct Ipv6Chain {
  uint32_t l4 = 0;
  uint32_t fragment_begin = 0;  // behind the fragment header
  uint32_t fragment_id = 0;
  uint16_t fragment_offset = 0;
  uint8_t protocol = 0;
  bool more_fragments = false;
  bool is_fragment = false;
  bool has_extensions = false;
};

// Walks from the IPv6 header at `l3`, which is there, to the transport header; all within `end`.
DropReason walk_ipv6(const uint8_t* base, uint32_t l3, uint32_t end, Ipv6Chain& out);

// Parses the packet that the ICMP error at out.l4 quotes, up to `end`, and sets meta of it.
DropReason parse_quote(const uint8_t* base, uint32_t end, ParsedPacket& out);

inline IpAddress load_v4(const uint8_t* p) { return IpAddress::v4(load32(p)); }
inline IpAddress load_v6(const uint8_t* p) { return IpAddress::v6(load64(p), load64(p + 8)); }

inline void set_key(ParsedPacket& out, const IpAddress& source, uint16_t source_port, const IpAddress& destination,
                    uint16_t destination_port, uint8_t protocol) {
  const hls::DirectedKey directed =
      hls::make_key({source.hi, source.lo, source_port}, {destination.hi, destination.lo, destination_port}, protocol,
                    out.family, out.virtual_system);
  out.meta.key = directed.key;
  out.meta.from_b = directed.from_b;
}

}  // namespace phalanx::layers

#endif
