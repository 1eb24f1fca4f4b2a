// Random streams of operations on the CPU engine and on the card's kernels, compared after each batch.
#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "drivers/cpu/cpu_engine.hpp"
#include "drivers/native/native_engine.hpp"
#include "tests/differential/world.hpp"

namespace phalanx::testing {
namespace {

struct StreamCase {
  const char* name;
  uint64_t sessions_max;
  WorldConfig world;
  bool stalls;
  uint64_t operations;  // of one seed
  uint64_t seeds;
};

// 1.2 million operations in all.
const StreamCase kStreams[] = {
    {"mixed", 64, {.clients = 6, .ports = 6}, false, 40'000, 4},
    {"mixed_with_stalls", 64, {.clients = 6, .ports = 6}, true, 40'000, 4},
    {"tiny_tables", 5, {}, true, 20'000, 6},
    {"one_slot", 1, {.clients = 1, .ports = 2}, true, 20'000, 2},
    {"long_batches_of_lookups", 100, {.clients = 5, .ports = 5, .longest_batch = 3000, .lookups = 63}, true, 80'000, 4},
    {"lookups_without_stalls", 100, {.clients = 5, .longest_batch = 6000, .lookups = 63}, false, 80'000, 2},
    {"sequence_numbers_wrap", 40, {.sequence = 0xfffffffe, .longest_batch = 200, .lookups = 50}, true, 50'000, 2},
    {"time_leaps", 40, {.longest_batch = 30, .odd_times = true}, true, 40'000, 3},
};

class RandomStreams : public ::testing::TestWithParam<StreamCase> {};

EngineConfig config_of(const StreamCase& stream, uint64_t seed) {
  EngineConfig config;
  config.sessions_max = stream.sessions_max + seed % 3;
  config.half_open_max = seed % 2 == 0 ? stream.sessions_max : 1 + stream.sessions_max / 3;
  config.hash_seed[0] = seed;
  config.hash_seed[1] = ~seed;
  config.tcp_pickup = seed % 3 == 0;
  return config;
}

// Takes the stream to its end; what differs, nothing if all is equal.
void play(const StreamCase& stream, uint64_t seed, std::map<std::pair<int, int>, uint64_t>& outcomes) {
  const EngineConfig config = config_of(stream, seed);
  NativeEngine::Options options;
  options.settings.seed = seed;
  options.settings.stalls = stream.stalls;
  auto native = NativeEngine::create(config, options);
  ASSERT_TRUE(native.ok()) << native.status();
  NativeEngine* judged = native->get();
  EnginePair pair(*CpuEngine::create(config), *std::move(native));
  World world(stream.world, seed);
  uint32_t now_ms = 0;
  while (pair.operations() < stream.operations) {
    const Operations given = world.batch(config.sessions_max, pair.reference().generation());
    now_ms = world.now_ms();
    const auto difference = pair.run(given, now_ms, world.draw(3) == 0 ? 0 : world.draw(40));
    ASSERT_FALSE(difference.has_value()) << stream.name << " seed " << seed << " after " << pair.operations()
                                         << " operations: " << *difference;
    for (size_t i = 0; i < given.operations.size(); ++i) {
      ++outcomes[{static_cast<int>(given.operations[i].opcode), static_cast<int>(pair.answer().completions[i].result)}];
    }
    const uint32_t between = world.draw(256);
    if (between < 4) pair.set_age_floor(now_ms);
    if (between >= 4 && between < 8) pair.advance_generation(pair.reference().generation() + world.draw(3));
    if (between == 8) pair.clear();
  }
  const auto difference = pair.compare_tables(now_ms);
  ASSERT_FALSE(difference.has_value()) << stream.name << " seed " << seed << ": " << *difference;
  EXPECT_EQ(judged->state().impossible, 0u);
  EXPECT_EQ(judged->state().log_overflow, 0u);
}

TEST_P(RandomStreams, CardAndCpuAnswerTheSame) {
  std::map<std::pair<int, int>, uint64_t> outcomes;
  for (uint64_t seed = 1; seed <= GetParam().seeds; ++seed) {
    play(GetParam(), seed, outcomes);
    if (HasFatalFailure()) return;
  }
  // A stream is worth something only if it gets everywhere that it can.
  using abi::Opcode, abi::Result;
  const std::pair<Opcode, Result> expected[] = {
      {Opcode::kLookup, Result::kDone},  {Opcode::kLookup, Result::kMiss},   {Opcode::kLookup, Result::kDrop},
      {Opcode::kInsert, Result::kDone},  {Opcode::kInsert, Result::kExists}, {Opcode::kInsert, Result::kInvalid},
      {Opcode::kInsert, Result::kDrop},  {Opcode::kDelete, Result::kDone},   {Opcode::kApply, Result::kDone},
      {Opcode::kApply, Result::kStale},  {Opcode::kApply, Result::kInvalid}, {Opcode::kAge, Result::kDone},
      {Opcode::kExtract, Result::kDone}, {Opcode::kScan, Result::kDone}};
  for (const auto& [opcode, result] : expected) {
    EXPECT_GE((outcomes[{static_cast<int>(opcode), static_cast<int>(result)}]), 5u)
        << "operation " << static_cast<int>(opcode) << " with result " << static_cast<int>(result);
  }
}

INSTANTIATE_TEST_SUITE_P(All, RandomStreams, ::testing::ValuesIn(kStreams),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace phalanx::testing
