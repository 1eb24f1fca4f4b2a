#include "host/packet/ip_header.hpp"

#include <cassert>
#include <cstring>

#include "host/packet/checksum.hpp"

namespace phalanx {

void store_address(uint8_t* at, const IpAddress& address) {
  if (address.is_v4()) {
    store32(at, static_cast<uint32_t>(address.lo));
    return;
  }
  store64(at, address.hi);
  store64(at + 8, address.lo);
}

uint8_t* write_ip(uint8_t* at, const IpHeader& header, uint32_t payload) {
  assert(header.source.family == header.destination.family);
  std::memset(at, 0, header.bytes());
  if (header.source.is_v4()) {
    at[0] = 0x45;
    at[1] = header.traffic_class;
    store16(at + 2, static_cast<uint16_t>(20 + payload));
    store16(at + 6, 0x4000);
    at[8] = header.ttl;
    at[9] = header.protocol;
    store_address(at + 12, header.source);
    store_address(at + 16, header.destination);
    store_raw(at + 10, checksum(at, 20));
    return at + 20;
  }
  store32(at, 6u << 28 | static_cast<uint32_t>(header.traffic_class) << 20);
  store16(at + 4, static_cast<uint16_t>(payload));
  at[6] = header.protocol;
  at[7] = header.ttl;
  store_address(at + 8, header.source);
  store_address(at + 24, header.destination);
  return at + 40;
}

uint16_t transport_checksum(const IpHeader& header, const uint8_t* data, uint32_t length) {
  uint64_t sum = sum_bytes(data, length);
  if (header.protocol != hls::kProtocolIcmp) {
    sum = sum_add(sum, pseudo_header_sum(header.source, header.destination, header.protocol, length));
  }
  const uint16_t value = checksum_of_sum(sum);
  return value == 0 && header.protocol == hls::kProtocolUdp ? uint16_t{0xffff} : value;
}

}  // namespace phalanx
