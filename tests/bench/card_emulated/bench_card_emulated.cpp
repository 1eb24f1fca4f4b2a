// Operations a second of the emulated card by XRT and by OpenCL, and what bounds them. Not a product's figure: the card
// is a program on the same cores.
//
//   bench_card_emulated [--report FILE]     JSON as of tests/bench/figures.py, stdout without FILE
//
// Each API is used by a child in a session of its own (bench_card_emulated --child API FILE), as XRT wants it.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "drivers/card_driver/open_driver.hpp"
#include "drivers/emulator/environment.hpp"
#include "tests/bench/card_emulated/timed_device.hpp"
#include "tests/bench/report_main.hpp"
#include "tests/hardware/child_process.hpp"
#include "tests/unit/offload/packets.hpp"

namespace phalanx::bench {
namespace {

constexpr uint32_t kSlots = 8192, kSessions = 4096;
constexpr uint32_t kBatchSizes[] = {64, 4096};
constexpr double kMeasuredSeconds = 2;  // of each batch size
constexpr uint64_t kPollsMax = 1'000'000'000;
constexpr std::chrono::milliseconds kChildLimit(60'000);

// One batch to its end; the card's failure otherwise, or an operation that was not done.
absl::Status carry_out(Accelerator& engine, const std::vector<abi::Operation>& operations,
                       const std::vector<abi::Record>& records) {
  std::vector<abi::Completion> completions(operations.size());
  const absl::Status submitted = engine.submit({.tag = 1,
                                                .now_ms = 1000,
                                                .operations = operations,
                                                .records = records,
                                                .completions = absl::MakeSpan(completions),
                                                .output = {}});
  if (!submitted.ok()) return submitted;
  uint64_t tag = 0;
  for (uint64_t i = 0; i < kPollsMax && engine.poll({&tag, 1}) == 0; ++i) {
    if (absl::Status health = engine.health(); !health.ok()) return health;
  }
  for (const abi::Completion& c : completions) {
    if (c.result != abi::Result::kDone) return absl::InternalError("an operation of the card was not done");
  }
  return absl::OkStatus();
}

absl::Status fill(Accelerator& engine) {
  std::vector<abi::Operation> operations;
  std::vector<abi::Record> records;
  for (uint32_t i = 0; i < kSessions; ++i) {
    const hls::PacketMeta first = testing::packet(i, hls::kProtocolUdp, true);
    operations.push_back(testing::insert(first, i));
    records.push_back(testing::opening(first));
  }
  return carry_out(engine, operations, records);
}

// What the time went into, most first named as what bounds.
std::string bounds_of(const Spending& spent, double seconds, uint64_t batches) {
  std::string all, most;
  double most_seconds = -1;
  const auto add = [&](const char* words, const Spending::One& one) {
    absl::StrAppendFormat(&all, "%s%s %.0f %% (%.1f calls a batch)", all.empty() ? "" : ", ", words,
                          100 * one.seconds / seconds, static_cast<double>(one.calls) / static_cast<double>(batches));
    if (one.seconds > most_seconds) {
      most_seconds = one.seconds;
      most = words;
    }
  };
#define PHALANX_ADD_SPENDING(name, words) add(words, spent.name);
  PHALANX_CARD_SPENDING(PHALANX_ADD_SPENDING)
#undef PHALANX_ADD_SPENDING
  return absl::StrCat("bound by ", most, "; ", all);
}

absl::StatusOr<std::string> measure(Accelerator& engine, Spending& spending, const std::string& api, uint32_t size) {
  std::vector<abi::Operation> operations;
  for (uint32_t i = 0; i < size; ++i) {
    operations.push_back(testing::lookup(testing::packet(i % kSessions, hls::kProtocolUdp, true)));
  }
  spending = {};
  const auto start = std::chrono::steady_clock::now();
  double seconds = 0;
  uint64_t batches = 0;
  while (seconds < kMeasuredSeconds) {
    if (absl::Status done = carry_out(engine, operations, {}); !done.ok()) return done;
    ++batches;
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  return absl::StrFormat(
      R"({"name": "card_emulated_%s_batch_%d", "unit": "k/s", "ours": %.4g, "spread": 0, "peer": "", "theirs": null, )"
      R"("ratio": null, "goal": null, "goal_is": null, "met": null, "note": "%s"})",
      api, size, static_cast<double>(batches) * size / seconds / 1000, bounds_of(spending, seconds, batches));
}

// The child: rows, one a line.
absl::Status use_card(const std::string& api, std::FILE* rows) {
  const auto parsed = parse_card_api(api);
  if (!parsed.ok()) return parsed.status();
  DriverOptions options;
  options.api = *parsed;
  options.xclbin = PHALANX_EMULATED_XCLBIN;
  options.allow_unsigned = true;
  auto device = open_card(options);
  if (!device.ok()) return device.status();
  Spending spending;
  EngineConfig config;
  config.sessions_max = kSlots;
  auto driver = card_driver::CardDriver::create(timed_device(*std::move(device), spending), config);
  if (!driver.ok()) return driver.status();
  if (absl::Status filled = fill(**driver); !filled.ok()) return filled;
  for (const uint32_t size : kBatchSizes) {
    const auto row = measure(**driver, spending, api, size);
    if (!row.ok()) return row.status();
    std::fprintf(rows, "%s\n", row->c_str());
  }
  return absl::OkStatus();
}

// Ends without destructors: XRT's may wait for ever.
[[noreturn]] void child(const std::string& api, const char* path) {
  std::FILE* const rows = std::fopen(path, "w");
  const absl::Status status = rows == nullptr ? absl::UnavailableError(path) : use_card(api, rows);
  if (!status.ok()) std::fprintf(stderr, "%s: %s\n", api.c_str(), status.ToString().c_str());
  if (rows != nullptr) std::fclose(rows);
  _exit(status.ok() ? 0 : 1);
}

absl::StatusOr<std::vector<std::string>> rows_of(const std::string& api) {
  namespace fs = std::filesystem;
  const fs::path run = fs::temp_directory_path() / absl::StrCat("phalanx-bench-card.", getpid(), ".", api);
  fs::create_directories(run);
  const auto environment = emulator::emulation_environment(PHALANX_EMULATION, run.string());
  if (!environment.ok()) return environment.status();
  const std::string path = (run / "rows").string();
  const auto ended = testing::run_child({fs::read_symlink("/proc/self/exe").string(), "--child", api, path},
                                        *environment, (run / "output").string(), kChildLimit);
  emulator::remove_leftovers(run.string());
  std::vector<std::string> rows;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) rows.push_back(line);
  std::error_code ignored;
  fs::remove_all(run, ignored);
  if (!ended.ok()) return ended.status();
  if (ended->exit_code != 0) {
    return absl::InternalError(absl::StrCat("exit ", ended->exit_code, ", signal ", ended->signal,
                                            ended->timed_out ? ", out of time: " : ": ", ended->output));
  }
  return rows;
}

int report_to(std::FILE* file) {
  std::string text = R"({"schema": "phalanx-bench/1", "figures": [)";
  const char* between = "\n";
  for (const char* api : {"xrt", "opencl"}) {
    const auto rows = rows_of(api);
    if (!rows.ok()) {
      std::fprintf(stderr, "bench_card_emulated: %s: %s\n", api, rows.status().ToString().c_str());
      return 1;
    }
    for (const std::string& row : *rows) {
      absl::StrAppend(&text, between, row);
      between = ",\n";
    }
  }
  absl::StrAppend(&text, "]}\n");
  return std::fputs(text.c_str(), file) < 0 ? 1 : 0;
}

int main_of(int argc, char** argv) {
  if (argc == 4 && std::strcmp(argv[1], "--child") == 0) child(argv[2], argv[3]);
  return report_main("bench_card_emulated", argc, argv, report_to);
}

}  // namespace
}  // namespace phalanx::bench

int main(int argc, char** argv) { return phalanx::bench::main_of(argc, argv); }
