// Runs of INSERT, DELETE and APPLY, which the kernel carries out as windows with their lines read ahead: of few keys,
// so that within a window sessions begin, change and end again, and take each other's slots, buckets and translated
// keys.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/differential/adversarial/native_pair.hpp"

namespace phalanx::testing {
namespace {

struct WindowCase {
  const char* name;
  uint64_t sessions_max;
  uint64_t buckets;  // of the card's index, 0 for its own choice
  WorldConfig world;
  uint64_t operations;
  bool entries_move;  // the buckets are so few that they must
};

const WindowCase kCases[] = {
    {"few_keys", 64, 0, {.clients = 2, .servers = 1, .ports = 2, .longest_batch = 400, .lookups = 0}, 20'000, false},
    {"one_slot", 1, 0, {.clients = 2, .servers = 1, .ports = 1, .longest_batch = 100, .lookups = 0}, 5'000, false},
    {"slots_run_out", 20, 0, {.clients = 6, .ports = 6, .longest_batch = 400, .lookups = 0}, 20'000, false},
    {"more_than_a_window_holds",
     1500,
     0,
     {.clients = 40, .servers = 8, .ports = 8, .hidden = 2000, .longest_batch = 1500, .lookups = 0},
     40'000,
     false},
    {"buckets_full",
     220,
     22,
     {.clients = 40, .servers = 8, .ports = 8, .hidden = 2000, .longest_batch = 400, .lookups = 0},
     40'000,
     true},
};

// Nothing but what makes up windows.
void keep_changes(Operations& given) {
  const auto other = [](const abi::Operation& operation) {
    return operation.opcode != abi::Opcode::kInsert && operation.opcode != abi::Opcode::kApply &&
           operation.opcode != abi::Opcode::kDelete;
  };
  given.operations.erase(std::remove_if(given.operations.begin(), given.operations.end(), other),
                         given.operations.end());
}

class Windows : public ::testing::TestWithParam<WindowCase> {};

TEST_P(Windows, ReadingAheadChangesNoResult) {
  const WindowCase& one = GetParam();
  uint64_t moves = 0;
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    NativeEngine::Options options = stalls(seed);
    options.buckets = one.buckets;
    NativePair engines(pair_config(one.sessions_max), options);
    World world(one.world, seed);
    uint32_t now_ms = 0;
    while (engines.pair.operations() < one.operations) {
      Operations given = world.batch(one.sessions_max, engines.pair.reference().generation());
      keep_changes(given);
      now_ms = world.now_ms();
      PHALANX_EXPECT_SAME(engines.pair.run(given, now_ms));
      // Slots become free again, some of them.
      PHALANX_EXPECT_SAME(engines.pair.run(Operations().extract(world.draw(200)), now_ms, 200));
      if (world.draw(8) == 0) {
        PHALANX_EXPECT_SAME(engines.pair.compare_tables(now_ms));
      }
    }
    PHALANX_EXPECT_SAME(engines.pair.compare_tables(now_ms));
    EXPECT_EQ(engines.native->state().impossible, 0u);
    moves += engines.native->state().moves;
  }
  if (one.entries_move) {
    EXPECT_GT(moves, 100u);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Windows, ::testing::ValuesIn(kCases),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace phalanx::testing
