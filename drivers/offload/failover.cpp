// The card is lost, without notice: the CPU engine takes over. Reasons: docs/card.md, "When a card fails".
#include <algorithm>

#include "drivers/offload/offload_engine.hpp"
#include "hls/nat.hpp"
#include "hls/track.hpp"

namespace phalanx {

using abi::Opcode;
using abi::Result;

void OffloadEngine::fail_over(const CardFault& fault) {
  if (state_ == OffloadState::kToCard) return give_up_move(fault);
  if (!card_decides()) return;
  state_ = OffloadState::kCpu;
  degraded_ = card_wanted_;
  may_return_ = options_.return_after_fault;
  last_fault_ = fault;
  own_in_flight_ = false;
  ++counters_.failovers;
  if (card_->state() == CardState::kReady) card_->condemn(fault.what);
  let_cpu_decide(generation_ + kGenerationJump);
  replay();
  redo_unanswered();
}

// From now on the CPU engine decides. Its TCP windows may lag behind what the card let pass, so all are re-anchored,
// and nothing is older than now. Records of its own from the very millisecond in which the card became the decider
// would not count as older than that millisecond, so the engine's clock then goes one ahead of the caller's.
void OffloadEngine::let_cpu_decide(uint64_t generation) {
  generation_ = std::max(generation_, generation);
  cpu_->advance_generation(generation_);
  if (now_ms_ == card_since_ms_) ++now_ms_;
  run_on_cpu({.tag = 0, .now_ms = now_ms_, .operations = {}, .records = {}, .completions = {}, .output = {}});
  cpu_->set_age_floor(now_ms_);
}

// What the card had answered and nobody extracted.
void OffloadEngine::replay() {
  for (const Journal::Entry& entry : journal_.entries()) {
    const bool same = entry.operation.opcode == Opcode::kInsert
                          ? replay_insert(entry)
                          : run_one_on_cpu(entry.operation, nullptr, {}).result == Result::kDone;
    ++counters_.replayed;
    if (!same) ++counters_.replay_refused;
  }
  journal_.clear();
}

// The session as INSERT opened it, of the generation that it got, as a replicated record: so that a binding which it
// took over from a session whose end was never extracted is its own here too, and a later one's stays that one's.
bool OffloadEngine::replay_insert(const Journal::Entry& entry) {
  abi::Record record = entry.record;
  record.session.flags &= hls::kOriginatorIsB | hls::kNatMask | hls::kNatWide;
  record.session.state = hls::kStateFree;
  record.session.order = entry.generation << hls::kVersionBits;
  if (!hls::open_session(record.session, entry.operation.packet, now_ms_, track_config_).pass) return false;
  abi::Operation operation = {};
  operation.opcode = Opcode::kApply;
  const Result result = run_one_on_cpu(operation, &record, {}).result;
  if (result != Result::kDone) return false;
  held_.push_back(record);  // APPLY logs nothing, and the others must hear of it
  return true;
}

// Batches whose answer never came. Those of a table that was forgotten since were the first, and then nothing later
// was answered: the table they are done on is empty and forgotten again.
void OffloadEngine::redo_unanswered() {
  bool forget = false;
  for (uint64_t i = first_; i != end_; ++i) {
    Outstanding& outstanding = outstanding_[i % kBatchesInFlightMax];
    if (outstanding.done) continue;
    if (forget && !outstanding.before_clear) {
      cpu_->clear();
      held_.clear();
      forget = false;
    }
    forget = forget || outstanding.before_clear;
    carry_out_on_cpu(outstanding.batch);
    outstanding.done = true;
    counters_.redone += outstanding.batch.operations.size();
  }
  if (forget) {
    cpu_->clear();
    held_.clear();
  }
  unanswered_ = operations_unanswered_ = 0;
}

}  // namespace phalanx
