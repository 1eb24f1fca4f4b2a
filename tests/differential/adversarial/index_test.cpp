// The index at its limits: keys chosen by their hash, full buckets, stash and table.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "hls/hash.hpp"
#include "tests/differential/adversarial/native_pair.hpp"

namespace phalanx::testing {
namespace {

using abi::Result;

uint64_t hash_of(const hls::PacketMeta& packet, const EngineConfig& config) {
  return hls::hash_key(packet.key, config.hash_seed[0], config.hash_seed[1]);
}

// Flows that have the hash's low 16 bits, the tag, in common.
std::vector<hls::PacketMeta> same_tag(const EngineConfig& config, size_t count) {
  std::map<uint16_t, std::vector<hls::PacketMeta>> by_tag;
  for (uint32_t i = 0; i < 1'000'000; ++i) {
    auto& found = by_tag[static_cast<uint16_t>(hash_of(flow(i), config))];
    found.push_back(flow(i));
    if (found.size() == count) return found;
  }
  return {};
}

TEST(Index, EveryKeyOfATagIsComparedWhole) {
  for (uint64_t seed = 0; seed < 4; ++seed) {
    const EngineConfig config = pair_config(14);
    NativeEngine::Options options = stalls(seed);
    options.buckets = 1;  // one pair of buckets for all, so a lookup has 12 candidates
    NativePair engines(config, options);
    const auto flows = same_tag(config, 13);
    ASSERT_EQ(flows.size(), 13u);
    Operations given;
    for (size_t i = 0; i < 12; ++i) given.insert(record_of(flows[i]), flows[i]);
    for (int round = 0; round < 20; ++round) {
      for (const auto& f : flows) given.lookup(f).lookup(answer_of(f));
    }
    given.remove(flows[3]).lookup(flows[3]).lookup(flows[11]).insert(record_of(flows[12]), flows[12]).lookup(flows[12]);
    PHALANX_EXPECT_SAME(engines.pair.run(given, 1));
    PHALANX_EXPECT_SAME(engines.pair.compare_tables(2));
    EXPECT_EQ(engines.native->state().impossible, 0u);
  }
}

// Two buckets full and a stash full: 32 sessions whose keys all go to one pair of buckets.
TEST(Index, StashTakesWhatFindsNoPlaceAndGivesItBack) {
  const EngineConfig config = pair_config(64);
  NativeEngine::Options options = stalls(1);
  options.buckets = 1;
  NativePair engines(config, options);
  Operations fill, look;
  for (uint32_t i = 0; i < 32; ++i) fill.insert(record_of(flow(i)), flow(i));
  for (uint32_t i = 0; i < 32; ++i) look.lookup(flow(i)).lookup(answer_of(flow(i)));
  PHALANX_EXPECT_SAME(engines.pair.run(fill, 1));
  EXPECT_EQ(engines.native->counters().stash, 16u);
  PHALANX_EXPECT_SAME(engines.pair.run(look, 2));
  // Out of the buckets, out of the stash; the stash moves up.
  for (uint32_t i = 0; i < 32; i += 3) {
    PHALANX_EXPECT_SAME(engines.pair.run(Operations().remove(flow(i)), 3));
    PHALANX_EXPECT_SAME(engines.pair.run(look, 4));
  }
  EXPECT_EQ(engines.native->counters().stash, 5u);
  for (uint32_t i = 0; i < 32; i += 3) fill.insert(record_of(flow(i)), flow(i));
  PHALANX_EXPECT_SAME(engines.pair.run(fill, 5));
  PHALANX_EXPECT_SAME(engines.pair.run(look, 6));
  PHALANX_EXPECT_SAME(engines.pair.compare_tables(7));
  EXPECT_EQ(engines.native->state().impossible, 0u);
}

// One operation on the kernels alone, where the CPU engine's index has room left and theirs has not.
abi::Completion one(NativeEngine& engine, const Operations& given) {
  std::vector<abi::Completion> completions(given.operations.size());
  Batch batch;
  batch.operations = given.operations;
  batch.records = given.records;
  batch.completions = absl::MakeSpan(completions);
  uint64_t tag = 0;
  EXPECT_TRUE(engine.submit(batch).ok());
  EXPECT_EQ(engine.poll({&tag, 1}), 1u);
  return completions.back();
}

TEST(Index, AFullIndexRefusesAndChangesNothing) {
  NativeEngine::Options options = stalls(1);
  options.buckets = 1;
  auto engine = *NativeEngine::create(pair_config(64), options);
  for (uint32_t i = 0; i < 32; ++i) EXPECT_EQ(one(*engine, Operations().insert(record_of(flow(i)), flow(i))).slot, i);
  const auto used = engine->state().used_end;
  const hls::Endpoint hide = {0, 0xcb007101u, 4000};
  for (const abi::Record& record : {record_of(flow(40)), record_of(flow(40), &hide)}) {
    EXPECT_EQ(one(*engine, Operations().insert(record, flow(40))).result, Result::kFull);
    abi::Record replica = record;
    replica.session.state = hls::kStateUdpNew;
    replica.session.order = uint64_t{90} << hls::kVersionBits;
    EXPECT_EQ(one(*engine, Operations().apply(replica)).result, Result::kFull);
  }
  // Room for one of two entries is not enough, and the one is taken back.
  EXPECT_EQ(one(*engine, Operations().remove(flow(7))).result, Result::kDone);
  EXPECT_EQ(one(*engine, Operations().insert(record_of(flow(40), &hide), flow(40))).result, Result::kFull);
  EXPECT_EQ(one(*engine, Operations().lookup(flow(40))).result, Result::kMiss);
  EXPECT_EQ(one(*engine, Operations().insert(record_of(flow(41)), flow(41))).result, Result::kDone);
  EXPECT_EQ(engine->state().used_end, used + 1);
  EXPECT_EQ(engine->counters().refused_full, 5u);
  for (uint32_t i = 0; i < 32; ++i) {
    EXPECT_EQ(one(*engine, Operations().lookup(flow(i))).result, i == 7 ? Result::kMiss : Result::kDone) << i;
  }
  EXPECT_EQ(engine->state().impossible, 0u);
}

TEST(Index, AFullTableRefusesUntilTheLogIsRead) {
  for (uint64_t seed = 0; seed < 3; ++seed) {
    NativePair engines(pair_config(50), stalls(seed));
    uint32_t now_ms = 0;
    for (uint32_t round = 0; round < 20; ++round) {
      Operations given;
      for (uint32_t i = 0; i < 70; ++i) given.insert(record_of(flow(100 * round + i)), flow(100 * round + i));
      given.extract(10 + round).age(0, ~uint64_t{0}).insert(record_of(flow(7)), flow(7)).extract(30);
      for (uint32_t i = 0; i < 70; i += 2) given.remove(flow(100 * round + i));
      PHALANX_EXPECT_SAME(engines.pair.run(given, now_ms += 20'000, 200));
    }
    EXPECT_GT(engines.pair.reference().counters().refused_full, 100u);
    EXPECT_GT(engines.pair.reference().counters().aged, 100u);
    PHALANX_EXPECT_SAME(engines.pair.compare_tables(now_ms));
  }
}

// Two entries a session and few buckets, loads from 90 % to 100 % and the stash: whatever an insertion comes to, it
// never loses a session, and one refused leaves nothing behind.
RC_GTEST_PROP(Index, InsertionNeverLosesAnotherSession, ()) {
  const auto buckets = *rc::gen::inRange<uint64_t>(1, 24);
  EngineConfig config = pair_config(16 * buckets + 40);
  config.hash_seed[0] = *rc::gen::arbitrary<uint64_t>();
  NativeEngine::Options options;
  options.buckets = buckets;
  auto engine = *NativeEngine::create(config, options);
  std::vector<uint32_t> kept;
  uint32_t refused = 0;
  const auto hide = [](uint32_t i) { return hls::Endpoint{0, 0xcb007101u, static_cast<uint16_t>(i)}; };
  const auto answer = [&](uint32_t i) { return packet_between({0, 0xc0000201u, 80}, hide(i), hls::kProtocolUdp, 4); };
  for (uint32_t i = 0; refused < 6; ++i) {
    const hls::Endpoint source = hide(i);
    const auto result = one(*engine, Operations().insert(record_of(flow(i), &source), flow(i))).result;
    RC_ASSERT(result == Result::kDone || result == Result::kFull);
    if (result == Result::kDone) kept.push_back(i);
    if (result == Result::kFull) ++refused;
    // Now and then one goes, which empties the stash into what it leaves.
    if (refused != 0 && i % 3 == 0) {
      RC_ASSERT(one(*engine, Operations().remove(flow(kept.front()))).result == Result::kDone);
      kept.erase(kept.begin());
    }
    const double load = static_cast<double>(2 * kept.size()) / static_cast<double>(16 * buckets);
    if (load < 0.9) continue;
    for (const uint32_t k : kept) {
      RC_ASSERT(one(*engine, Operations().lookup(flow(k))).result == Result::kDone);
      RC_ASSERT(one(*engine, Operations().lookup(answer(k))).result == Result::kDone);
    }
    RC_ASSERT(result == Result::kDone || one(*engine, Operations().lookup(flow(i))).result == Result::kMiss);
    RC_ASSERT(result == Result::kDone || one(*engine, Operations().lookup(answer(i))).result == Result::kMiss);
  }
  RC_ASSERT(engine->state().impossible == 0u);
  RC_ASSERT(2 * (kept.size() + 8) >= 16 * buckets * 95 / 100);  // it was really full
}

}  // namespace
}  // namespace phalanx::testing
