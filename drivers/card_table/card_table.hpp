// The session table on a card, from the host's side and whatever memory it lies in: how large each buffer is, what the
// state says at first, how a batch becomes runs of kernels, and what their answers mean. Pure: buffers and runs are the
// caller's (drivers/native, drivers/xrt, drivers/opencl).
#ifndef PHALANX_DRIVERS_CARD_TABLE_CARD_TABLE_HPP
#define PHALANX_DRIVERS_CARD_TABLE_CARD_TABLE_HPP

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "drivers/accelerator.hpp"
#include "kernels/abi/delta.hpp"
#include "kernels/abi/table.hpp"

namespace phalanx::card_table {

// A run's operations. 4096 are 384 KiB in and 256 KiB out, some 27 us of the pipeline at 300 MHz; a longer stretch of a
// batch becomes several runs.
constexpr uint32_t kRunOperationsMax = 4096;
// Slot numbers have 30 bits.
constexpr uint64_t kSlotsMax = uint64_t{1} << 30;

// The buffers that hold a table for its life: X(argument of the kernels, what one element is for, bytes of the buffer
// in terms of `slots` and `buckets`). session_a_out and session_b_out are session_a and session_b again.
// `wide` is indexed by slot. Buffers of 4-byte elements are a line longer than their elements, for whole-line access.
#define PHALANX_CARD_TABLE_BUFFERS(X)   \
  X(state, sizeof(abi::TableState))     \
  X(buckets_first, buckets * 64)        \
  X(buckets_second, buckets * 64)       \
  X(session_a, slots * 64)              \
  X(session_b, slots * 64)              \
  X(wide, slots * sizeof(hls::WideNat)) \
  X(change_log, (slots + 15) / 16 * 64) \
  X(free_slot, (slots + 15) / 16 * 64)  \
  X(free_wide, (slots + 15) / 16 * 64)
// The buffers of one run.
#define PHALANX_CARD_RUN_BUFFERS(X)                         \
  X(operations, kRunOperationsMax * sizeof(abi::Operation)) \
  X(records, kRunOperationsMax * sizeof(abi::Record))       \
  X(completions, kRunOperationsMax * sizeof(abi::Completion))

// What a table for a configuration is: its form, and each buffer's size in bytes.
struct Layout {
  uint64_t slots = 0;
  uint64_t buckets = 0;  // in each of the two arrays
#define PHALANX_CARD_TABLE_BYTES(name, size) uint64_t name##_bytes = 0;
  PHALANX_CARD_TABLE_BUFFERS(PHALANX_CARD_TABLE_BYTES)
  PHALANX_CARD_RUN_BUFFERS(PHALANX_CARD_TABLE_BYTES)
#undef PHALANX_CARD_TABLE_BYTES

  // Of the buffer that the kernel argument `argument` points to, 0 for a name that is none of the table's or a run's
  // (state_delta's output and result, which are the caller's to choose).
  uint64_t bytes(std::string_view argument) const;
};

// InvalidArgument for sessions_max of 0 or above kSlotsMax and for timeouts of 2^31 ms and more. `buckets` 0: as many
// as hold two entries a session at a load of 15/16; tests ask for fewer.
absl::StatusOr<Layout> layout(const EngineConfig& config, uint64_t buckets = 0);

// The state of an empty table. All other buffers begin as zeros, at least the two arrays of buckets must.
abi::TableState initial_state(const EngineConfig& config, const Layout& layout);
// Accelerator::clear(): an empty table that remembers time, generation, configuration and what it has counted. The
// arrays of buckets are to be zeroed with it.
void clear_state(abi::TableState& state);

EngineCounters counters_of(const abi::TableState& state);

// Internal, naming the reason, if a kernel refused to run on this table or found its memory damaged beyond going on.
absl::Status check_state(const abi::TableState& state);

// What of Accelerator's contract the host keeps for the card: time that never goes back and the age floor that goes
// along with it (see CpuEngine::set_age_floor).
class Clock {
 public:
  // Takes a batch's time; gives the engine's.
  uint32_t advance(uint32_t now_ms);
  uint32_t now_ms() const { return now_ms_; }
  void set_age_floor(uint32_t now_ms) { age_floor_ms_ = now_ms; }
  // For TableState::age_floor_ms before each run.
  uint32_t age_floor_ms() const { return age_floor_ms_; }

 private:
  uint32_t now_ms_ = 0;
  uint32_t age_floor_ms_ = 0;
};

// Operations [first, first + count) of a batch, which one run of one kernel carries out.
struct Run {
  enum class Kernel : uint8_t { kSessionEngine, kStateDelta };
  Kernel kernel = Kernel::kSessionEngine;
  size_t first = 0;
  size_t count = 0;
};

// The run that begins with operation `first`, which must be there: EXTRACT and SCAN by themselves on state_delta,
// everything else on session_engine, at most kRunOperationsMax in one. Runs of a batch are made one after the other.
Run next_run(absl::Span<const abi::Operation> operations, size_t first);

// Copies a session_engine run's operations into `operations` and the records they name, renumbered, into `records`;
// both have room for run.count of them. An operation with a record that the batch hasn't becomes one the kernel
// answers with kInvalid. Each operation gets `number` and its record's check, by which the kernel knows that what lies
// in the card's memory is this run. Gives the number of records.
size_t pack_run(const Batch& batch, const Run& run, uint32_t number, abi::Operation* operations, abi::Record* records);

// A state_delta run for an EXTRACT or SCAN: the kernel's arguments. Output is abi::kDeltaRecords.
struct DeltaCall {
  bool needed = false;  // false: `completion` is the answer and no kernel has to run
  uint32_t mode = 0;
  uint64_t first = 0;
  uint64_t count = 0;
  uint64_t room = 0;          // records
  uint32_t output_lines = 0;  // room for them
  abi::Completion completion = {};
};
// `room`: records of the batch's output that are still free. `state`: as the last run left it.
DeltaCall delta_call(const abi::Operation& operation, uint64_t room, const abi::TableState& state);
// The operation's completion, from the kernel's answer. Internal if the answer cannot be: more records than there was
// room for, or an error of the kernel.
absl::StatusOr<abi::Completion> delta_completion(const DeltaCall& call, const abi::DeltaResult& result);

}  // namespace phalanx::card_table

#endif
