// Kernels without an HLS tool: fibers, bounded FIFOs and the cycles they count.
#include "hls/dataflow.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "hls/stream.hpp"

namespace phalanx::hls {
namespace {

void produce(int count, uint32_t interval, Stream<int, 4>& out) {
  for (int i = 0; i < count; ++i) {
    PHALANX_STEP(interval);
    out.write(i);
  }
}

void read_memory(int count, Stream<int, 4>& in, Stream<int, 128>& out) {
  for (int i = 0; i < count; ++i) {
    PHALANX_STEP(1);
    const int value = in.read();
    PHALANX_MEMORY_READ();
    out.write(value * 2);
  }
}

template <int kDepth>
void consume(int count, uint32_t interval, Stream<int, kDepth>& in, std::vector<int>& got) {
  for (int i = 0; i < count; ++i) {
    PHALANX_STEP(interval);
    got.push_back(in.read());
  }
}

uint64_t run(int count, uint32_t producer, uint32_t consumer, std::vector<int>& got) {
  native::reset_cycles();
  Stream<int, 4> numbers;
  Stream<int, 128> doubled;
  PHALANX_DATAFLOW_BEGIN
  PHALANX_STAGE(produce(count, producer, numbers));
  PHALANX_STAGE(read_memory(count, numbers, doubled));
  PHALANX_STAGE(consume(count, consumer, doubled, got));
  PHALANX_DATAFLOW_END
  return native::cycles();
}

TEST(Dataflow, ValuesArriveInOrderWhoeverRunsWhen) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    native::set_settings({.seed = seed, .stalls = true});
    std::vector<int> got;
    run(1000, 1, 1, got);
    ASSERT_EQ(got.size(), 1000u);
    for (int i = 0; i < 1000; ++i) ASSERT_EQ(got[i], 2 * i);
  }
}

TEST(Dataflow, CyclesDependOnTheKernelAlone) {
  std::vector<int> got;
  native::set_settings({});
  const uint64_t cycles = run(1000, 1, 1, got);
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    native::set_settings({.seed = seed, .stalls = true});
    EXPECT_EQ(run(1000, 1, 1, got), cycles);
  }
}

struct CycleCase {
  const char* name;
  uint32_t producer, consumer, latency, outstanding;
  double interval;  // cycles a value, in the long run
};

class DataflowCycles : public testing::TestWithParam<CycleCase> {};

TEST_P(DataflowCycles, TheSlowestStageSetsTheInterval) {
  const CycleCase& c = GetParam();
  native::set_settings({.memory_latency = c.latency, .memory_outstanding = c.outstanding});
  std::vector<int> got;
  const double cycles = static_cast<double>(run(20000, c.producer, c.consumer, got));
  EXPECT_NEAR(cycles / 20000, c.interval, c.interval * 0.02);
}

INSTANTIATE_TEST_SUITE_P(All, DataflowCycles,
                         testing::Values(CycleCase{"one", 1, 1, 90, 128, 1}, CycleCase{"producer", 3, 1, 90, 128, 3},
                                         CycleCase{"consumer", 1, 2, 90, 128, 2},
                                         CycleCase{"few_reads_in_flight", 1, 1, 90, 9, 10},
                                         CycleCase{"fifo_shorter_than_latency", 1, 1, 256, 512, 2.0}),
                         [](const auto& test) { return test.param.name; });

void read_never_written(Stream<int, 4>& in) { in.read(); }

void run_forever() {
  Stream<int, 4> numbers;
  PHALANX_DATAFLOW_BEGIN
  PHALANX_STAGE(read_never_written(numbers));
  PHALANX_DATAFLOW_END
}

TEST(DataflowDeathTest, ADeadlockNamesTheStages) { EXPECT_DEATH(run_forever(), "read_never_written"); }

}  // namespace
}  // namespace phalanx::hls
