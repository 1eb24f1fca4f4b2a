// Random streams of operations on the CPU engine and on the card's kernels compiled natively, compared after each
// batch.
#include <gtest/gtest.h>

#include "tests/differential/cases/cases.hpp"
#include "tests/differential/native_judge.hpp"

namespace phalanx::testing {
namespace {

// Under the address sanitizer, where an operation costs many times as much, the first quarter of each stream.
#ifdef __SANITIZE_ADDRESS__
constexpr uint64_t kParts = 4;
#else
constexpr uint64_t kParts = 1;
#endif

class RandomStreams : public ::testing::TestWithParam<StreamCase> {};

TEST_P(RandomStreams, CardAndCpuAnswerTheSame) {
  NativeJudge judge;
  Outcomes outcomes;
  uint64_t played = 0;
  const uint64_t operations = GetParam().operations / kParts;
  const Difference found = play_stream(GetParam(), operations, judge, outcomes, played);
  ASSERT_FALSE(found.has_value()) << *found;
  EXPECT_GE(played, operations * GetParam().seeds);
  EXPECT_EQ(got_everywhere(outcomes), std::nullopt);
}

INSTANTIATE_TEST_SUITE_P(All, RandomStreams, ::testing::ValuesIn(stream_cases().begin(), stream_cases().end()),
                         [](const auto& test) { return test.param.name; });

TEST(RandomStreams, AreAMillionOperations) { EXPECT_GE(stream_operations(), 1'000'000u); }

// The pair sees what a judged engine does wrong, also with batches in flight.
class FaultyEngine final : public Accelerator {
 public:
  explicit FaultyEngine(std::unique_ptr<Accelerator> engine) : engine_(std::move(engine)) {}
  std::string name() const override { return "faulty"; }
  uint64_t slots() const override { return engine_->slots(); }
  absl::Status submit(const Batch& batch) override {
    const absl::Status status = engine_->submit(batch);
    if (++batches_ == wrong_batch) ++batch.completions[batch.completions.size() / 2].next;
    if (batches_ == wrong_record) ++batch.output.back().session.rule;
    return status;
  }
  size_t poll(absl::Span<uint64_t> tags) override { return engine_->poll(tags); }
  EngineCounters counters() const override {
    EngineCounters counters = engine_->counters();
    counters.stale += wrong_counter ? 1 : 0;
    return counters;
  }
  void advance_generation(uint64_t generation) override { engine_->advance_generation(generation); }
  uint64_t generation() const override { return engine_->generation() + (wrong_generation ? 1 : 0); }
  void set_age_floor(uint32_t now_ms) override { engine_->set_age_floor(now_ms); }
  void clear() override { engine_->clear(); }

  uint64_t wrong_batch = 0, wrong_record = 0;
  bool wrong_counter = false, wrong_generation = false;

 private:
  std::unique_ptr<Accelerator> engine_;
  uint64_t batches_ = 0;
};

struct FaultCase {
  const char* name;
  void (*make)(FaultyEngine&);
  const char* found;  // a part of what is said
};
const FaultCase kFaults[] = {
    {"none", [](FaultyEngine&) {}, ""},
    {"completion", [](FaultyEngine& f) { f.wrong_batch = 7; }, "batch 7 operation "},
    {"last_completion", [](FaultyEngine& f) { f.wrong_batch = 10; }, "batch 10 operation "},
    {"record", [](FaultyEngine& f) { f.wrong_record = 8; }, "batch 8 output record 3"},
    {"counter", [](FaultyEngine& f) { f.wrong_counter = true; }, "counter stale"},
    {"generation", [](FaultyEngine& f) { f.wrong_generation = true; }, "generation"},
};

TEST(EnginePair, SeesEachFault) {
  for (const size_t in_flight : {1, 4}) {
    for (const FaultCase& fault : kFaults) {
      SCOPED_TRACE(fault.name);
      auto judged = std::make_unique<FaultyEngine>(*CpuEngine::create(pair_config(16)));
      fault.make(*judged);
      EnginePair pair(*CpuEngine::create(pair_config(16)), std::move(judged), in_flight);
      World world({}, 5);
      Difference found;
      for (int i = 0; i < 10 && !found.has_value(); ++i) found = pair.run(world.batch(16, 1), world.now_ms(), 4);
      if (!found.has_value()) found = pair.settle();
      EXPECT_EQ(found.has_value(), *fault.found != 0);
      EXPECT_NE(found.value_or("").find(fault.found), std::string::npos) << *found;
    }
  }
}

}  // namespace
}  // namespace phalanx::testing
