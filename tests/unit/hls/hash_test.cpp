// Known answers of the key hash. They come from a second implementation in another language, which gives the vector of
// SipHash's paper (2-4, 15 bytes) when set to its rounds.
#include "hls/hash.hpp"

#include "gtest/gtest.h"

namespace phalanx::hls {
namespace {

struct Answer {
  FlowKey key;
  uint64_t seed0;
  uint64_t seed1;
  uint64_t hash;
};

const Answer kAnswers[] = {
    {{0x0ull, 0x0ull, 0x0ull, 0x0ull, 0x0ull}, 0x0ull, 0x0ull, 0xd575ad340de44d9eull},
    {{0x1ull, 0x2ull, 0x3ull, 0x4ull, 0x5ull}, 0x6ull, 0x7ull, 0xf65bbc8a9d5f21d0ull},
    {{0x0ull, 0xa000005ull, 0x0ull, 0x8080808ull, 0x9c4001bb00000406ull},
     0x706050403020100ull,
     0xf0e0d0c0b0a0908ull,
     0x9df5fec1726305eaull},
    {{0xffffffffffffffffull, 0xffffffffffffffffull, 0xffffffffffffffffull, 0xffffffffffffffffull,
      0xffffffffffffffffull},
     0xffffffffffffffffull,
     0xffffffffffffffffull,
     0x6bdb950311ebd4b3ull},
    {{0x20010db800000000ull, 0x1ull, 0x20010db800000001ull, 0x2ull, 0x1234005000070611ull},
     0xdeadbeefcafef00dull,
     0x123456789abcdefull,
     0xa0c02237d309d49aull},
};

TEST(Hash, KnownAnswers) {
  for (const Answer& a : kAnswers) EXPECT_EQ(hash_key(a.key, a.seed0, a.seed1), a.hash);
}

TEST(Hash, EveryWordAndBothSeedsMatter) {
  const FlowKey base = {1, 2, 3, 4, 5};
  const uint64_t hash = hash_key(base, 6, 7);
  for (int word = 0; word < 5; ++word) {
    FlowKey key = base;
    key.a_hi += word == 0;
    key.a_lo += word == 1;
    key.b_hi += word == 2;
    key.b_lo += word == 3;
    key.tail += word == 4;
    EXPECT_NE(hash_key(key, 6, 7), hash) << word;
  }
  EXPECT_NE(hash_key(base, 5, 7), hash);
  EXPECT_NE(hash_key(base, 6, 6), hash);
}

}  // namespace
}  // namespace phalanx::hls
