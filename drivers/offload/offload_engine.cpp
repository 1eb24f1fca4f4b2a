// Batches: who carries them out, and what is remembered of the card's answers.
#include "drivers/offload/offload_engine.hpp"

#include <algorithm>
#include <cassert>

#include "absl/strings/str_cat.h"

namespace phalanx {

using abi::Opcode;
using abi::Result;

const char* offload_state_text(OffloadState state) {
  switch (state) {
#define PHALANX_OFFLOAD_STATE_CASE(name, text) \
  case OffloadState::name:                     \
    return text;
    PHALANX_OFFLOAD_STATES(PHALANX_OFFLOAD_STATE_CASE)
#undef PHALANX_OFFLOAD_STATE_CASE
  }
  return "unknown";
}

namespace {

hls::TrackConfig track_config(const EngineConfig& config) {
  hls::TrackConfig track = hls::default_track_config();
  track.tcp_pickup = config.tcp_pickup;
  return track;
}

bool all_are(const Batch& batch, Opcode opcode) {
  return std::all_of(batch.operations.begin(), batch.operations.end(),
                     [&](const abi::Operation& o) { return o.opcode == opcode; });
}

}  // namespace

absl::StatusOr<std::unique_ptr<OffloadEngine>> OffloadEngine::create(const OffloadOptions& options,
                                                                     CardAccelerator* card, CpuEngine* cpu) {
  if (card->slots() != cpu->slots()) {
    return absl::InvalidArgumentError(
        absl::StrCat("offload: the card has ", card->slots(), " slots, the CPU engine ", cpu->slots()));
  }
  return std::unique_ptr<OffloadEngine>(new OffloadEngine(options, card, cpu));
}

OffloadEngine::OffloadEngine(const OffloadOptions& options, CardAccelerator* card, CpuEngine* cpu)
    : options_(options),
      track_config_(track_config(options.config)),
      card_(card),
      cpu_(cpu),
      card_wanted_(options.card_wanted),
      own_records_(kMoveRecordsMax),
      own_operations_(kMoveRecordsMax),
      own_completions_(kMoveRecordsMax) {}

absl::Status OffloadEngine::check(const Batch& batch) const {
  if (batch.completions.size() != batch.operations.size()) {
    return absl::InvalidArgumentError(absl::StrCat("offload: batch of ", batch.operations.size(), " operations with ",
                                                   batch.completions.size(), " completions"));
  }
  const bool scans = std::any_of(batch.operations.begin(), batch.operations.end(),
                                 [](const abi::Operation& o) { return o.opcode == Opcode::kScan; });
  if (scans && !all_are(batch, Opcode::kScan)) {
    return absl::InvalidArgumentError("offload: SCAN goes in a batch without other operations");
  }
  if (end_ - first_ == kBatchesInFlightMax) {
    return absl::ResourceExhaustedError(absl::StrCat("offload: ", kBatchesInFlightMax, " batches in flight"));
  }
  return absl::OkStatus();
}

absl::Status OffloadEngine::submit(const Batch& batch) {
  if (absl::Status status = check(batch); !status.ok()) return status;
  if (static_cast<int32_t>(batch.now_ms - now_ms_) > 0) now_ms_ = batch.now_ms;
  Outstanding& outstanding = outstanding_[end_ % kBatchesInFlightMax];
  outstanding = {batch, true, false, generation_};
  const bool scan = !batch.operations.empty() && batch.operations[0].opcode == Opcode::kScan;
  const bool held = !held_.empty() && !batch.operations.empty() && all_are(batch, Opcode::kExtract);
  if (scan) {
    run_on_cpu(batch);
  } else if (card_decides() && held) {
    size_t used = 0;
    for (size_t i = 0; i < batch.operations.size(); ++i) {
      abi::Completion& completion = batch.completions[i];
      completion = {};
      completion.count = give_held(batch.operations[i].count, batch.output.subspan(used));
      used += completion.count;
      completion.next = held_.size() + 1;  // what the card's log has is not known: ask again
    }
  } else if (card_decides()) {
    absl::Status status = submit_to_card(batch);
    if (!status.ok() && card_decides()) return status;
    outstanding.done = !status.ok();
    // The card failed now; those before it have been redone already.
    if (outstanding.done) carry_out_on_cpu(batch);
  } else {
    carry_out_on_cpu(batch);
  }
  ++end_;
  return absl::OkStatus();
}

// Not OK: the batch was refused, or the card has failed and the CPU engine decides.
absl::Status OffloadEngine::submit_to_card(const Batch& batch) {
  if (journal_.size() + operations_unanswered_ + batch.operations.size() > Journal::kEntriesMax &&
      !all_are(batch, Opcode::kExtract)) {
    ++counters_.journal_full;
    return absl::ResourceExhaustedError("offload: too many changes that were not extracted; EXTRACT first");
  }
  Batch to_card = batch;
  to_card.tag = end_;
  absl::Status status = card_->submit(to_card);
  if (status.ok()) {
    ++unanswered_;
    operations_unanswered_ += batch.operations.size();
    return status;
  }
  if (card_->state() != CardState::kReady) fail_over(card_->last_fault());
  return status;
}

size_t OffloadEngine::poll(absl::Span<uint64_t> tags) {
  if (!all_answered() || own_in_flight_) poll_card();
  size_t count = 0;
  while (count < tags.size() && first_ != end_ && outstanding_[first_ % kBatchesInFlightMax].done) {
    tags[count++] = outstanding_[first_++ % kBatchesInFlightMax].batch.tag;
  }
  return count;
}

void OffloadEngine::poll_card() {
  std::array<uint64_t, kBatchesInFlightMax + 1> tags;
  const size_t count = card_->poll(absl::MakeSpan(tags));
  for (size_t i = 0; i < count; ++i) {
    if (tags[i] == kOwnTag) {
      own_in_flight_ = false;
      if (own_is_void_) continue;
      take_in_own();
      continue;
    }
    Outstanding& outstanding = outstanding_[tags[i] % kBatchesInFlightMax];
    if (!card_decides() || outstanding.done) continue;  // a fault came between; it has been redone
    outstanding.done = true;
    --unanswered_;
    operations_unanswered_ -= outstanding.batch.operations.size();
    if (!outstanding.before_clear) take_in(outstanding);
  }
  if (card_->state() == CardState::kReady && card_->incarnation() == move_incarnation_) return;
  own_in_flight_ = false;
  fail_over(card_->last_fault());
}

void OffloadEngine::take_in_own() {
  switch (own_) {
    case OwnBatch::kCopy:
      return take_in_copied();
    case OwnBatch::kDrain:
      take_in_extracted(own_completions_[0], absl::MakeConstSpan(own_records_).first(own_completions_[0].count));
      held_.insert(held_.end(), own_records_.begin(), own_records_.begin() + own_completions_[0].count);
      return;
    case OwnBatch::kCompare:
      return take_in_compared();
  }
}

// What the card has done, in order, for the shadow and the journal.
void OffloadEngine::take_in(const Outstanding& outstanding) {
  const Batch& batch = outstanding.batch;
  card_generation_ = std::max(card_generation_, outstanding.generation);
  counters_.operations_on_card += batch.operations.size();
  size_t used = 0;
  for (size_t i = 0; i < batch.operations.size(); ++i) {
    const abi::Operation& operation = batch.operations[i];
    const abi::Completion& completion = batch.completions[i];
    if (completion.changed != 0) card_log_empty_ = false;
    if (operation.opcode == Opcode::kLookup || operation.opcode == Opcode::kDelete) [[likely]] {
      if (completion.changed != 0 || !journal_.empty()) journal_.note(operation, nullptr, completion, 0);
    } else if (operation.opcode == Opcode::kInsert && completion.result == Result::kDone) {
      const abi::Record& record = batch.records[operation.record];
      const uint64_t given = record.session.order >> hls::kVersionBits;
      const uint64_t generation = given != 0 ? given : card_generation_ + 1;
      card_generation_ = std::max(card_generation_, generation);
      journal_.note(operation, &record, completion, generation);
    } else if (operation.opcode == Opcode::kApply && completion.result != Result::kInvalid) {
      const abi::Record& record = batch.records[operation.record];
      card_generation_ = std::max(card_generation_, record.session.order >> hls::kVersionBits);
      if (completion.result != Result::kDone && completion.result != Result::kMiss) continue;
      shadow(absl::MakeConstSpan(&record, 1));
      if (!journal_.empty()) journal_.forget(record);
    } else if (operation.opcode == Opcode::kExtract && completion.result == Result::kDone) {
      take_in_extracted(completion, batch.output.subspan(used, completion.count));
      used += completion.count;
    }
  }
  if (used != 0 || !held_.empty()) give_after_held(batch, used);
  generation_ = std::max(generation_, card_generation_);
}

// What a move took out of the log ahead of this batch goes to the caller ahead of the batch's own `count` records: an
// end must not come before what it ends.
void OffloadEngine::give_after_held(const Batch& batch, size_t count) {
  if (held_.empty()) return;
  held_.insert(held_.end(), batch.output.begin(), batch.output.begin() + static_cast<std::ptrdiff_t>(count));
  size_t used = 0;
  for (size_t i = 0; i < batch.operations.size(); ++i) {
    if (batch.operations[i].opcode != Opcode::kExtract) continue;
    abi::Completion& completion = batch.completions[i];
    completion.count = give_held(batch.operations[i].count, batch.output.subspan(used));
    used += completion.count;
    completion.next += held_.size();
  }
}

void OffloadEngine::take_in_extracted(const abi::Completion& completion, absl::Span<const abi::Record> records) {
  shadow(records);
  card_log_empty_ = completion.next == 0;
  if (card_log_empty_) {
    journal_.clear();
  } else if (!journal_.empty()) {
    for (const abi::Record& record : records) journal_.forget(record);
  }
}

void OffloadEngine::advance_generation(uint64_t generation) {
  generation_ = std::max(generation_, generation);
  cpu_->advance_generation(generation);
  card_->advance_generation(generation);
}

void OffloadEngine::set_age_floor(uint32_t now_ms) {
  cpu_->set_age_floor(now_ms);
  card_->set_age_floor(now_ms);
}

void OffloadEngine::clear() {
  cpu_->clear();
  card_->clear();
  journal_.clear();
  held_.clear();
  for_card_.clear();
  for (uint64_t i = first_; i != end_; ++i) outstanding_[i % kBatchesInFlightMax].before_clear = true;
  card_log_empty_ = all_answered();
  own_expected_ = kNotCounted;
  own_is_void_ = true;
  copy_next_ = 0;
  copied_all_ = counts_agree_ = cpu_log_empty_ = false;
}

OffloadStatus OffloadEngine::status() const {
  OffloadStatus status;
  status.state = state_;
  status.card_wanted = card_wanted_;
  status.degraded = degraded_;
  status.card = card_->state();
  status.last_fault = last_fault_;
  status.slots_copied = copied_all_ ? slots() : copy_next_;
  status.slots = slots();
  status.counters = counters_;
  return status;
}

}  // namespace phalanx
