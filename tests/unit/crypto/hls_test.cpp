// AES, GHASH and the replay window of hls/ against known answers and slow, plain models.
#include <random>
#include <set>

#include "hls/gcm.hpp"
#include "hls/replay_window.hpp"

namespace phalanx::hls {
namespace {

bool operator==(AesBlock a, AesBlock b) { return a.hi == b.hi && a.lo == b.lo; }

// FIPS 197, appendix C.1 and C.3.
TEST(Aes, Fips197) {
  const uint32_t key[8] = {0x00010203, 0x04050607, 0x08090a0b, 0x0c0d0e0f,
                           0x10111213, 0x14151617, 0x18191a1b, 0x1c1d1e1f};
  const AesBlock plain = {0x0011223344556677, 0x8899aabbccddeeff};
  uint64_t round_key[2 * kAesRoundKeysMax];
  aes_expand_key(key, 16, round_key);
  EXPECT_TRUE(aes_encrypt(plain, round_key, 10) == (AesBlock{0x69c4e0d86a7b0430, 0xd8cdb78070b4c55a}));
  aes_expand_key(key, 32, round_key);
  EXPECT_TRUE(aes_encrypt(plain, round_key, 14) == (AesBlock{0x8ea2b7ca516745bf, 0xeafc49904b496089}));
}

// FIPS 197, appendix A.1 and A.3: the last round key of each expansion.
TEST(Aes, KeyExpansion) {
  const uint32_t key128[4] = {0x2b7e1516, 0x28aed2a6, 0xabf71588, 0x09cf4f3c};
  const uint32_t key256[8] = {0x603deb10, 0x15ca71be, 0x2b73aef0, 0x857d7781,
                              0x1f352c07, 0x3b6108d7, 0x2d9810a3, 0x0914dff4};
  uint64_t round_key[2 * kAesRoundKeysMax];
  aes_expand_key(key128, 16, round_key);
  EXPECT_EQ(round_key[20], 0xd014f9a8c9ee2589u);
  EXPECT_EQ(round_key[21], 0xe13f0cc8b6630ca6u);
  EXPECT_EQ(round_key[22], 0u);
  aes_expand_key(key256, 32, round_key);
  EXPECT_EQ(round_key[28], 0xfe4890d1e6188d0bu);
  EXPECT_EQ(round_key[29], 0x046df344706c631eu);
}

uint8_t multiply_bytes(uint8_t a, uint8_t b) {
  unsigned product = 0;
  for (unsigned i = 0; i < 8; ++i) product ^= (b >> i & 1u) != 0 ? unsigned{a} << i : 0;
  for (unsigned i = 14; i >= 8; --i) product ^= (product >> i & 1u) != 0 ? 0x11bu << (i - 8) : 0;
  return static_cast<uint8_t>(product);
}

// FIPS 197, section 5.1.1 as it is written: the inverse, found by trying, and the affine map.
TEST(Aes, SBoxIsTheStandardsForEveryByte) {
  for (unsigned x = 0; x < 256; ++x) {
    unsigned inverse = 0;
    for (unsigned y = 1; y < 256; ++y) {
      if (multiply_bytes(static_cast<uint8_t>(x), static_cast<uint8_t>(y)) == 1) inverse = y;
    }
    unsigned want = 0x63;
    for (unsigned turn = 0; turn < 5; ++turn) want ^= (inverse << turn | inverse >> (8 - turn)) & 0xff;
    // At every place of a block, beside other bytes.
    const uint64_t word = x * 0x0101010101010101u ^ 0x00ff00ff00ff00ffu;
    const uint64_t other = (255 - x) * 0x0101010101010101u;
    const AesBlock out = sub_block({word, x});
    ASSERT_EQ(out.hi >> 56, want) << x;
    ASSERT_EQ(out.lo & 0xff, want) << x;
    ASSERT_EQ(sub_block({other, word}).lo >> 56, want) << x;
  }
}

// SP 800-38D, algorithm 1: bit by bit.
AesBlock multiply_by_bits(AesBlock x, AesBlock y) {
  AesBlock z = {0, 0};
  AesBlock v = y;
  for (int i = 0; i < 128; ++i) {
    const uint64_t bit = (i < 64 ? x.hi >> (63 - i) : x.lo >> (127 - i)) & 1;
    if (bit != 0) z = xor_blocks(z, v);
    const bool carry = (v.lo & 1) != 0;
    v = {v.hi >> 1, v.lo >> 1 | v.hi << 63};
    if (carry) v.hi ^= 0xe100000000000000u;
  }
  return z;
}

TEST(Ghash, MultipliesAsTheStandardDoes) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20000; ++i) {
    const AesBlock a =
        i < 128 ? AesBlock{i < 64 ? 1ull << i : 0, i < 64 ? 0 : 1ull << (i - 64)} : AesBlock{random(), random()};
    const AesBlock b = i % 3 == 0 ? AesBlock{~0ull, ~0ull} : AesBlock{random(), random()};
    ASSERT_TRUE(ghash_multiply(a, b) == multiply_by_bits(a, b)) << i;
  }
}

// The window as a set of all numbers ever taken.
struct PlainWindow {
  std::set<uint64_t> taken;
  uint64_t highest = 0;
  uint32_t size;

  bool allowed(uint64_t n) const {
    if (n == 0 || taken.count(n) != 0) return false;
    return n > highest || highest - n < size;
  }
  void take(uint64_t n) {
    taken.insert(n);
    highest = std::max(highest, n);
  }
};

class Window : public testing::TestWithParam<uint32_t> {};

TEST_P(Window, IsTheSetOfNumbersTaken) {
  std::mt19937_64 random(GetParam());
  PlainWindow plain{.taken = {}, .highest = 0, .size = GetParam()};
  uint64_t highest = 0;
  uint64_t word[kReplayWords] = {};
  int refused = 0;
  for (int i = 0; i < 200000; ++i) {
    const uint64_t jump = random() % 100 == 0 ? random() % 3000 : random() % 8;
    const uint64_t number = random() % 2 == 0 ? highest + jump : highest - std::min(highest, random() % 1200);
    const bool allowed = replay_allowed(highest, GetParam(), word[replay_word_index(number)], number);
    ASSERT_EQ(allowed, plain.allowed(number)) << i << " number " << number << " highest " << highest;
    refused += !allowed;
    if (!allowed || random() % 4 == 0) continue;  // some are not authentic
    for (uint32_t w = 0; w < kReplayWords; ++w) word[w] = replay_update_word(w, word[w], highest, number);
    highest = std::max(highest, number);
    plain.take(number);
  }
  EXPECT_GT(refused, 10000);
}

INSTANTIATE_TEST_SUITE_P(Sizes, Window, testing::Values(64, 128, 512, 960, 1024));

// RFC 4303, appendix A: whatever a packet's number from the window's left edge on up to 2^32 later, its low half tells.
TEST(ExtendedSequence, IsInferredFromItsLowHalf) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 500000; ++i) {
    const uint32_t size = 64 * (1 + static_cast<uint32_t>(random() % 16));
    const uint64_t border = (random() % 4) << 32;
    uint64_t highest = border + random() % 4096 - (border != 0 ? 2048 : 0);
    if (i % 2 == 0) highest = random() >> 8;
    const uint64_t left = highest >= size ? highest - size + 1 : 0;
    const uint64_t spread = i % 3 == 0 ? (1ull << 32) - size : 4096;
    const uint64_t number = left + random() % spread;
    ASSERT_EQ(infer_sequence(highest, size, static_cast<uint32_t>(number)), number) << highest << " " << size;
  }
}

TEST(ExtendedSequence, ThereIsNoneBeforeZero) {
  for (const uint32_t size : {0u, 64u, 1024u}) {
    const uint64_t number = infer_sequence(5, size, 0xfffffff0);
    EXPECT_EQ(number >> 32, 0xffffffffu);
    EXPECT_FALSE(replay_allowed(5, size, 0, number)) << size;
  }
}

}  // namespace
}  // namespace phalanx::hls
