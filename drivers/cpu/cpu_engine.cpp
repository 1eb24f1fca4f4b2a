#include "drivers/cpu/cpu_engine.hpp"

#include <algorithm>
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

absl::StatusOr<std::unique_ptr<CpuEngine>> CpuEngine::create(const EngineConfig& config) {
  for (const uint32_t timeout_ms : config.timeouts.ms) {
    if (timeout_ms > kAgeMaxMs) {
      return absl::InvalidArgumentError(absl::StrCat("a timeout of ", timeout_ms, " ms, more than ", kAgeMaxMs));
    }
  }
  auto store = SessionStore::create(config.sessions_max);
  if (!store.ok()) return store.status();
  auto index = CuckooIndex::create(2 * config.sessions_max);
  if (!index.ok()) return index.status();
  return std::unique_ptr<CpuEngine>(new CpuEngine(config, *std::move(store), *std::move(index)));
}

CpuEngine::CpuEngine(const EngineConfig& config, SessionStore store, CuckooIndex index)
    : config_(config),
      track_config_(track_config(config)),
      hash_keys_(hash_keys_variants().front().hash_keys),
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
  for (size_t first = 0; first < batch.operations.size(); first += kGroup) {
    Group group{batch, first, std::min(kGroup, batch.operations.size() - first), {}};
    prepare(group);
    for (size_t i = 0; i < group.count;) {
      size_t end = i;
      while (end < group.count && group.operation(end).opcode == Opcode::kLookup) ++end;
      if (end == i) {
        run(group, i++);
      } else {
        look_up(group, i, end);
        i = end;
      }
    }
  }
  done_[(done_head_ + done_count_++) % kBatchesInFlightMax] = batch.tag;
  return absl::OkStatus();
}

// Hashes the key of every operation and asks for its bucket. Operations that have none are hashed all the same: that is
// cheaper than telling them apart, and harmless.
void CpuEngine::prepare(Group& group) const {
  std::array<const hls::FlowKey*, kGroup> keys;
  for (size_t i = 0; i < group.count; ++i) {
    const abi::Operation& operation = group.operation(i);
    const bool record = takes_record(operation.opcode) && operation.record < group.batch.records.size();
    keys[i] = record ? &group.batch.records[operation.record].session.key : &operation.packet.key;
  }
  hash_keys_(keys.data(), group.count, config_.hash_seed, group.hashes.data());
  for (size_t i = 0; i < group.count; ++i) index_.prefetch(group.hashes[i]);
}

// Any operation but LOOKUP.
void CpuEngine::run(const Group& group, size_t i) {
  const abi::Operation& operation = group.operation(i);
  abi::Completion& completion = group.completion(i);
  completion = {};
  completion.result = Result::kInvalid;
  const auto output = group.batch.output.subspan(std::min(output_used_, group.batch.output.size()));
  if (takes_record(operation.opcode) && operation.record >= group.batch.records.size()) return;
  switch (operation.opcode) {
    case Opcode::kInsert:
      return insert(group.batch.records[operation.record], operation.packet, group.hashes[i], completion);
    case Opcode::kApply:
      return apply(group.batch.records[operation.record], group.hashes[i], completion);
    case Opcode::kDelete:
      return erase(operation.packet.key, group.hashes[i], completion);
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
