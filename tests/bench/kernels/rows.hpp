// Figures of the kernels in the stage-level model (hls/native/dataflow.hpp), as rows of tests/bench/figures.py.
#ifndef PHALANX_TESTS_BENCH_KERNELS_ROWS_HPP
#define PHALANX_TESTS_BENCH_KERNELS_ROWS_HPP

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace phalanx::bench {

// What the model assumes. The clock is the kernels' goal, not a tool's result; 90 cycles of it are 300 ns.
constexpr double kClockMhz = 300;
constexpr uint32_t kMemoryLatencyCycles = 90;
// Reads on their way at one port: num_read_outstanding of each kernel's INTERFACE pragmas. 64 is what one port of
// random 64-byte reads needs for 148.8 M/s: 0.496 reads a cycle x 90 cycles are 45. esp_crypto reads 22 or 23 lines a
// packet of 1408 bytes by one port, where 64 would be the bound (90 / 64 = 1.41 cycles a line, 107 Gb/s) and little
// above the goal; 128, as deep as its FIFO of lines, leaves the bound to the pipeline itself.
constexpr uint32_t kTableReadsInFlight = 64;
constexpr uint32_t kEspReadsInFlight = 128;
constexpr uint32_t kEspReadsInFlightLess = 64;

// Cycles of a run of `count` operations, and by two runs of different length what one more costs.
struct Cycles {
  double each = 0;      // of the longer run, its start and end in it, by its operations
  double interval = 0;  // initiation interval: (longer - shorter) / (difference of their operations)
};
inline Cycles cycles_of(uint64_t shorter, uint64_t shorter_count, uint64_t longer, uint64_t longer_count) {
  return {
      static_cast<double>(longer) / static_cast<double>(longer_count),
      (static_cast<double>(longer) - static_cast<double>(shorter)) / static_cast<double>(longer_count - shorter_count)};
}

struct Row {
  std::string name;
  std::string unit;
  double ours = 0;
  double goal = 0;  // least; 0: none
  Cycles cycles;    // each and interval beside it
  std::string note;
};

// Each measures its kernel and checks what it answers: Internal, saying what, if that is wrong.
absl::StatusOr<std::vector<Row>> measure_session_engine();
absl::StatusOr<std::vector<Row>> measure_esp_crypto();
absl::StatusOr<std::vector<Row>> measure_state_delta();

}  // namespace phalanx::bench

#endif
