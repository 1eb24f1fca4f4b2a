#include "drivers/cpu/cpu_engine.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace phalanx {
namespace {

using abi::Opcode;
using abi::Result;

// Half the clock's range, less one: ages up to here compare rightly, and no timeout is longer.
constexpr uint32_t kAgeMaxMs = 0x7fffffff;

hls::TrackConfig track_config(const EngineConfig& config) {
  hls::TrackConfig track = hls::default_track_config();
  track.tcp_pickup = config.tcp_pickup;
  return track;
}

bool takes_record(Opcode opcode) { return opcode == Opcode::kInsert || opcode == Opcode::kApply; }

}  // namespace

absl::StatusOr<std::unique_ptr<CpuEngine>> CpuEngine::create(const EngineConfig& config, uint64_t large_bytes) {
  for (const uint32_t timeout_ms : config.timeouts.ms) {
    if (timeout_ms > kAgeMaxMs) {
      return absl::InvalidArgumentError(absl::StrCat("a timeout of ", timeout_ms, " ms, more than ", kAgeMaxMs));
    }
  }
  auto store = SessionStore::create(config.sessions_max);
  if (!store.ok()) return store.status();
  auto index = CuckooIndex::create(2 * config.sessions_max);
  if (!index.ok()) return index.status();
  return std::unique_ptr<CpuEngine>(new CpuEngine(config, config.sessions_max * sizeof(hls::Session) > large_bytes,
                                                  *std::move(store), *std::move(index)));
}

CpuEngine::CpuEngine(const EngineConfig& config, bool large, SessionStore store, CuckooIndex index)
    : config_(config),
      track_config_(track_config(config)),
      hash_keys_(hash_keys_variants().front().hash_keys),
      large_(large),
      store_(std::move(store)),
      index_(std::move(index)) {}

absl::Status CpuEngine::submit(const Batch& batch) {
  if (batch.completions.size() != batch.operations.size()) {
    return absl::InvalidArgumentError(absl::StrCat("batch of ", batch.operations.size(), " operations with ",
                                                   batch.completions.size(), " completions"));
  }
  if (done_count_ == kBatchesInFlightMax) {
    return absl::ResourceExhaustedError(absl::StrCat(kBatchesInFlightMax, " batches are done and not polled"));
  }
  if (static_cast<int32_t>(batch.now_ms - now_ms_) > 0) now_ms_ = batch.now_ms;
  if (now_ms_ - age_floor_ms_ > kAgeMaxMs) age_floor_ms_ = now_ms_ - kAgeMaxMs;
  output_used_ = 0;
  const auto is_lookup = [&](size_t i) { return batch.operations[i].opcode == Opcode::kLookup; };
  for (size_t begin = 0; begin < batch.operations.size();) {
    const size_t limit = std::min(begin + kGroup, batch.operations.size());
    const bool lookups = is_lookup(begin);
    size_t end = begin + 1;
    while (end < limit && is_lookup(end) == lookups) ++end;
    if (lookups) {
      look_up(batch, begin, end);
    } else {
      run(batch, begin, end);
    }
    begin = end;
  }
  done_[(done_head_ + done_count_++) % kBatchesInFlightMax] = batch.tag;
  return absl::OkStatus();
}

// Operations [begin, end) of a batch, at most kGroup and none of them LOOKUP. Their keys are hashed together and their
// buckets asked for ahead. Operations that have no key are hashed all the same: cheaper than telling them apart, and
// harmless.
void CpuEngine::run(const Batch& batch, size_t begin, size_t end) {
  std::array<const hls::FlowKey*, kGroup> keys{};
  std::array<uint64_t, kGroup> hashes;
  for (size_t i = begin; i < end; ++i) {
    const abi::Operation& operation = batch.operations[i];
    const bool record = takes_record(operation.opcode) && operation.record < batch.records.size();
    keys[i - begin] = record ? &batch.records[operation.record].session.key : &operation.packet.key;
  }
  hash_keys_(keys.data(), end - begin, config_.hash_seed, hashes.data());
  for (size_t i = begin; i < end; ++i) index_.prefetch(hashes[i - begin]);
  for (size_t i = begin; i < end; ++i) run_one(batch, batch.operations[i], hashes[i - begin], batch.completions[i]);
}

void CpuEngine::run_one(const Batch& batch, const abi::Operation& operation, uint64_t hash,
                        abi::Completion& completion) {
  completion = {};
  completion.result = Result::kInvalid;
  const auto output = batch.output.subspan(std::min(output_used_, batch.output.size()));
  if (takes_record(operation.opcode) && operation.record >= batch.records.size()) return;
  switch (operation.opcode) {
    case Opcode::kInsert:
      return insert(batch.records[operation.record], operation.packet, hash, completion);
    case Opcode::kApply:
      return apply(batch.records[operation.record], hash, completion);
    case Opcode::kDelete:
      return erase(operation.packet.key, hash, completion);
    case Opcode::kAge:
      return age(operation, completion);
    case Opcode::kExtract:
      return extract(operation, output, completion);
    case Opcode::kScan:
      return scan(operation, output, completion);
    case Opcode::kLookup:
      assert(false && "lookups are run together");
  }
}

size_t CpuEngine::poll(absl::Span<uint64_t> tags) {
  const size_t count = std::min(tags.size(), done_count_);
  for (size_t i = 0; i < count; ++i) tags[i] = done_[(done_head_ + i) % kBatchesInFlightMax];
  done_head_ = (done_head_ + count) % kBatchesInFlightMax;
  done_count_ -= count;
  return count;
}

EngineCounters CpuEngine::counters() const {
  EngineCounters counters = counters_;
  counters.moves = index_.moves();
  counters.stash = index_.stashed();
  return counters;
}

void CpuEngine::advance_generation(uint64_t generation) { generation_ = std::max(generation_, generation); }

void CpuEngine::clear() {
  index_.clear();
  store_.clear();
  counters_.sessions = 0;
  counters_.half_open = 0;
}

}  // namespace phalanx
