// The card's kernels compiled natively, as an engine to judge.
#ifndef PHALANX_TESTS_DIFFERENTIAL_NATIVE_JUDGE_HPP
#define PHALANX_TESTS_DIFFERENTIAL_NATIVE_JUDGE_HPP

#include <memory>

#include "drivers/native/native_engine.hpp"
#include "tests/differential/judge.hpp"

namespace phalanx::testing {

class NativeJudge final : public Judge {
 public:
  absl::StatusOr<std::unique_ptr<Accelerator>> make(const EngineConfig& config, const Options& options) override {
    NativeEngine::Options native;
    native.buckets = options.buckets;
    native.settings.seed = options.seed;
    native.settings.stalls = options.stalls;
    auto engine = NativeEngine::create(config, native);
    if (!engine.ok()) return engine.status();
    return *std::move(engine);
  }
  Difference damage(Accelerator& engine) override {
    const abi::TableState& state = static_cast<NativeEngine&>(engine).state();
    if (state.impossible == 0 && state.log_overflow == 0) return std::nullopt;
    return absl::StrCat("the kernels found ", state.impossible, " things that cannot be and ", state.log_overflow,
                        " changes without a place in the log");
  }
  bool schedules() const override { return true; }
};

}  // namespace phalanx::testing

#endif
