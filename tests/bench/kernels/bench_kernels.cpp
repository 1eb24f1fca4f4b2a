// The card's kernels in the stage-level model: initiation intervals, cycles, and the rates that follow at 300 MHz.
//
//   bench_kernels [--report FILE]     JSON as of tests/bench/figures.py, stdout without FILE
//
// Cycles are counted, not timed: the figures are the same on every machine and in every run.
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/bench/kernels/rows.hpp"
#include "tests/bench/report_main.hpp"

namespace phalanx::bench {
namespace {

std::string json_of(const Row& row) {
  const std::string goal = row.goal == 0 ? "null" : absl::StrFormat("%g", row.goal);
  const char* const met = row.goal == 0 ? "null" : row.ours >= row.goal ? "true" : "false";
  return absl::StrFormat(
      R"({"name": "%s", "unit": "%s", "ours": %.5g, "spread": 0, "peer": "", "theirs": null, "ratio": null, )"
      R"("goal": %s, "goal_is": %s, "met": %s, "cycles": %.4g, "initiation_interval": %.4g, "note": "%s"})",
      row.name, row.unit, row.ours, goal, row.goal == 0 ? "null" : "\"ours>=\"", met, row.cycles.each,
      row.cycles.interval, row.note);
}

int report_to(std::FILE* file) {
  std::string text = absl::StrFormat(
      R"({"schema": "phalanx-bench/1", "model": {"clock_mhz": %g, "memory_latency_cycles": %d, "reads_in_flight": )"
      R"({"session_engine": %d, "state_delta": %d, "esp_crypto": %d}}, "figures": [)",
      kClockMhz, kMemoryLatencyCycles, kTableReadsInFlight, kTableReadsInFlight, kEspReadsInFlight);
  const char* between = "\n";
  for (const auto measure : {measure_session_engine, measure_esp_crypto, measure_state_delta}) {
    const absl::StatusOr<std::vector<Row>> rows = measure();
    if (!rows.ok()) {
      std::fprintf(stderr, "bench_kernels: %s\n", rows.status().ToString().c_str());
      return 1;
    }
    for (const Row& row : *rows) {
      absl::StrAppend(&text, between, json_of(row));
      between = ",\n";
    }
  }
  absl::StrAppend(&text, "]}\n");
  return std::fputs(text.c_str(), file) < 0 ? 1 : 0;
}

}  // namespace
}  // namespace phalanx::bench

int main(int argc, char** argv) {
  return phalanx::bench::report_main("bench_kernels", argc, argv, phalanx::bench::report_to);
}
