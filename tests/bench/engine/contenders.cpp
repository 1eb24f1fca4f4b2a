#include "tests/bench/engine/contenders.hpp"

#include <time.h>

#include <array>

namespace phalanx::bench {
namespace {

constexpr uint32_t kClientStart = 1000;  // initial sequence numbers of every flow
constexpr uint32_t kServerStart = 5000;
constexpr uint32_t kPayload = 100;

}  // namespace

int64_t thread_ns() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return int64_t{t.tv_sec} * 1000000000 + t.tv_nsec;
}

std::unique_ptr<EngineContender> EngineContender::create(uint32_t sessions) {
  EngineConfig config;
  config.sessions_max = sessions;
  config.half_open_max = sessions;
  config.hash_seed[0] = 0x0123456789abcdef;
  config.hash_seed[1] = 0xfedcba9876543210;
  config.timeouts = hls::default_timeouts();
  auto engine = CpuEngine::create(config);
  if (!engine.ok()) return nullptr;
  return std::unique_ptr<EngineContender>(new EngineContender(*std::move(engine)));
}

EngineContender::EngineContender(std::unique_ptr<CpuEngine> engine)
    : engine_(std::move(engine)), operations_(kChunk), completions_(kChunk), records_(kChunk), output_(kChunk) {}

void EngineContender::fill(abi::Operation& operation, uint32_t flow_number, Packet packet) const {
  const hls::DirectedKey key = engine_key(flow(flow_number));
  const bool reply = packet == Packet::kSynAck;
  operation = {};
  operation.opcode = packet == Packet::kSyn ? abi::Opcode::kInsert : abi::Opcode::kLookup;
  hls::PacketMeta& meta = operation.packet;
  meta.key = key.key;
  meta.from_b = static_cast<uint8_t>(key.from_b ^ (reply ? 1 : 0));
  meta.kind = hls::kPacketTcp;
  meta.segments = 1;
  meta.window = 0xffff;
  meta.window_scale = hls::kNoWindowScale;
  meta.payload = packet == Packet::kData ? kPayload : 0;
  meta.bytes = 40 + meta.payload;
  const bool first = packet == Packet::kSyn || packet == Packet::kSynAck;
  meta.seq = (reply ? kServerStart : kClientStart) + (first ? 0 : 1);
  meta.ack = packet == Packet::kSyn ? 0 : (reply ? kClientStart : kServerStart) + 1;
  meta.tcp_flags = static_cast<uint8_t>((first ? hls::kTcpSyn : 0) | (packet == Packet::kSyn ? 0 : hls::kTcpAck));
}

bool EngineContender::run() {
  for (uint32_t at = 0; at < kChunk; at += kBurst) {
    Batch batch;
    batch.now_ms = now_ms_;
    batch.operations = absl::MakeConstSpan(operations_).subspan(at, kBurst);
    batch.records = records_;
    batch.completions = absl::MakeSpan(completions_).subspan(at, kBurst);
    uint64_t tag = 0;
    if (!engine_->submit(batch).ok() || engine_->poll({&tag, 1}) != 1) return false;
  }
  return true;
}

double EngineContender::insert(const Sequence& sequence, uint64_t count) {
  int64_t taken_ns = 0;
  for (uint64_t done = 0; done < count; done += kChunk) {
    for (uint32_t i = 0; i < kChunk; ++i) {
      fill(operations_[i], sequence(done + i), Packet::kSyn);
      operations_[i].record = i;
      records_[i] = {};
      records_[i].session.key = operations_[i].packet.key;
      records_[i].session.flags = operations_[i].packet.from_b;  // kOriginatorIsB
    }
    const int64_t start_ns = thread_ns();
    if (!run()) return 0;
    taken_ns += thread_ns() - start_ns;
    for (const auto& c : completions_) {
      if (c.result != abi::Result::kDone) return 0;
    }
  }
  return million_a_second(count, taken_ns);
}

double EngineContender::find(const Sequence& sequence, uint64_t count) const {
  std::vector<hls::FlowKey> keys(kChunk);
  std::vector<const hls::FlowKey*> pointers(kChunk);
  std::array<uint32_t, kBurst> slots;
  int64_t taken_ns = 0;
  uint64_t missed = 0;
  for (uint64_t done = 0; done < count; done += kChunk) {
    for (uint32_t i = 0; i < kChunk; ++i) {
      keys[i] = engine_key(flow(sequence(done + i))).key;
      pointers[i] = &keys[i];
    }
    const int64_t start_ns = thread_ns();
    for (uint32_t at = 0; at < kChunk; at += kBurst) {
      engine_->find_bulk({&pointers[at], kBurst}, absl::MakeSpan(slots));
      for (const uint32_t slot : slots) missed += slot == SessionStore::kNone ? 1 : 0;
    }
    if (done >= warm_up(count)) taken_ns += thread_ns() - start_ns;
  }
  return missed == 0 ? million_a_second(count - warm_up(count), taken_ns) : 0;
}

double EngineContender::exchange(const Sequence& sequence, uint64_t count, Packet packet, bool with_log) {
  int64_t taken_ns = 0;
  now_ms_ += 20000;  // past the refresh interval: every session's first packet enters it into the change log
  for (uint64_t done = 0; done < count; done += kChunk) {
    for (uint32_t i = 0; i < kChunk; ++i) fill(operations_[i], sequence(done + i), packet);
    const int64_t start_ns = thread_ns();
    if (!run()) return 0;
    if (done >= warm_up(count)) taken_ns += thread_ns() - start_ns;
    for (const auto& c : completions_) {
      if (c.result != abi::Result::kDone) return 0;
    }
    if (with_log) empty_log();
  }
  return million_a_second(count - warm_up(count), taken_ns);
}

bool EngineContender::establish(uint32_t sessions) {
  const Sequence all = [](uint64_t i) { return static_cast<uint32_t>(i); };
  if (exchange(all, sessions, Packet::kSynAck, true) == 0) return false;
  return exchange(all, sessions, Packet::kAck, true) != 0;
}

void EngineContender::empty_log() {
  abi::Operation extract = {};
  extract.opcode = abi::Opcode::kExtract;
  extract.count = kChunk;
  abi::Completion completion;
  do {
    Batch batch;
    batch.now_ms = now_ms_;
    batch.operations = {&extract, 1};
    batch.completions = {&completion, 1};
    batch.output = absl::MakeSpan(output_);
    uint64_t tag = 0;
    if (!engine_->submit(batch).ok() || engine_->poll({&tag, 1}) != 1) return;
  } while (completion.next != 0);
}

std::unique_ptr<RteSessions> RteSessions::create(uint32_t sessions) {
  auto table = RtePeer::create("rte_sessions", rte_entries(sessions), sizeof(hls::FlowKey));
  auto records = HugeMemory::map(uint64_t{sessions} * sizeof(hls::Session), HugeMemory::Touch::kNow);
  if (table == nullptr || !records.ok()) return nullptr;
  return std::unique_ptr<RteSessions>(new RteSessions(std::move(table), *std::move(records)));
}

bool RteSessions::insert(const Key4& key, uint32_t number) {
  hls::Session& record = static_cast<hls::Session*>(records_.data())[number];
  record.key = engine_key(key).key;
  record.state = hls::kStateTcpEstablished;
  return table_->insert(&record.key, &record);
}

double RteSessions::find(const Sequence& sequence, uint64_t count) const {
  std::vector<hls::FlowKey> keys(kChunk);
  std::vector<const void*> pointers(kChunk);
  std::array<void*, kBurst> values;
  int64_t taken_ns = 0;
  uint64_t found = 0;
  for (uint64_t done = 0; done < count; done += kChunk) {
    for (uint32_t i = 0; i < kChunk; ++i) {
      keys[i] = engine_key(flow(sequence(done + i))).key;
      pointers[i] = &keys[i];
    }
    const int64_t start_ns = thread_ns();
    for (uint32_t at = 0; at < kChunk; at += kBurst) {
      if (table_->lookup(&pointers[at], kBurst, values.data()) != kBurst) return 0;
      for (const void* value : values) __builtin_prefetch(value, 0, 3);
      for (const void* value : values) {
        found += static_cast<const hls::Session*>(value)->state == hls::kStateTcpEstablished ? 1 : 0;
      }
    }
    if (done >= warm_up(count)) taken_ns += thread_ns() - start_ns;
  }
  return found == count ? million_a_second(count - warm_up(count), taken_ns) : 0;
}

double insert(RtePeer& peer, const Sequence& sequence, uint64_t count) {
  std::vector<Key4> keys(kChunk);
  int64_t taken_ns = 0;
  for (uint64_t done = 0; done < count; done += kChunk) {
    for (uint32_t i = 0; i < kChunk; ++i) keys[i] = flow(sequence(done + i));
    const int64_t start_ns = thread_ns();
    for (uint32_t i = 0; i < kChunk; ++i) {
      if (!peer.insert(&keys[i], reinterpret_cast<void*>(done + i + 1))) return 0;
    }
    taken_ns += thread_ns() - start_ns;
  }
  return million_a_second(count, taken_ns);
}

}  // namespace phalanx::bench
