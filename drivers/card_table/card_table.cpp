#include "drivers/card_table/card_table.hpp"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace phalanx::card_table {
namespace {

using abi::Opcode;
using abi::Result;

// Half the clock's range, less one: ages up to here compare rightly, and no timeout is longer.
constexpr uint32_t kAgeMaxMs = 0x7fffffff;

bool is_delta(Opcode opcode) { return opcode == Opcode::kExtract || opcode == Opcode::kScan; }
bool takes_record(Opcode opcode) { return opcode == Opcode::kInsert || opcode == Opcode::kApply; }

// Records are 2.5 lines, packed; a last half line that no record fits is no room.
uint32_t lines_for(uint64_t records) { return static_cast<uint32_t>((records * sizeof(abi::Record) + 63) / 64); }

const char* error_name(uint64_t error) {
  switch (error) {
    case abi::kTableErrorAbi:
      return "the table is of another ABI version than the kernel";
    case abi::kTableErrorForm:
      return "slots, buckets, stacks or log of the table contradict each other";
    default:
      return "an error that no kernel knows";
  }
}

}  // namespace

uint64_t Layout::bytes(std::string_view argument) const {
#define PHALANX_CARD_TABLE_FIND(name, size) \
  if (argument == #name) return name##_bytes;
  PHALANX_CARD_TABLE_BUFFERS(PHALANX_CARD_TABLE_FIND)
  PHALANX_CARD_RUN_BUFFERS(PHALANX_CARD_TABLE_FIND)
#undef PHALANX_CARD_TABLE_FIND
  if (argument == "session_a_out") return session_a_bytes;
  if (argument == "session_b_out") return session_b_bytes;
  return 0;
}

absl::StatusOr<Layout> layout(const EngineConfig& config, uint64_t buckets) {
  const uint64_t slots = config.sessions_max;
  if (slots == 0 || slots > kSlotsMax) {
    return absl::InvalidArgumentError(absl::StrCat("sessions_max is ", slots, ", must be 1 to ", kSlotsMax));
  }
  for (const uint32_t timeout_ms : config.timeouts.ms) {
    if (timeout_ms > kAgeMaxMs) {
      return absl::InvalidArgumentError(absl::StrCat("a timeout of ", timeout_ms, " ms, more than ", kAgeMaxMs));
    }
  }
  // Two entries a session, 16 places in a pair of buckets, a load of 15/16.
  if (buckets == 0) buckets = (2 * slots + 14) / 15;
  Layout layout;
  layout.slots = slots;
  layout.buckets = buckets;
#define PHALANX_CARD_TABLE_SIZE(name, size) layout.name##_bytes = size;
  PHALANX_CARD_TABLE_BUFFERS(PHALANX_CARD_TABLE_SIZE)
  PHALANX_CARD_RUN_BUFFERS(PHALANX_CARD_TABLE_SIZE)
#undef PHALANX_CARD_TABLE_SIZE
  return layout;
}

abi::TableState initial_state(const EngineConfig& config, const Layout& layout) {
  abi::TableState state = {};
  state.abi_version = abi::kAbiVersion;
  state.slots = layout.slots;
  state.buckets = layout.buckets;
  state.hash_seed[0] = config.hash_seed[0];
  state.hash_seed[1] = config.hash_seed[1];
  state.half_open_max = config.half_open_max;
  state.tcp_pickup = config.tcp_pickup ? 1 : 0;
  for (size_t i = 0; i < hls::kStates; ++i) state.timeout_ms[i] = config.timeouts.ms[i];
  return state;
}

void clear_state(abi::TableState& state) {
  state.error = abi::kTableErrorNone;
  state.used_end = state.free_slots = 0;
  state.wide_used_end = state.wide_free = 0;
  state.log_head = state.logged = 0;
  state.stashed = 0;
  state.log_overflow = 0;
  state.sessions = state.half_open = 0;
  for (abi::StashEntry& entry : state.stash) entry = {};
}

EngineCounters counters_of(const abi::TableState& state) {
  EngineCounters counters;
  counters.sessions = state.sessions;
  counters.half_open = state.half_open;
  counters.inserted = state.inserted;
  counters.deleted = state.deleted;
  counters.aged = state.aged;
  counters.applied = state.applied;
  counters.stale = state.stale;
  counters.refused_full = state.refused_full;
  counters.refused_half_open = state.refused_half_open;
  counters.refused_exists = state.refused_exists;
  counters.moves = state.moves;
  counters.stash = state.stashed;
  return counters;
}

absl::Status check_state(const abi::TableState& state) {
  if (state.error == abi::kTableErrorNone) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("the kernel refused the table with error ", state.error, ": ", error_name(state.error)));
}

uint32_t Clock::advance(uint32_t now_ms) {
  if (static_cast<int32_t>(now_ms - now_ms_) > 0) now_ms_ = now_ms;
  if (now_ms_ - age_floor_ms_ > kAgeMaxMs) age_floor_ms_ = now_ms_ - kAgeMaxMs;
  return now_ms_;
}

Run next_run(absl::Span<const abi::Operation> operations, size_t first) {
  Run run;
  run.first = first;
  run.count = 1;
  if (is_delta(operations[first].opcode)) {
    run.kernel = Run::Kernel::kStateDelta;
    return run;
  }
  const size_t limit = std::min(operations.size() - first, size_t{kRunOperationsMax});
  while (run.count < limit && !is_delta(operations[first + run.count].opcode)) ++run.count;
  return run;
}

size_t pack_run(const Batch& batch, const Run& run, uint32_t number, abi::Operation* operations, abi::Record* records) {
  size_t used = 0;
  for (size_t i = 0; i < run.count; ++i) {
    abi::Operation& operation = operations[i];
    operation = batch.operations[run.first + i];
    operation.run = number;
    if (!takes_record(operation.opcode)) continue;
    if (operation.record >= batch.records.size()) {
      operation.opcode = Opcode{0};
      continue;
    }
    records[used] = batch.records[operation.record];
    abi::RecordWords words;
    static_assert(sizeof(words) == sizeof(abi::Record));
    std::memcpy(&words, &records[used], sizeof(words));
    operation.record_check = abi::check_of(words);
    operation.record = static_cast<uint32_t>(used++);
  }
  return used;
}

DeltaCall delta_call(const abi::Operation& operation, uint64_t room, const abi::TableState& state) {
  const bool extract = operation.opcode == Opcode::kExtract;
  DeltaCall call;
  call.room = std::min<uint64_t>(room, UINT32_MAX / sizeof(abi::Record));
  if (extract) call.room = std::min(call.room, operation.count);
  call.mode = extract ? abi::kDeltaExtract : abi::kDeltaScan;
  call.first = extract ? 0 : operation.argument;
  call.count = extract ? call.room : operation.count;
  call.output_lines = lines_for(call.room);
  call.completion.result = Result::kDone;
  if (!extract && (operation.argument > state.slots || room == 0)) {
    call.completion.result = Result::kInvalid;
  } else if (!extract && operation.argument >= state.used_end) {
    call.completion.next = 0;
  } else if (call.count == 0) {
    call.completion.next = extract ? state.logged : operation.argument;
  } else {
    call.needed = true;
  }
  return call;
}

absl::StatusOr<abi::Completion> delta_completion(const DeltaCall& call, const abi::DeltaResult& result) {
  if (result.error != abi::kTableErrorNone) {
    return absl::InternalError(
        absl::StrCat("state_delta refused the table with error ", result.error, ": ", error_name(result.error)));
  }
  if (result.records > call.room) {
    return absl::InternalError(
        absl::StrCat("state_delta gave ", result.records, " records where there was room for ", call.room));
  }
  abi::Completion completion = {};
  completion.result = Result::kDone;
  completion.count = static_cast<uint32_t>(result.records);
  completion.next = result.next;
  return completion;
}

}  // namespace phalanx::card_table
