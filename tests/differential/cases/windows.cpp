// Runs of INSERT, DELETE and APPLY, which the kernel carries out as windows with their lines read ahead: of few keys,
// so that within a window sessions begin, change and end again, and take each other's slots, buckets and translated
// keys. Reading ahead must not change a result.
#include <algorithm>

#include "tests/differential/cases/cases.hpp"

namespace phalanx::testing {
namespace {

struct Shape {
  uint64_t sessions_max;
  uint64_t buckets;  // of the card's index, 0 for its own choice
  WorldConfig world;
  uint64_t operations;
  uint64_t moves_least;  // of index entries: where buckets are so few that they must
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

Difference play(Judge& judge, const Shape& shape) {
  uint64_t moves = 0;
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    JudgedPair pair(judge, pair_config(shape.sessions_max), stalls(seed, shape.buckets));
    PHALANX_SAME(pair.problem());
    World world(shape.world, seed);
    uint32_t now_ms = 0;
    while (pair->operations() < shape.operations) {
      Operations given = world.batch(shape.sessions_max, pair->reference().generation());
      keep_changes(given);
      now_ms = world.now_ms();
      PHALANX_SAME(pair->run(given, now_ms));
      // Slots become free again, some of them.
      PHALANX_SAME(pair->run(Operations().extract(world.draw(200)), now_ms, 200));
      if (world.draw(8) == 0) PHALANX_SAME(pair->compare_tables(now_ms));
    }
    PHALANX_SAME(pair.end(now_ms));
    moves += pair->judged().counters().moves;
  }
  PHALANX_CASE_NEEDS(moves >= shape.moves_least);
  return std::nullopt;
}

}  // namespace

Difference windows_of_few_keys(Judge& judge) {
  return play(judge, {64, 0, {.clients = 2, .servers = 1, .ports = 2, .longest_batch = 400, .lookups = 0}, 20'000, 0});
}
Difference windows_of_one_slot(Judge& judge) {
  return play(judge, {1, 0, {.clients = 2, .servers = 1, .ports = 1, .longest_batch = 100, .lookups = 0}, 5'000, 0});
}
Difference windows_when_slots_run_out(Judge& judge) {
  return play(judge, {20, 0, {.clients = 6, .ports = 6, .longest_batch = 400, .lookups = 0}, 20'000, 0});
}
Difference windows_of_more_than_they_hold(Judge& judge) {
  const WorldConfig world = {
      .clients = 40, .servers = 8, .ports = 8, .hidden = 2000, .longest_batch = 1500, .lookups = 0};
  return play(judge, {1500, 0, world, 40'000, 0});
}
Difference windows_when_buckets_are_full(Judge& judge) {
  const WorldConfig world = {
      .clients = 40, .servers = 8, .ports = 8, .hidden = 2000, .longest_batch = 400, .lookups = 0};
  return play(judge, {220, 22, world, 40'000, 101});
}

}  // namespace phalanx::testing
