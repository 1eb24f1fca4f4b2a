// Whatever the network does, both ends end up with the same sessions.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "host/sync/full_sync.hpp"
#include "tests/unit/sync/sync_harness.hpp"

namespace phalanx::sync {
namespace {

Weather bad_weather() {
  Weather w;
  w.loss = *rc::gen::inRange(0u, 40u);
  w.duplicate = *rc::gen::inRange(0u, 20u);
  w.corrupt = *rc::gen::inRange(0u, 10u);
  w.delay_ns = *rc::gen::inRange<int64_t>(1'000, 3 * kMs);
  w.jitter_ns = *rc::gen::inRange<int64_t>(0, 4 * kMs);
  return w;
}

void settle(Pair& p) {
  p.forth.set_weather({});
  p.back.set_weather({});
  p.sender->flush(p.now_ns);
  bool drained = false;
  for (int i = 0; i < 400 && !drained; ++i) p.run(5 * kMs, [&] { drained = drained || p.sender->drained(p.now_ns); });
  RC_ASSERT(drained);
}

RC_GTEST_PROP(Convergence, DeltaSyncSurvivesLossDuplicationReorderingAndDamage, ()) {
  const uint64_t seed = *rc::gen::arbitrary<uint32_t>();
  Pair p(seed, bad_weather());
  p.workload = std::make_unique<Workload>(seed, 100);
  p.connect();
  RC_PRE(p.receiver->joined());
  const unsigned rate = *rc::gen::inRange(1u, 12u);
  p.run(60 * kMs, [&] {
    for (unsigned i = 0; i < rate; ++i) p.change();
  });
  settle(p);
  RC_ASSERT(p.sent(Counter::kOutOfSync) == 0u);
  RC_ASSERT(p.receiver->stream() == 1u);
  RC_ASSERT(p.active.digest() == p.standby.digest());
  RC_ASSERT(p.receiver->position() == p.sender->position());
}

// A full sync as the gateway runs it: a source that scans the active's table while it changes, a reliable stream with a
// delay, a sink that filters. Slots are the places of keys in the order of the table's map.
class FullSyncRun {
 public:
  explicit FullSyncRun(Pair* p) : p_(p) {
    p_->standby_sink.before = [this](absl::Span<const abi::Record> records) { sink_.on_delta(records); };
  }
  ~FullSyncRun() { p_->standby_sink.before = nullptr; }
  void start() {
    request_ = p_->receiver->full_sync_request();
    p_->standby = {};
    ++id_;
    sink_.start(id_);
    source_.reset();
    started_ = finished_ = false;
    way_.clear();
  }
  // One step: scans a little, carries messages that have been on their way for long enough.
  bool step() {
    if (p_->receiver->full_sync_request() != request_) start();
    if (source_ == nullptr) {
      if (!p_->receiver->joined() || !p_->sender->may_snapshot(p_->receiver->stream())) return false;
      source_ = std::make_unique<SnapshotSource>(id_, 1, 1000, p_->sender->delta_position());
    }
    std::vector<std::string> out;
    if (source_->wants_records()) scan_some(&out);
    if (source_->scanned() && !finished_) {
      p_->sender->flush(p_->now_ns);
      if (!source_->finish(p_->sender->delta_position(), &out)) return false;  // the receiver joins the new stream
      finished_ = true;
    }
    for (std::string& m : out) way_.emplace_back(p_->now_ns + 2 * kMs, std::move(m));
    if (!way_.empty() && way_.front().first <= p_->now_ns) {
      std::vector<abi::Record> records;
      std::vector<std::string> answers;
      RC_ASSERT(sink_.on_message(way_.front().second, 0, &records, &answers).ok());
      way_.pop_front();
      for (const abi::Record& r : records) p_->standby.apply(r);
      for (const std::string& a : answers) RC_ASSERT(source_->on_confirmation(a).ok());
    }
    if (!sink_.complete(p_->receiver->delta_position())) return false;
    sink_.finish();
    p_->receiver->full_synced(request_);
    return true;
  }

 private:
  void scan_some(std::vector<std::string>* out) {
    const auto& sessions = p_->active.sessions();
    auto it = started_ ? sessions.lower_bound(next_key_) : sessions.begin();
    started_ = true;
    std::vector<abi::Record> records;
    for (int i = 0; i < 5 && it != sessions.end(); ++i, ++it) records.push_back(it->second);
    const bool end = it == sessions.end();
    if (!end) next_key_ = it->first;
    if (end) started_ = false;
    source_->add(records, end ? 0 : 1, 0, out);
  }

  Pair* p_;
  SnapshotSink sink_;
  std::unique_ptr<SnapshotSource> source_;
  uint64_t id_ = 0;
  uint64_t request_ = 0;
  bool started_ = false;
  bool finished_ = false;
  Table::Key next_key_{};
  std::deque<std::pair<int64_t, std::string>> way_;
};

RC_GTEST_PROP(Convergence, AFullSyncBesideARunningDeltaStreamMissesNothingAndRevivesNobody, ()) {
  const uint64_t seed = *rc::gen::arbitrary<uint32_t>();
  Pair p(seed, bad_weather());
  p.workload = std::make_unique<Workload>(seed, 150);
  for (int i = 0; i < 300; ++i) p.change();  // before anybody listens
  p.connect();
  RC_PRE(p.receiver->joined());
  FullSyncRun full_sync(&p);
  full_sync.start();
  bool done = false;
  p.run(40 * kMs, [&] {
    p.change();
    done = done || full_sync.step();
  });
  p.forth.set_weather({});
  p.back.set_weather({});
  p.run(400 * kMs, [&] { done = done || full_sync.step(); });
  RC_ASSERT(done);
  RC_ASSERT(!p.receiver->needs_full_sync());
  settle(p);
  RC_ASSERT(p.active.digest() == p.standby.digest());
}

RC_GTEST_PROP(Convergence, AfterAnOutageTooLongToRetainAFullSyncMakesItGood, ()) {
  const uint64_t seed = *rc::gen::arbitrary<uint32_t>();
  Pair p(seed, {}, 64);
  p.workload = std::make_unique<Workload>(seed, 100);
  p.connect();
  p.forth.set_weather({.loss = 100});
  const bool back_works = *rc::gen::arbitrary<bool>();
  if (!back_works) p.back.set_weather({.loss = 100});
  p.run(30 * kMs, [&] {
    p.change();
    p.sender->flush(p.now_ns);
  });
  RC_ASSERT(p.sent(Counter::kOutOfSync) == 1u);
  RC_ASSERT(p.sender->state() == SenderState::kOutOfSync);
  p.forth.set_weather({});
  p.back.set_weather({});
  FullSyncRun full_sync(&p);
  full_sync.start();
  bool done = false;
  p.run(300 * kMs, [&] {
    p.change();
    done = done || full_sync.step();
  });
  RC_ASSERT(done);
  settle(p);
  RC_ASSERT(p.active.digest() == p.standby.digest());
}

}  // namespace
}  // namespace phalanx::sync
