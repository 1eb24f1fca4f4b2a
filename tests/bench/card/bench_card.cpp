// CPU time of the gateway's thread for a lookup that a card carries out: submit and poll, the card's process (the CPU's
// engine in it) on another core, beside the CPU engine's own time for the same lookup. JSON as of
// tests/bench/figures.py.
//
//   bench_card [FILE]     the report, stdout without FILE
#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "drivers/card/card_client.hpp"
#include "drivers/cpu/cpu_engine.hpp"
#include "tests/unit/offload/packets.hpp"

namespace phalanx::testing {
namespace {

constexpr uint32_t kSessions = 1 << 20;
constexpr size_t kBurst = 64, kInFlight = 8, kBurstsPerRound = 8192;
constexpr int kRounds = 9;
constexpr double kGoal = 1.0 / 3;

EngineConfig config() {
  EngineConfig config;
  config.sessions_max = kSessions;
  return config;
}

int64_t cpu_ns() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * int64_t{1'000'000'000} + now.tv_nsec;
}

// Bursts in a ring, each with its answers.
struct Traffic {
  std::vector<abi::Operation> operations = std::vector<abi::Operation>(kInFlight * kBurst);
  std::vector<abi::Completion> completions = std::vector<abi::Completion>(kInFlight * kBurst);
  uint64_t random = 1;
  uint64_t wrong = 0;

  // Random sessions; not counted, for packets are parsed whoever looks them up.
  void refill() {
    for (abi::Operation& operation : operations) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      operation = lookup(packet(static_cast<uint32_t>(random >> 40) % (kSessions * 3 / 4), hls::kProtocolUdp, true));
    }
  }
  Batch burst(uint64_t tag) {
    const size_t first = tag % kInFlight * kBurst;
    return {.tag = tag,
            .now_ms = 1000,
            .operations = absl::MakeConstSpan(operations).subspan(first, kBurst),
            .records = {},
            .completions = absl::MakeSpan(completions).subspan(first, kBurst),
            .output = {}};
  }
  void check() {
    for (const abi::Completion& c : completions) wrong += c.result != abi::Result::kDone ? 1 : 0;
  }
};

bool fill(Accelerator& engine) {
  std::vector<abi::Operation> operations(1024);
  std::vector<abi::Record> records(1024);
  std::vector<abi::Completion> completions(1024);
  for (uint32_t flow = 0; flow < kSessions * 3 / 4; flow += 1024) {
    for (uint32_t i = 0; i < 1024; ++i) {
      const hls::PacketMeta first = packet(flow + i, hls::kProtocolUdp, true);
      operations[i] = insert(first, i);
      records[i] = opening(first);
    }
    if (!engine
             .submit({.tag = 0,
                      .now_ms = 1000,
                      .operations = operations,
                      .records = records,
                      .completions = absl::MakeSpan(completions),
                      .output = {}})
             .ok()) {
      return false;
    }
    uint64_t tag;
    for (uint64_t i = 0; engine.poll(absl::MakeSpan(&tag, 1)) == 0; ++i) {
      if (i == 1'000'000'000) return false;
    }
  }
  return true;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Nanoseconds of a lookup: submitting, and polls that bring answers. Waiting is not counted, for a gateway does other
// things then: polls that find nothing are left out. The median of groups of kInFlight bursts: those in which the
// thread lost its core and its cache count little.
double round(Accelerator& engine, Traffic& traffic, int64_t clock_ns) {
  std::array<uint64_t, kInFlight> tags;
  std::vector<double> groups;
  for (size_t n = 0; n < kBurstsPerRound / kInFlight; ++n) {
    traffic.refill();
    int64_t start = cpu_ns();
    for (size_t i = 0; i < kInFlight; ++i) {
      if (!engine.submit(traffic.burst(i)).ok()) return -1;
    }
    int64_t spent = cpu_ns() - start - clock_ns;
    for (size_t done = 0; done < kInFlight;) {
      start = cpu_ns();
      const size_t found = engine.poll(absl::MakeSpan(tags).subspan(done));
      if (found != 0) spent += cpu_ns() - start - clock_ns;
      done += found;
    }
    traffic.check();
    groups.push_back(static_cast<double>(spent) / (kInFlight * kBurst));
  }
  return median(groups);
}

// What asking the clock takes, which is a system call.
int64_t clock_cost_ns() {
  std::vector<double> costs;
  for (int i = 0; i < 1001; ++i) {
    const int64_t start = cpu_ns();
    costs.push_back(static_cast<double>(cpu_ns() - start));
  }
  return static_cast<int64_t>(median(costs));
}

std::string report(const std::vector<double>& ours, const std::vector<double>& theirs) {
  std::vector<double> ratios;
  for (size_t i = 0; i < ours.size(); ++i) ratios.push_back(ours[i] / theirs[i]);
  const double ratio = median(ratios);
  const auto [low, high] = std::minmax_element(ours.begin(), ours.end());
  return absl::StrCat(
      R"({"schema": "phalanx-bench/1", "figures": [{"name": "offload_host_cpu_per_lookup", "unit": "ns", "ours": )",
      median(ours), R"(, "spread": )", (*high - *low) / median(ours), R"(, "peer": "CPU engine", "theirs": )",
      median(theirs), R"(, "ratio": )", ratio, R"(, "goal": )", kGoal, R"(, "goal_is": "ratio<=", "met": )",
      ratio <= kGoal ? "true" : "false", R"(, "rounds": )", ours.size(), "}]}\n");
}

int main_of(int argc, char** argv) {
  CardClientOptions options;
  options.config = config();
  options.argv = {PHALANX_CARD_PROGRAM, "--driver", "cpu"};
  options.batch_limit_ns = 5'000'000'000;
  auto card = CardClient::create(options);
  auto cpu = CpuEngine::create(config());
  if (!card.ok() || !cpu.ok()) return 1;
  for (int64_t tended_ns = 0; (*card)->state() != CardState::kReady; tended_ns += 1'000'000) {
    (*card)->tend(tended_ns);
    const timespec pause = {0, 1'000'000};
    nanosleep(&pause, nullptr);
    if ((*card)->state() == CardState::kFaulted) return 1;
  }
  if (!fill(**card) || !fill(**cpu)) return 1;
  std::vector<double> ours, theirs;
  Traffic traffic;
  const int64_t clock_ns = clock_cost_ns();
  for (int i = 0; i < kRounds; ++i) {
    ours.push_back(round(**card, traffic, clock_ns));
    theirs.push_back(round(**cpu, traffic, clock_ns));
  }
  if (traffic.wrong != 0) {
    std::fprintf(stderr, "bench_card: %lu lookups not done\n", traffic.wrong);
    return 1;
  }
  const std::string text = report(ours, theirs);
  std::FILE* const file = argc > 1 ? std::fopen(argv[1], "w") : stdout;
  if (file == nullptr) return 1;
  std::fputs(text.c_str(), file);
  if (file != stdout) std::fclose(file);
  return 0;
}

}  // namespace
}  // namespace phalanx::testing

int main(int argc, char** argv) { return phalanx::testing::main_of(argc, argv); }
