// The state delta kernel by itself: the packed form, digests, damage, stalls and cycles.
#include <gtest/gtest.h>

#include <algorithm>

#include "host/sync/digest.hpp"
#include "host/sync/record_codec.hpp"
#include "kernels/state_delta/give_records.hpp"
#include "tests/unit/state_delta/card_memory.hpp"
#include "tests/unit/state_delta/random_records.hpp"

namespace phalanx {
namespace {

using test::Answer;
using test::Call;
using test::CardMemory;

constexpr uint32_t kNowMs = 123456789;

// A table with `used` slots, one in `holes` of them free, one in eight of the rest ended; `logged` of them in the log.
CardMemory random_table(test::RandomRecords& random, uint32_t used, uint32_t holes, uint32_t logged) {
  CardMemory card(used + 100);
  card.state.used_end = used;
  card.state.log_head = random.below(card.state.slots);
  for (uint32_t slot = 0; slot < used; ++slot) {
    abi::Record record = random.record();
    if (random.one_in(holes)) record.session.state = hls::kStateFree;
    card.put(slot, record);
  }
  std::vector<uint32_t> order(used);
  for (uint32_t i = 0; i < used; ++i) order[i] = i;
  for (uint32_t i = used; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  for (uint32_t i = 0; i < std::min(logged, used); ++i) card.log_change(order[i]);
  return card;
}

// Slot `slot` as it is given.
abi::Record given(const CardMemory& card, uint32_t slot) {
  abi::Record r = {card.session(slot), {}};
  if ((r.session.flags & hls::kNatWide) != 0) r.wide = card.wide[slot];
  if ((r.session.flags & hls::kNatWide) != 0) r.session.nat_source = 0;
  r.session.flags = static_cast<uint8_t>(r.session.flags & ~hls::kDirty);
  return r;
}

bool linked(const hls::Session& s) { return s.state != hls::kStateFree && s.state != hls::kStateDeleted; }

std::vector<uint8_t> encoded(const std::vector<abi::Record>& records, uint32_t format, uint64_t base) {
  sync::RecordEncoder encoder;
  encoder.begin(base, format == abi::kDeltaSnapshot ? sync::Content::kSnapshot : sync::Content::kDelta, kNowMs);
  std::vector<uint8_t> bytes;
  for (const abi::Record& r : records) {
    uint8_t out[sync::kRecordBytesMax];
    bytes.insert(bytes.end(), out, out + encoder.encode(r, out));
  }
  return bytes;
}

struct Setting {
  const char* name;
  uint64_t seed;
  bool stalls;
  uint32_t latency, outstanding;
};

class StateDelta : public testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    const Setting& s = GetParam();
    hls::native::set_settings({s.seed, s.stalls, s.latency, s.outstanding});
  }
  void TearDown() override { hls::native::set_settings({}); }
  test::RandomRecords random{GetParam().seed};
};

// Whole runs of SCAN in outputs of any size: what each gives is one container, and all of them together are the range.
TEST_P(StateDelta, ScanWritesTheEncodersBytes) {
  for (const uint32_t format : {abi::kDeltaWire, abi::kDeltaSnapshot}) {
    for (const uint32_t lines : {3u, 21u, 64u, 4000u}) {
      CardMemory card = random_table(random, 700, 3, 100);
      const std::vector<abi::Line> before = card.a;
      uint64_t next = 0;
      uint64_t total = 0;
      do {
        const uint64_t base = random.below(1ull << 40);
        const Answer answer = card.run({abi::kDeltaScan, format, next, UINT64_MAX, lines, kNowMs, base});
        ASSERT_EQ(answer.result.error, abi::kTableErrorNone);
        const uint64_t end = answer.result.next == 0 ? card.state.used_end : answer.result.next;
        ASSERT_GT(end, next);
        std::vector<abi::Record> expected;
        for (uint64_t slot = next; slot < end; ++slot) {
          const abi::Record r = given(card, static_cast<uint32_t>(slot));
          if (linked(r.session)) expected.push_back(r);
        }
        ASSERT_EQ(answer.result.records, expected.size());
        ASSERT_EQ(answer.bytes, encoded(expected, format, base));
        ASSERT_TRUE(card.rest_is_zero);
        ASSERT_LE(answer.result.bytes, lines * 64);
        total += answer.result.records;
        next = answer.result.next;
      } while (next != 0);
      EXPECT_GT(total, 300u);
      EXPECT_EQ(std::memcmp(card.a.data(), before.data(), before.size() * 64), 0) << "SCAN changes nothing";
    }
  }
}

TEST_P(StateDelta, ExtractedBytesDecodeToTheRecords) {
  CardMemory card = random_table(random, 900, 5, 600);
  std::vector<uint32_t> order;
  for (uint64_t i = 0; i < card.state.logged; ++i)
    order.push_back(card.log[(card.state.log_head + i) % card.state.slots]);
  size_t at = 0;
  uint64_t freed = 0;
  while (card.state.logged != 0) {
    const uint64_t base = random.below(1ull << 40);
    const CardMemory before = card;
    const uint64_t count = 1 + random.below(300);
    const Answer answer = card.run({abi::kDeltaExtract, abi::kDeltaWire, 0, count, 23, kNowMs, base});
    ASSERT_EQ(answer.result.next, card.state.logged);
    ASSERT_LE(answer.result.records, count);
    sync::RecordDecoder decoder;
    decoder.begin(answer.bytes, base, sync::Content::kDelta, 0);
    for (uint64_t i = 0; i < answer.result.records; ++i, ++at) {
      while (before.session(order[at]).state == hls::kStateFree) ++at;
      abi::Record decoded;
      ASSERT_EQ(decoder.next(&decoded), sync::DecodeError::kNone);
      ASSERT_TRUE(test::same(decoded, sync::replicated(given(before, order[at]), sync::Content::kDelta)));
    }
    EXPECT_TRUE(decoder.done());
    freed += answer.result.freed;
  }
  EXPECT_EQ(freed, card.state.free_slots);
  EXPECT_EQ(card.state.impossible, 0u);
  for (const uint32_t slot : order) EXPECT_EQ(card.session(slot).flags & hls::kDirty, 0);
}

TEST_P(StateDelta, DigestIsTheHostsAndKnowsNoOrder) {
  CardMemory card = random_table(random, 3000, 4, 50);
  uint64_t sum = 0;
  uint64_t exclusive = 0;
  uint64_t records = 0;
  for (uint32_t slot = 0; slot < 3000; ++slot) {
    const abi::Record r = given(card, slot);
    if (!linked(r.session)) continue;
    sum += sync::record_digest(r);
    exclusive ^= sync::record_digest(r);
    ++records;
  }
  uint64_t digest[2] = {0, 0};
  uint64_t counted = 0;
  for (uint64_t next = 0, begun = 0; begun == 0 || next != 0; begun = 1) {
    const Answer part = card.run({abi::kDeltaDigest, 0, next, 700, 0, kNowMs, 0});
    ASSERT_EQ(part.result.error, abi::kTableErrorNone);
    EXPECT_EQ(part.result.bytes, 0u);
    digest[0] += part.result.digest[0];
    digest[1] ^= part.result.digest[1];
    counted += part.result.records;
    next = part.result.next;
  }
  EXPECT_EQ(counted, records);
  EXPECT_EQ(digest[0], sum);
  EXPECT_EQ(digest[1], exclusive);
  const Answer whole = card.run({abi::kDeltaDigest, 0, 0, UINT64_MAX, 0, kNowMs, 0});
  EXPECT_EQ(whole.result.digest[0], sum);
  EXPECT_EQ(whole.result.digest[1], exclusive);
}

// Between the two passes a session changes, as session_engine would change it. The record given is the new one, and the
// slot is in the log again: read before cleared, the change would be lost.
TEST_P(StateDelta, AChangeBetweenClearingAndReadingIsGivenAgain) {
  using namespace state_delta;
  CardMemory card = random_table(random, 50, 1000, 0);
  for (uint32_t slot = 0; slot < 50; ++slot) {
    abi::Record r = given(card, slot);
    r.session.state = hls::kStateUdpNew;
    card.put(slot, r);
    card.log_change(slot);
  }
  uint32_t taken[kBlockSlots];
  uint64_t impossible = 0;
  take_changes(card.a.data(), card.log.data(), card.state.slots, 50, card.state.log_head, 50, taken, impossible);
  card.state.log_head = (card.state.log_head + 50) % card.state.slots;
  card.state.logged = 0;
  abi::Record changed = given(card, 17);
  changed.session.state = hls::kStateUdpStream;
  changed.session.order = hls::next_version(changed.session.order);
  card.put(17, changed);
  card.log_change(17);
  ASSERT_EQ(card.state.logged, 1u);

  Encoder encoder;
  begin_encoder(encoder, 0);
  const Packing before = no_lines();
  Packing after = before;
  Given all = {};
  std::vector<abi::Line> output(200);
  give_records(card.a.data(), card.b.data(), card.wide.data(), card.free_slot.data(), output.data(),
               {abi::kDeltaExtract, abi::kDeltaRecords, 0}, {0, 50, 50}, {0, 50}, taken, encoder, before, after, all);
  EXPECT_EQ(all.records, 50u);
  EXPECT_EQ(impossible, 0u);
  bool found = false;
  for (uint32_t i = 0; i < 50; ++i) {
    abi::Record r;
    std::memcpy(&r, reinterpret_cast<const char*>(output.data()) + i * sizeof(r), sizeof(r));
    found |= test::same(r, given(card, 17));
  }
  EXPECT_TRUE(found) << "the newest is given";
  EXPECT_NE(card.session(17).flags & hls::kDirty, 0) << "and marked still";
  const Answer again = card.run({});
  ASSERT_EQ(again.records().size(), 1u);
  EXPECT_TRUE(test::same(again.records()[0], given(card, 17)));
}

INSTANTIATE_TEST_SUITE_P(All, StateDelta,
                         testing::Values(Setting{"plain", 1, false, 90, 64}, Setting{"stalls2", 2, true, 90, 64},
                                         Setting{"stalls3", 3, true, 1, 1}, Setting{"stalls4", 4, true, 400, 16},
                                         Setting{"stalls5", 5, true, 90, 128}),
                         [](const auto& test) { return test.param.name; });

struct RefusalCase {
  const char* name;
  void (*spoil)(CardMemory&, Call&);
  uint64_t error;
};

class Refusal : public testing::TestWithParam<RefusalCase> {};

TEST_P(Refusal, DoesNothingAndSaysWhy) {
  test::RandomRecords random(4);
  CardMemory card = random_table(random, 100, 4, 50);
  Call call;
  GetParam().spoil(card, call);
  const CardMemory before = card;
  const Answer answer = card.run(call);
  EXPECT_EQ(answer.result.error, GetParam().error);
  EXPECT_EQ(card.state.error, GetParam().error);
  EXPECT_EQ(answer.result.records, 0u);
  EXPECT_EQ(answer.result.bytes, 0u);
  EXPECT_EQ(card.state.logged, before.state.logged);
  EXPECT_EQ(std::memcmp(card.a.data(), before.a.data(), card.a.size() * 64), 0);
}

INSTANTIATE_TEST_SUITE_P(
    All, Refusal,
    testing::Values(
        RefusalCase{"abi", [](CardMemory& m, Call&) { m.state.abi_version = 99; }, abi::kTableErrorAbi},
        RefusalCase{"no_slots", [](CardMemory& m, Call&) { m.state.slots = 0; }, abi::kTableErrorForm},
        RefusalCase{"slots", [](CardMemory& m, Call&) { m.state.slots = 1ull << 31; }, abi::kTableErrorForm},
        RefusalCase{"used", [](CardMemory& m, Call&) { m.state.used_end = 201; }, abi::kTableErrorForm},
        RefusalCase{"stack", [](CardMemory& m, Call&) { m.state.free_slots = 101; }, abi::kTableErrorForm},
        RefusalCase{"head", [](CardMemory& m, Call&) { m.state.log_head = 200; }, abi::kTableErrorForm},
        RefusalCase{"logged", [](CardMemory& m, Call&) { m.state.logged = 1ull << 60; }, abi::kTableErrorForm},
        RefusalCase{"mode", [](CardMemory&, Call& c) { c.mode = 4; }, abi::kTableErrorArguments},
        RefusalCase{"format", [](CardMemory&, Call& c) { c.format = 0; }, abi::kTableErrorArguments},
        RefusalCase{"range", [](CardMemory&, Call& c) { c.mode = abi::kDeltaScan, c.first = 201; },
                    abi::kTableErrorArguments},
        RefusalCase{"no_room", [](CardMemory&, Call& c) { c.mode = abi::kDeltaScan, c.output_lines = 2; },
                    abi::kTableErrorArguments}),
    [](const auto& test) { return test.param.name; });

TEST(StateDeltaDamage, OverflowOfTheLogIsSaid) {
  test::RandomRecords random(4);
  CardMemory card = random_table(random, 100, 4, 50);
  EXPECT_EQ(card.run({.count = 1}).result.log_overflow, 0u);
  card.state.log_overflow = 3;
  const Answer answer = card.run({});
  EXPECT_EQ(answer.result.log_overflow, 3u);
  EXPECT_EQ(answer.result.error, abi::kTableErrorNone);
  EXPECT_GT(answer.result.records, 0u);
}

// A slot that is not there, was never used, comes twice, or whose session lost its mark or its state.
TEST(StateDeltaDamage, WhatTheLogNamesAndCannotBeIsCountedAndFreesNothingTwice) {
  CardMemory card(100);
  test::RandomRecords random(8);
  card.state.used_end = 50;
  for (uint32_t slot = 0; slot < 50; ++slot) {
    abi::Record r = random.record();
    r.session.state = hls::kStateDeleted;
    card.put(slot, r);
    card.log_change(slot);
  }
  card.log[3] = 0xfffffffe;
  card.log[4] = 50;
  card.log[5] = 6;
  hls::Session s = card.session(7);
  s.state = 200;
  card.put(7, {s, {}});
  s = card.session(8);
  s.flags = 0;
  card.put(8, {s, {}});
  const Answer answer = card.run({});
  EXPECT_EQ(card.state.impossible, 5u);
  EXPECT_EQ(answer.result.records, 50u - 5);
  std::vector<uint32_t> freed(card.free_slot.begin(), card.free_slot.begin() + static_cast<int>(card.state.free_slots));
  std::sort(freed.begin(), freed.end());
  EXPECT_TRUE(std::adjacent_find(freed.begin(), freed.end()) == freed.end());
  EXPECT_EQ(freed.size(), 45u);
}

// Any bits in state, log and sessions: every run ends within the memory (the sanitizers watch) and within its bounds.
TEST(StateDeltaDamage, AnyBitsEnd) {
  test::RandomRecords random(6);
  uint64_t ran = 0;
  for (int round = 0; round < 400; ++round) {
    CardMemory card = random_table(random, 60, 4, 40);
    auto* words = reinterpret_cast<uint64_t*>(&card.state);
    for (uint64_t i = random.below(3); i != 0; --i) {
      const uint64_t w = 2 + random.below(38);  // not the ABI's version, and not what says how large the memory is
      words[w] = random.one_in(2) ? random.below(300) : random.next();
    }
    for (uint64_t i = random.below(20); i != 0; --i) {
      card.a[random.below(160)].word[random.below(8)] ^= 1ull << random.below(64);
      card.b[random.below(160)].word[random.below(8)] ^= 1ull << random.below(64);
      card.log[random.below(160)] ^= 1u << random.below(32);
    }
    const Call call = {static_cast<uint32_t>(1 + random.below(3)),
                       static_cast<uint32_t>(1 + random.below(3)),
                       random.below(170),
                       random.next() >> random.below(64),
                       static_cast<uint32_t>(random.below(90)),
                       kNowMs,
                       random.next()};
    const Answer answer = card.run(call);
    ASSERT_LE(answer.result.bytes, call.output_lines * 64ull);
    ASSERT_LE(answer.result.records, 160u);
    ran += answer.result.error == abi::kTableErrorNone ? 1 : 0;
  }
  EXPECT_GT(ran, 100u);
}

struct CycleCase {
  const char* name;
  uint32_t mode, format;
  double cycles_max;  // a record
};

class StateDeltaCycles : public testing::TestWithParam<CycleCase> {};

// The stage-level model: 300 ns a random read, 64 on their way. The goal, 50 M records/s at 300 MHz, is 6 cycles.
TEST_P(StateDeltaCycles, ARecordTakes) {
  hls::native::set_settings({});
  test::RandomRecords random(2);
  CardMemory card = random_table(random, 20000, 100000, 20000);
  for (uint32_t slot = 0; slot < 20000; ++slot) {  // as a gateway has them: IPv4
    abi::Record r = given(card, slot);
    r.session.flags = hls::kDirty;
    card.put(slot, r);
  }
  const Answer answer = card.run({GetParam().mode, GetParam().format, 0, UINT64_MAX, 60000, kNowMs, 0});
  const double cycles = static_cast<double>(answer.cycles) / static_cast<double>(answer.result.records);
  RecordProperty("cycles_a_record", std::to_string(cycles));
  RecordProperty("records_per_s_at_300MHz", std::to_string(300e6 / cycles));
  printf("%s: %.2f cycles a record, %.0f M records/s at 300 MHz\n", GetParam().name, cycles, 300 / cycles);
  EXPECT_GT(answer.result.records, 15000u);
  EXPECT_LE(cycles, GetParam().cycles_max);
}

INSTANTIATE_TEST_SUITE_P(All, StateDeltaCycles,
                         testing::Values(CycleCase{"extract_records", abi::kDeltaExtract, abi::kDeltaRecords, 6},
                                         CycleCase{"extract_wire", abi::kDeltaExtract, abi::kDeltaWire, 6},
                                         CycleCase{"scan_records", abi::kDeltaScan, abi::kDeltaRecords, 6},
                                         CycleCase{"scan_wire", abi::kDeltaScan, abi::kDeltaWire, 6},
                                         CycleCase{"scan_snapshot", abi::kDeltaScan, abi::kDeltaSnapshot, 6},
                                         CycleCase{"digest", abi::kDeltaDigest, 0, 6}),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace phalanx
