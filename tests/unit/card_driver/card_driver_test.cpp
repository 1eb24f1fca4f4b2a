#include "drivers/card_driver/card_driver.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>

#include "drivers/card_table/card_table.hpp"
#include "drivers/cpu/cpu_engine.hpp"
#include "tests/differential/world.hpp"
#include "tests/hardware/owned_batch.hpp"
#include "tests/unit/card_driver/native_device.hpp"
#include "tests/unit/cpu_engine/engine_driver.hpp"

namespace phalanx::testing {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr uint64_t kSlots = 64;

class CardDriverTest : public ::testing::Test {
 protected:
  std::unique_ptr<CardDriver> make(const EngineConfig& config, const CardLimits& limits = {}) {
    auto driver = CardDriver::create(std::make_shared<NativeDevice>(card_), config, limits, [this] { return clock_; });
    EXPECT_TRUE(driver.ok()) << driver.status();
    return driver.ok() ? *std::move(driver) : nullptr;
  }
  std::unique_ptr<CardDriver> make() { return make(small_config(kSlots)); }

  // Polls until a batch is done, the card has failed, or far too often.
  static size_t poll_until(CardDriver& driver, uint64_t* tag) {
    for (int i = 0; i < 10000 && driver.health().ok(); ++i) {
      if (driver.poll({tag, 1}) == 1) return 1;
    }
    return 0;
  }
  static OwnedBatch lookups(size_t count) {
    OwnedBatch batch;
    batch.tag = 7;
    abi::Operation o = {};
    o.opcode = abi::Opcode::kLookup;
    o.packet = udp(1, 2, 3, 4);
    batch.operations.assign(count, o);
    return batch;
  }
  // An INSERT of a session and, behind it, `count` LOOKUPs of it.
  static OwnedBatch session(size_t count) {
    OwnedBatch batch = lookups(count + 1);
    batch.operations[0].opcode = abi::Opcode::kInsert;
    batch.records.push_back(record_for(batch.operations[0].packet));
    return batch;
  }
  void run(CardDriver& driver, OwnedBatch& batch) {
    const auto status = driver.submit(batch.view());
    ASSERT_TRUE(status.ok()) << status;
    uint64_t tag = 0;
    ASSERT_EQ(poll_until(driver, &tag), 1u) << driver.health();
    ASSERT_EQ(tag, batch.tag);
  }

  NativeCard card_;
  std::chrono::steady_clock::time_point clock_{};
};

// Several batches in flight, each of several runs, against the reference.
TEST_F(CardDriverTest, AnswersAsTheCpuEngine) {
  for (const uint64_t seed : {1, 2, 3}) {
    const EngineConfig config = small_config(kSlots);
    EnginePair pair(*CpuEngine::create(config), make(config), 3);
    World world({.clients = 8, .ports = 6, .longest_batch = 70}, seed);
    uint32_t now_ms = 0;
    for (int step = 0; step < 300; ++step) {
      now_ms = world.now_ms();
      ASSERT_EQ(pair.run(world.batch(kSlots, pair.reference().generation()), now_ms, step % 5 == 0 ? 0 : 40),
                std::nullopt)
          << "seed " << seed << " after " << pair.operations() << " operations";
    }
    ASSERT_EQ(pair.compare_tables(now_ms), std::nullopt) << "seed " << seed;
    EXPECT_GT(pair.reference().counters().inserted, 50u) << pair.operations() << " operations have not done anything";
  }
}

TEST_F(CardDriverTest, TakesTheHostsChangesInTheirPlace) {
  const EngineConfig config = small_config(kSlots);
  auto driver = make(config);
  auto cpu = *CpuEngine::create(config);
  for (Accelerator* engine : {static_cast<Accelerator*>(driver.get()), static_cast<Accelerator*>(cpu.get())}) {
    OwnedBatch first = session(1);
    first.now_ms = 1000;
    ASSERT_TRUE(engine->submit(first.view()).ok());
    engine->advance_generation(41);  // the batch in flight has had generation 1
    EXPECT_EQ(engine->generation(), 41u);
    engine->advance_generation(7);
    EXPECT_EQ(engine->generation(), 41u);
    engine->set_age_floor(40'000);
    OwnedBatch age = lookups(1);
    age.operations[0].opcode = abi::Opcode::kAge;
    age.operations[0].count = kSlots;
    age.now_ms = 60'000;  // idle for 59 s, of which 20 s count: UDP in one direction lives 30 s
    ASSERT_TRUE(engine->submit(age.view()).ok());
    EXPECT_EQ(engine->counters().sessions, 1u);
    EXPECT_EQ(age.completions[0].count, 0u);
    EXPECT_EQ(first.completions[0].result, abi::Result::kDone);
    engine->clear();
    EXPECT_EQ(engine->counters().sessions, 0u);
    EXPECT_EQ(engine->generation(), 41u);
    OwnedBatch after = session(1);
    after.now_ms = 60'000;
    ASSERT_TRUE(engine->submit(after.view()).ok());
    EXPECT_EQ(engine->counters().sessions, 1u);
    EXPECT_EQ(engine->generation(), 42u);
  }
}

TEST_F(CardDriverTest, FewCallsAndFewBytesForLookups) {
  auto driver = make();
  OwnedBatch batch = session(0);
  run(*driver, batch);
  card_.pushes = card_.pulls = card_.starts = 0;
  card_.bytes_pushed = card_.bytes_pulled = 0;
  batch = lookups(10);
  run(*driver, batch);
  EXPECT_EQ(card_.starts, 1u);
  EXPECT_EQ(card_.pushes, 1u);
  EXPECT_EQ(card_.pulls, 2u);
  EXPECT_EQ(card_.bytes_pushed, 10 * sizeof(abi::Operation));
  EXPECT_EQ(card_.bytes_pulled, 10 * sizeof(abi::Completion) + sizeof(abi::TableState));
}

TEST_F(CardDriverTest, NoRunForAnEmptyChangeLog) {
  auto driver = make();
  OwnedBatch extract = lookups(1);
  extract.operations[0].opcode = abi::Opcode::kExtract;
  extract.operations[0].count = 10;
  extract.output.resize(10);
  run(*driver, extract);
  EXPECT_EQ(card_.starts, 0u);
  EXPECT_EQ(extract.completions[0].result, abi::Result::kDone);
  OwnedBatch insert = session(0);
  run(*driver, insert);
  run(*driver, extract);
  EXPECT_EQ(card_.starts, 2u);
  EXPECT_EQ(extract.completions[0].count, 1u);
  EXPECT_TRUE(hls::same_key(extract.output[0].session.key, insert.operations[0].packet.key));
}

TEST_F(CardDriverTest, GrowsItsOutput) {
  auto driver = make(small_config(4096));
  OwnedBatch many;
  for (uint32_t i = 0; i < 3000; ++i) {
    abi::Operation o = {};
    o.opcode = abi::Opcode::kInsert;
    o.packet = udp(i, 2, 3, 4);
    o.record = i;
    many.operations.push_back(o);
    many.records.push_back(record_for(o.packet));
  }
  run(*driver, many);
  OwnedBatch extract = lookups(1);
  extract.operations[0].opcode = abi::Opcode::kExtract;
  extract.operations[0].count = 4000;
  extract.output.resize(4000);
  run(*driver, extract);
  EXPECT_EQ(extract.completions[0].count, 3000u);
}

TEST_F(CardDriverTest, RefusesBatchesThatCannotBe) {
  auto driver = make();
  OwnedBatch batch = lookups(2);
  Batch view = batch.view();
  view.completions = view.completions.subspan(1);
  EXPECT_EQ(driver->submit(view).code(), absl::StatusCode::kInvalidArgument);
  std::vector<OwnedBatch> flying(CardLimits().batches, lookups(1));
  for (OwnedBatch& b : flying) ASSERT_TRUE(driver->submit(b.view()).ok());
  EXPECT_EQ(driver->submit(batch.view()).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(driver->health().ok());
  uint64_t tag = 0;
  ASSERT_EQ(poll_until(*driver, &tag), 1u);
  EXPECT_TRUE(driver->submit(batch.view()).ok());
}

TEST_F(CardDriverTest, GoesWithoutTouchingBatchesInFlight) {
  card_.polls_until_done = 100;
  auto driver = make();
  {
    OwnedBatch gone = session(3);
    ASSERT_TRUE(driver->submit(gone.view()).ok());
    EXPECT_EQ(card_.starts, 1u);
  }
  const uint32_t pulls = card_.pulls;
  driver.reset();
  EXPECT_EQ(card_.pulls, pulls) << "the answer was taken";
}

TEST_F(CardDriverTest, GivesUpACardThatHangs) {
  auto driver = make(small_config(kSlots), {.run_limit = milliseconds(50)});
  OwnedBatch done = lookups(1);
  done.tag = 1;
  ASSERT_TRUE(driver->submit(done.view()).ok());
  driver->counters();  // waits for it
  card_.hangs = true;
  OwnedBatch caught = lookups(3);
  ASSERT_TRUE(driver->submit(caught.view()).ok());
  uint64_t tags[4] = {};
  EXPECT_EQ(driver->poll(absl::MakeSpan(tags)), 1u);
  EXPECT_EQ(tags[0], 1u);
  clock_ += milliseconds(50);
  EXPECT_EQ(driver->poll(absl::MakeSpan(tags)), 0u);
  EXPECT_TRUE(driver->health().ok());
  clock_ += milliseconds(1);
  EXPECT_EQ(driver->poll(absl::MakeSpan(tags)), 0u);
  EXPECT_EQ(driver->health().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(driver->health().message()), HasSubstr("session_engine with 3 operations"));
  card_.hangs = false;  // too late: the table may be half changed
  EXPECT_EQ(driver->submit(done.view()).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(driver->poll(absl::MakeSpan(tags)), 0u);
}

// Each way that a card can fail in a batch of an INSERT and a LOOKUP, and what is said of it.
struct FailureCase {
  const char* name;
  void (*make)(NativeCard&);
  absl::StatusCode code;
  const char* text;
};
template <typename Change>
void damage(NativeCard& card, Change change) {
  card.after_run = [change](Kernel kernel, std::byte* completions) {
    if (kernel == Kernel::session_engine) change(*reinterpret_cast<abi::Completion*>(completions));
  };
}
const FailureCase kFailures[] = {
    {"transfers", [](NativeCard& c) { c.transfers_fail = true; }, absl::StatusCode::kUnavailable, "transfer"},
    {"silent transfers", [](NativeCard& c) { c.transfers_lost = true; }, absl::StatusCode::kDataLoss, "not come"},
    {"a lost push of operations", [](NativeCard& c) { c.lost_push = c.pushes + 1; }, absl::StatusCode::kDataLoss,
     "run 0 in place of 1"},
    {"a lost push of records", [](NativeCard& c) { c.lost_push = c.pushes + 2; }, absl::StatusCode::kDataLoss,
     "records have not come"},
    {"start", [](NativeCard& c) { c.starts_fail = true; }, absl::StatusCode::kUnavailable, "start"},
    {"aborted", [](NativeCard& c) { c.runs_abort = true; }, absl::StatusCode::kUnavailable, "aborted"},
    {"result", [](NativeCard& c) { damage(c, [](auto& a) { a.result = abi::Result{8}; }); },
     absl::StatusCode::kDataLoss, "operation 0 of 2 with result 8"},
    {"slot", [](NativeCard& c) { damage(c, [](auto& a) { a.slot = kSlots; }); }, absl::StatusCode::kDataLoss,
     "slot 64"},
    {"direction", [](NativeCard& c) { damage(c, [](auto& a) { a.direction = 2; }); }, absl::StatusCode::kDataLoss,
     "direction 2"},
    {"state", [](NativeCard& c) { damage(c, [](auto& a) { a.state = 200; }); }, absl::StatusCode::kDataLoss,
     "state 200"},
    {"count", [](NativeCard& c) { damage(c, [](auto& a) { a.count = 65; }); }, absl::StatusCode::kDataLoss, "count 65"},
    {"next", [](NativeCard& c) { damage(c, [](auto& a) { a.next = 1 << 20; }); }, absl::StatusCode::kDataLoss, "next"},
    {"rewritten", [](NativeCard& c) { damage(c, [](auto& a) { a.rewritten = 3; }); }, absl::StatusCode::kDataLoss,
     "rewritten"},
    {"state word", [](NativeCard& c) { reinterpret_cast<abi::TableState*>(c.state)->abi_version ^= 4; },
     absl::StatusCode::kInternal, "refused the table"},
    {"slots word",
     [](NativeCard& c) {
       c.after_run = [&c](Kernel, std::byte*) { reinterpret_cast<abi::TableState*>(c.state)->slots = 32; };
     },
     absl::StatusCode::kDataLoss, "32 slots"},
    {"impossible",
     [](NativeCard& c) {
       c.after_run = [&c](Kernel, std::byte*) { reinterpret_cast<abi::TableState*>(c.state)->impossible = 1; };
     },
     absl::StatusCode::kDataLoss, "that cannot be: it is damaged"},
};

TEST_F(CardDriverTest, NamesWhatACardFailedOf) {
  for (const FailureCase& c : kFailures) {
    SCOPED_TRACE(c.name);
    card_ = {};
    auto driver = make();
    c.make(card_);
    OwnedBatch batch = session(1);
    const abi::Completion untouched = {};
    (void)driver->submit(batch.view());
    uint64_t tag = 0;
    EXPECT_EQ(poll_until(*driver, &tag), 0u) << "a failed batch was given as done";
    EXPECT_EQ(driver->health().code(), c.code) << driver->health();
    EXPECT_THAT(std::string(driver->health().message()), HasSubstr(c.text));
    EXPECT_EQ(std::memcmp(&batch.completions[0], &untouched, sizeof(untouched)), 0);
    card_ = {};
    EXPECT_EQ(driver->submit(batch.view()).code(), c.code) << "a card that failed stays so";
  }
}

// A push that is lost later on: what lies in the card's memory is a run that was once right, of the same form.
TEST_F(CardDriverTest, KnowsAnEarlierRunsOperationsAndRecords) {
  for (const uint32_t which : {1u, 2u}) {
    card_ = {};
    auto driver = make();
    for (uint64_t i = 0; i < CardLimits().batches; ++i) {
      OwnedBatch batch = session(1);
      batch.operations[0].packet = batch.operations[1].packet = udp(static_cast<uint32_t>(i), 2, 3, 4);
      batch.records[0] = record_for(batch.operations[0].packet);
      run(*driver, batch);
    }
    card_.lost_push = card_.pushes + which;
    OwnedBatch batch = session(1);
    batch.operations[0].packet = batch.operations[1].packet = udp(99, 2, 3, 4);
    batch.records[0] = record_for(batch.operations[0].packet);
    (void)driver->submit(batch.view());
    uint64_t tag = 0;
    EXPECT_EQ(poll_until(*driver, &tag), 0u);
    EXPECT_EQ(driver->health().code(), absl::StatusCode::kDataLoss) << driver->health();
    EXPECT_THAT(std::string(driver->health().message()),
                HasSubstr(which == 1 ? "run 1 in place of 5" : "records have not come"));
  }
}

TEST_F(CardDriverTest, CreationFailsWithTheCardsReason) {
  card_.banks_differ = true;
  auto driver = CardDriver::create(std::make_shared<NativeDevice>(card_), small_config(kSlots));
  EXPECT_EQ(driver.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(driver.status().message()), HasSubstr("memory for the table's state"));
  card_ = {};
  EXPECT_EQ(CardDriver::create(std::make_shared<NativeDevice>(card_), small_config(0)).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CardDriver::create(std::make_shared<NativeDevice>(card_), small_config(1), {.batches = 0}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace phalanx::testing
