// Random traffic through OffloadEngine while the card fails in every way and sessions are moved: no connection that
// the caller was told of is lost, every packet of two correct endpoints passes, no NAT binding is given twice, and a
// standby that is told what is extracted has the same sessions in the end.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "drivers/offload/offload_engine.hpp"
#include "tests/unit/offload/faulty_engine.hpp"
#include "tests/unit/offload/packets.hpp"

namespace phalanx::testing {
namespace {

using abi::Opcode;
using abi::Result;
using Step = std::array<uint8_t, 4>;

constexpr uint32_t kFlows = 24;       // even: UDP, odd: TCP
constexpr uint16_t kHiddenPorts = 3;  // for a third of the flows: they fight for them
constexpr uint32_t kWindow = 4000;    // of unacknowledged data that an endpoint sends

EngineConfig small() {
  EngineConfig config;
  config.sessions_max = 512;
  config.half_open_max = 256;
  return config;
}

struct Flow {
  bool open = false;
  uint16_t hidden_port = 0;
  int phase = 0;                         // TCP: 1 SYN, 2 SYN/ACK, 3 established
  uint32_t sent[2] = {}, acked[2] = {};  // next sequence number of each side; what the other has acknowledged of it
};

class World {
 public:
  World() : card_(small()), cpu_(*CpuEngine::create(small())), standby_(*CpuEngine::create(small())) {
    OffloadOptions options;
    options.config = small();
    engine_ = *OffloadEngine::create(options, &card_, cpu_.get());
  }

  std::optional<std::string> play(const std::vector<Step>& steps) {
    for (size_t i = 0; i < steps.size() && !wrong_; ++i) {
      if (!step(steps[i])) wrong_ = absl::StrCat("no answer");
      if (wrong_) wrong_ = absl::StrCat("step ", i, ": ", *wrong_);
    }
    if (!wrong_) finish();
    return wrong_;
  }
  OffloadCounters counters() const { return engine_->status().counters; }

 private:
  bool step(const Step& s) {
    now_ms_ += s[3] % 4 == 0 ? s[3] % 16 : 0;
    const uint32_t flow = s[1] % kFlows;
    switch (s[0] % 16) {
      case 0:
        return end(flow);
      case 1:
      case 2:
        return publish(1 + s[1] % 8);
      case 3:
        return publish(1000);
      case 4:
        card_.fail_after(s[1] % 32, static_cast<Failure>(s[2] % 4));
        return true;
      case 5:
        if (s[1] % 2 == 0) engine_->move_to_cpu();
        if (s[1] % 2 == 1) engine_->move_to_card();
        return true;
      case 6:
        card_.set_latency(s[1] % 4);
        return true;
      case 7:
      case 8:
        for (int i = 0; i < 1 + s[1] % 8; ++i) engine_->poll_moves(now_ns_ += 1'000'000);
        return true;
      case 9:
        return several(s);
      default:
        return flow % 2 == 0 ? udp(flow, s[2] % 2 == 0) : tcp_packet(flow, s[2]);
    }
  }

  bool run(absl::Span<const abi::Operation> operations, const abi::Record* record,
           absl::Span<abi::Completion> completions, absl::Span<abi::Record> output = {}) {
    const absl::Status status = engine_->submit({.tag = ++tag_,
                                                 .now_ms = now_ms_,
                                                 .operations = operations,
                                                 .records = absl::MakeConstSpan(record, record == nullptr ? 0 : 1),
                                                 .completions = completions,
                                                 .output = output});
    return status.ok() && wait(tag_);
  }
  bool wait(uint64_t last) {
    uint64_t tag = 0;
    for (int i = 0; i < 1000; ++i) {
      if (engine_->poll(absl::MakeSpan(&tag, 1)) == 1 && tag == last) return true;
    }
    return false;
  }
  bool one(const abi::Operation& operation, abi::Completion& completion, const abi::Record* record = nullptr) {
    return run(absl::MakeConstSpan(&operation, 1), record, absl::MakeSpan(&completion, 1));
  }

  // A packet as it comes to the gateway: the responder's are addressed to what it knows the client as.
  hls::PacketMeta arriving(uint32_t flow, const hls::PacketMeta& plain, bool from_client) const {
    hls::PacketMeta p = plain;
    if (from_client || flows_[flow].hidden_port == 0) return p;
    const hls::DirectedKey k =
        hls::make_key(server(), {0, 0xcb007101u, flows_[flow].hidden_port}, hls::protocol(plain.key), 4, 0);
    p.key = k.key;
    p.from_b = k.from_b;
    return p;
  }
  bool passes(uint32_t flow, const hls::PacketMeta& plain, bool from_client) {
    abi::Completion completion = {};
    if (!one(lookup(arriving(flow, plain, from_client)), completion)) return false;
    if (completion.result != Result::kDone) {
      wrong_ = absl::StrCat("flow ", flow, (from_client ? ": client's" : ": server's"), " packet: result ",
                            static_cast<int>(completion.result), " reason ", static_cast<int>(completion.reason),
                            " state ", static_cast<int>(completion.state), ", ", engine_->name());
    }
    return true;
  }

  bool open(uint32_t flow, const hls::PacketMeta& first) {
    const auto port = static_cast<uint16_t>(flow % 3 == 0 ? 40000 + flow % kHiddenPorts + flow / 3 % kHiddenPorts : 0);
    const abi::Record record = opening(first, port);
    abi::Completion completion = {};
    if (!one(insert(first, 0), completion, &record)) return false;
    const auto taken = std::find_if(flows_.begin(), flows_.end(), [&](const Flow& f) {
      return f.open && port != 0 && f.hidden_port == port && &f != &flows_[flow] &&
             (&f - flows_.data()) % 2 == flow % 2;
    });
    const bool is_taken = taken != flows_.end();
    if (completion.result != (is_taken ? Result::kExists : Result::kDone)) {
      wrong_ = absl::StrCat("flow ", flow, ": INSERT result ", static_cast<int>(completion.result), ", port ", port,
                            is_taken ? " taken" : " free");
    }
    if (!is_taken) flows_[flow] = {.open = true, .hidden_port = port, .phase = 1, .sent = {}, .acked = {}};
    return true;
  }

  bool udp(uint32_t flow, bool from_client) {
    if (!flows_[flow].open) return open(flow, packet(flow, hls::kProtocolUdp, true));
    return passes(flow, packet(flow, hls::kProtocolUdp, from_client), from_client);
  }

  // The next packet of a TCP connection, or data or an acknowledgement of either side.
  bool tcp_packet(uint32_t flow, uint8_t choice) {
    Flow& f = flows_[flow];
    if (!f.open) {
      const uint32_t first = choice * 0x01010101u;
      if (!open(flow, tcp(flow, true, hls::kTcpSyn, first, 0))) return false;
      if (f.open) f.sent[0] = f.acked[0] = first + 1, f.sent[1] = f.acked[1] = ~first;
      return true;
    }
    if (f.phase == 1) {
      f.phase = 2;
      const uint32_t first = f.sent[1]++;
      f.acked[1] = f.sent[1];
      return passes(flow, tcp(flow, false, hls::kTcpSyn | hls::kTcpAck, first, f.sent[0]), false);
    }
    if (f.phase == 2) {
      f.phase = 3;
      return passes(flow, tcp(flow, true, hls::kTcpAck, f.sent[0], f.sent[1]), true);
    }
    const int side = choice & 1;
    const uint32_t size = f.sent[side] - f.acked[side] < kWindow ? choice * 8u : 0;
    const hls::PacketMeta data = tcp(flow, side == 0, hls::kTcpAck, f.sent[side], f.sent[1 - side], size);
    f.sent[side] += size;
    f.acked[1 - side] = f.sent[1 - side];
    return passes(flow, data, side == 0);
  }

  // Several batches on their way at once.
  bool several(const Step& s) {
    std::array<abi::Operation, 12> operations;
    std::array<abi::Completion, 12> completions = {};
    for (uint32_t i = 0; i < 12; ++i) {
      const uint32_t flow = (s[1] + i) * 2 % kFlows;
      operations[i] = lookup(arriving(flow, packet(flow, hls::kProtocolUdp, i % 2 == 0), i % 2 == 0));
    }
    for (size_t first = 0; first < 12; first += 3) {
      if (!engine_
               ->submit({.tag = ++tag_,
                         .now_ms = now_ms_,
                         .operations = absl::MakeConstSpan(operations).subspan(first, 3),
                         .records = {},
                         .completions = absl::MakeSpan(completions).subspan(first, 3),
                         .output = {}})
               .ok()) {
        return false;
      }
    }
    if (!wait(tag_)) return false;
    for (uint32_t i = 0; i < 12; ++i) {
      const uint32_t flow = (s[1] + i) * 2 % kFlows;
      const Result expected = flows_[flow].open ? Result::kDone : Result::kMiss;
      if (completions[i].result != expected) wrong_ = absl::StrCat("flow ", flow, " in flight, ", engine_->name());
    }
    return true;
  }

  bool end(uint32_t flow) {
    abi::Completion completion = {};
    const uint8_t protocol = flow % 2 == 0 ? hls::kProtocolUdp : hls::kProtocolTcp;
    if (!one(erase(packet(flow, protocol, true)), completion)) return false;
    if ((completion.result == Result::kDone) != flows_[flow].open) wrong_ = absl::StrCat("flow ", flow, ": DELETE");
    flows_[flow] = {};
    return true;
  }

  // EXTRACT, and the standby applies it.
  bool publish(uint64_t count, bool* more = nullptr) {
    abi::Completion completion = {};
    std::vector<abi::Record> output(256);
    const abi::Operation operation = over(Opcode::kExtract, 0, count);
    if (!run(absl::MakeConstSpan(&operation, 1), nullptr, absl::MakeSpan(&completion, 1), absl::MakeSpan(output))) {
      return false;
    }
    if (more != nullptr) *more = completion.count != 0;
    for (uint32_t i = 0; i < completion.count; ++i) {
      abi::Operation apply = {};
      apply.opcode = Opcode::kApply;
      abi::Completion applied;
      uint64_t tag;
      RC_ASSERT(standby_
                    ->submit({.tag = 0,
                              .now_ms = now_ms_,
                              .operations = absl::MakeConstSpan(&apply, 1),
                              .records = absl::MakeConstSpan(&output[i], 1),
                              .completions = absl::MakeSpan(&applied, 1),
                              .output = {}})
                    .ok());
      standby_->poll(absl::MakeSpan(&tag, 1));
    }
    return true;
  }

  void finish() {
    bool more = true;
    for (int i = 0; i < 100 && more; ++i) {
      if (!publish(200, &more)) wrong_ = "EXTRACT has no answer";
    }
    for (uint32_t flow = 0; flow < kFlows && !wrong_; ++flow) {
      const uint8_t protocol = flow % 2 == 0 ? hls::kProtocolUdp : hls::kProtocolTcp;
      const hls::FlowKey key = packet(flow, protocol, true).key;
      const hls::FlowKey* const keys[] = {&key};
      uint32_t slot = 0;
      standby_->find_bulk(keys, absl::MakeSpan(&slot, 1));
      const bool there = slot != 0xffffffff;
      if (there != flows_[flow].open) {
        wrong_ = absl::StrCat("flow ", flow, there ? ": the standby has it" : ": the standby has it not");
      } else if (flows_[flow].open && flow % 2 == 0) {
        passes(flow, packet(flow, protocol, true), true);
      }
    }
  }

  FaultyEngine card_;
  std::unique_ptr<CpuEngine> cpu_, standby_;
  std::unique_ptr<OffloadEngine> engine_;
  std::array<Flow, kFlows> flows_ = {};
  std::optional<std::string> wrong_;
  uint32_t now_ms_ = 1000;
  int64_t now_ns_ = 0;
  uint64_t tag_ = 0;
};

RC_GTEST_PROP(Offload, LosesNothingWhateverFails, ()) {
  const size_t size = *rc::gen::inRange<size_t>(0, 1200);
  const auto steps = *rc::gen::container<std::vector<Step>>(
      size, rc::gen::container<Step>(rc::gen::resize(256, rc::gen::arbitrary<uint8_t>())));
  World world;
  const std::optional<std::string> wrong = world.play(steps);
  RC_ASSERT(wrong.value_or("") == "");
}

// The property would hold of an engine that never used its card: here all of it has happened.
TEST(Offload, RandomStepsReachEveryPath) {
  uint64_t state = 1;
  OffloadCounters total;
  for (int round = 0; round < 60; ++round) {
    std::vector<Step> steps(3000);
    for (Step& step : steps) {
      for (uint8_t& byte : step)
        byte = static_cast<uint8_t>((state = state * 6364136223846793005u + 1442695040888963407u) >> 56);
    }
    World world;
    ASSERT_EQ(world.play(steps).value_or(""), "") << "round " << round;
    const OffloadCounters c = world.counters();
#define PHALANX_SUM(name, text) total.name += c.name;
    PHALANX_OFFLOAD_COUNTERS(PHALANX_SUM)
#undef PHALANX_SUM
  }
  EXPECT_GT(total.failovers, 100u);
  EXPECT_GT(total.replayed, 100u);
  EXPECT_GT(total.redone, 50u);
  EXPECT_GT(total.moves_to_card, 100u);
  EXPECT_GT(total.moves_to_cpu, 50u);
  EXPECT_GT(total.moves_failed, 10u);
  EXPECT_EQ(total.replay_refused, 0u);
  EXPECT_EQ(total.shadow_refused, 0u);
}

}  // namespace
}  // namespace phalanx::testing
