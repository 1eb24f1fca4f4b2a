#include "drivers/native/native_engine.hpp"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kernels/session_engine/session_engine.hpp"
#include "kernels/state_delta/state_delta.hpp"

namespace phalanx {
namespace {

// The kernels' signatures are what kernels/abi/ports.hpp says of their ports.
template <typename Ignored, typename... Arguments>
using Signature = void(Arguments...);
using abi::Bucket;
using abi::Line;
#define PHALANX_TYPE_IN(type) , const type*
#define PHALANX_TYPE_OUT(type) , type*
#define PHALANX_TYPE_INOUT(type) , type*
#define PHALANX_TYPE_SCALAR(type) , type
#define PHALANX_TYPE(direction, type, name, group) PHALANX_TYPE_##direction(type)
static_assert(std::is_same_v<decltype(session_engine), Signature<void PHALANX_SESSION_ENGINE_PORTS(PHALANX_TYPE)>>);
static_assert(std::is_same_v<decltype(state_delta), Signature<void PHALANX_STATE_DELTA_PORTS(PHALANX_TYPE)>>);
#undef PHALANX_TYPE
#undef PHALANX_TYPE_IN
#undef PHALANX_TYPE_OUT
#undef PHALANX_TYPE_INOUT
#undef PHALANX_TYPE_SCALAR

}  // namespace

absl::StatusOr<std::unique_ptr<NativeEngine>> NativeEngine::create(const EngineConfig& config, const Options& options) {
  const auto layout = card_table::layout(config, options.buckets);
  if (!layout.ok()) return layout.status();
  return std::unique_ptr<NativeEngine>(new NativeEngine(config, *layout, options));
}

NativeEngine::NativeEngine(const EngineConfig& config, const card_table::Layout& layout, const Options& options)
    : options_(options), layout_(layout) {
#define PHALANX_NATIVE_ALLOCATE(name, size) memory_.name.resize((layout.name##_bytes + 63) / 64);
  PHALANX_CARD_TABLE_BUFFERS(PHALANX_NATIVE_ALLOCATE)
  PHALANX_CARD_RUN_BUFFERS(PHALANX_NATIVE_ALLOCATE)
#undef PHALANX_NATIVE_ALLOCATE
  state() = card_table::initial_state(config, layout);
}

absl::Status NativeEngine::submit(const Batch& batch) {
  if (batch.completions.size() != batch.operations.size()) {
    return absl::InvalidArgumentError(absl::StrCat("batch of ", batch.operations.size(), " operations with ",
                                                   batch.completions.size(), " completions"));
  }
  if (done_count_ == kBatchesInFlightMax) {
    return absl::ResourceExhaustedError(absl::StrCat(kBatchesInFlightMax, " batches are done and not polled"));
  }
  clock_.advance(batch.now_ms);
  output_used_ = 0;
  for (size_t first = 0; first < batch.operations.size();) {
    const card_table::Run run = card_table::next_run(batch.operations, first);
    const bool engine = run.kernel == card_table::Run::Kernel::kSessionEngine;
    absl::Status ran = engine ? run_session_engine(batch, run) : run_state_delta(batch, run);
    if (!ran.ok()) return ran;
    first += run.count;
  }
  done_[(done_head_ + done_count_++) % kBatchesInFlightMax] = batch.tag;
  return absl::OkStatus();
}

// Another order of the stages for each run.
void NativeEngine::begin_kernel() {
  hls::native::Settings settings = options_.settings;
  settings.seed += ++runs_;
  hls::native::set_settings(settings);
}

absl::Status NativeEngine::run_session_engine(const Batch& batch, const card_table::Run& run) {
  card_table::pack_run(batch, run, static_cast<uint32_t>(runs_),
                       reinterpret_cast<abi::Operation*>(memory_.operations.data()),
                       reinterpret_cast<abi::Record*>(memory_.records.data()));
  state().age_floor_ms = clock_.age_floor_ms();
  begin_kernel();
  const uint64_t begin = hls::native::cycles();
  session_engine(
      memory_.operations.data(), memory_.records.data(), memory_.completions.data(), memory_.state.data(),
      memory_.buckets_first.data(), memory_.buckets_second.data(), memory_.session_a.data(), memory_.session_b.data(),
      memory_.session_a.data(), memory_.session_b.data(), reinterpret_cast<hls::WideNat*>(memory_.wide.data()),
      reinterpret_cast<uint32_t*>(memory_.change_log.data()), reinterpret_cast<uint32_t*>(memory_.free_slot.data()),
      reinterpret_cast<uint32_t*>(memory_.free_wide.data()), static_cast<uint32_t>(run.count), clock_.now_ms());
  cycles_ += hls::native::cycles() - begin;
  absl::Status sound = card_table::check_state(state());
  if (!sound.ok()) return sound;
  std::memcpy(batch.completions.data() + run.first, memory_.completions.data(), run.count * sizeof(abi::Completion));
  return absl::OkStatus();
}

absl::Status NativeEngine::run_state_delta(const Batch& batch, const card_table::Run& run) {
  const auto output = batch.output.subspan(std::min(output_used_, batch.output.size()));
  const card_table::DeltaCall call = card_table::delta_call(batch.operations[run.first], output.size(), state());
  abi::Completion& completion = batch.completions[run.first];
  completion = call.completion;
  if (!call.needed) return absl::OkStatus();
  memory_.output.resize(std::max<size_t>(memory_.output.size(), call.output_lines));
  abi::DeltaResult result = {};
  begin_kernel();
  const uint64_t begin = hls::native::cycles();
  state_delta(memory_.state.data(), memory_.session_a.data(), memory_.session_b.data(),
              reinterpret_cast<const hls::WideNat*>(memory_.wide.data()),
              reinterpret_cast<const uint32_t*>(memory_.change_log.data()),
              reinterpret_cast<uint32_t*>(memory_.free_slot.data()),
              reinterpret_cast<uint32_t*>(memory_.free_wide.data()), memory_.output.data(),
              reinterpret_cast<abi::Line*>(&result), call.mode, abi::kDeltaRecords, call.first, call.count,
              call.output_lines, clock_.now_ms(), 0);
  cycles_ += hls::native::cycles() - begin;
  const auto answer = card_table::delta_completion(call, result);
  if (!answer.ok()) return answer.status();
  completion = *answer;
  std::memcpy(output.data(), memory_.output.data(), completion.count * sizeof(abi::Record));
  output_used_ += completion.count;
  return absl::OkStatus();
}

size_t NativeEngine::poll(absl::Span<uint64_t> tags) {
  const size_t count = std::min(tags.size(), done_count_);
  for (size_t i = 0; i < count; ++i) tags[i] = done_[(done_head_ + i) % kBatchesInFlightMax];
  done_head_ = (done_head_ + count) % kBatchesInFlightMax;
  done_count_ -= count;
  return count;
}

EngineCounters NativeEngine::counters() const { return card_table::counters_of(state()); }

void NativeEngine::advance_generation(uint64_t generation) {
  state().generation = std::max(state().generation, generation);
}

void NativeEngine::clear() {
  card_table::clear_state(state());
  std::fill(memory_.buckets_first.begin(), memory_.buckets_first.end(), Line{});
  std::fill(memory_.buckets_second.begin(), memory_.buckets_second.end(), Line{});
}

}  // namespace phalanx
