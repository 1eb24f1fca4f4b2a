// A card made of the CPU engine, with answers that come late and faults that come when they are told to.
#ifndef PHALANX_TESTS_UNIT_OFFLOAD_FAULTY_ENGINE_HPP
#define PHALANX_TESTS_UNIT_OFFLOAD_FAULTY_ENGINE_HPP

#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "drivers/card/card_check.hpp"
#include "drivers/card/fault.hpp"
#include "drivers/cpu/cpu_engine.hpp"

namespace phalanx::testing {

enum class Failure {
  kHangs,         // takes a batch and does nothing
  kNeverAnswers,  // does it, and says nothing
  kNonsense,      // does it, and answers what cannot be
  kDies,          // is gone before the batch is taken
};

// Batches are carried out at submit(), on copies, and answered `latency_polls` polls later. After `fail_after` more
// operations it fails once; tend() makes it ready again, with an empty table, `restart_turns` calls later.
class FaultyEngine final : public CardAccelerator {
 public:
  explicit FaultyEngine(const EngineConfig& config) : config_(config), engine_(*CpuEngine::create(config)) {}

  void fail_after(uint64_t operations, Failure failure) {
    operations_left_ = operations;
    failure_ = failure;
  }
  void set_latency(uint32_t polls) { latency_polls_ = polls; }
  void set_restart_turns(uint32_t turns) { restart_turns_ = turns; }
  CpuEngine& table() { return *engine_; }
  // From now on each record that SCAN gives has been through this, as if the card's memory held it so.
  void spoil(std::function<void(abi::Record&)> spoil) { spoil_ = std::move(spoil); }
  // From now on SCAN is answered as an invalid operation.
  void refuse_scan() { refuses_scan_ = true; }

  std::string name() const override { return "faulty"; }
  uint64_t slots() const override { return engine_->slots(); }
  EngineCounters counters() const override { return engine_->counters(); }
  void advance_generation(uint64_t generation) override { engine_->advance_generation(generation); }
  uint64_t generation() const override { return engine_->generation(); }
  void set_age_floor(uint32_t now_ms) override { engine_->set_age_floor(now_ms); }
  void clear() override { engine_->clear(); }
  CardState state() const override { return state_; }
  const CardFault& last_fault() const override { return fault_; }
  uint64_t incarnation() const override { return incarnation_; }
  void condemn(std::string why) override { fail(CardFaultKind::kImpossible, std::move(why)); }

  void tend(int64_t) override {
    if (state_ == CardState::kReady || turns_++ < restart_turns_) return;
    engine_ = *CpuEngine::create(config_);
    state_ = CardState::kReady;
    ++incarnation_;
  }

  absl::Status submit(const Batch& batch) override {
    if (state_ != CardState::kReady) return absl::FailedPreconditionError(fault_.text());
    if (waiting_.size() == 64) return absl::ResourceExhaustedError("64 batches in flight");
    const bool fails = operations_left_ < batch.operations.size();
    operations_left_ -= fails ? 0 : batch.operations.size();
    if (fails && failure_ == Failure::kDies) {
      fail(CardFaultKind::kDied, "signal 9");
      return absl::FailedPreconditionError(fault_.text());
    }
    Waiting& waiting = waiting_.emplace_back();
    waiting.batch = batch;
    waiting.completions.resize(batch.completions.size());
    waiting.output.resize(batch.output.size());
    waiting.polls = latency_polls_;
    waiting.hangs = fails && failure_ != Failure::kNonsense;
    if (fails && failure_ == Failure::kHangs) return absl::OkStatus();
    Batch inner = batch;
    inner.completions = absl::MakeSpan(waiting.completions);
    inner.output = absl::MakeSpan(waiting.output);
    const absl::Status status = engine_->submit(inner);
    if (spoil_ && !batch.operations.empty() && batch.operations[0].opcode == abi::Opcode::kScan) {
      for (uint32_t i = 0; i < waiting.completions[0].count; ++i) spoil_(waiting.output[i]);
    }
    if (refuses_scan_ && !batch.operations.empty() && batch.operations[0].opcode == abi::Opcode::kScan) {
      waiting.completions[0] = {};
      waiting.completions[0].result = abi::Result::kInvalid;
    }
    uint64_t tag = 0;
    engine_->poll(absl::MakeSpan(&tag, 1));
    if (fails && failure_ == Failure::kNonsense && !waiting.completions.empty()) {
      waiting.completions.back().slot = static_cast<uint32_t>(slots());
    }
    return status;
  }

  size_t poll(absl::Span<uint64_t> tags) override {
    size_t count = 0;
    while (count < tags.size() && state_ == CardState::kReady && !waiting_.empty()) {
      Waiting& waiting = waiting_.front();
      if (waiting.polls != 0) {
        --waiting.polls;
        break;
      }
      if (waiting.hangs) {
        fail(CardFaultKind::kHung, "told to");
      } else if (!answer(waiting)) {
        fail(CardFaultKind::kImpossible, "told to");
      } else {
        tags[count++] = waiting.batch.tag;
        waiting_.pop_front();
      }
    }
    return count;
  }

 private:
  struct Waiting {
    Batch batch;
    std::vector<abi::Completion> completions;
    std::vector<abi::Record> output;
    uint32_t polls = 0;
    bool hangs = false;
  };

  bool answer(const Waiting& waiting) const {
    for (size_t i = 0; i < waiting.completions.size(); ++i) {
      if (card::check_completion(waiting.batch.operations[i], waiting.completions[i], slots(), waiting.output.size())) {
        return false;
      }
    }
    std::copy(waiting.completions.begin(), waiting.completions.end(), waiting.batch.completions.begin());
    std::copy(waiting.output.begin(), waiting.output.end(), waiting.batch.output.begin());
    return true;
  }

  void fail(CardFaultKind kind, std::string what) {
    fault_ = {kind, std::move(what)};
    state_ = CardState::kFaulted;
    waiting_.clear();
    turns_ = 0;
    operations_left_ = std::numeric_limits<uint64_t>::max();
  }

  const EngineConfig config_;
  std::unique_ptr<CpuEngine> engine_;
  CardState state_ = CardState::kStarting;
  CardFault fault_;
  uint64_t incarnation_ = 0;
  uint64_t operations_left_ = std::numeric_limits<uint64_t>::max();
  Failure failure_ = Failure::kHangs;
  uint32_t latency_polls_ = 0;
  uint32_t restart_turns_ = 2;
  uint32_t turns_ = 0;
  std::function<void(abi::Record&)> spoil_;
  bool refuses_scan_ = false;
  std::deque<Waiting> waiting_;
};

}  // namespace phalanx::testing

#endif
