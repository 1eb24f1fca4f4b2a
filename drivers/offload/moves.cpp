// Planned moves of all sessions, while traffic goes on: to a card that became ready, and to the CPU engine.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "drivers/offload/offload_engine.hpp"

namespace phalanx {

using abi::Opcode;
using abi::Result;

void OffloadEngine::poll_moves(int64_t now_ns) {
  card_->tend(now_ns);
  if (own_in_flight_ || state_ != OffloadState::kCpu) poll_card();
  switch (state_) {
    case OffloadState::kCpu:
      if (card_wanted_ && may_return_ && !own_in_flight_ && card_->state() == CardState::kReady &&
          card_->incarnation() != moves_refused_incarnation_) {
        begin_move_to_card();
      }
      return;
    case OffloadState::kToCard:
      if (!card_wanted_) return give_up_move({});
      return copy_step();
    case OffloadState::kCard:
      if (card_wanted_) return compare_step(now_ns);
      state_ = OffloadState::kToCpu;
      return;
    case OffloadState::kToCpu:
      if (card_wanted_) {
        state_ = OffloadState::kCard;
        return;
      }
      return drain_step();
  }
}

void OffloadEngine::begin_move_to_card() {
  card_->clear();
  move_incarnation_ = card_->incarnation();
  for_card_.clear();
  for_card_overflow_ = copied_all_ = counts_agree_ = cpu_log_empty_ = false;
  copy_next_ = 0;
  copy_passes_ = 1;
  state_ = OffloadState::kToCard;
}

void OffloadEngine::for_card(const abi::Record& record) {
  if (for_card_.size() == kForCardMax) {
    for_card_overflow_ = true;
    return;
  }
  for_card_.push_back(record);
}

// One batch of the copy, or the end of it. Everything that the CPU engine knows reaches the card by APPLY, in slices of
// the table and as it changes; the newer version wins, so their order does not matter.
void OffloadEngine::copy_step() {
  if (own_in_flight_) return;
  if (for_card_overflow_) return copy_again("changes come faster than the card takes them");
  if (copied_all_) drain_cpu_log(kMoveRecordsMax - std::min(kMoveRecordsMax, for_card_.size()));
  if (!collect_for_card()) {
    // Nothing to send, and all that was sent is answered.
    if (!copied_all_ || !cpu_log_empty_) return;
    const uint64_t expected = cpu_->counters().sessions;
    const uint64_t found = card_->counters().sessions;
    if (expected != found) return copy_again(absl::StrCat("the card holds ", found, " sessions of ", expected));
    return finish_move_to_card();
  }
  // With the counts found equal before, this batch is the last: whatever comes later is decided by the card, behind it.
  const bool whole = copied_all_ && cpu_log_empty_ && for_card_.empty();
  own_expected_ = whole ? cpu_->counters().sessions : kNotCounted;
  post_to_card();
  if (own_in_flight_ && whole && counts_agree_) finish_move_to_card();
}

void OffloadEngine::copy_again(const std::string& why) {
  if (copy_passes_ == kCopyPassesMax) return give_up_move({CardFaultKind::kRefused, why});
  ++copy_passes_;
  for_card_.clear();
  for_card_overflow_ = copied_all_ = counts_agree_ = cpu_log_empty_ = false;
  copy_next_ = 0;
  card_->clear();
}

// Takes changes out of the CPU engine's log for the card, and keeps them for the caller.
void OffloadEngine::drain_cpu_log(size_t limit) {
  own_records_.resize(kMoveRecordsMax);
  limit = std::min({limit, own_records_.size(), kHeldMax - std::min(kHeldMax, held_.size())});
  if (limit == 0) return;
  abi::Operation operation = {};
  operation.opcode = Opcode::kExtract;
  operation.count = limit;
  const abi::Completion completion = run_one_on_cpu(operation, nullptr, absl::MakeSpan(own_records_).first(limit));
  cpu_log_empty_ = completion.result == Result::kDone && completion.next == 0;
  for (uint32_t i = 0; i < completion.count; ++i) {
    held_.push_back(own_records_[i]);
    for_card(own_records_[i]);
  }
}

// Fills the own batch with what waits and, if there is room, the next slice of the table. False if there is nothing.
bool OffloadEngine::collect_for_card() {
  own_records_.resize(kMoveRecordsMax);
  size_t count = std::min(for_card_.size(), kMoveRecordsMax);
  std::copy_n(for_card_.begin(), count, own_records_.begin());
  for_card_.erase(for_card_.begin(), for_card_.begin() + static_cast<std::ptrdiff_t>(count));
  for (uint64_t slots = 0; !copied_all_ && count + kMoveSlots <= kMoveRecordsMax && slots < kMoveSlots;) {
    abi::Operation operation = {};
    operation.opcode = Opcode::kScan;
    operation.argument = copy_next_;
    operation.count = std::min(kMoveSlots, this->slots() - copy_next_);
    const abi::Completion completion =
        run_one_on_cpu(operation, nullptr, absl::MakeSpan(own_records_).subspan(count, kMoveSlots));
    slots += operation.count;
    count += completion.count;
    counters_.copied += completion.count;
    copy_next_ = completion.next;
    copied_all_ = completion.next == 0;
  }
  own_records_.resize(count);
  return count != 0;
}

// Sends own_operations_ to the card; own_in_flight_ says whether they went.
absl::Status OffloadEngine::submit_own(OwnBatch own, absl::Span<const abi::Record> records,
                                       absl::Span<abi::Record> output) {
  own_ = own;
  own_is_void_ = false;
  absl::Status status = card_->submit({.tag = kOwnTag,
                                       .now_ms = now_ms_,
                                       .operations = own_operations_,
                                       .records = records,
                                       .completions = absl::MakeSpan(own_completions_),
                                       .output = output});
  own_in_flight_ = status.ok();
  return status;
}

void OffloadEngine::post_to_card() {
  own_operations_.assign(own_records_.size(), abi::Operation{});
  own_completions_.resize(own_records_.size());
  for (size_t i = 0; i < own_operations_.size(); ++i) {
    own_operations_[i].opcode = Opcode::kApply;
    own_operations_[i].record = static_cast<uint32_t>(i);
  }
  const absl::Status status = submit_own(OwnBatch::kCopy, own_records_, {});
  if (!status.ok()) {
    give_up_move(card_->state() != CardState::kReady
                     ? card_->last_fault()
                     : CardFault{CardFaultKind::kRefused, std::string(status.message())});
  }
}

// The card has applied our batch.
void OffloadEngine::take_in_copied() {
  const bool refused = std::any_of(own_completions_.begin(), own_completions_.end(), [](const abi::Completion& c) {
    return c.result == Result::kFull || c.result == Result::kInvalid;
  });
  if (refused) return fail_over({CardFaultKind::kRefused, "the card has no room for a session that is moved to it"});
  if (own_expected_ == kNotCounted || state_ != OffloadState::kToCard) return;
  const uint64_t found = card_->counters().sessions;
  counts_agree_ = found == own_expected_;
  if (!counts_agree_) copy_again(absl::StrCat("the card holds ", found, " sessions of ", own_expected_));
}

void OffloadEngine::finish_move_to_card() {
  state_ = OffloadState::kCard;
  degraded_ = false;
  journal_.clear();
  card_log_empty_ = true;
  card_generation_ = generation_;
  card_->advance_generation(generation_);
  card_->set_age_floor(now_ms_);
  card_since_ms_ = now_ms_;
  ++counters_.moves_to_card;
}

void OffloadEngine::give_up_move(const CardFault& fault) {
  if (state_ != OffloadState::kToCard) return fail_over(fault);
  state_ = OffloadState::kCpu;
  own_is_void_ = true;
  for_card_.clear();
  ++counters_.moves_failed;
  if (fault.kind == CardFaultKind::kNone) return;
  last_fault_ = fault;
  degraded_ = true;
  moves_refused_incarnation_ = move_incarnation_;
}

// Fetches what is left in the card's change log, for the CPU engine and for the caller, and lets the CPU engine decide
// once the log is empty and nothing is on its way.
void OffloadEngine::drain_step() {
  if (own_in_flight_ || !all_answered()) return;
  if (card_log_empty_) {
    let_cpu_decide(generation_);
    state_ = OffloadState::kCpu;
    ++counters_.moves_to_cpu;
    return;
  }
  if (held_.size() + kMoveSlots > kHeldMax) return;  // until the caller has extracted some
  own_records_.resize(kMoveSlots);
  own_completions_.resize(1);
  own_operations_.assign(1, abi::Operation{});
  own_operations_[0].opcode = Opcode::kExtract;
  own_operations_[0].count = kMoveSlots;
  (void)submit_own(OwnBatch::kDrain, {}, absl::MakeSpan(own_records_));
  if (!own_in_flight_ && card_->state() != CardState::kReady) fail_over(card_->last_fault());
}

}  // namespace phalanx
