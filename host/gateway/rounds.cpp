// The slow path: packets without a session, in rounds of one batch for all of them.
//
// The first packet of each flow is decided on and opens its session by INSERT; others of that flow follow by LOOKUP
// behind it. Hide NAT proposes another port in the next round where one was taken. If a flow's first packet does not
// open it, the others no longer wait for one another but open by themselves: whoever sends many packets of a flow that
// opens no session gets three rounds with them, not one each.
#include <cassert>

#include "host/gateway/dataplane.hpp"

namespace phalanx::gateway {
namespace {

// What is known of a flow in this wave.
enum FlowState : uint32_t { kOpening, kOpened };

}  // namespace

void Dataplane::submit_round(int64_t now_ns) {
  using Step = Pending::Step;
  round_operations_.clear();
  round_records_.clear();
  const bool still_deciding = deciding(now_ns);
  // By index: what is refused here may release fragments that were held for it, and so add to the list.
  for (size_t i = 0; i < pending_.size(); ++i) {
    pending_[i].operation = Pending::kNone;
    if (!still_deciding) {
      drop(not_deciding());
      end(pending_[i], false);
    } else if (pending_[i].step == Step::kDecide || pending_[i].step == Step::kOpen) {
      prepare(now_ns, pending_[i]);
    }
  }
  for (Pending& pending : pending_) {
    const bool looks_up = pending.step == Step::kFollow || pending.step == Step::kHeld;
    if (looks_up && round_operations_.size() < kRoundMax) add_to_round(pending, abi::Opcode::kLookup);
  }
  if (!round_operations_.empty()) close_round(now_ns);
  std::erase_if(pending_, [](const Pending& one) { return one.step == Step::kDone; });
}

// An INSERT for the packet, unless it follows another or is refused.
void Dataplane::prepare(int64_t now_ns, Pending& pending) {
  using Step = Pending::Step;
  const hls::FlowKey& key = pending.item->packet.meta.key;
  if (pending.step == Step::kDecide) {
    if (!pending.by_itself && flows_.find(key) != FlowIndex::kNone) {
      pending.step = Step::kFollow;
      return;
    }
    if (!decide(now_ns, *pending.item, pending.opening)) return end(pending, false);
    pending.step = Step::kOpen;
  }
  const std::optional<abi::Record> record = propose(*pending.item, pending.opening);
  if (!record) {
    drop(DropReason::kNatNoPort);
    return end(pending, false);
  }
  if (!pending.by_itself && flows_.find(key) == FlowIndex::kNone) flows_.put(key, kOpening);
  add_to_round(pending, abi::Opcode::kInsert);
  round_operations_.back().record = static_cast<uint32_t>(round_records_.size());
  round_records_.push_back(*record);
}

void Dataplane::add_to_round(Pending& pending, abi::Opcode opcode) {
  pending.operation = static_cast<uint32_t>(round_operations_.size());
  abi::Operation& operation = round_operations_.emplace_back();
  operation.opcode = opcode;
  operation.packet = pending.item->packet.meta;
}

// Reads what has changed behind the round's operations, and sends it on its way.
void Dataplane::close_round(int64_t now_ns) {
  abi::Operation& extract = round_operations_.emplace_back();
  extract.opcode = abi::Opcode::kExtract;
  extract.count = round_operations_.size() + kExtractMax;
  round_completions_.resize(round_operations_.size());
  extracted_.resize(std::max<size_t>(extracted_.size(), extract.count));
  round_open_ = queue_.submit({.tag = kRoundTag,
                               .now_ms = to_ms(now_ns),
                               .operations = round_operations_,
                               .records = round_records_,
                               .completions = absl::MakeSpan(round_completions_),
                               .output = absl::MakeSpan(extracted_)});
  if (round_open_) return;
  log_left_ = true;
  for (size_t i = 0, count = pending_.size(); i < count; ++i) {
    if (pending_[i].operation == Pending::kNone) continue;
    drop(DropReason::kEngine);
    end(pending_[i], false);
  }
}

void Dataplane::finish_round(int64_t now_ns) {
  round_open_ = false;
  tell(now_ns, round_completions_.back(), extracted_);
  const bool still_deciding = deciding(now_ns);
  for (size_t i = 0, count = pending_.size(); i < count; ++i) {
    Pending& pending = pending_[i];
    if (pending.operation == Pending::kNone) continue;
    const abi::Completion& completion = round_completions_[pending.operation];
    if (!still_deciding) {
      drop(not_deciding());
      end(pending, false);
    } else if (pending.step == Pending::Step::kOpen) {
      finish_open(now_ns, pending, completion);
    } else {
      finish_look_up(now_ns, pending, completion);
    }
  }
  std::erase_if(pending_, [](const Pending& one) { return one.step == Pending::Step::kDone; });
  if (groups_ahead() > 1) send(now_ns);
}

void Dataplane::finish_open(int64_t now_ns, Pending& pending, const abi::Completion& completion) {
  const hls::FlowKey& key = pending.item->packet.meta.key;
  switch (completion.result) {
    case abi::Result::kDone:
      ++counters_.opened;
      flows_.put(key, kOpened);
      return end(pending, forward(now_ns, *pending.item, completion));
    case abi::Result::kExists:
      if (flows_.find(key) == kOpened) {
        pending.step = Pending::Step::kFollow;
        return;
      }
      if (pending.opening.source.allocate_port) {
        ++pending.opening.attempt;
        return;
      }
      drop(DropReason::kSessionConflict);
      break;
    case abi::Result::kDrop:
      drop(from_track(completion.reason));
      break;
    case abi::Result::kFull:
      drop(DropReason::kSessionTableFull);
      break;
    case abi::Result::kHalfOpen:
      drop(DropReason::kHalfOpenLimit);
      break;
    default:
      drop(DropReason::kEngine);
  }
  end(pending, false);
}

void Dataplane::finish_look_up(int64_t now_ns, Pending& pending, const abi::Completion& completion) {
  switch (completion.result) {
    case abi::Result::kDone:
      return end(pending, forward(now_ns, *pending.item, completion));
    case abi::Result::kMiss:
      if (pending.step == Pending::Step::kFollow && !pending.by_itself) {
        pending.by_itself = true;
        pending.step = Pending::Step::kDecide;
        return;
      }
      drop(pending.step == Pending::Step::kHeld ? DropReason::kFragmentFirstDropped : DropReason::kSessionConflict);
      break;
    case abi::Result::kDrop:
      drop(from_track(completion.reason));
      break;
    default:
      drop(DropReason::kEngine);
  }
  end(pending, false);
}

// `pending` is not to be used any more: the list may have grown.
void Dataplane::end(Pending& pending, bool passed) {
  pending.step = Pending::Step::kDone;
  decided(*pending.item, passed);
}

}  // namespace phalanx::gateway
