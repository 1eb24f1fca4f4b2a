// Whom a differential case judges: an engine over the card's kernels, wherever they run. The cases (cases/) are the
// same for kernels compiled natively and for a card by XRT or OpenCL.
#ifndef PHALANX_TESTS_DIFFERENTIAL_JUDGE_HPP
#define PHALANX_TESTS_DIFFERENTIAL_JUDGE_HPP

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "drivers/cpu/cpu_engine.hpp"
#include "tests/differential/engine_pair.hpp"

namespace phalanx::testing {

class Judge {
 public:
  struct Options {
    uint64_t buckets = 0;  // of the kernels' index: card_table::layout()
    uint64_t seed = 1;     // of the order in which natively compiled stages run
    bool stalls = true;    // whether they also stall at random
  };

  virtual ~Judge() = default;
  // An engine with an empty table; the one before it is gone.
  virtual absl::StatusOr<std::unique_ptr<Accelerator>> make(const EngineConfig& config, const Options& options) = 0;
  // What is wrong with the table of an engine that make() gave, and no answer of its shows.
  virtual Difference damage(Accelerator& engine) = 0;
  // Batches that the engines carry out at a time.
  virtual size_t in_flight() const { return 1; }
  // Whether Options::seed and stalls change how the kernels run; else a case that differs in nothing else is played
  // once.
  virtual bool schedules() const { return false; }
  uint64_t seeds(uint64_t count) const { return schedules() ? count : 1; }
};

// The CPU engine, and beside it one that is judged.
class JudgedPair {
 public:
  JudgedPair(Judge& judge, const EngineConfig& config, const Judge::Options& options) : judge_(judge) {
    auto reference = CpuEngine::create(config);
    if (!reference.ok()) problem_ = absl::StrCat("cpu: ", reference.status().ToString());
    auto judged = judge.make(config, options);
    if (!judged.ok()) problem_ = absl::StrCat("no engine to judge: ", judged.status().ToString());
    if (problem_.has_value()) return;
    pair_ = std::make_unique<EnginePair>(*std::move(reference), *std::move(judged), judge.in_flight());
  }
  // Why there is no pair, if there is none; nothing else may be called then.
  const Difference& problem() const { return problem_; }

  EnginePair* operator->() { return pair_.get(); }
  // Compares the tables and looks at the judged one's memory.
  Difference end(uint32_t now_ms) {
    if (auto found = pair_->compare_tables(now_ms)) return found;
    return judge_.damage(pair_->judged());
  }

 private:
  Judge& judge_;
  Difference problem_;
  std::unique_ptr<EnginePair> pair_;
};

// Leaves a case with what differs.
#define PHALANX_SAME(difference) \
  if (auto phalanx_difference = (difference)) return phalanx_difference
// Leaves a case that did not do what it is for.
#define PHALANX_CASE_NEEDS(fact) \
  if (!(fact)) return Difference("not so: " #fact)

}  // namespace phalanx::testing

#endif
