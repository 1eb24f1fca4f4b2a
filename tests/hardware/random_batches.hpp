// Random batches for two engines that must give equal answers: few endpoints, so that sessions meet again, are refused,
// end, time out and come back.
#ifndef PHALANX_TESTS_HARDWARE_RANDOM_BATCHES_HPP
#define PHALANX_TESTS_HARDWARE_RANDOM_BATCHES_HPP

#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "drivers/accelerator.hpp"

namespace phalanx::testing {

// What a batch refers to, kept until it is done.
struct OwnedBatch {
  uint64_t tag = 0;
  uint32_t now_ms = 0;
  std::vector<abi::Operation> operations;
  std::vector<abi::Record> records;
  std::vector<abi::Completion> completions;
  std::vector<abi::Record> output;

  Batch view() {
    completions.assign(operations.size(), abi::Completion{});
    return {tag, now_ms, operations, records, absl::MakeSpan(completions), absl::MakeSpan(output)};
  }
};

class RandomBatches {
 public:
  RandomBatches(uint64_t seed, uint32_t hosts, uint64_t slots) : random_(seed), hosts_(hosts), slots_(slots) {}

  // A batch of `count` operations; `output` records of room.
  OwnedBatch next(size_t count, size_t output) {
    OwnedBatch batch;
    batch.tag = ++tag_;
    now_ms_ += below(200);
    batch.now_ms = now_ms_;
    batch.output.assign(output, abi::Record{});
    while (batch.operations.size() < count) add(batch);
    return batch;
  }

  // What a replica would be told of: given back as APPLY later.
  void remember(const OwnedBatch& done) {
    for (const abi::Completion& c : done.completions) given_ += c.count;
    for (size_t i = 0; i < std::min<size_t>(done.output.size(), 8); ++i) {
      if (done.output[i].session.state != hls::kStateFree) replicas_.push_back(done.output[i]);
    }
    if (replicas_.size() > kReplicas) replicas_.erase(replicas_.begin(), replicas_.end() - kReplicas);
  }

 private:
  static constexpr std::ptrdiff_t kReplicas = 64;

  uint32_t below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  bool one_in(uint32_t n) { return below(n) == 0; }

  hls::PacketMeta packet() {
    const uint32_t client = below(hosts_);
    const bool tcp = !one_in(3);
    const uint16_t port = static_cast<uint16_t>(1024 + below(8));
    const uint8_t protocol = tcp ? hls::kProtocolTcp : hls::kProtocolUdp;
    const hls::Endpoint from = {0, 0x0a000000u + client, port};
    const hls::Endpoint to = {0, 0xc0a80000u + client % 5, 443};
    const bool back = one_in(2);
    const hls::DirectedKey k = hls::make_key(back ? to : from, back ? from : to, protocol, 4, 0);
    hls::PacketMeta p = {};
    p.key = k.key;
    p.from_b = k.from_b;
    p.kind = tcp ? hls::kPacketTcp : hls::kPacketUdp;
    p.bytes = 40 + below(1400);
    p.payload = p.bytes - 40;
    p.window = static_cast<uint16_t>(1000 + below(60000));
    p.segments = 1;
    p.window_scale = hls::kNoWindowScale;
    if (tcp) {
      static constexpr uint8_t kFlags[] = {hls::kTcpSyn, hls::kTcpSyn | hls::kTcpAck, hls::kTcpAck,
                                           hls::kTcpAck, hls::kTcpFin | hls::kTcpAck, hls::kTcpRst};
      p.tcp_flags = kFlags[below(6)];
      p.seq = below(4) * 1000;
      p.ack = below(4) * 1000;
    }
    return p;
  }

  abi::Record record_for(const hls::PacketMeta& packet) {
    abi::Record r = {};
    r.session.key = packet.key;
    r.session.flags = packet.from_b;
    r.session.rule = static_cast<uint16_t>(below(100));
    if (one_in(4)) {
      r.session.flags |= hls::kNatSource;
      r.session.nat_source = 0xcb007100u + below(4);
      r.session.nat_source_port = static_cast<uint16_t>(2000 + below(64));
    }
    return r;
  }

  void add(OwnedBatch& batch) {
    abi::Operation o = {};
    const uint32_t draw = below(100);
    o.opcode = draw < 60   ? abi::Opcode::kLookup
               : draw < 85 ? abi::Opcode::kInsert
               : draw < 90 ? abi::Opcode::kDelete
               : draw < 95 ? abi::Opcode::kApply
               : draw < 97 ? abi::Opcode::kAge
               : draw < 99 ? abi::Opcode::kExtract
                           : abi::Opcode::kScan;
    o.packet = packet();
    if (o.opcode == abi::Opcode::kInsert) {
      o.record = static_cast<uint32_t>(batch.records.size());
      batch.records.push_back(record_for(o.packet));
      if (one_in(50)) o.record += 1000;  // none of the batch's
    } else if (o.opcode == abi::Opcode::kApply) {
      if (replicas_.empty()) return;
      abi::Record r = replicas_[below(static_cast<uint32_t>(replicas_.size()))];
      r.session.order += static_cast<uint64_t>(below(3)) << (one_in(4) ? hls::kVersionBits : 0);
      o.record = static_cast<uint32_t>(batch.records.size());
      batch.records.push_back(r);
    } else {
      o.argument = below(static_cast<uint32_t>(slots_ + slots_ / 16));
      o.count = below(static_cast<uint32_t>(slots_));
    }
    batch.operations.push_back(o);
  }

  std::mt19937_64 random_;
  const uint32_t hosts_;
  const uint64_t slots_;
  uint64_t tag_ = 0;
  uint64_t given_ = 0;
  uint32_t now_ms_ = 1000;
  std::vector<abi::Record> replicas_;
};

// What differs between two engines' answers to a batch.
inline std::optional<std::string> difference(const OwnedBatch& want, const OwnedBatch& got) {
  for (size_t i = 0; i < want.completions.size(); ++i) {
    const abi::Completion& a = want.completions[i];
    const abi::Completion& b = got.completions[i];
    if (std::memcmp(&a, &b, sizeof(a)) == 0) continue;
    return absl::StrCat("batch ", want.tag, " operation ", i, " opcode ", static_cast<int>(want.operations[i].opcode),
                        ": result ", static_cast<int>(a.result), "/", static_cast<int>(b.result), " slot ", a.slot, "/",
                        b.slot, " count ", a.count, "/", b.count, " next ", a.next, "/", b.next, " state ", a.state,
                        "/", b.state, " changed ", a.changed, "/", b.changed);
  }
  for (size_t i = 0; i < want.output.size(); ++i) {
    if (std::memcmp(&want.output[i], &got.output[i], sizeof(abi::Record)) != 0) {
      return absl::StrCat("batch ", want.tag, ": record ", i, " of the output differs");
    }
  }
  return std::nullopt;
}

// Of what must be equal; moves and the stash are each engine's own.
inline std::optional<std::string> difference(const EngineCounters& want, const EngineCounters& got) {
  const auto show = [](const EngineCounters& c) {
    return absl::StrCat("sessions ", c.sessions, " half_open ", c.half_open, " inserted ", c.inserted, " deleted ",
                        c.deleted, " aged ", c.aged, " applied ", c.applied, " stale ", c.stale, " full ",
                        c.refused_full, " refused_half_open ", c.refused_half_open, " exists ", c.refused_exists);
  };
  if (show(want) == show(got)) return std::nullopt;
  return absl::StrCat(show(want), " != ", show(got));
}

}  // namespace phalanx::testing

#endif
