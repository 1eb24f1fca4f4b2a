// IP headers of packets that the gateway itself builds.
#ifndef PHALANX_HOST_PACKET_IP_HEADER_HPP
#define PHALANX_HOST_PACKET_IP_HEADER_HPP

#include "host/packet/parse.hpp"

namespace phalanx {

// What goes into the header of a packet without options or extension headers; both addresses of one family.
struct IpHeader {
  IpAddress source;
  IpAddress destination;
  uint8_t protocol = 0;
  uint8_t ttl = 64;
  uint8_t traffic_class = 0;  // DSCP and ECN

  uint32_t bytes() const { return source.is_v4() ? 20 : 40; }
};

// Writes the header for `payload` bytes behind it, checksum included; IPv4 as an atomic datagram with DF (RFC
// 6864, 4.1). Returns where the payload begins.
uint8_t* write_ip(uint8_t* at, const IpHeader& header, uint32_t payload);

void store_address(uint8_t* at, const IpAddress& address);

// The transport checksum of `length` bytes whose checksum field is zero, as it lies in memory. ICMPv4 has no
// pseudo-header.
uint16_t transport_checksum(const IpHeader& header, const uint8_t* data, uint32_t length);

}  // namespace phalanx

#endif
