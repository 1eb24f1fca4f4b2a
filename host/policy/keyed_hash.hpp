// SipHash-2-4 over 64-bit words (J.-P. Aumasson and D. J. Bernstein, 2012): who doesn't know the seed can't tell the
// value.
#ifndef PHALANX_HOST_POLICY_KEYED_HASH_HPP
#define PHALANX_HOST_POLICY_KEYED_HASH_HPP

#include <bit>
#include <cstdint>

#include "absl/types/span.h"

namespace phalanx::policy {

// The SipHash-2-4 of the words' little-endian bytes, under a 128-bit seed.
inline uint64_t keyed_hash(const uint64_t seed[2], absl::Span<const uint64_t> words) {
  uint64_t v0 = seed[0] ^ 0x736f6d6570736575;
  uint64_t v1 = seed[1] ^ 0x646f72616e646f6d;
  uint64_t v2 = seed[0] ^ 0x6c7967656e657261;
  uint64_t v3 = seed[1] ^ 0x7465646279746573;
  const auto rounds = [&](int count) {
    for (int i = 0; i < count; ++i) {
      v0 += v1, v1 = std::rotl(v1, 13) ^ v0, v0 = std::rotl(v0, 32);
      v2 += v3, v3 = std::rotl(v3, 16) ^ v2;
      v0 += v3, v3 = std::rotl(v3, 21) ^ v0;
      v2 += v1, v1 = std::rotl(v1, 17) ^ v2, v2 = std::rotl(v2, 32);
    }
  };
  const auto take = [&](uint64_t word) {
    v3 ^= word;
    rounds(2);
    v0 ^= word;
  };
  for (const uint64_t word : words) take(word);
  take(uint64_t{words.size()} * 8 << 56);  // the length in bytes is the last block's last byte
  v2 ^= 0xff;
  rounds(4);
  return v0 ^ v1 ^ v2 ^ v3;
}

}  // namespace phalanx::policy

#endif
