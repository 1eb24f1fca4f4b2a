#include "host/sync/full_sync.hpp"

#include <gtest/gtest.h>

#include "tests/unit/sync/sync_harness.hpp"

namespace phalanx::sync {
namespace {

constexpr DeltaPosition kStart = {1000, 1, 20};
constexpr DeltaPosition kPosition = {1000, 1, 50};

std::vector<abi::Record> live_records(size_t count, uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  std::vector<abi::Record> records;
  while (records.size() < count) {
    const abi::Record r = random_record(random);
    if (r.session.state != hls::kStateDeleted) records.push_back(r);
  }
  return records;
}

// Runs a source over `records` (one slot each) until it is done or waits for confirmations.
void scan(SnapshotSource& source, const std::vector<abi::Record>& records, std::vector<std::string>* out) {
  constexpr uint64_t kStep = 1000;
  while (source.wants_records()) {
    const uint64_t first = source.cursor().first_slot;
    const uint64_t n = std::min<uint64_t>(kStep, records.size() - first);
    const uint64_t next = first + n == records.size() ? 0 : first + n;
    source.add({records.data() + first, n}, next, 5000, out);
  }
}

struct Transfer {
  absl::Status status;
  std::vector<abi::Record> records;
  std::vector<std::string> messages;
};

// The whole of a full sync; `damage` may change a message on its way.
Transfer transfer(SnapshotSource& source, SnapshotSink& sink, const std::vector<abi::Record>& records,
                  const std::function<void(size_t, std::string&)>& damage = nullptr) {
  Transfer t;
  std::deque<std::string> way;
  bool finished = false;
  for (size_t i = 0; !source.confirmed(); ++i) {
    std::vector<std::string> out;
    scan(source, records, &out);
    if (source.scanned() && !finished) {
      EXPECT_TRUE(source.finish(kPosition, &out));
      finished = true;
    }
    for (std::string& m : out) way.push_back(std::move(m));
    if (way.empty()) return t.status = absl::InternalError("stuck"), t;
    std::string message = way.front();
    way.pop_front();
    t.messages.push_back(message);
    if (damage) damage(i, message);
    std::vector<std::string> answers;
    t.status = sink.on_message(message, 9000, &t.records, &answers);
    if (!t.status.ok()) return t;
    EXPECT_EQ(answers.size(), 1u);
    t.status = source.on_confirmation(answers.at(0));
    if (!t.status.ok()) return t;
  }
  return t;
}

TEST(FullSync, BringsEveryRecordWithCounters) {
  const std::vector<abi::Record> records = live_records(30000);
  SnapshotSource source(77, 1, records.size(), kStart);
  SnapshotSink sink;
  sink.start(77);
  const Transfer t = transfer(source, sink, records);
  ASSERT_TRUE(t.status.ok()) << t.status;
  ASSERT_EQ(t.records.size(), records.size());
  EXPECT_GT(t.messages.size(), 4u);
  for (const std::string& m : t.messages) EXPECT_LE(m.size(), kChunkBytes);
  TableDigest sent, got;
  for (size_t i = 0; i < records.size(); ++i) {
    sent.add(records[i]);
    got.add(t.records[i]);
    EXPECT_EQ(t.records[i].session.traffic[0], records[i].session.traffic[0]);
    EXPECT_EQ(t.records[i].session.packets[1], records[i].session.packets[1]);
  }
  EXPECT_EQ(sent, got);
  EXPECT_EQ(source.progress(), 1.0);
}

TEST(FullSync, NoMoreThanTheAllowedChunksAreUnconfirmed) {
  const std::vector<abi::Record> records = live_records(60000);
  SnapshotSource source(1, 1, records.size(), kStart);
  std::vector<std::string> out;
  scan(source, records, &out);
  EXPECT_EQ(out.size(), kChunksInFlight);
  EXPECT_FALSE(source.wants_records());
  EXPECT_FALSE(source.scanned());
}

TEST(FullSync, EveryEngineIsScanned) {
  SnapshotSource source(1, 3, 10, kStart);
  std::vector<std::string> out;
  const std::vector<abi::Record> records = live_records(4);
  for (uint32_t engine = 0; engine < 3; ++engine) {
    ASSERT_FALSE(source.scanned());
    EXPECT_EQ(source.cursor().engine, engine);
    source.add(records, 5, 1, &out);
    EXPECT_EQ(source.cursor().first_slot, 5u);
    source.add(records, 0, 1, &out);
  }
  EXPECT_TRUE(source.scanned());
  ASSERT_TRUE(source.finish(kPosition, &out));
  EXPECT_EQ(source.records(), 24u);
}

TEST(FullSync, CompleteOnlyWhenTheDeltaStreamHasReachedTheTrailersPosition) {
  const std::vector<abi::Record> records = live_records(10);
  SnapshotSource source(5, 1, records.size(), kStart);
  SnapshotSink sink;
  sink.start(5);
  EXPECT_FALSE(sink.complete(kPosition));
  ASSERT_TRUE(transfer(source, sink, records).status.ok());
  struct Case {
    DeltaPosition position;
    bool complete;
  };
  const Case cases[] = {{{1000, 1, 49}, false},
                        {{1000, 1, 50}, true},
                        {{1000, 1, 51}, true},
                        {{1000, 2, 99}, false},
                        {{1001, 1, 99}, false}};
  for (const Case& c : cases) EXPECT_EQ(sink.complete(c.position), c.complete) << c.position.sequence;
}

TEST(FullSync, AnEndHeardByDeltaIsNotUndoneByAnOlderSnapshotRecord) {
  const std::vector<abi::Record> records = live_records(3);
  SnapshotSource source(5, 1, records.size(), kStart);
  SnapshotSink sink;
  abi::Record ended = records[0];
  ended.session.order = hls::next_version(ended.session.order);
  ended.session.state = hls::kStateDeleted;
  abi::Record ended_before = records[1];  // an earlier session of that key
  ended_before.session.order -= 1ull << hls::kVersionBits;
  ended_before.session.state = hls::kStateDeleted;
  sink.on_delta({&ended, 1});  // not running: nothing is kept
  EXPECT_EQ(sink.tombstones(), 0u);
  sink.start(5);
  sink.on_delta({&ended, 1});
  sink.on_delta({&ended_before, 1});
  EXPECT_EQ(sink.tombstones(), 2u);
  const Transfer t = transfer(source, sink, records);
  ASSERT_TRUE(t.status.ok());
  ASSERT_EQ(t.records.size(), 2u);
  EXPECT_TRUE(hls::same_key(t.records[0].session.key, records[1].session.key));
  EXPECT_EQ(sink.counters()[Counter::kTombstoned], 1u);
  sink.finish();
  EXPECT_EQ(sink.tombstones(), 0u);
}

TEST(FullSync, ADeltaStreamReplacedWhileScanningMakesItFail) {
  SnapshotSource source(5, 1, 3, kStart);
  std::vector<std::string> out;
  source.add(live_records(3), 0, 0, &out);
  EXPECT_FALSE(source.finish({1000, 2, 3}, &out));
  EXPECT_TRUE(out.empty());
}

TEST(FullSync, TooManyEndsStartItOver) {
  std::vector<abi::Record> records = live_records(12);
  SnapshotSource source(5, 1, records.size(), kStart);
  SnapshotSink sink(10);
  sink.start(5);
  std::vector<abi::Record> ended = records;
  for (abi::Record& r : ended) r.session.state = hls::kStateDeleted;
  sink.on_delta(ended);
  EXPECT_EQ(sink.counters()[Counter::kTombstonesFull], 1u);
  EXPECT_EQ(transfer(source, sink, records).status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(sink.running());
}

struct DamageCase {
  const char* name;
  void (*damage)(size_t, std::string&);
  absl::StatusCode code;
};
class DamageTest : public testing::TestWithParam<DamageCase> {};
TEST_P(DamageTest, FailsAndSaysSo) {
  const std::vector<abi::Record> records = live_records(12000);
  SnapshotSource source(5, 1, records.size(), kStart);
  SnapshotSink sink;
  sink.start(5);
  EXPECT_EQ(transfer(source, sink, records, GetParam().damage).status.code(), GetParam().code);
  EXPECT_FALSE(sink.running());
  EXPECT_FALSE(sink.complete(kPosition));
}
INSTANTIATE_TEST_SUITE_P(
    Messages, DamageTest,
    testing::Values(DamageCase{"bit", [](size_t i, std::string& m) { m[i == 1 ? 5000 : 0] ^= i == 1 ? 4 : 0; },
                               absl::StatusCode::kDataLoss},
                    DamageCase{"cut", [](size_t i, std::string& m) { m.resize(i == 1 ? m.size() - 1 : m.size()); },
                               absl::StatusCode::kDataLoss},
                    DamageCase{"empty", [](size_t, std::string& m) { m.clear(); }, absl::StatusCode::kDataLoss},
                    DamageCase{"twice",
                               [](size_t i, std::string& m) {
                                 static std::string first;
                                 if (i == 0) first = m;
                                 if (i == 1) m = first;
                               },
                               absl::StatusCode::kFailedPrecondition}),
    [](const auto& case_info) { return case_info.param.name; });

TEST(FullSync, MessagesOfAnotherSnapshotAreRefused) {
  const std::vector<abi::Record> records = live_records(5);
  SnapshotSource source(5, 1, records.size(), kStart);
  SnapshotSink sink;
  sink.start(6);
  EXPECT_EQ(transfer(source, sink, records).status.code(), absl::StatusCode::kFailedPrecondition);
}

TEST(FullSync, ConfirmationsOfWhatWasNotSentAreRefused) {
  const std::vector<abi::Record> records = live_records(5);
  SnapshotSource source(5, 1, records.size(), kStart), again(5, 1, records.size(), kStart);
  SnapshotSink sink;
  sink.start(5);
  std::vector<std::string> out, answers;
  std::vector<abi::Record> got;
  scan(source, records, &out);
  ASSERT_TRUE(source.finish(kPosition, &out));
  for (const std::string& m : out) ASSERT_TRUE(sink.on_message(m, 0, &got, &answers).ok());
  EXPECT_FALSE(again.on_confirmation(answers[0]).ok());
  EXPECT_FALSE(source.on_confirmation("garbage").ok());
  EXPECT_FALSE(source.on_confirmation(answers[1]).ok());
  EXPECT_TRUE(source.on_confirmation(answers[0]).ok());
  EXPECT_FALSE(source.confirmed());
  EXPECT_TRUE(source.on_confirmation(answers[1]).ok());
  EXPECT_TRUE(source.confirmed());
  EXPECT_FALSE(source.on_confirmation(answers[1]).ok());
}

}  // namespace
}  // namespace phalanx::sync
