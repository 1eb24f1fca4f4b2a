// A sender and a receiver of delta sync with a bad network between them, and tables on both ends.
#ifndef PHALANX_TESTS_UNIT_SYNC_SYNC_HARNESS_HPP
#define PHALANX_TESTS_UNIT_SYNC_SYNC_HARNESS_HPP

#include <array>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "host/sync/delta_receiver.hpp"
#include "host/sync/delta_sender.hpp"
#include "host/sync/digest.hpp"
#include "tests/unit/sync/flow_lives.hpp"

namespace phalanx::sync {

inline constexpr int64_t kMs = 1'000'000;

// What an engine's table does with records, without the engine: the rules of APPLY, and no memory of ended sessions.
class Table {
 public:
  using Key = std::array<uint64_t, 5>;
  static Key key_of(const abi::Record& r) {
    const hls::FlowKey& k = r.session.key;
    return {k.a_hi, k.a_lo, k.b_hi, k.b_lo, k.tail};
  }
  void apply(const abi::Record& record) {
    const auto found = sessions_.find(key_of(record));
    const bool exists = found != sessions_.end();
    if (exists && !hls::newer(record.session.order, found->second.session.order)) return;
    if (record.session.state == hls::kStateDeleted) {
      if (exists) sessions_.erase(found);
    } else {
      sessions_[key_of(record)] = record;
    }
  }
  TableDigest digest() const {
    TableDigest d;
    for (const auto& [key, record] : sessions_) d.add(record);
    return d;
  }
  std::map<Key, abi::Record>& sessions() { return sessions_; }
  const std::map<Key, abi::Record>& sessions() const { return sessions_; }

 private:
  std::map<Key, abi::Record> sessions_;
};

// Changes a table at random, as an active member's traffic does, and tells every change.
class Workload {
 public:
  explicit Workload(uint64_t seed, size_t sessions_max = 400) : random_(seed), sessions_max_(sessions_max) {}

  // One change: a new session (sometimes of a key that was there before), a change of one, or the end of one.
  abi::Record change(Table& table) {
    auto& sessions = table.sessions();
    const uint64_t dice = random_() % 100;
    if (sessions.empty() || (dice < 40 && sessions.size() < sessions_max_)) return create(table);
    auto it = sessions.begin();
    std::advance(it, static_cast<ptrdiff_t>(random_() % sessions.size()));
    abi::Record record = it->second;
    record.session.order = hls::next_version(record.session.order);
    if (dice < 75) {
      const abi::Record other = random_record(random_);
      record.session.side[0] = other.session.side[0];
      record.session.side[1] = other.session.side[1];
      record.session.tcp_flags = other.session.tcp_flags;
      record.session.rule = other.session.rule;
      it->second = record;
    } else {
      record.session.state = hls::kStateDeleted;
      ended_.push_back(it->second);
      sessions.erase(it);
    }
    return record;
  }

 private:
  abi::Record create(Table& table) {
    abi::Record record = random_record(random_);
    while (record.session.state == hls::kStateDeleted) record = random_record(random_);
    if (!ended_.empty() && random_() % 2) {  // the same addresses and ports again
      record = ended_[random_() % ended_.size()];
      const auto old = table.sessions().find(Table::key_of(record));
      if (old != table.sessions().end()) table.sessions().erase(old);
    }
    record.session.order = ++generation_ << hls::kVersionBits;
    table.sessions()[Table::key_of(record)] = record;
    return record;
  }

  std::mt19937_64 random_;
  size_t sessions_max_;
  uint64_t generation_ = 0;
  std::vector<abi::Record> ended_;
};

// What the network does to datagrams, in percent.
struct Weather {
  unsigned loss = 0;
  unsigned duplicate = 0;
  unsigned corrupt = 0;
  int64_t delay_ns = 50'000;
  int64_t jitter_ns = 0;  // more than the distance of datagrams: reordering
};

// One direction of the sync network.
class Wire : public DatagramSink {
 public:
  Wire(uint64_t seed, const Weather& weather) : random_(seed), weather_(weather) {}
  void set_weather(const Weather& weather) { weather_ = weather; }
  void set_now(int64_t now_ns) { now_ns_ = now_ns; }
  void send_datagram(absl::Span<const uint8_t> datagram) override {
    sent_ += 1;
    bytes_ += datagram.size();
    if (recording_) recorded_.emplace_back(datagram.begin(), datagram.end());
    if (random_() % 100 < weather_.loss) return;
    const unsigned copies = random_() % 100 < weather_.duplicate ? 2 : 1;
    for (unsigned i = 0; i < copies; ++i) {
      std::vector<uint8_t> bytes(datagram.begin(), datagram.end());
      if (random_() % 100 < weather_.corrupt)
        bytes[random_() % bytes.size()] ^= static_cast<uint8_t>(1 << random_() % 8);
      const int64_t jitter = weather_.jitter_ns == 0 ? 0 : static_cast<int64_t>(random_()) & INT64_MAX;
      const int64_t at = now_ns_ + weather_.delay_ns + (weather_.jitter_ns == 0 ? 0 : jitter % weather_.jitter_ns);
      flying_.emplace(at, std::move(bytes));
    }
  }
  void deliver(int64_t now_ns, const std::function<void(absl::Span<const uint8_t>)>& to) {
    while (!flying_.empty() && flying_.begin()->first <= now_ns) {
      const std::vector<uint8_t> bytes = std::move(flying_.begin()->second);
      flying_.erase(flying_.begin());
      to(bytes);
    }
  }
  void record(bool on) { recording_ = on; }
  const std::vector<std::vector<uint8_t>>& recorded() const { return recorded_; }
  uint64_t sent() const { return sent_; }

 private:
  std::mt19937_64 random_;
  Weather weather_;
  int64_t now_ns_ = 0;
  uint64_t sent_ = 0;
  uint64_t bytes_ = 0;
  bool recording_ = false;
  std::vector<std::vector<uint8_t>> recorded_;
  std::multimap<int64_t, std::vector<uint8_t>> flying_;
};

class TableSink : public RecordSink {
 public:
  explicit TableSink(Table* table) : table_(table) {}
  void apply(absl::Span<const abi::Record> records) override {
    if (before) before(records);
    for (const abi::Record& r : records) table_->apply(r);
  }
  std::function<void(absl::Span<const abi::Record>)> before;

 private:
  Table* table_;
};

inline ClusterKey test_key() {
  ClusterKey key;
  for (size_t i = 0; i < key.size(); ++i) key[i] = static_cast<uint8_t>(3 * i + 1);
  return key;
}

struct Pair {
  explicit Pair(uint64_t seed, const Weather& weather = {}, uint64_t retained = kRetainedDatagrams)
      : forth(seed * 2 + 1, weather), back(seed * 2 + 2, weather), standby_sink(&standby) {
    DeltaSenderConfig config;
    config.identity = {7, 1, 2, 0, 0, 1000};
    config.key = test_key();
    config.retained_datagrams = retained;
    sender = *DeltaSender::create(config, &forth);
    restart_receiver(2000);
  }
  void restart_receiver(uint64_t incarnation) {
    DeltaReceiverConfig config;
    config.identity = {7, 2, 1, 0, 0, incarnation};
    config.key = test_key();
    receiver = *DeltaReceiver::create(config, &back, &standby_sink);
  }
  // Lets `duration_ns` pass in steps of `step_ns`; `each` is called in every step.
  void run(int64_t duration_ns, const std::function<void()>& each = nullptr, int64_t step_ns = 20'000) {
    const int64_t until = now_ns + duration_ns;
    while (now_ns < until) {
      now_ns += step_ns;
      forth.set_now(now_ns);
      back.set_now(now_ns);
      if (each) each();
      forth.deliver(now_ns, [&](absl::Span<const uint8_t> d) { receiver->on_datagram(now_ns, d); });
      back.deliver(now_ns, [&](absl::Span<const uint8_t> d) { sender->on_datagram(now_ns, d); });
      if (sender->next_deadline_ns() <= now_ns) sender->poll(now_ns);
      if (receiver->next_deadline_ns() <= now_ns) receiver->poll(now_ns);
    }
  }
  void connect() {
    forth.set_now(now_ns);
    sender->start(now_ns);
    for (int i = 0; i < 200 && !receiver->joined(); ++i) run(5 * kMs);
  }
  void change() { sender->add(workload->change(active), now_ns); }
  uint64_t sent(Counter c) const { return sender->counters()[c]; }
  uint64_t received(Counter c) const { return receiver->counters()[c]; }

  int64_t now_ns = 0;
  Wire forth, back;
  Table active, standby;
  TableSink standby_sink;
  std::unique_ptr<Workload> workload = std::make_unique<Workload>(1);
  std::unique_ptr<DeltaSender> sender;
  std::unique_ptr<DeltaReceiver> receiver;
};

}  // namespace phalanx::sync

#endif
