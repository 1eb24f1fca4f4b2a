// The packed record: written once in hls/, as the host's encoder has always written it, by shifts as by appending.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "hls/delta_pack.hpp"
#include "hls/digest.hpp"
#include "host/sync/digest.hpp"
#include "host/sync/record_codec.hpp"
#include "tests/unit/state_delta/random_records.hpp"

namespace phalanx {
namespace {

using hls::delta::Piece;

// FNV-1a.
struct Sum {
  uint64_t value = 14695981039346656037ull;
  uint64_t bytes = 0;
  void add(const uint8_t* at, size_t count) {
    for (size_t i = 0; i < count; ++i) value = (value ^ at[i]) * 1099511628211ull;
    bytes += count;
  }
};

struct GoldenCase {
  const char* name;
  sync::Content content;
  uint64_t seed, bytes, wire, digest;
};

class Golden : public testing::TestWithParam<GoldenCase> {};

// Taken from the encoder and the digest when the dictionary's index and the digest last changed their meaning: 120000
// records in 2000 containers.
TEST_P(Golden, WireAndDigestAreAsTheyWere) {
  const GoldenCase& c = GetParam();
  test::RandomRecords random(c.seed);
  sync::RecordEncoder encoder;
  Sum wire;
  uint64_t digest = 0;
  for (int container = 0; container < 2000; ++container) {
    encoder.begin(random.below(1ull << 40), c.content, 123456789);
    for (int i = 0; i < 60; ++i) {
      uint8_t out[sync::kRecordBytesMax];
      const abi::Record record = random.record();
      wire.add(out, encoder.encode(record, out));
      digest = digest * 31 + sync::record_digest(record);
    }
  }
  EXPECT_EQ(wire.bytes, c.bytes);
  EXPECT_EQ(wire.value, c.wire);
  EXPECT_EQ(digest, c.digest);
}

INSTANTIATE_TEST_SUITE_P(All, Golden,
                         testing::Values(GoldenCase{"delta", sync::Content::kDelta, 7, 5175646, 0x8676a968f66be28,
                                                    0x385d7a1aa2703c21},
                                         GoldenCase{"snapshot", sync::Content::kSnapshot, 8, 7261767,
                                                    0xce2ced9feaf20072, 0xb9694fe72e48c310}),
                         [](const auto& test) { return test.param.name; });

// The memories as the kernel has them.
struct Container {
  hls::delta::Registers registers = hls::delta::begin_registers(1);
  hls::delta::StateContext states[hls::delta::kStateContexts];
  hls::delta::DictionaryEntry responders[hls::delta::kDictionaryEntries] = {};
  explicit Container(uint64_t base) {
    for (auto& s : states) s = hls::delta::begin_state(base);
  }
  hls::delta::PieceSet pieces(const abi::Record& r, bool snapshot) {
    hls::delta::PieceSet set = hls::delta::no_pieces();
    const hls::delta::Parts parts = hls::delta::parts_of(r.session);
    hls::delta::encode(r.session, r.wide, parts, {snapshot, 123456789}, registers, states[r.session.state],
                       responders[parts.index], set);
    return set;
  }
};

TEST(DeltaPack, ShiftsGiveWhatAppendingGives) {
  test::RandomRecords random(3);
  for (int round = 0; round < 400; ++round) {
    const bool snapshot = round % 2 != 0;
    const uint64_t base = random.below(1ull << 40);
    Container container(base);
    sync::RecordEncoder encoder;
    encoder.begin(base, snapshot ? sync::Content::kSnapshot : sync::Content::kDelta, 123456789);
    for (int i = 0; i < 50; ++i) {
      const abi::Record record = random.record();
      uint8_t expected[sync::kRecordBytesMax];
      const size_t bytes = encoder.encode(record, expected);
      const hls::delta::PackedRecord packed = hls::delta::pack(container.pieces(record, snapshot));
      ASSERT_EQ(packed.length, bytes);
      ASSERT_EQ(std::memcmp(packed.word, expected, bytes), 0);
      const auto* raw = reinterpret_cast<const uint8_t*>(packed.word);
      for (size_t k = bytes; k < hls::delta::kRecordBytes; ++k) ASSERT_EQ(raw[k], 0) << k;
    }
  }
}

TEST(DeltaPack, NoPieceIsLongerThanItsTableSays) {
  constexpr uint32_t kMax[] = {
#define X(id, bytes) bytes,
      PHALANX_DELTA_PIECES(X)
#undef X
  };
  uint32_t seen[hls::delta::kPieces] = {};
  test::RandomRecords random(5);
  for (int i = 0; i < 200000; ++i) {
    Container container(random.below(1ull << 40));
    const hls::delta::PieceSet set = container.pieces(random.record(), true);
    for (uint32_t p = 0; p < hls::delta::kPieces; ++p) seen[p] = std::max(seen[p], set.length[p]);
  }
  for (uint32_t p = 0; p < hls::delta::kPieces; ++p) EXPECT_EQ(seen[p], kMax[p]) << "piece " << p;
}

TEST(DeltaPack, EveryDistanceMovesEveryByte) {
  hls::delta::Bytes<8> x = {{0}, 64};
  auto* bytes = reinterpret_cast<uint8_t*>(x.word);
  for (int i = 0; i < 64; ++i) bytes[i] = static_cast<uint8_t>(i + 1);
  for (uint32_t by = 0; by < 64; ++by) {
    const hls::delta::Bytes<16> moved = hls::delta::moved<16, 8>(x, by);
    const auto* out = reinterpret_cast<const uint8_t*>(moved.word);
    EXPECT_EQ(moved.length, 64 + by);
    for (uint32_t i = 0; i < 128; ++i) ASSERT_EQ(out[i], i < by || i >= by + 64 ? 0 : i - by + 1);
  }
}

TEST(DeltaNumbers, VarintsAreGroupsOfSevenBits) {
  test::RandomRecords random(1);
  for (int i = 0; i < 100000; ++i) {
    const uint64_t v = (random.next() & ((1ull << 48) - 1)) >> random.below(49);
    const hls::delta::Varint packed = hls::delta::varint(v);
    uint64_t back = 0;
    for (uint32_t k = 0; k < packed.length; ++k) {
      const uint64_t byte = packed.bytes >> (8 * k) & 0xff;
      ASSERT_EQ(byte >= 0x80, k + 1 < packed.length) << v;
      back |= (byte & 0x7f) << (7 * k);
    }
    ASSERT_EQ(back, v);
    ASSERT_TRUE(packed.length == 1 || v >> (7 * (packed.length - 1)) != 0) << "as short as can be: " << v;
    ASSERT_TRUE(packed.length == 8 || packed.bytes >> (8 * packed.length) == 0) << v;
  }
}

TEST(DeltaNumbers, WindowsLoseUpToFifteenZeros) {
  for (uint32_t shift = 0; shift < 32; ++shift) {
    for (const uint32_t odd : {1u, 3u, 0x1235u, 0xffffu}) {
      const uint32_t window = odd << shift;
      const uint64_t packed = hls::delta::pack_window(window);
      EXPECT_EQ(static_cast<uint32_t>(packed >> 4) << (packed & 15), window);
      const int zeros = std::min(std::countr_zero(window), 15);
      EXPECT_EQ(packed & 15, window == 0 ? 0u : static_cast<unsigned>(zeros));
    }
  }
  EXPECT_EQ(hls::delta::pack_window(0), 0u);
}

TEST(Digest, CountsWhatIsReplicatedAndNothingElse) {
  test::RandomRecords random(9);
  for (int i = 0; i < 20000; ++i) {
    const abi::Record record = random.record();
    const uint64_t digest = sync::record_digest(record);
    ASSERT_EQ(digest, sync::record_digest(sync::replicated(record, sync::Content::kDelta)));
    abi::Record other = record;
    other.session.order += 1;
    ASSERT_NE(digest, sync::record_digest(other));
  }
}

}  // namespace
}  // namespace phalanx
