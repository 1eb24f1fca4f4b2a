// A table whose memory is not what the kernels wrote: nothing crashes, loops or reads beyond it, and it is counted.
#include <gtest/gtest.h>

#include <random>

#include "drivers/native/native_engine.hpp"
#include "tests/differential/cases/cases.hpp"

namespace phalanx::testing {
namespace {

std::unique_ptr<NativeEngine> make(uint64_t sessions_max, uint64_t seed) {
  NativeEngine::Options options;
  options.settings.seed = seed;
  options.settings.stalls = true;
  return *NativeEngine::create(pair_config(sessions_max), options);
}

Operations mixed(World& world, NativeEngine& engine) { return world.batch(engine.slots(), engine.generation()); }

// Runs a batch; whatever its completions are, each must be one that there can be.
void expect_answered(NativeEngine& engine, const Operations& given) {
  std::vector<abi::Completion> completions(given.operations.size());
  std::vector<abi::Record> output(16);
  Batch batch;
  batch.now_ms = 1000;
  batch.operations = given.operations;
  batch.records = given.records;
  batch.completions = absl::MakeSpan(completions);
  batch.output = absl::MakeSpan(output);
  ASSERT_TRUE(engine.submit(batch).ok());
  uint64_t tag = 0;
  ASSERT_EQ(engine.poll({&tag, 1}), 1u);
  for (const abi::Completion& c : completions) {
    EXPECT_LE(static_cast<int>(c.result), static_cast<int>(abi::Result::kInvalid));
    EXPECT_TRUE(c.slot < engine.slots());
  }
}

TEST(Damage, FlippedBitsAreCountedAndSurvived) {
  uint64_t impossible = 0;
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    auto engine = make(40, seed);
    World world({.clients = 5, .ports = 4}, seed);
    std::mt19937_64 random(seed);
    for (int round = 0; round < 40; ++round) {
      expect_answered(*engine, mixed(world, *engine));
      // A bit of the index, a record or the free slots; in every third round a whole word.
      const absl::Span<abi::Line> parts[] = {engine->buckets(0), engine->buckets(1), engine->session_a(),
                                             engine->session_b(), engine->free_slot()};
      const auto& part = parts[random() % std::size(parts)];
      uint64_t& word = part[random() % part.size()].word[random() % 8];
      word = round % 3 == 0 ? random() : word ^ uint64_t { 1 } << random() % 64;
      // And of the stash, which lies in the state.
      if (round % 10 == 0) engine->state().stash[random() % abi::kStashEntries].entry = random();
      if (round % 10 == 0) engine->state().stashed = random() % (abi::kStashEntries + 1);
    }
    impossible += engine->state().impossible;
  }
  EXPECT_GT(impossible, 100u);
}

TEST(Damage, AnEntryThatLeadsNowhereIsAMiss) {
  auto engine = make(8, 1);
  expect_answered(*engine, Operations().insert(record_of(flow(1)), flow(1)).lookup(flow(1)));
  ASSERT_EQ(engine->state().impossible, 0u);
  for (const int choice : {0, 1}) {
    for (abi::Line& bucket : engine->buckets(choice)) {
      for (uint64_t& entry : bucket.word) {
        if (entry != 0) entry = (entry & ~abi::kEntrySlotMask) | 0x12345678;
      }
    }
  }
  std::vector<abi::Completion> completions(3);
  const Operations given = Operations().lookup(flow(1)).remove(flow(1)).lookup(flow(2));
  Batch batch;
  batch.operations = given.operations;
  batch.completions = absl::MakeSpan(completions);
  ASSERT_TRUE(engine->submit(batch).ok());
  for (const auto& c : completions) EXPECT_EQ(c.result, abi::Result::kMiss);
  EXPECT_EQ(engine->state().impossible, 2u);
}

struct FormCase {
  const char* name;
  uint64_t abi::TableState::*field;
  uint64_t value;
  const char* error;
};

class DamagedState : public ::testing::TestWithParam<FormCase> {};

TEST_P(DamagedState, IsRefusedWithItsReason) {
  auto engine = make(8, 1);
  const Operations given = Operations().lookup(flow(1));
  engine->state().*GetParam().field = GetParam().value;
  std::vector<abi::Completion> completions(1);
  Batch batch;
  batch.operations = given.operations;
  batch.completions = absl::MakeSpan(completions);
  const absl::Status status = engine->submit(batch);
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_NE(std::string(status.message()).find(GetParam().error), std::string::npos) << status;
}

INSTANTIATE_TEST_SUITE_P(
    All, DamagedState,
    ::testing::Values(FormCase{"abi_version", &abi::TableState::abi_version, 99, "another ABI version"},
                      FormCase{"no_slots", &abi::TableState::slots, 0, "contradict"},
                      FormCase{"too_many_slots", &abi::TableState::slots, (1u << 30) + 1, "contradict"},
                      FormCase{"no_buckets", &abi::TableState::buckets, 0, "contradict"},
                      FormCase{"used_end", &abi::TableState::used_end, 9, "contradict"},
                      FormCase{"free_slots", &abi::TableState::free_slots, 1, "contradict"},
                      FormCase{"log_head", &abi::TableState::log_head, 8, "contradict"},
                      FormCase{"logged", &abi::TableState::logged, 9, "contradict"},
                      FormCase{"stashed", &abi::TableState::stashed, 17, "contradict"}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace phalanx::testing
