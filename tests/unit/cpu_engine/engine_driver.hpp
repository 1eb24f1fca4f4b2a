// Packets, records and batches for tests of the engine.
#ifndef PHALANX_TESTS_UNIT_CPU_ENGINE_ENGINE_DRIVER_HPP
#define PHALANX_TESTS_UNIT_CPU_ENGINE_ENGINE_DRIVER_HPP

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "drivers/cpu/cpu_engine.hpp"
#include "hls/nat.hpp"

namespace phalanx::testing {

inline EngineConfig small_config(uint64_t sessions_max) {
  EngineConfig config;
  config.sessions_max = sessions_max;
  config.half_open_max = sessions_max;
  config.hash_seed[0] = 1;
  config.hash_seed[1] = 2;
  config.timeouts = hls::default_timeouts();
  return config;
}

// A UDP datagram between two IPv4 endpoints.
inline hls::PacketMeta udp(uint32_t from, uint16_t from_port, uint32_t to, uint16_t to_port) {
  const hls::DirectedKey k = hls::make_key({0, from, from_port}, {0, to, to_port}, hls::kProtocolUdp, 4, 0);
  hls::PacketMeta p = {};
  p.key = k.key;
  p.from_b = k.from_b;
  p.kind = hls::kPacketUdp;
  p.payload = 20;
  p.bytes = 48;
  p.segments = 1;
  p.window_scale = hls::kNoWindowScale;
  return p;
}

// A TCP segment without payload between two IPv4 endpoints.
inline hls::PacketMeta tcp(uint32_t from, uint16_t from_port, uint32_t to, uint16_t to_port, uint8_t flags,
                           uint32_t seq, uint32_t ack) {
  const hls::DirectedKey k = hls::make_key({0, from, from_port}, {0, to, to_port}, hls::kProtocolTcp, 4, 0);
  hls::PacketMeta p = {};
  p.key = k.key;
  p.from_b = k.from_b;
  p.kind = hls::kPacketTcp;
  p.tcp_flags = flags;
  p.seq = seq;
  p.ack = ack;
  p.bytes = 40;
  p.window = 1000;
  p.segments = 1;
  p.window_scale = hls::kNoWindowScale;
  return p;
}

// The record that INSERT wants for a session begun by `packet`.
inline abi::Record record_for(const hls::PacketMeta& packet, uint16_t rule = 0) {
  abi::Record r = {};
  r.session.key = packet.key;
  r.session.flags = packet.from_b;
  r.session.rule = rule;
  return r;
}

inline abi::Record with_source_nat(abi::Record r, uint32_t address, uint16_t port) {
  r.session.flags |= hls::kNatSource;
  r.session.nat_source = address;
  r.session.nat_source_port = port;
  return r;
}

// An engine and the way to give it one operation, or several in a batch.
class EngineDriver {
 public:
  explicit EngineDriver(const EngineConfig& config, uint64_t large_bytes = CpuEngine::kLargeBytes)
      : engine_(*CpuEngine::create(config, large_bytes)) {}

  CpuEngine& engine() { return *engine_; }
  void set_now(uint32_t now_ms) { now_ms_ = now_ms; }

  EngineDriver& then_lookup(const hls::PacketMeta& packet) { return then(abi::Opcode::kLookup, packet); }
  EngineDriver& then_remove(const hls::PacketMeta& packet) { return then(abi::Opcode::kDelete, packet); }
  EngineDriver& then_insert(const abi::Record& record, const hls::PacketMeta& packet) {
    records_.push_back(record);
    return then(abi::Opcode::kInsert, packet);
  }
  EngineDriver& then_apply(const abi::Record& record) {
    records_.push_back(record);
    return then(abi::Opcode::kApply, {});
  }
  EngineDriver& then_age(uint64_t first, uint64_t count) { return then(abi::Opcode::kAge, {}, first, count); }
  EngineDriver& then_extract(uint64_t count) { return then(abi::Opcode::kExtract, {}, 0, count); }
  EngineDriver& then_scan(uint64_t first, uint64_t count) { return then(abi::Opcode::kScan, {}, first, count); }

  // Carries out what has been said since the last run, with room for `room` records of output.
  std::vector<abi::Completion> run(size_t room = 0) {
    std::vector<abi::Completion> completions(operations_.size());
    output_.assign(room, {});
    Batch batch;
    batch.tag = ++tag_;
    batch.now_ms = now_ms_;
    batch.operations = operations_;
    batch.records = records_;
    batch.completions = absl::MakeSpan(completions);
    batch.output = absl::MakeSpan(output_);
    EXPECT_TRUE(engine_->submit(batch).ok());
    uint64_t tag = 0;
    EXPECT_EQ(engine_->poll({&tag, 1}), 1u);
    EXPECT_EQ(tag, tag_);
    operations_.clear();
    records_.clear();
    return completions;
  }
  // The output of the last run.
  const std::vector<abi::Record>& output() const { return output_; }

  abi::Completion lookup(const hls::PacketMeta& packet) { return then_lookup(packet).run()[0]; }
  abi::Completion remove(const hls::PacketMeta& packet) { return then_remove(packet).run()[0]; }
  abi::Completion insert(const abi::Record& r, const hls::PacketMeta& packet) {
    return then_insert(r, packet).run()[0];
  }
  abi::Completion apply(const abi::Record& record) { return then_apply(record).run()[0]; }
  abi::Completion age(uint64_t first, uint64_t count) { return then_age(first, count).run()[0]; }
  std::vector<abi::Record> extract(size_t count) {
    const uint64_t given = then_extract(count).run(count)[0].count;
    return {output_.begin(), output_.begin() + static_cast<std::ptrdiff_t>(given)};
  }

 private:
  EngineDriver& then(abi::Opcode opcode, const hls::PacketMeta& packet, uint64_t argument = 0, uint64_t count = 0) {
    abi::Operation o = {};
    o.opcode = opcode;
    o.packet = packet;
    o.record = records_.empty() ? 0 : static_cast<uint32_t>(records_.size() - 1);
    o.argument = argument;
    o.count = count;
    operations_.push_back(o);
    return *this;
  }

  std::unique_ptr<CpuEngine> engine_;
  uint32_t now_ms_ = 0;
  uint64_t tag_ = 0;
  std::vector<abi::Operation> operations_;
  std::vector<abi::Record> records_;
  std::vector<abi::Record> output_;
};

}  // namespace phalanx::testing

#endif
