// The passive states: following the active member, promises, and taking the role (docs/cluster.md, "Election").
#include <algorithm>
#include <cassert>
#include <tuple>

#include "host/cluster/state_machine.hpp"

namespace phalanx::cluster {

// Who shall be active if nobody is; the smaller one. Total: ids differ.
struct StateMachine::Rank {
  uint8_t problems;
  bool unsynchronized;
  bool new_to_it;  // not the one that was active until now
  uint16_t priority;
  MemberId id;
  friend bool operator<(const Rank& a, const Rank& b) {
    return std::tie(a.problems, a.unsynchronized, a.new_to_it, a.priority, a.id) <
           std::tie(b.problems, b.unsynchronized, b.new_to_it, b.priority, b.id);
  }
};

bool StateMachine::own_rank_was_active() const { return held_active_ && own_epoch_ == seen_epoch_; }

StateMachine::Rank StateMachine::own_rank() const {
  return {devices_.problems(), !synced_, !own_rank_was_active(), report_.priority, config_.own_id};
}

StateMachine::Rank StateMachine::rank_of(const Peer& p) const {
  const Report& r = p.report;
  return {r.problems, !r.synchronized, !r.was_active, p.config.priority, p.config.id};
}

// Only one whose epoch is the highest known: an older one is about to find out that it no longer is.
const StateMachine::Peer* StateMachine::active_peer() const {
  for (const Peer& p : peers_) {
    if (p.alive && is_active(p.report.state) && p.report.epoch == seen_epoch_) return &p;
  }
  return nullptr;
}

void StateMachine::update_synced() { synced_ = !must_full_sync_ && data_.whole; }

bool StateMachine::passive_step(int64_t now_ns, Actions& out) {
  const uint8_t problems = devices_.problems();
  if (state_ != MemberState::kDown && problems > 0) {
    change_state(MemberState::kDown, Cause::kCriticalDevice, kNoMember, now_ns, out);
    return true;
  }
  if (state_ == MemberState::kDown && problems == 0) {
    change_state(MemberState::kReady, Cause::kRecovered, kNoMember, now_ns, out);
    return true;
  }
  const Peer* active = active_peer();
  if (state_ == MemberState::kInit) {
    const bool all = std::all_of(peers_.begin(), peers_.end(), [](const Peer& p) { return p.alive; });
    if (!all && active == nullptr && !due(start_ns_ + config_.timers.initial_silence_ns, now_ns)) {
      promise();
      return false;
    }
    const Cause cause = all || active != nullptr ? Cause::kPeersHeard : Cause::kInitialSilenceOver;
    change_state(MemberState::kReady, cause, kNoMember, now_ns, out);
    return true;
  }
  const bool before = synced_;
  update_synced();
  if (synced_ != before) report_urgently();
  if (state_ == MemberState::kStandby && !synced_) {
    change_state(MemberState::kReady, Cause::kSyncIncomplete, kNoMember, now_ns, out);
    return true;
  }
  return active != nullptr ? follow(*active, now_ns, out) : elect(now_ns, out);
}

void StateMachine::request_full_sync(const Peer& active, int64_t now_ns, Actions& out) {
  update_synced();
  if (synced_) return;
  if (!must_full_sync_) {
    // The last one was begun, and did not lead to the whole: the data plane asks for another.
    if (!data_.needs_full_sync || !due(sync_requested_ns_ + kFullSyncRetryNs, now_ns)) return;
  }
  must_full_sync_ = false;
  data_.whole = data_.needs_full_sync = false;
  sync_requested_ns_ = now_ns;
  out.push_back(StartFullSync{active.config.id, ++sync_id_});
}

bool StateMachine::follow(const Peer& active, int64_t now_ns, Actions& out) {
  if (claims_) report_now();
  claims_ = false;
  promised_to_ = kNoMember;
  if (held_active_) must_full_sync_ = true;  // its state and ours have parted
  held_active_ = false;
  note_active(active.config.id);
  if (followed_incarnation_ != active.incarnation || followed_epoch_ != active.report.epoch) {
    followed_incarnation_ = active.incarnation;
    followed_epoch_ = active.report.epoch;
    out.push_back(FollowActive{active.config.id, active.incarnation, active.report.epoch});
    if (!synced_) must_full_sync_ = true;  // a sync under way came from another
  }
  request_full_sync(active, now_ns, out);
  if (state_ == MemberState::kReady && synced_) {
    change_state(MemberState::kStandby, Cause::kSynchronized, active.config.id, now_ns, out);
    return true;
  }
  if (handover_out_.kind == Handover::kRequest && due(request_until_ns_, now_ns)) {
    handover_out_ = {};
    count(ClusterCounter::kHandoversCancelled);
    log_cause(Cause::kHandoverCancelled, active.config.id, now_ns, out);
  }
  return take_offer(active, now_ns, out);
}

// At most one promise at a time, kept until the one it was given to stops claiming or is not heard for dead_ns.
void StateMachine::promise() {
  if (promised_to_ != kNoMember) {
    const Peer* held = peer(promised_to_);
    if (held != nullptr && held->alive && held->report.claims_active) return;
    const bool released = held != nullptr && held->alive && !is_active(held->report.state);
    if (!released && last_event_ns_ < promise_until_ns_) return;
    promised_to_ = kNoMember;
    report_now();
  }
  const Peer* best = nullptr;
  for (const Peer& p : peers_) {
    if (p.alive && p.report.claims_active && (best == nullptr || rank_of(p) < rank_of(*best))) best = &p;
  }
  if (best == nullptr || (claims_ && own_rank() < rank_of(*best))) return;
  claims_ = false;
  promised_to_ = best->config.id;
  report_urgently();
}

// Did `p` promise, after hearing this claim, and is that so recent that its promise outlasts our first lease?
bool StateMachine::promised_by(const Peer& p, int64_t now_ns) const {
  const PeerEcho& echo = p.report.peers[config_.own_id - 1];
  const bool answers = echo.incarnation == config_.incarnation && echo.report_sequence >= claim_sequence_;
  if (!answers) {
    // Heard but deaf: it answers nothing. It must not hold the whole cluster for ever.
    return !is_active(p.report.state) && now_ns - claim_since_ns_ >= kClaimPatience * config_.timers.dead_ns;
  }
  if (p.report.promised_to != config_.own_id) return false;
  if (echo.report_sequence + kSentTimes <= report_.report_sequence) return false;
  return now_ns < sent_ns_[echo.report_sequence % kSentTimes] + config_.timers.lease_ns;
}

bool StateMachine::elect(int64_t now_ns, Actions& out) {
  for (const Peer& p : peers_) {
    if (promised_to_ == p.config.id && p.last_heard_ns != kNever) {
      promise_until_ns_ = p.last_heard_ns + config_.timers.dead_ns;
    }
  }
  promise();
  if (promised_to_ != kNoMember) {
    wake_at(std::max(promise_until_ns_, now_ns + config_.timers.report_gap_ns()));
    return false;
  }
  bool may_claim = true;
  for (const Peer& p : peers_) {
    const bool better = p.alive && p.report.state != MemberState::kInit && rank_of(p) < own_rank();
    if (better || (!p.alive && !can_do_without(p, now_ns))) may_claim = false;
  }
  if (!may_claim) {
    if (claims_) report_now();
    claims_ = false;
    return false;
  }
  if (!claims_) {
    claims_ = true;
    claim_sequence_ = report_.report_sequence + 1;
    claim_since_ns_ = now_ns;
    report_urgently();
  }
  for (const Peer& p : peers_) {
    if (p.alive && !promised_by(p, now_ns)) return false;
  }
  const bool takes_over = last_active_ != kNoMember && last_active_ != config_.own_id;
  become_active(takes_over ? Cause::kTakeover : Cause::kElected, takes_over ? last_active_ : kNoMember, now_ns, out);
  return true;
}

void StateMachine::become_active(Cause cause, MemberId about, int64_t now_ns, Actions& out) {
  const MemberState to = devices_.problems() > 0 ? MemberState::kActiveAttention : MemberState::kActive;
  own_epoch_ = ++seen_epoch_;
  change_state(to, cause, about, now_ns, out);
  claims_ = false;
  promised_to_ = kNoMember;
  handover_ = {};
  handover_out_ = {};
  must_full_sync_ = held_active_ = false;
  data_.whole = synced_ = true;
  followed_incarnation_ = followed_epoch_ = 0;
  relay_to_ = kNoMember;
  relay_until_ns_ = 0;
  handover_not_before_ns_ = now_ns;
  note_active(config_.own_id);
  count(ClusterCounter::kTakeovers);
  role_ = Role::kActive;
  // The lease is that of the report that this event sends; the one before it may be long ago, after a pause.
  last_report_ns_ = now_ns;
  lease_until_ns_ = now_ns + config_.timers.lease_ns;
  const MemberId taken_from = cause == Cause::kHandoverAccepted ? about : kNoMember;
  out.push_back(SetRole{role_, own_epoch_, lease_until_ns_, kNoMember, 0, taken_from});
  announce_round_ = 0;
  active_since_ns_ = now_ns;
}

}  // namespace phalanx::cluster
