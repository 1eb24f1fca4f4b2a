#include "drivers/cpu/key_hash.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "hls/hash.hpp"

namespace phalanx {
namespace {

TEST(KeyHash, EveryVariantOfThisMachineEqualsTheScalarHashForEveryCount) {
  std::mt19937_64 random(1);
  std::vector<hls::FlowKey> keys(67);
  std::vector<const hls::FlowKey*> pointers;
  for (auto& k : keys) {
    k = {random(), random(), random(), random(), random()};
    pointers.push_back(&k);
  }
  keys[3] = {};
  keys[4] = {~0ull, ~0ull, ~0ull, ~0ull, ~0ull};
  for (const auto& variant : hash_keys_variants()) {
    for (size_t count = 0; count <= keys.size(); ++count) {
      const uint64_t seed[2] = {random(), random()};
      std::vector<uint64_t> hashes(keys.size(), 0x5a5a);
      variant.hash_keys(pointers.data(), count, seed, hashes.data());
      for (size_t i = 0; i < keys.size(); ++i) {
        const uint64_t expected = i < count ? hls::hash_key(keys[i], seed[0], seed[1]) : 0x5a5a;
        ASSERT_EQ(hashes[i], expected) << variant.name << ", key " << i << " of " << count;
      }
    }
  }
}

TEST(KeyHash, ScalarIsAlwaysThere) {
  ASSERT_FALSE(hash_keys_variants().empty());
  EXPECT_STREQ(hash_keys_variants().back().name, "scalar");
}

}  // namespace
}  // namespace phalanx
