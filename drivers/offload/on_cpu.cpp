// What the CPU engine does: as the decider, and as the card's shadow.
#include <algorithm>
#include <array>
#include <cassert>

#include "drivers/offload/offload_engine.hpp"

namespace phalanx {

using abi::Opcode;
using abi::Result;

// A batch that the CPU engine has carried out when this returns.
void OffloadEngine::run_on_cpu(const Batch& batch) {
  const absl::Status status = cpu_->submit(batch);
  uint64_t tag = 0;
  const size_t done = cpu_->poll(absl::MakeSpan(&tag, 1));
  assert(status.ok() && done == 1 && "the CPU engine carries out batches in submit()");
  if (!status.ok() || done != 1) {
    for (abi::Completion& completion : batch.completions) {
      completion = {};
      completion.result = Result::kInvalid;
    }
  }
}

abi::Completion OffloadEngine::run_one_on_cpu(const abi::Operation& operation, const abi::Record* record,
                                              absl::Span<abi::Record> output) {
  abi::Completion completion = {};
  run_on_cpu({.tag = 0,
              .now_ms = now_ms_,
              .operations = absl::MakeConstSpan(&operation, 1),
              .records = absl::MakeConstSpan(record, record == nullptr ? 0 : 1),
              .completions = absl::MakeSpan(&completion, 1),
              .output = output});
  return completion;
}

// A batch of the caller's, with the CPU engine as the decider.
void OffloadEngine::carry_out_on_cpu(const Batch& batch) {
  const bool extracts = std::any_of(batch.operations.begin(), batch.operations.end(),
                                    [](const abi::Operation& o) { return o.opcode == Opcode::kExtract; });
  const bool one_by_one = extracts && !held_.empty();
  if (!one_by_one) {
    run_on_cpu(batch);
  } else {
    // One by one, so that what is held comes out ahead of the log.
    size_t used = 0;
    for (size_t i = 0; i < batch.operations.size(); ++i) {
      const absl::Span<abi::Record> output = batch.output.subspan(used);
      if (batch.operations[i].opcode == Opcode::kExtract) {
        extract_on_cpu(batch.operations[i], output, batch.completions[i]);
        used += batch.completions[i].count;
        continue;
      }
      Batch one = batch;
      one.operations = batch.operations.subspan(i, 1);
      one.completions = batch.completions.subspan(i, 1);
      one.output = {};
      run_on_cpu(one);
    }
  }
  counters_.operations_on_cpu += batch.operations.size();
  generation_ = std::max(generation_, cpu_->generation());
  if (state_ == OffloadState::kToCard) note_for_card(batch, !one_by_one);
}

void OffloadEngine::extract_on_cpu(const abi::Operation& operation, absl::Span<abi::Record> output,
                                   abi::Completion& completion) {
  const uint32_t held = give_held(operation.count, output);
  abi::Operation rest = operation;
  rest.count = operation.count - held;
  completion = run_one_on_cpu(rest, nullptr, output.subspan(held));
  if (state_ == OffloadState::kToCard) note_extracted(completion, output.subspan(held));
  completion.count += held;
  completion.next += held_.size();
}

// Moves records that moves and failovers took out of a log to the caller, oldest first.
uint32_t OffloadEngine::give_held(uint64_t count, absl::Span<abi::Record> output) {
  const auto given = static_cast<uint32_t>(std::min<uint64_t>({count, output.size(), held_.size()}));
  std::copy_n(held_.begin(), given, output.begin());
  held_.erase(held_.begin(), held_.begin() + given);
  return given;
}

// The card is being filled, and `completion` tells of changes taken out of the CPU engine's log: they go to it too.
void OffloadEngine::note_extracted(const abi::Completion& completion, absl::Span<const abi::Record> output) {
  for (uint32_t i = 0; i < completion.count; ++i) for_card(output[i]);
  cpu_log_empty_ = completion.next == 0;
}

// The card is being filled: what the caller applied goes to it too, and what it `extracted`; but nothing that was held.
// That is older than the table and the log, from which the card has the session or its end, and would bring an ended
// one back.
void OffloadEngine::note_for_card(const Batch& batch, bool extracted) {
  size_t used = 0;
  for (size_t i = 0; i < batch.operations.size(); ++i) {
    const abi::Operation& operation = batch.operations[i];
    const abi::Completion& completion = batch.completions[i];
    if (completion.changed != 0) cpu_log_empty_ = false;
    if (operation.opcode == Opcode::kExtract && extracted) {
      note_extracted(completion, batch.output.subspan(used));
      used += completion.count;
    } else if (operation.opcode == Opcode::kApply &&
               (completion.result == Result::kDone || completion.result == Result::kMiss)) {
      for_card(batch.records[operation.record]);
    }
  }
}

// Applies what the card has let go of to the CPU engine.
void OffloadEngine::shadow(absl::Span<const abi::Record> records) {
  std::array<abi::Operation, kChunk> operations = {};
  std::array<abi::Completion, kChunk> completions;
  for (size_t first = 0; first < records.size(); first += kChunk) {
    const size_t count = std::min(kChunk, records.size() - first);
    for (size_t i = 0; i < count; ++i) {
      operations[i].opcode = Opcode::kApply;
      operations[i].record = static_cast<uint32_t>(i);
    }
    run_on_cpu({.tag = 0,
                .now_ms = now_ms_,
                .operations = absl::MakeConstSpan(operations.data(), count),
                .records = records.subspan(first, count),
                .completions = absl::MakeSpan(completions.data(), count),
                .output = {}});
    for (size_t i = 0; i < count; ++i) {
      const Result result = completions[i].result;
      if (result == Result::kFull || result == Result::kInvalid) ++counters_.shadow_refused;
    }
  }
  counters_.shadowed += records.size();
}

}  // namespace phalanx
