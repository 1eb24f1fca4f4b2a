// The card's kernels as a session engine without a card: compiled natively (hls/native) and run on host memory laid out
// as kernels/abi says. For tests and for counting the kernels' cycles; slow.
#ifndef PHALANX_DRIVERS_NATIVE_NATIVE_ENGINE_HPP
#define PHALANX_DRIVERS_NATIVE_NATIVE_ENGINE_HPP

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "drivers/accelerator.hpp"
#include "drivers/card_table/card_table.hpp"
#include "hls/native/dataflow.hpp"

namespace phalanx {

// Batches are carried out before submit() returns. Uses the calling thread's scheduler of kernels: one thread an
// engine at a time.
class NativeEngine final : public Accelerator {
 public:
  static constexpr size_t kBatchesInFlightMax = 64;  // done and not yet polled, as CpuEngine

  struct Options {
    uint64_t buckets = 0;                 // card_table::layout()
    hls::native::Settings settings = {};  // seed, stalls and memory of every run
  };

  static absl::StatusOr<std::unique_ptr<NativeEngine>> create(const EngineConfig& config, const Options& options);

  std::string name() const override { return "native"; }
  uint64_t slots() const override { return layout_.slots; }
  absl::Status submit(const Batch& batch) override;
  size_t poll(absl::Span<uint64_t> tags) override;
  EngineCounters counters() const override;
  void advance_generation(uint64_t generation) override;
  uint64_t generation() const override { return state().generation; }
  void set_age_floor(uint32_t now_ms) override { clock_.set_age_floor(now_ms); }
  void clear() override;

  // Cycles of all kernel runs so far, by hls/native's model.
  uint64_t cycles() const { return cycles_; }
  // The table's memory, for tests that look into it or damage it. Not while a batch is carried out, and here there is
  // none.
  abi::TableState& state() { return *reinterpret_cast<abi::TableState*>(memory_.state.data()); }
  const abi::TableState& state() const { return *reinterpret_cast<const abi::TableState*>(memory_.state.data()); }
  const card_table::Layout& layout() const { return layout_; }
  absl::Span<abi::Line> buckets(int choice) {
    return absl::MakeSpan(choice == 0 ? memory_.buckets_first : memory_.buckets_second);
  }
  absl::Span<abi::Line> session_a() { return absl::MakeSpan(memory_.session_a); }
  absl::Span<abi::Line> session_b() { return absl::MakeSpan(memory_.session_b); }
  absl::Span<abi::Line> free_slot() { return absl::MakeSpan(memory_.free_slot); }

 private:
  // One vector of lines a buffer.
  struct Memory {
#define PHALANX_NATIVE_BUFFER(name, size) std::vector<abi::Line> name;
    PHALANX_CARD_TABLE_BUFFERS(PHALANX_NATIVE_BUFFER)
    PHALANX_CARD_RUN_BUFFERS(PHALANX_NATIVE_BUFFER)
#undef PHALANX_NATIVE_BUFFER
    std::vector<abi::Line> output;  // state_delta's, as large as the largest so far
  };

  NativeEngine(const EngineConfig& config, const card_table::Layout& layout, const Options& options);

  void begin_kernel();
  absl::Status run_session_engine(const Batch& batch, const card_table::Run& run);
  absl::Status run_state_delta(const Batch& batch, const card_table::Run& run);

  const Options options_;
  const card_table::Layout layout_;
  Memory memory_;
  card_table::Clock clock_;
  uint64_t cycles_ = 0;
  uint64_t runs_ = 0;
  size_t output_used_ = 0;                            // of the batch at work
  std::array<uint64_t, kBatchesInFlightMax> done_{};  // tags not yet polled, a ring
  size_t done_head_ = 0;
  size_t done_count_ = 0;
};

}  // namespace phalanx

#endif
