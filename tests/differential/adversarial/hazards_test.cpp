// Packets of one session close behind each other: what hold stage and recent-writes store are for.
#include <gtest/gtest.h>

#include "tests/differential/adversarial/native_pair.hpp"

namespace phalanx::testing {
namespace {

// Sessions in play, from back to back to beyond the store. Where the figures of session_engine/sizes.hpp lie: 24 the
// depth of execute, 128 the reads in flight, 256 the store.
class SessionsInPlay : public ::testing::TestWithParam<uint32_t> {};

TEST_P(SessionsInPlay, EveryPacketSeesTheOneBefore) {
  const uint32_t sessions = GetParam();
  for (uint64_t seed = 0; seed < 4; ++seed) {
    NativePair engines(pair_config(1000), stalls(seed, seed != 0));
    Operations setup;
    for (uint32_t i = 0; i < sessions; ++i) setup.insert(record_of(flow(i)), flow(i));
    PHALANX_EXPECT_SAME(engines.pair.run(setup, 1));
    Operations burst;
    for (uint32_t i = 0; i < 3000; ++i) {
      hls::PacketMeta packet = flow(i % sessions);
      if (i / sessions % 2 == 1) packet = answer_of(packet);
      packet.bytes = i;  // every packet counts: a lost update is a wrong counter
      burst.lookup(packet);
    }
    PHALANX_EXPECT_SAME(engines.pair.run(burst, 2));
    PHALANX_EXPECT_SAME(engines.pair.compare_tables(3));
  }
}

INSTANTIATE_TEST_SUITE_P(All, SessionsInPlay,
                         ::testing::Values(1, 2, 3, 5, 8, 16, 23, 24, 25, 26, 40, 64, 100, 127, 128, 129, 150, 180, 200,
                                           211, 212, 240, 255, 256, 257, 300, 500, 999));

// One session among strangers at every distance, so that its last write is anywhere between hold stage and memory.
TEST(Hazards, EveryDistanceBetweenTwoPacketsOfASession) {
  NativePair engines(pair_config(1000), stalls(9));
  Operations setup;
  for (uint32_t i = 0; i < 1000; ++i) setup.insert(record_of(flow(i)), flow(i));
  PHALANX_EXPECT_SAME(engines.pair.run(setup, 1));
  Operations burst;
  for (uint32_t distance = 0; distance < 300; ++distance) {
    burst.lookup(flow(0));
    // Found and unknown ones, which write and do not.
    for (uint32_t k = 0; k < distance; ++k) burst.lookup(flow(1 + (k * 7 + distance) % 1400));
  }
  PHALANX_EXPECT_SAME(engines.pair.run(burst, 2));
  PHALANX_EXPECT_SAME(engines.pair.compare_tables(3));
}

TEST(Hazards, AChangeAmidLookupsOfItsSession) {
  for (uint64_t seed = 0; seed < 8; ++seed) {
    NativePair engines(pair_config(8), stalls(seed));
    Operations given;
    for (uint32_t round = 0; round < 200; ++round) {
      given.insert(record_of(flow(0)), flow(0));
      for (uint32_t k = 0; k < round % 7; ++k) given.lookup(flow(0)).lookup(answer_of(flow(0)));
      if (round % 3 == 0) given.extract(2);
      given.remove(answer_of(flow(0)));
      for (uint32_t k = 0; k < round % 3; ++k) given.lookup(flow(0));
      if (round % 5 == 0) given.extract(100);
    }
    PHALANX_EXPECT_SAME(engines.pair.run(given, 1, 500));
    PHALANX_EXPECT_SAME(engines.pair.compare_tables(3));
  }
}

// The model's cycles are of the kernel alone, so figures may be demanded of them.
TEST(Hazards, CyclesOfALookup) {
  struct Case {
    uint32_t sessions;
    double least, most;  // cycles
  };
  // 1.5 is the fetch of 96 bytes by 64; 24 the depth of execute.
  for (const Case& c : {Case{1, 23.5, 25.5}, Case{4, 5.5, 7}, Case{16, 1.5, 2}, Case{256, 1.4, 1.7}}) {
    auto native = *NativeEngine::create(pair_config(1000), stalls(1, false));
    NativeEngine* engine = native.get();
    EnginePair pair(*CpuEngine::create(pair_config(1000)), std::move(native));
    Operations setup, burst;
    for (uint32_t i = 0; i < c.sessions; ++i) setup.insert(record_of(flow(i)), flow(i));
    for (uint32_t i = 0; i < 4096; ++i) burst.lookup(flow(i % c.sessions));
    PHALANX_EXPECT_SAME(pair.run(setup, 1));
    const uint64_t begin = engine->cycles();
    PHALANX_EXPECT_SAME(pair.run(burst, 1));
    const double cycles = static_cast<double>(engine->cycles() - begin) / 4096;
    EXPECT_GE(cycles, c.least) << c.sessions << " sessions";
    EXPECT_LE(cycles, c.most) << c.sessions << " sessions";
  }
}

}  // namespace
}  // namespace phalanx::testing
