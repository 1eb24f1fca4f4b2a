// The kernel beside the CPU engine: the same table, the same EXTRACTs and SCANs, bit for bit; and the slots that
// EXTRACT frees are those that the CPU engine gives out next.
#include "drivers/cpu/cpu_engine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>

#include "hls/nat.hpp"
#include "tests/unit/state_delta/card_memory.hpp"
#include "tests/unit/state_delta/random_records.hpp"

namespace phalanx {
namespace {

using abi::Completion;
using abi::Opcode;
using abi::Operation;
using abi::Record;
using abi::Result;
using test::Answer;
using test::CardMemory;

constexpr uint64_t kSlots = 3000;

// A CPU engine, and what can be seen of it: which slots its log has, in order, and each session's long rewrite.
class Mirror {
 public:
  explicit Mirror(uint64_t seed) : random(seed) {
    EngineConfig config;
    config.sessions_max = kSlots;
    config.hash_seed[0] = seed;
    engine = *CpuEngine::create(config);
  }

  Completion one(const Operation& operation, const Record* record, std::vector<Record>* output = nullptr) {
    Completion completion = {};
    Batch batch;
    batch.now_ms = ++now_ms;
    batch.operations = {&operation, 1};
    if (record != nullptr) batch.records = {record, 1};
    batch.completions = {&completion, 1};
    if (output != nullptr) batch.output = absl::MakeSpan(*output);
    EXPECT_TRUE(engine->submit(batch).ok());
    uint64_t tag;
    engine->poll({&tag, 1});
    return completion;
  }

  // A new session: UDP or TCP, any rewrite.
  Completion insert() {
    Record r = {};
    hls::Session& s = r.session;
    const bool v6 = random.one_in(3);
    const bool tcp = random.one_in(2);
    const uint64_t id = ++last_id;
    const hls::Endpoint from = {v6 ? 0xfd00ull << 48 : 0, v6 ? id : 0x0a000000 + id, 1000};
    const hls::Endpoint to = {v6 ? 0x2001ull << 48 : 0, v6 ? random.next() : 0xc0000200, 443};
    const hls::DirectedKey key = hls::make_key(from, to, tcp ? 6 : 17, v6 ? 6 : 4, 0);
    s.key = key.key;
    s.flags = key.from_b;
    s.rule = static_cast<uint16_t>(random.below(300));
    if (random.one_in(2)) {
      s.flags |= hls::kNatSource;
      s.nat_source = v6 ? 0 : static_cast<uint32_t>(0x64000000 + id);
      s.nat_source_port = 2000;
      if (v6) s.flags |= hls::kNatWide;
      if (v6) r.wide = {0xfd01ull << 48, id, 0, 0};
    }
    Operation o = {};
    o.opcode = Opcode::kInsert;
    o.packet.key = key.key;
    o.packet.from_b = key.from_b;
    o.packet.kind = tcp ? hls::kPacketTcp : hls::kPacketUdp;
    o.packet.tcp_flags = hls::kTcpSyn;
    o.packet.seq = static_cast<uint32_t>(random.next());
    o.packet.window = 64240;
    o.packet.window_scale = 7;
    o.packet.segments = 1;
    o.packet.bytes = 60;
    const Completion c = one(o, &r);
    EXPECT_EQ(c.result, Result::kDone);
    live.push_back(c.slot);
    wide[c.slot] = r.wide;
    note(c);
    return c;
  }

  void erase() {
    Operation o = {};
    o.opcode = Opcode::kDelete;
    o.packet.key = engine->session(take_live()).key;
    note(one(o, nullptr));
  }

  // As from the other member: the session goes without a log entry; one that it has stays in the log.
  void remove() {
    Record r = {engine->session(take_live()), {}};
    r.session.state = hls::kStateDeleted;
    r.session.order = hls::next_version(r.session.order);
    Operation o = {};
    o.opcode = Opcode::kApply;
    EXPECT_EQ(one(o, &r).result, Result::kDone);
  }

  void reply() {
    const hls::Session& s = engine->session(live[random.below(live.size())]);
    if (s.state != hls::kStateUdpNew || (s.flags & hls::kNatSource) != 0) return;
    Operation o = {};
    o.opcode = Opcode::kLookup;
    o.packet.key = s.key;
    o.packet.from_b = hls::originator_from_b(s) ^ 1;
    o.packet.kind = hls::kPacketUdp;
    o.packet.segments = 1;
    o.packet.bytes = 100;
    note(one(o, nullptr));
  }

  void live_on(int steps) {
    for (int i = 0; i < steps; ++i) {
      const uint64_t what = random.below(10);
      if (live.empty() || (what < 5 && live.size() < 1500))
        insert();
      else if (what < 7)
        reply();
      else if (what < 9)
        erase();
      else
        remove();
    }
  }

  // The card's table as the CPU engine's is now.
  CardMemory card() {
    CardMemory c(kSlots);
    c.state.used_end = used_end;
    c.state.log_head = random.below(kSlots);
    c.state.now_ms = now_ms;
    for (uint32_t slot = 0; slot < used_end; ++slot) c.put(slot, {engine->session(slot), wide[slot]});
    for (const uint32_t slot : log) c.log[(c.state.log_head + c.state.logged++) % kSlots] = slot;
    return c;
  }

  test::RandomRecords random;
  std::unique_ptr<CpuEngine> engine;
  uint32_t now_ms = 1000;
  uint64_t last_id = 0;
  uint64_t used_end = 0;
  std::vector<uint32_t> live, log;
  std::map<uint32_t, hls::WideNat> wide;

 private:
  uint32_t take_live() {
    const size_t i = random.below(live.size());
    const uint32_t slot = live[i];
    live[i] = live.back();
    live.pop_back();
    return slot;
  }
  void note(const Completion& c) {
    used_end = std::max<uint64_t>(used_end, c.slot + 1);
    if (c.changed != 0 && std::find(log.begin(), log.end(), c.slot) == log.end()) log.push_back(c.slot);
  }
};

class AsCpuEngine : public testing::TestWithParam<uint64_t> {
 protected:
  void SetUp() override { hls::native::set_settings({GetParam(), GetParam() % 2 != 0, 90, 64}); }
  void TearDown() override { hls::native::set_settings({}); }
};

void expect_same(const Completion& c, const std::vector<Record>& cpu, const Answer& card) {
  ASSERT_EQ(card.result.error, abi::kTableErrorNone);
  ASSERT_EQ(card.result.records, c.count);
  ASSERT_EQ(card.result.next, c.next);
  const std::vector<Record> records = card.records();
  ASSERT_EQ(records.size(), c.count);
  for (size_t i = 0; i < records.size(); ++i) ASSERT_TRUE(test::same(records[i], cpu[i])) << i;
}

uint32_t lines_for(size_t records) { return static_cast<uint32_t>((records * sizeof(Record) + 63) / 64); }

void scan_all(Mirror& mirror, CardMemory& card) {
  for (int i = 0; i < 12; ++i) {
    Operation o = {};
    o.opcode = Opcode::kScan;
    o.argument = mirror.random.below(mirror.used_end + 5);
    o.count = mirror.random.one_in(3) ? UINT64_MAX : mirror.random.below(2500);
    std::vector<Record> output(1 + mirror.random.below(mirror.random.one_in(2) ? 20 : 2000));
    const Completion c = mirror.one(o, nullptr, &output);
    const Answer answer =
        card.run({abi::kDeltaScan, abi::kDeltaRecords, o.argument, o.count, lines_for(output.size()), 0, 0});
    ASSERT_NO_FATAL_FAILURE(expect_same(c, output, answer));
  }
}

void extract_all(Mirror& mirror, CardMemory& card) {
  do {
    Operation o = {};
    o.opcode = Opcode::kExtract;
    o.count = mirror.random.one_in(2) ? UINT64_MAX : mirror.random.below(400);
    std::vector<Record> output(mirror.random.below(300));
    const Completion c = mirror.one(o, nullptr, &output);
    const uint64_t count = std::min<uint64_t>(o.count, output.size());
    const Answer answer = card.run({abi::kDeltaExtract, abi::kDeltaRecords, 0, count, lines_for(output.size()), 0, 0});
    ASSERT_NO_FATAL_FAILURE(expect_same(c, output, answer));
  } while (card.state.logged != 0);
  mirror.log.clear();
}

TEST_P(AsCpuEngine, GivesTheSameBytesAndFreesTheSameSlots) {
  Mirror mirror(GetParam());
  uint64_t freed = 0;
  for (int round = 0; round < 6; ++round) {
    mirror.live_on(700);
    ASSERT_GT(mirror.log.size(), 50u);
    CardMemory card = mirror.card();
    ASSERT_NO_FATAL_FAILURE(scan_all(mirror, card));
    ASSERT_NO_FATAL_FAILURE(extract_all(mirror, card));
    EXPECT_EQ(card.state.impossible, 0u);
    for (uint32_t slot = 0; slot < mirror.used_end; ++slot) {
      const hls::Session& cpu = mirror.engine->session(slot);
      const hls::Session on_card = card.session(slot);
      ASSERT_EQ(on_card.state, cpu.state) << slot;
      ASSERT_EQ(on_card.flags, cpu.flags) << slot;
    }
    freed += card.state.free_slots;
    for (uint64_t left = card.state.free_slots; left != 0; --left) {
      ASSERT_EQ(mirror.insert().slot, card.free_slot[left - 1]) << "last freed, first given out";
    }
  }
  EXPECT_GT(freed, 200u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, AsCpuEngine, testing::Range<uint64_t>(1, 21));

}  // namespace
}  // namespace phalanx
