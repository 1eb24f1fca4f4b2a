// What packets of one session close behind each other cost, by the stage-level model.
#include <gtest/gtest.h>

#include "drivers/native/native_engine.hpp"
#include "tests/differential/cases/cases.hpp"

namespace phalanx::testing {
namespace {

// The model's cycles are of the kernel alone, so figures may be demanded of them.
TEST(Cycles, OfALookup) {
  struct Case {
    uint32_t sessions;
    double least, most;  // cycles
  };
  // 1.5 is the fetch of 96 bytes by 64; 24 the depth of execute.
  for (const Case& c : {Case{1, 23.5, 25.5}, Case{4, 5.5, 7}, Case{16, 1.5, 2}, Case{256, 1.4, 1.7}}) {
    NativeEngine::Options options;
    options.settings.seed = 1;
    auto native = *NativeEngine::create(pair_config(1000), options);
    NativeEngine* engine = native.get();
    EnginePair pair(*CpuEngine::create(pair_config(1000)), std::move(native));
    Operations setup, burst;
    for (uint32_t i = 0; i < c.sessions; ++i) setup.insert(record_of(flow(i)), flow(i));
    for (uint32_t i = 0; i < 4096; ++i) burst.lookup(flow(i % c.sessions));
    ASSERT_EQ(pair.run(setup, 1), std::nullopt);
    const uint64_t begin = engine->cycles();
    ASSERT_EQ(pair.run(burst, 1), std::nullopt);
    const double cycles = static_cast<double>(engine->cycles() - begin) / 4096;
    EXPECT_GE(cycles, c.least) << c.sessions << " sessions";
    EXPECT_LE(cycles, c.most) << c.sessions << " sessions";
  }
}

}  // namespace
}  // namespace phalanx::testing
