#include "drivers/card_driver/card_esp_engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "drivers/cpu/esp/esp_engine.hpp"
#include "tests/hardware/esp_pair.hpp"
#include "tests/unit/card_driver/native_device.hpp"

namespace phalanx::testing {
namespace {

using ::testing::HasSubstr;

TEST(CardEspEngine, AnswersAsTheCpuOnAnyNumberOfUnits) {
  EspTally tally = {};
  for (const uint32_t units : {1, 2, 3}) {
    NativeCard card;
    card.esp_units = units;
    auto engine = CardEspEngine::create(std::make_shared<NativeDevice>(card), {.sa_max = 64});
    ASSERT_TRUE(engine.ok()) << engine.status();
    auto cpu = make_cpu_esp_engine({.sa_max = 64});
    ASSERT_TRUE(cpu.ok()) << cpu.status();
    EspPair pair(**cpu, **engine, units);
    ASSERT_TRUE(pair.install().ok());
    for (const size_t jobs : {1, 70, 300, 600}) {
      const absl::Status same = pair.run(jobs, tally);
      ASSERT_TRUE(same.ok()) << units << " units: " << same;
    }
    const absl::Status same = pair.compare_sas();
    EXPECT_TRUE(same.ok()) << units << " units: " << same;
  }
  for (size_t status = 0; status < tally.size(); ++status) EXPECT_GT(tally[status], 0u) << "status " << status;
}

TEST(CardEspEngine, NamesWhatTheCardFailedOf) {
  struct Case {
    void (*make)(NativeCard&);
    absl::StatusCode code;
    const char* text;
  };
  const Case cases[] = {
      {[](NativeCard& c) { c.transfers_fail = true; }, absl::StatusCode::kUnavailable, "transfer"},
      {[](NativeCard& c) { c.transfers_lost = true; }, absl::StatusCode::kDataLoss, "status 255"},
      {[](NativeCard& c) { c.runs_abort = true; }, absl::StatusCode::kUnavailable, "aborted"},
      {[](NativeCard& c) { c.hangs = true; }, absl::StatusCode::kDeadlineExceeded, "esp_crypto"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    NativeCard card;
    std::chrono::steady_clock::time_point now{};
    auto engine = CardEspEngine::create(std::make_shared<NativeDevice>(card), {.sa_max = 4},
                                        [&now] { return now += std::chrono::milliseconds(100); });
    ASSERT_TRUE(engine.ok());
    c.make(card);
    const abi::EspJob job = {};
    abi::EspResult result = {};
    const EspBatch batch = {1, {&job, 1}, {}, {}, {&result, 1}};
    (void)(*engine)->submit(batch);
    for (int i = 0; i < 100; ++i) {
      uint64_t tag = 0;
      EXPECT_EQ((*engine)->poll({&tag, 1}), 0u);
    }
    EXPECT_EQ((*engine)->health().code(), c.code) << (*engine)->health();
    EXPECT_THAT(std::string((*engine)->health().message()), HasSubstr(c.text));
    EXPECT_EQ((*engine)->submit(batch).code(), c.code);
    EXPECT_EQ((*engine)->install(0, {}).code(), c.code);
  }
}

TEST(CardEspEngine, RefusesWhatItCannotDo) {
  NativeCard card;
  auto engine = *CardEspEngine::create(std::make_shared<NativeDevice>(card), {.sa_max = 4});
  EXPECT_EQ(engine->install(4, {}).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(engine->read(3).status().code(), absl::StatusCode::kNotFound);
  card.polls_until_done = 50;
  const abi::EspJob job = {};
  abi::EspResult result = {};
  ASSERT_TRUE(engine->submit({1, {&job, 1}, {}, {}, {&result, 1}}).ok());
  EXPECT_EQ(engine->install(0, {}).code(), absl::StatusCode::kFailedPrecondition) << "while a batch is in flight";
}

}  // namespace
}  // namespace phalanx::testing
