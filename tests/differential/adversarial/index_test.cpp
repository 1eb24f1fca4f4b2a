// The index at loads from 90 % on, with the kernels compiled natively alone: what it does is a property, not an answer
// of the CPU engine, whose index has room left.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "drivers/native/native_engine.hpp"
#include "tests/differential/cases/cases.hpp"

namespace phalanx::testing {
namespace {

using abi::Result;

// One operation on the kernels alone.
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
