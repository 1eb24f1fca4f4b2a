// phalanx_sim: runs seeds, says what failed and how to see it again. docs/simulation.md.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "tests/simulation/world.hpp"

namespace phalanx::simulation {
namespace {

struct BreakInfo {
  Break defect;
  std::string_view option;
  Checker checker;
};
constexpr BreakInfo kBreaks[] = {
#define X(name, option, checker, mode) {Break::name, option, Checker::checker},
    PHALANX_BREAKS(X)
#undef X
};
// Enough for every kind of fault to have been reached: each seed of 9 in 10 draws at least two of 16 kinds.
constexpr uint64_t kSeedsForCoverage = 200;

struct Options {
  uint64_t seeds = 200, from = 1, jobs = 1;
  bool one = false, verbose = false, check_checkers = false;
  Break defect = Break::kNone;
};

int usage() {
  std::fprintf(stderr,
               "usage: phalanx_sim [--seeds N] [--from S] [--jobs J] [--seed S [--verbose]] [--break NAME]\n"
               "                   [--check-checkers]\n"
               "  --break puts a defect in; NAME is one of:");
  for (const BreakInfo& info : kBreaks) std::fprintf(stderr, " %s", std::string(info.option).c_str());
  std::fprintf(stderr, "\n");
  return 2;
}

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--verbose") {
      options.verbose = true;
      continue;
    }
    if (name == "--check-checkers") {
      options.check_checkers = true;
      continue;
    }
    if (++i == argc) return false;
    const std::string_view value = argv[i];
    if (name == "--break") {
      for (const BreakInfo& info : kBreaks) {
        if (info.option == value) options.defect = info.defect;
      }
      if (options.defect == Break::kNone) return false;
      continue;
    }
    uint64_t number = 0;
    if (!absl::SimpleAtoi(argv[i], &number)) return false;
    if (name == "--seeds") {
      options.seeds = number;
    } else if (name == "--from") {
      options.from = number;
    } else if (name == "--jobs") {
      options.jobs = number;
    } else if (name == "--seed") {
      options.from = number;
      options.seeds = 1;
      options.one = true;
    } else {
      return false;
    }
  }
  return options.jobs >= 1 && options.jobs <= 64;
}

void report(uint64_t seed, const RunResult& result) {
  std::printf("seed %llu (%s) failed:\n", static_cast<unsigned long long>(seed), result.description.c_str());
  for (const Violation& violation : result.violations) {
    std::printf("  %10.3f ms  %s: %s\n", static_cast<double>(violation.time_ns) / 1e6,
                std::string(to_string(violation.checker)).c_str(), violation.what.c_str());
  }
  std::printf("  replay: phalanx_sim --seed %llu --verbose\n", static_cast<unsigned long long>(seed));
}

int run_seeds(const Options& options) {
  std::atomic<uint64_t> next{options.from};
  std::mutex mutex;
  FaultCounts faults{};
  uint64_t failed = 0, takeovers = 0, full_syncs = 0, sessions = 0;
  const auto work = [&] {
    for (uint64_t seed = next++; seed < options.from + options.seeds; seed = next++) {
      const RunResult result = World({seed, options.verbose, options.defect}).run();
      const std::lock_guard lock(mutex);
      for (size_t i = 0; i < kFaults; ++i) faults[i] += result.faults[i];
      takeovers += result.takeovers;
      full_syncs += result.full_syncs;
      sessions += result.protected_sessions;
      if (result.violations.empty()) continue;
      ++failed;
      report(seed, result);
    }
  };
  std::vector<std::thread> threads;
  for (uint64_t job = 1; job < options.jobs; ++job) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  std::printf("%llu seeds from %llu: %llu failed; %llu takeovers and handovers, %llu full syncs, %llu sessions held\n",
              static_cast<unsigned long long>(options.seeds), static_cast<unsigned long long>(options.from),
              static_cast<unsigned long long>(failed), static_cast<unsigned long long>(takeovers),
              static_cast<unsigned long long>(full_syncs), static_cast<unsigned long long>(sessions));
  for (size_t i = 0; i < kFaults; ++i) {
    std::printf("  %-24s %llu\n", std::string(kFaultInfo[i].text).c_str(), static_cast<unsigned long long>(faults[i]));
    if (options.seeds < kSeedsForCoverage || faults[i] != 0) continue;
    std::printf("this kind of fault was never reached\n");
    ++failed;
  }
  return failed == 0 ? 0 : 1;
}

// Each defect must be found, and by its own checker.
int check_checkers() {
  constexpr uint64_t kTries = 10;
  int missed = 0;
  for (const BreakInfo& info : kBreaks) {
    uint64_t found = 0;
    for (uint64_t seed = 1; seed <= kTries && found == 0; ++seed) {
      const RunResult result = World({seed, false, info.defect}).run();
      for (const Violation& violation : result.violations) {
        if (violation.checker == info.checker) found = seed;
      }
    }
    std::printf("%-16s %s by %s\n", std::string(info.option).c_str(), found != 0 ? "found" : "NOT FOUND",
                std::string(to_string(info.checker)).c_str());
    missed += found == 0 ? 1 : 0;
  }
  return missed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace phalanx::simulation

int main(int argc, char** argv) {
  phalanx::simulation::Options options;
  if (!phalanx::simulation::parse(argc, argv, options)) return phalanx::simulation::usage();
  return options.check_checkers ? phalanx::simulation::check_checkers() : phalanx::simulation::run_seeds(options);
}
