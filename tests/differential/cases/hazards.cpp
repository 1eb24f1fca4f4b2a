// Packets of one session close behind each other: what hold stage and recent-writes store are for.
#include "tests/differential/cases/cases.hpp"

namespace phalanx::testing {
namespace {

// Sessions in play, from back to back to beyond the store. Where the figures of session_engine/sizes.hpp lie: 24 the
// depth of execute, 128 the reads in flight, 256 the store.
constexpr uint32_t kSessionsInPlay[] = {1,   2,   3,   5,   8,   16,  23,  24,  25,  26,  40,  64,  100, 127,
                                        128, 129, 150, 180, 200, 211, 212, 240, 255, 256, 257, 300, 500, 999};

Difference in_play(Judge& judge, uint32_t sessions, uint64_t seed) {
  JudgedPair pair(judge, pair_config(1000), {0, seed, seed != 0});
  PHALANX_SAME(pair.problem());
  Operations setup;
  for (uint32_t i = 0; i < sessions; ++i) setup.insert(record_of(flow(i)), flow(i));
  PHALANX_SAME(pair->run(setup, 1));
  Operations burst;
  for (uint32_t i = 0; i < 3000; ++i) {
    hls::PacketMeta packet = flow(i % sessions);
    if (i / sessions % 2 == 1) packet = answer_of(packet);
    packet.bytes = i;  // every packet counts: a lost update is a wrong counter
    burst.lookup(packet);
  }
  PHALANX_SAME(pair->run(burst, 2));
  return pair.end(3);
}

}  // namespace

Difference every_packet_sees_the_one_before(Judge& judge) {
  for (const uint32_t sessions : kSessionsInPlay) {
    for (uint64_t seed = 0; seed < judge.seeds(4); ++seed) {
      if (const auto found = in_play(judge, sessions, seed)) {
        return absl::StrCat(sessions, " sessions, seed ", seed, ": ", *found);
      }
    }
  }
  return std::nullopt;
}

// One session among strangers at every distance, so that its last write is anywhere between hold stage and memory.
Difference every_distance_between_two_packets(Judge& judge) {
  JudgedPair pair(judge, pair_config(1000), stalls(9));
  PHALANX_SAME(pair.problem());
  Operations setup;
  for (uint32_t i = 0; i < 1000; ++i) setup.insert(record_of(flow(i)), flow(i));
  PHALANX_SAME(pair->run(setup, 1));
  Operations burst;
  for (uint32_t distance = 0; distance < 300; ++distance) {
    burst.lookup(flow(0));
    // Found and unknown ones, which write and do not.
    for (uint32_t k = 0; k < distance; ++k) burst.lookup(flow(1 + (k * 7 + distance) % 1400));
  }
  PHALANX_SAME(pair->run(burst, 2));
  return pair.end(3);
}

Difference a_change_amid_lookups(Judge& judge) {
  for (uint64_t seed = 0; seed < judge.seeds(8); ++seed) {
    JudgedPair pair(judge, pair_config(8), stalls(seed));
    PHALANX_SAME(pair.problem());
    Operations given;
    for (uint32_t round = 0; round < 200; ++round) {
      given.insert(record_of(flow(0)), flow(0));
      for (uint32_t k = 0; k < round % 7; ++k) given.lookup(flow(0)).lookup(answer_of(flow(0)));
      if (round % 3 == 0) given.extract(2);
      given.remove(answer_of(flow(0)));
      for (uint32_t k = 0; k < round % 3; ++k) given.lookup(flow(0));
      if (round % 5 == 0) given.extract(100);
    }
    PHALANX_SAME(pair->run(given, 1, 500));
    PHALANX_SAME(pair.end(3));
  }
  return std::nullopt;
}

}  // namespace phalanx::testing
