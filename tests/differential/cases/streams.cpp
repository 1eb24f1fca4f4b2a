// Random streams of operations.
#include <algorithm>

#include "tests/differential/cases/cases.hpp"

namespace phalanx::testing {
namespace {

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

EngineConfig config_of(const StreamCase& stream, uint64_t seed) {
  EngineConfig config;
  config.sessions_max = stream.sessions_max + seed % 3;
  config.half_open_max = seed % 2 == 0 ? stream.sessions_max : 1 + stream.sessions_max / 3;
  config.hash_seed[0] = seed;
  config.hash_seed[1] = ~seed;
  config.tcp_pickup = seed % 3 == 0;
  return config;
}

Difference play_seed(const StreamCase& stream, uint64_t operations, uint64_t seed, Judge& judge, Outcomes& outcomes,
                     uint64_t& played) {
  const EngineConfig config = config_of(stream, seed);
  JudgedPair pair(judge, config, {0, seed, stream.stalls});
  PHALANX_SAME(pair.problem());
  World world(stream.world, seed);
  uint32_t now_ms = 0;
  while (pair->operations() < operations) {
    const Operations given = world.batch(config.sessions_max, pair->reference().generation());
    now_ms = world.now_ms();
    PHALANX_SAME(pair->run(given, now_ms, world.draw(3) == 0 ? 0 : world.draw(40)));
    for (size_t i = 0; i < given.operations.size(); ++i) {
      ++outcomes[{given.operations[i].opcode, pair->answer().completions[i].result}];
    }
    const uint32_t between = world.draw(256);
    if (between < 4) pair->set_age_floor(now_ms);
    if (between >= 4 && between < 8) pair->advance_generation(pair->reference().generation() + world.draw(3));
    if (between == 8) pair->clear();
  }
  PHALANX_SAME(pair.end(now_ms));
  played += pair->operations();
  return std::nullopt;
}

}  // namespace

absl::Span<const StreamCase> stream_cases() { return kStreams; }

uint64_t stream_operations() {
  uint64_t sum = 0;
  for (const StreamCase& stream : kStreams) sum += stream.operations * stream.seeds;
  return sum;
}

Difference play_stream(const StreamCase& stream, uint64_t operations, Judge& judge, Outcomes& outcomes,
                       uint64_t& played) {
  for (uint64_t seed = 1; seed <= stream.seeds; ++seed) {
    if (const auto found = play_seed(stream, operations, seed, judge, outcomes, played)) {
      return absl::StrCat(stream.name, " seed ", seed, ": ", *found);
    }
  }
  return std::nullopt;
}

Difference got_everywhere(const Outcomes& outcomes) {
  using abi::Opcode, abi::Result;
  constexpr uint64_t kLeast = 5;
  const std::pair<Opcode, Result> expected[] = {
      {Opcode::kLookup, Result::kDone},  {Opcode::kLookup, Result::kMiss},   {Opcode::kLookup, Result::kDrop},
      {Opcode::kInsert, Result::kDone},  {Opcode::kInsert, Result::kExists}, {Opcode::kInsert, Result::kInvalid},
      {Opcode::kInsert, Result::kDrop},  {Opcode::kDelete, Result::kDone},   {Opcode::kApply, Result::kDone},
      {Opcode::kApply, Result::kStale},  {Opcode::kApply, Result::kInvalid}, {Opcode::kAge, Result::kDone},
      {Opcode::kExtract, Result::kDone}, {Opcode::kScan, Result::kDone}};
  for (const auto& outcome : expected) {
    const auto found = outcomes.find(outcome);
    const uint64_t times = found == outcomes.end() ? 0 : found->second;
    if (times >= kLeast) continue;
    return absl::StrCat("operation ", static_cast<int>(outcome.first), " had result ", static_cast<int>(outcome.second),
                        " ", times, " times");
  }
  return std::nullopt;
}

}  // namespace phalanx::testing
