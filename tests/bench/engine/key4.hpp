// An IPv4 5-tuple of 16 bytes, what a table of nothing but IPv4 would have for a key, and the sequence of test flows.
#ifndef PHALANX_TESTS_BENCH_ENGINE_KEY4_HPP
#define PHALANX_TESTS_BENCH_ENGINE_KEY4_HPP

#include <cstdint>

#include "hls/flow_key.hpp"

namespace phalanx::bench {

struct alignas(16) Key4 {
  uint32_t source;
  uint32_t destination;
  uint16_t source_port;
  uint16_t destination_port;
  uint32_t protocol;

  friend bool operator==(const Key4&, const Key4&) = default;
};

// Flow number `i`: its client is 10.0.0.0/8, its server 198.18.0.0/15. Multiplying by an odd number is a bijection of
// 32 bits, so that no two of 2^32 flows are alike, and neighbours differ in many bits.
inline Key4 flow(uint32_t i) {
  const uint32_t x = i * 0x9e3779b1u;
  return {0x0a000000u | x >> 8, 0xc6120000u | (i * 0x85ebca6bu >> 15), static_cast<uint16_t>(1024 + (x & 0xff)),
          static_cast<uint16_t>((i & 1) != 0 ? 443 : 80), 6};
}

inline hls::DirectedKey engine_key(const Key4& k) {
  return hls::make_key({0, k.source, k.source_port}, {0, k.destination, k.destination_port},
                       static_cast<uint8_t>(k.protocol), 4, 0);
}

}  // namespace phalanx::bench

#endif
