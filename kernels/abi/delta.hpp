// What state_delta is asked for and what it answers.
#ifndef PHALANX_KERNELS_ABI_DELTA_HPP
#define PHALANX_KERNELS_ABI_DELTA_HPP

#include "kernels/abi/line.hpp"

namespace phalanx {
namespace abi {

// Argument `mode`.
const uint32_t kDeltaExtract = 1;  // up to `count` changes of the log, oldest first; each cleared before it is read
const uint32_t kDeltaScan = 2;     // sessions of slots [first, first + count), unchanged
const uint32_t kDeltaDigest = 3;   // digest of those sessions, no output: docs/protocol-sync.md

// Argument `format`.
const uint32_t kDeltaRecords = 1;   // abi::Record after abi::Record, 160 bytes each, as Accelerator gives them
const uint32_t kDeltaWire = 2;      // the delta protocol's packed records (Content::kDelta)
const uint32_t kDeltaSnapshot = 3;  // the same with counters and age (Content::kSnapshot)

// The run's answer, in result[0].
struct DeltaResult {
  uint64_t records;  // given
  uint64_t bytes;    // of output used; the rest of the last line is zero
  uint64_t next;  // EXTRACT: changes still in the log; SCAN, DIGEST: first slot of what is left, 0 at the table's end
  uint64_t digest[2];
  uint64_t freed;         // EXTRACT: slots of ended sessions that became free
  uint64_t error;         // kTableError...
  uint64_t log_overflow;  // EXTRACT: TableState::log_overflow: changes are missing, the whole table has to be scanned
};
static_assert(sizeof(DeltaResult) == 64, "one line");

}  // namespace abi
}  // namespace phalanx

#endif
