// The active states: the lease, yielding, problems (docs/cluster.md, "Lease").
#include <algorithm>
#include <utility>

#include "host/cluster/state_machine.hpp"

namespace phalanx::cluster {

// INT64_MAX unless the configuration says to step down and there is a peer whose fate is not known.
int64_t StateMachine::isolation_limit_ns() const {
  if (config_.when_isolated != WhenIsolated::kStepDown) return INT64_MAX;
  bool concerned = false;
  int64_t evidence = active_since_ns_;
  for (const Peer& p : peers_) {
    concerned = concerned || (p.incarnation != 0 && !p.proven_dead);
    evidence = std::max(evidence, p.last_heard_ns);
  }
  for (size_t i = 0; i < interfaces_.size(); ++i) {
    if (!config_.interfaces[i].sync) evidence = std::max(evidence, interfaces_[i].answered_ns);
  }
  return concerned ? evidence + config_.timers.isolation_lease_ns() : INT64_MAX;
}

int64_t StateMachine::lease_limit_ns() {
  int64_t limit = last_report_ns_ + config_.timers.lease_ns;
  for (const Peer& p : peers_) {
    if (p.alive) limit = std::min(limit, p.told_until_ns);
  }
  const int64_t isolation = isolation_limit_ns();
  lease_ends_by_isolation_ = isolation < limit;
  return std::min(limit, isolation);
}

void StateMachine::renew_lease(Actions& out) {
  const int64_t limit = lease_limit_ns();
  if (limit != lease_until_ns_) {
    lease_until_ns_ = limit;
    out.push_back(RenewLease{limit});
  }
  wake_at(limit);
}

void StateMachine::lease_ran_out(int64_t now_ns, Actions& out) {
  count(ClusterCounter::kLeaseExpired);
  if (handover_.phase != Phase::kNone) count(ClusterCounter::kHandoversCancelled);
  const Cause cause = lease_ends_by_isolation_ ? Cause::kIsolated : Cause::kLeaseExpired;
  change_state(MemberState::kReady, cause, kNoMember, now_ns, out);
}

bool StateMachine::yield_to_other_active(int64_t now_ns, Actions& out) {
  const Peer* winner = nullptr;
  for (Peer& p : peers_) {
    if (!p.alive || !is_active(p.report.state)) continue;
    const bool new_one = p.counted_epoch != p.report.epoch;
    if (p.report.epoch > own_epoch_) winner = &p;
    if (p.report.epoch < own_epoch_ && p.report.handover.kind != Handover::kOffer && new_one) {
      p.counted_epoch = p.report.epoch;
      count(ClusterCounter::kStaleActives);
    }
    if (p.report.epoch != own_epoch_) continue;
    if (new_one) {
      p.counted_epoch = p.report.epoch;
      count(ClusterCounter::kSplitBrains);
      report_urgently();
    }
    if (p.config.id > config_.own_id || seen_epoch_ > own_epoch_) continue;
    count(ClusterCounter::kYields);
    must_full_sync_ = true;
    change_state(MemberState::kReady, Cause::kSplitBrain, p.config.id, now_ns, out);
    return true;
  }
  if (seen_epoch_ == own_epoch_) return false;
  const bool offered = handover_.phase == Phase::kOffered || handover_.phase == Phase::kWithdrawing;
  if (offered && winner != nullptr && winner->config.id == handover_.target) {
    give_handover(*winner, now_ns, out);
    return true;
  }
  // Somebody was active with a higher epoch, heard by us or by another: what we hold is not the latest.
  count(ClusterCounter::kYields);
  must_full_sync_ = true;
  change_state(MemberState::kReady, Cause::kHigherEpoch, winner == nullptr ? kNoMember : winner->config.id, now_ns,
               out);
  return true;
}

bool StateMachine::active_step(int64_t now_ns, Actions& out) {
  if (yield_to_other_active(now_ns, out)) return true;
  if (role_ == Role::kActive && lease_limit_ns() <= now_ns) {
    lease_ran_out(now_ns, out);
    return true;
  }
  if (handover_.phase != Phase::kNone) return handover_step(now_ns, out);
  serve_requests(now_ns, out);
  return attend_problems(now_ns, out) || preempt(now_ns, out);
}

const StateMachine::Peer* StateMachine::best_standby() const {
  const Peer* best = nullptr;
  for (const Peer& p : peers_) {
    const Report& r = p.report;
    if (!p.alive || r.state != MemberState::kStandby || !r.synchronized || r.problems > 0) continue;
    const auto order = [](const Peer& x) { return std::pair(x.config.priority, x.config.id); };
    if (best == nullptr || order(p) < order(*best)) best = &p;
  }
  return best;
}

// Without a single cable there is nothing to decide, and somebody who lives may have taken over unheard: an active
// member that stayed one would forward when its cables are put back, before it hears of the other.
bool StateMachine::is_cut_off() const {
  bool asked = false;
  for (const Peer& p : peers_) {
    if (p.alive) return false;
    asked |= !p.proven_dead && p.incarnation != 0;
  }
  for (size_t i = 0; i < interfaces_.size(); ++i) {
    if (interfaces_[i].link_up) return false;
  }
  return asked;
}

// Better-member rule: a standby without problems is better than an active member with one; otherwise nothing changes.
bool StateMachine::attend_problems(int64_t now_ns, Actions& out) {
  if (devices_.problems() == 0) {
    problem_since_ns_ = kNever;
    if (state_ != MemberState::kActiveAttention) return false;
    change_state(MemberState::kActive, Cause::kRecovered, kNoMember, now_ns, out);
    return true;
  }
  if (problem_since_ns_ == kNever) problem_since_ns_ = now_ns;
  // A cut of the sync network is noticed by the others within dead_ns, and then they are no better.
  const bool only_sync =
      devices_.problems() == 1 && devices_.status(BuiltInDevice::kSyncNetwork) == DeviceStatus::kProblem;
  const Peer* better = best_standby();
  // Both ends of a mended network come back one after the other: a standby is better only once it has been one for a
  // while.
  const int64_t worse_since_ns =
      better == nullptr ? problem_since_ns_ : std::max(problem_since_ns_, better->standby_since_ns);
  const bool settled = !only_sync || due(worse_since_ns + 2 * config_.timers.dead_ns, now_ns);
  if (better != nullptr && settled && handover_.phase == Phase::kNone && due(handover_not_before_ns_, now_ns)) {
    if (!data_.workers_alive) {  // nobody there to flush or to hold packets
      change_state(MemberState::kDown, Cause::kCriticalDevice, better->config.id, now_ns, out);
      return true;
    }
    start_handover(better->config.id, true, now_ns, out);
    return false;
  }
  if (handover_.phase != Phase::kNone) return false;
  if (is_cut_off()) {
    change_state(MemberState::kDown, Cause::kCriticalDevice, kNoMember, now_ns, out);
    return true;
  }
  if (state_ != MemberState::kActive) return false;
  change_state(MemberState::kActiveAttention, Cause::kNoBetterMember, kNoMember, now_ns, out);
  return true;
}

// Primary Up: the member of higher priority gets the role back when it has been a standby for a while.
bool StateMachine::preempt(int64_t now_ns, Actions& out) {
  if (config_.recovery != Recovery::kPrimaryUp || handover_.phase != Phase::kNone) return false;
  const Peer* best = best_standby();
  if (best == nullptr || best->config.priority >= report_.priority) return false;
  if (!due(best->standby_since_ns + config_.timers.preempt_delay_ns, now_ns)) return false;
  if (due(handover_not_before_ns_, now_ns)) start_handover(best->config.id, false, now_ns, out);
  return false;
}

}  // namespace phalanx::cluster
