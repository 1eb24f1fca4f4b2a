// The key hash spreads: one bit in flips half the bits out, and similar keys fill buckets evenly.
#include "hls/hash.hpp"

#include <bit>
#include <vector>

#include "rapidcheck/gtest.h"

namespace phalanx::hls {
namespace {

RC_GTEST_PROP(HashProperty, OneBitOfTheKeyFlipsHalfTheHash, ()) {
  const FlowKey key = {*rc::gen::arbitrary<uint64_t>(), *rc::gen::arbitrary<uint64_t>(),
                       *rc::gen::arbitrary<uint64_t>(), *rc::gen::arbitrary<uint64_t>(),
                       *rc::gen::arbitrary<uint64_t>()};
  const uint64_t seed = *rc::gen::arbitrary<uint64_t>();
  const uint64_t hash = hash_key(key, seed, ~seed);
  int flipped = 0;
  for (int bit = 0; bit < 320; ++bit) {
    FlowKey near = key;
    const uint64_t mask = 1ull << (bit & 63);
    uint64_t* const words[] = {&near.a_hi, &near.a_lo, &near.b_hi, &near.b_lo, &near.tail};
    *words[bit >> 6] ^= mask;
    const int distance = std::popcount(hash ^ hash_key(near, seed, ~seed));
    RC_ASSERT(distance >= 4 && distance <= 60);
    flipped += distance;
  }
  // 320 * 64 fair coins: mean 10240, standard deviation 71.6; six of them either way.
  RC_ASSERT(flipped > 10240 - 430 && flipped < 10240 + 430);
}

RC_GTEST_PROP(HashProperty, ConsecutivePortsFillBucketsEvenly, ()) {
  const uint64_t seed = *rc::gen::arbitrary<uint64_t>();
  const unsigned shift = *rc::gen::element(0u, 32u, 48u);  // low, middle and high bits are all used by tables
  std::vector<int> buckets(256, 0);
  for (uint64_t port = 0; port < 25600; ++port) {
    const FlowKey key = {0, 0x0a000001, 0, 0x0a000002, port << 48 | 443ull << 32 | 0x0406};
    ++buckets[hash_key(key, seed, 1) >> shift & 255];
  }
  double chi_squared = 0;
  for (const int count : buckets) chi_squared += (count - 100.0) * (count - 100.0) / 100.0;
  // 255 degrees of freedom: mean 255, standard deviation 22.6; seven of them.
  RC_ASSERT(chi_squared < 255 + 7 * 22.6);
}

}  // namespace
}  // namespace phalanx::hls
