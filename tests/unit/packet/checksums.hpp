// The checksums of a frame, computed whole and in the plainest way: what the incremental ones are judged by.
#ifndef PHALANX_TESTS_UNIT_PACKET_CHECKSUMS_HPP
#define PHALANX_TESTS_UNIT_PACKET_CHECKSUMS_HPP

#include <vector>

#include "host/packet/parse.hpp"

namespace phalanx::test {

// Adds 16-bit words one by one (RFC 1071, 4.1).
inline uint32_t plain_sum(const uint8_t* data, size_t length, uint32_t sum = 0) {
  for (size_t i = 0; i < length; ++i) sum += i % 2 == 0 ? static_cast<uint32_t>(data[i]) << 8 : data[i];
  return sum;
}
inline uint16_t plain_fold(uint32_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

// Whether the IPv4 header's checksum is right (true for IPv6).
inline bool header_is_right(const Frame& frame, const ParsedPacket& p) {
  if (p.family != 4) return true;
  const uint8_t* ip = frame.ethernet() + p.l3;
  return plain_fold(plain_sum(ip, static_cast<size_t>(ip[0] & 15) * 4)) == 0xffff;
}

// The transport's sum with pseudo-header, 0xffff if its checksum is right. Not for fragments.
inline uint16_t transport_sum(const Frame& frame, const ParsedPacket& p) {
  const uint8_t* ip = frame.ethernet() + p.l3;
  const uint32_t length = p.l3 + p.l3_length - p.l4;
  uint32_t sum = 0;
  if (p.family == 4 && p.protocol != hls::kProtocolIcmp) {
    sum = plain_sum(ip + 12, 8, p.protocol + length);
  } else if (p.family == 6) {
    sum = plain_sum(ip + 8, 32, p.protocol + length);
  }
  return plain_fold(plain_sum(frame.ethernet() + p.l4, length, sum));
}

inline bool checksums_are_right(const Frame& frame, const ParsedPacket& p) {
  return header_is_right(frame, p) && transport_sum(frame, p) == 0xffff;
}

}  // namespace phalanx::test

#endif
