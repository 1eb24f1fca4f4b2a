// The engines' differential cases on a card. The card is opened once in a process; each table is an engine of its own
// on it, made when the one before is gone.
#include <chrono>

#include "tests/differential/cases/cases.hpp"
#include "tests/hardware/card_case.hpp"
#include "tests/hardware/driver_use.hpp"

namespace phalanx::testing {
namespace {

using card_driver::CardDriver;
using card_driver::CardLimits;

class CardJudge final : public Judge {
 public:
  CardJudge(std::shared_ptr<card_driver::Device> device, const CardLimits& limits)
      : device_(std::move(device)), limits_(limits) {}
  absl::StatusOr<std::unique_ptr<Accelerator>> make(const EngineConfig& config, const Options& options) override {
    CardLimits limits = limits_;
    limits.buckets = options.buckets;
    auto driver = CardDriver::create(device_, config, limits);
    if (!driver.ok()) return driver.status();
    ++tables_;
    return *std::move(driver);
  }
  // Whatever the kernels find that cannot be fails the card.
  Difference damage(Accelerator& engine) override {
    const absl::Status health = engine.health();
    return health.ok() ? std::nullopt : Difference(health.ToString());
  }
  size_t in_flight() const override { return limits_.batches; }
  uint64_t tables() const { return tables_; }

 private:
  const std::shared_ptr<card_driver::Device> device_;
  const CardLimits limits_;
  uint64_t tables_ = 0;
};

absl::StatusOr<CardJudge> judge_of(const CardUnderTest& card) {
  auto device = open_card(card.options);
  if (!device.ok()) return device.status();
  print_identity((*device)->identity());
  return CardJudge(*std::move(device), card.options.limits);
}

absl::Status status_of(const Difference& found, absl::string_view what) {
  return found.has_value() ? absl::InternalError(absl::StrCat(what, ": ", *found)) : absl::OkStatus();
}

class Stopwatch {
 public:
  uint64_t ms() const {
    using std::chrono::steady_clock;
    return static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - begin_).count());
  }

 private:
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

void print_played(const char* name, uint64_t operations, uint64_t tables, const Stopwatch& watch) {
  const uint64_t ms = watch.ms();
  std::printf("%s: %llu operations on %llu tables equal to the CPU engine's, in %llu ms: %llu/s\n", name,
              static_cast<unsigned long long>(operations), static_cast<unsigned long long>(tables),
              static_cast<unsigned long long>(ms),
              static_cast<unsigned long long>(operations * 1000 / (ms == 0 ? 1 : ms)));
  std::fflush(stdout);
}

}  // namespace

absl::Status soak(const CardUnderTest& card) {
  const StreamCase stream = {"soak", 512, {.clients = 60, .servers = 5, .ports = 2, .hidden = 64, .longest_batch = 600},
                             false,  0,   1};
  auto judge = judge_of(card);
  if (!judge.ok()) return judge.status();
  const Stopwatch watch;
  Outcomes outcomes;
  uint64_t played = 0;
  PHALANX_RETURN_IF_ERROR(status_of(play_stream(stream, card.soak_operations, *judge, outcomes, played), "soak"));
  print_played("soak", played, judge->tables(), watch);
  return status_of(got_everywhere(outcomes), "soak");
}

absl::Status differential_random(const CardUnderTest& card) {
  auto judge = judge_of(card);
  if (!judge.ok()) return judge.status();
  const Stopwatch watch;
  Outcomes all;
  uint64_t played = 0;
  for (const StreamCase& stream : stream_cases()) {
    // Each has its part of what is asked for, rounded up.
    const uint64_t operations = stream.operations * card.stream_operations / stream_operations() + 1;
    Outcomes outcomes;
    PHALANX_RETURN_IF_ERROR(status_of(play_stream(stream, operations, *judge, outcomes, played), "random stream"));
    // A short one need not have got everywhere by itself.
    if (operations >= stream.operations) PHALANX_RETURN_IF_ERROR(status_of(got_everywhere(outcomes), stream.name));
    for (const auto& [outcome, times] : outcomes) all[outcome] += times;
  }
  print_played("differential_random", played, judge->tables(), watch);
  PHALANX_RETURN_IF_ERROR(expect(played >= card.stream_operations, "as many operations as were asked for"));
  return status_of(got_everywhere(all), "all random streams");
}

absl::Status differential_adversarial(const CardUnderTest& card) {
  auto judge = judge_of(card);
  if (!judge.ok()) return judge.status();
  for (const AdversarialCase& one : kAdversarialCases) {
    const Stopwatch watch;
    PHALANX_RETURN_IF_ERROR(status_of(one.play(*judge), one.name));
    std::printf("differential_adversarial: %s, %llu ms\n", one.name, static_cast<unsigned long long>(watch.ms()));
    std::fflush(stdout);
  }
  return absl::OkStatus();
}

}  // namespace phalanx::testing
