// The engine against a model that is a plain list: whatever is asked of them, they answer the same, byte by byte.
#include "drivers/cpu/cpu_engine.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "tests/property/cpu_engine/engine_model.hpp"

namespace phalanx::testing {
namespace {

// Raw material of one step; what it means is up to Script, so that any of it is valid and shrinks well.
using Step = std::array<uint8_t, 8>;

// Turns steps into batches over a small world: three clients, two servers, few ports, translations that collide.
class Script {
 public:
  // With `large`, lookups are pipelined as in a large table.
  Script(const EngineConfig& config, bool large)
      : engine_(*CpuEngine::create(config, large ? 0 : CpuEngine::kLargeBytes)), model_(config) {}

  std::optional<std::string> play(const std::vector<Step>& steps) {
    for (const Step& step : steps) {
      add(step);
      // Batches from one operation to more than two groups of the pipeline.
      if (step[7] % 32 == 0 || (step[7] % 8 == 0 && !long_batches_)) {
        if (auto d = finish(step)) return d;
      }
    }
    return finish({});
  }
  void prefer_long_batches() { long_batches_ = true; }

  // How often each operation has come to each result.
  using Outcomes = std::map<std::pair<abi::Opcode, abi::Result>, int>;
  const Outcomes& outcomes() const { return outcomes_; }

 private:
  static hls::Endpoint client(uint8_t choice, bool v6) {
    const uint64_t hi = v6 ? 0x20010db800000000u : 0;
    return {hi, 0x0a000001u + choice % 3u, static_cast<uint16_t>(1000 + choice / 3 % 3)};
  }
  static hls::Endpoint server(uint8_t choice, bool v6) {
    const uint64_t hi = v6 ? 0x20010db800000000u : 0;
    return {hi, 0xc0000201u + choice % 2u, 80};
  }
  // Translated clients: a client's own address is among them.
  static hls::Endpoint hidden(uint8_t choice, bool v6) {
    const uint64_t hi = v6 ? 0x20010db800000000u : 0;
    const uint64_t lo = choice % 8 == 0 ? 0x0a000001u : 0xcb007101u;
    return {hi, lo, static_cast<uint16_t>(choice % 8 == 0 ? 1000 : 4000 + choice % 4)};
  }

  static uint8_t protocol_of(uint8_t choice) {
    constexpr uint8_t kProtocols[] = {hls::kProtocolTcp, hls::kProtocolTcp, hls::kProtocolUdp, 47};
    return kProtocols[choice % 4];
  }

  static hls::PacketMeta packet(const Step& s, const hls::Endpoint& from, const hls::Endpoint& to, uint8_t protocol,
                                bool v6) {
    constexpr uint8_t kFlags[] = {hls::kTcpSyn,
                                  hls::kTcpSyn | hls::kTcpAck,
                                  hls::kTcpAck,
                                  hls::kTcpAck | hls::kTcpFin,
                                  hls::kTcpRst,
                                  hls::kTcpAck,
                                  0,
                                  hls::kTcpSyn | hls::kTcpFin};
    const hls::DirectedKey k = hls::make_key(from, to, protocol, v6 ? 6 : 4, 0);
    hls::PacketMeta p = {};
    p.key = k.key;
    p.from_b = k.from_b;
    p.kind = protocol == hls::kProtocolTcp   ? hls::kPacketTcp
             : protocol == hls::kProtocolUdp ? hls::kPacketUdp
                                             : hls::kPacketOther;
    if (s[4] % 16 == 0) p.kind = hls::kPacketIcmpError;
    p.tcp_flags = kFlags[s[5] % 8];
    p.seq = 100u + s[5] / 8 % 4;
    p.ack = 100u + s[5] / 32 % 4;
    p.payload = s[4] % 3;
    p.bytes = 40 + p.payload;
    p.window = 1000;
    p.window_scale = s[4] % 5 == 0 ? 7 : hls::kNoWindowScale;
    p.segments = 1;
    return p;
  }

  // A record of the flow, with the translation that the step says.
  static abi::Record record(const Step& s, const hls::PacketMeta& p, bool v6) {
    abi::Record r = {};
    r.session.key = p.key;
    r.session.flags = p.from_b;
    r.session.rule = s[6];
    const uint8_t nat = s[3] % 4;
    if (nat == 0) return r;
    const hls::Endpoint source = hidden(s[3] / 4, v6), destination = server(static_cast<uint8_t>(s[3] / 32), v6);
    r.session.flags |= static_cast<uint8_t>((nat & 1 ? hls::kNatSource : 0) | (nat & 2 ? hls::kNatDestination : 0));
    r.session.nat_source_port = nat & 1 ? source.port : 0;
    r.session.nat_destination_port = nat & 2 ? destination.port : 0;
    if (v6) {
      r.session.flags |= hls::kNatWide;
      r.wide = {source.hi, source.lo, destination.hi, destination.lo};
    } else {
      r.session.nat_source = nat & 1 ? static_cast<uint32_t>(source.lo) : 0;
      r.session.nat_destination = nat & 2 ? static_cast<uint32_t>(destination.lo) : 0;
    }
    return r;
  }

  void add(const Step& s) {
    const bool v6 = s[1] % 4 == 0;
    const uint8_t protocol = protocol_of(s[1] / 4);
    const hls::Endpoint c = client(s[2], v6), v = server(s[2] / 16, v6), h = hidden(s[3] / 4, v6);
    abi::Operation o = {};
    const uint8_t what = s[0] % 64;
    if (what < 28) {  // from the client, from the server, or from the server to a translated client
      o.opcode = abi::Opcode::kLookup;
      o.packet = what < 12 ? packet(s, c, v, protocol, v6) : packet(s, v, what < 18 ? c : h, protocol, v6);
    } else if (what < 42) {
      o.opcode = abi::Opcode::kInsert;
      o.packet = packet(s, c, v, protocol, v6);
      // Mostly what opens a session; else what must be refused.
      if (s[5] % 4 != 0) o.packet.tcp_flags = hls::kTcpSyn;
      if (s[4] % 16 == 0 && s[5] % 4 != 0) o.packet.kind = packet({}, c, v, protocol, v6).kind;
      records_.push_back(record(s, o.packet, v6));
      if (s[6] == 77) records_.back().session.flags ^= hls::kNatWide;
    } else if (what < 46) {
      o.opcode = abi::Opcode::kDelete;
      o.packet = packet(s, v, what < 44 ? c : h, protocol, v6);
    } else if (what < 54) {
      o.opcode = abi::Opcode::kApply;
      abi::Record r = record(s, packet(s, c, v, protocol, v6), v6);
      r.session.state = static_cast<uint8_t>(s[5] % (hls::kStates + 1));  // one of them doesn't exist
      r.session.order = static_cast<uint64_t>(s[6] % 32 + model_.generation() / 2) << hls::kVersionBits | s[4] % 4u;
      r.session.flags |= static_cast<uint8_t>(s[4] & hls::kDirty);  // whatever a peer says of it
      records_.push_back(r);
    } else if (what < 57) {
      o.opcode = abi::Opcode::kAge;
    } else if (what < 61) {
      o.opcode = abi::Opcode::kExtract;
    } else if (what < 63) {
      o.opcode = abi::Opcode::kScan;
    } else {
      o.opcode = static_cast<abi::Opcode>(s[1]);
      if (s[1] >= 1 && s[1] <= 7) o.opcode = abi::Opcode::kLookup;
    }
    if (what >= 54) {
      o.argument = s[2] % 16;
      o.count = s[3] % 16;
    }
    o.record = static_cast<uint32_t>(records_.size() - 1);
    operations_.push_back(o);
  }

  std::optional<std::string> finish(const Step& s) {
    now_ms_ += s[6] * (s[5] % 4 == 0 ? 500u : 1u);
    std::vector<abi::Completion> completions(operations_.size());
    std::vector<abi::Record> output(s[1] % 32);
    Batch batch;
    batch.now_ms = now_ms_;
    batch.operations = operations_;
    batch.records = records_;
    batch.completions = absl::MakeSpan(completions);
    batch.output = absl::MakeSpan(output);
    uint64_t tag = 0;
    if (!engine_->submit(batch).ok() || engine_->poll({&tag, 1}) != 1) return "not taken";
    if (auto d = model_.difference(batch)) return d;
    for (size_t i = 0; i < completions.size(); ++i) ++outcomes_[{operations_[i].opcode, completions[i].result}];
    if (engine_->counters().sessions != model_.sessions()) return "sessions are miscounted";
    if (engine_->counters().half_open != model_.half_open()) return "half-open sessions are miscounted";
    if (engine_->generation() != model_.generation()) return "generations differ";
    operations_.clear();
    records_.clear();
    between_batches(s);
    return std::nullopt;
  }

  void between_batches(const Step& s) {
    if (s[2] % 16 == 1) {
      engine_->set_age_floor(now_ms_);
      model_.set_age_floor(now_ms_);
    }
    if (s[2] % 16 == 2) {
      engine_->advance_generation(model_.generation() + s[3] % 3u);
      model_.advance_generation(model_.generation() + s[3] % 3u);
    }
    if (s[2] == 3) {
      engine_->clear();
      model_.clear();
    }
  }

  std::unique_ptr<CpuEngine> engine_;
  EngineModel model_;
  bool long_batches_ = false;
  Outcomes outcomes_;
  uint32_t now_ms_ = 0;
  std::vector<abi::Operation> operations_;
  std::vector<abi::Record> records_;
};

EngineConfig config_of(uint64_t sessions_max, uint64_t half_open_max, uint64_t seed, bool pickup) {
  EngineConfig config;
  config.sessions_max = sessions_max;
  config.half_open_max = half_open_max;
  config.hash_seed[0] = seed;
  config.hash_seed[1] = ~seed;
  config.tcp_pickup = pickup;
  config.timeouts = hls::default_timeouts();
  return config;
}

std::vector<Step> some_steps(double scale) {
  return *rc::gen::scale(scale, rc::gen::container<std::vector<Step>>(rc::gen::arbitrary<Step>()));
}

std::vector<Step> random_steps(uint64_t seed, size_t count) {
  std::mt19937_64 random(seed);
  std::vector<Step> steps(count);
  for (Step& s : steps) {
    const uint64_t bits = random();
    std::memcpy(s.data(), &bits, sizeof(bits));
  }
  return steps;
}

RC_GTEST_PROP(CpuEngineProperty, AnswersAsThePlainListDoes, ()) {
  const auto capacity = *rc::gen::inRange<uint64_t>(1, 24);
  Script script(config_of(capacity, *rc::gen::inRange<uint64_t>(0, 8), *rc::gen::arbitrary<uint64_t>(),
                          *rc::gen::arbitrary<bool>()),
                *rc::gen::arbitrary<bool>());
  const auto difference = script.play(some_steps(4.0));
  if (difference) RC_FAIL(*difference);
}

// Long streams, which a list that shrinks well is too short for: states deep in TCP, rings gone round, generations
// high.
TEST(CpuEngineProperty, AnswersAsThePlainListDoesForLong) {
  Script::Outcomes outcomes;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Script script(config_of(1 + seed % 13, 2 + seed % 7, seed, seed % 5 == 0), seed % 3 == 0);
    if (seed % 2 == 0) script.prefer_long_batches();
    const auto difference = script.play(random_steps(seed, 5000));
    ASSERT_FALSE(difference.has_value()) << "seed " << seed << ": " << *difference;
    for (const auto& [outcome, count] : script.outcomes()) outcomes[outcome] += count;
  }
  // The streams are worth something only if they get everywhere.
  using abi::Opcode, abi::Result;
  const std::pair<Opcode, Result> expected[] = {
      {Opcode::kLookup, Result::kDone},   {Opcode::kLookup, Result::kMiss},     {Opcode::kLookup, Result::kDrop},
      {Opcode::kInsert, Result::kDone},   {Opcode::kInsert, Result::kDrop},     {Opcode::kInsert, Result::kExists},
      {Opcode::kInsert, Result::kFull},   {Opcode::kInsert, Result::kHalfOpen}, {Opcode::kInsert, Result::kInvalid},
      {Opcode::kDelete, Result::kDone},   {Opcode::kDelete, Result::kMiss},     {Opcode::kApply, Result::kDone},
      {Opcode::kApply, Result::kStale},   {Opcode::kApply, Result::kMiss},      {Opcode::kApply, Result::kFull},
      {Opcode::kApply, Result::kInvalid}, {Opcode::kAge, Result::kDone},        {Opcode::kAge, Result::kInvalid},
      {Opcode::kExtract, Result::kDone},  {Opcode::kScan, Result::kDone},       {Opcode::kScan, Result::kInvalid}};
  for (const auto& outcome : expected) {
    EXPECT_GE(outcomes[outcome], 20) << "operation " << static_cast<int>(outcome.first) << " with result "
                                     << static_cast<int>(outcome.second);
  }
}

RC_GTEST_PROP(CpuEngineProperty, InsertNeverLosesAnotherSession, ()) {
  // NAT for every session: two entries each, the index at its fullest.
  constexpr uint32_t kSessions = 3000;
  auto engine = CpuEngine::create(config_of(kSessions, kSessions, *rc::gen::arbitrary<uint64_t>(), false));
  RC_ASSERT(engine.ok());
  std::vector<hls::FlowKey> keys;
  for (uint32_t i = 0; i < kSessions; ++i) {
    const hls::Endpoint client = {0, 0x0a000000u + i, 1000}, server = {0, 0xc0000201u, 80},
                        hide = {0, 0xcb007101u, static_cast<uint16_t>(i)};
    const hls::DirectedKey original = hls::make_key(client, server, hls::kProtocolUdp, 4, 0);
    abi::Record record = {};
    record.session.key = original.key;
    record.session.flags = original.from_b | hls::kNatSource;
    record.session.nat_source = static_cast<uint32_t>(hide.lo);
    record.session.nat_source_port = hide.port;
    abi::Operation insert = {};
    insert.opcode = abi::Opcode::kInsert;
    insert.packet.key = original.key;
    insert.packet.from_b = original.from_b;
    insert.packet.kind = hls::kPacketUdp;
    abi::Completion completion;
    Batch batch;
    batch.operations = {&insert, 1};
    batch.records = {&record, 1};
    batch.completions = {&completion, 1};
    uint64_t tag = 0;
    RC_ASSERT((*engine)->submit(batch).ok() && (*engine)->poll({&tag, 1}) == 1);
    RC_ASSERT(completion.result == abi::Result::kDone);
    keys.push_back(original.key);
    keys.push_back(hls::make_key(hide, server, hls::kProtocolUdp, 4, 0).key);
    // Above 95 % of the capacity every insert is followed by a look at all of them.
    if (i < kSessions * 95 / 100 || i % 10 != 0) continue;
    std::vector<const hls::FlowKey*> pointers;
    for (const auto& key : keys) pointers.push_back(&key);
    std::vector<uint32_t> slots(keys.size());
    (*engine)->find_bulk(pointers, absl::MakeSpan(slots));
    for (uint32_t k = 0; k < keys.size(); ++k) RC_ASSERT(slots[k] == k / 2);
  }
}

}  // namespace
}  // namespace phalanx::testing
