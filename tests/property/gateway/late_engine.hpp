// The CPU engine as a card would be seen: batches are carried out in order, but only some polls after submit().
#ifndef PHALANX_TESTS_PROPERTY_GATEWAY_LATE_ENGINE_HPP
#define PHALANX_TESTS_PROPERTY_GATEWAY_LATE_ENGINE_HPP

#include <deque>
#include <random>
#include <string>

#include "drivers/accelerator.hpp"

namespace phalanx::testing {

class LateEngine final : public Accelerator {
 public:
  // Not the owner of `engine`. `ahead` batches in flight at most; one more is refused, as a card's full ring would.
  LateEngine(Accelerator* engine, size_t ahead, uint64_t seed) : engine_(engine), ahead_(ahead), random_(seed) {}

  std::string name() const override { return "late"; }
  uint64_t slots() const override { return engine_->slots(); }
  size_t batches_ahead() const override { return ahead_; }
  absl::Status submit(const Batch& batch) override {
    if (refuse_one_in_ != 0 && random_() % refuse_one_in_ == 0) {
      ++refused_;
      return absl::ResourceExhaustedError("late: EXTRACT first");
    }
    ++submitted_;
    waiting_.push_back(batch);
    most_waiting_ = std::max(most_waiting_, waiting_.size());
    return absl::OkStatus();
  }
  size_t poll(absl::Span<uint64_t> tags) override {
    size_t count = 0;
    while (count < tags.size() && !waiting_.empty() && random_() % 4 == 0) {
      if (!engine_->submit(waiting_.front()).ok()) return count;
      engine_->poll(tags.subspan(count++, 1));
      waiting_.pop_front();
    }
    return count;
  }
  EngineCounters counters() const override { return engine_->counters(); }
  void advance_generation(uint64_t generation) override { engine_->advance_generation(generation); }
  uint64_t generation() const override { return engine_->generation(); }
  void set_age_floor(uint32_t now_ms) override { engine_->set_age_floor(now_ms); }
  void clear() override { engine_->clear(); }

  // From now on one batch in so many is refused; 0: none.
  void refuse_one_in(uint64_t batches) { refuse_one_in_ = batches; }
  uint64_t refused() const { return refused_; }
  uint64_t submitted() const { return submitted_; }
  size_t waiting() const { return waiting_.size(); }
  size_t most_waiting() const { return most_waiting_; }

 private:
  Accelerator* engine_;
  size_t ahead_;
  std::mt19937_64 random_;
  std::deque<Batch> waiting_;
  size_t most_waiting_ = 0;
  uint64_t refuse_one_in_ = 0;
  uint64_t refused_ = 0;
  uint64_t submitted_ = 0;
};

}  // namespace phalanx::testing

#endif
