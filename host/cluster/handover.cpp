// Passing the active role on without loss and without two deciders (docs/cluster.md, "Handover").
#include <algorithm>
#include <cassert>

#include "host/cluster/state_machine.hpp"

namespace phalanx::cluster {

// ---- the old active member ----

void StateMachine::start_handover(MemberId target, bool problem, int64_t now_ns, Actions& out) {
  assert(handover_.phase == Phase::kNone && role_ == Role::kActive);
  const Peer* p = peer(target);
  assert(p != nullptr);
  handover_ = {Phase::kPreparing, target, p->incarnation, ++next_handover_id_, 0, problem, now_ns};
  log_cause(Cause::kHandoverStarted, target, now_ns, out);
  out.push_back(PrepareHandover{target, handover_.id});
}

// The data plane has stopped deciding and the target has been sent everything: from this report on the role is offered.
void StateMachine::handover_prepared(uint64_t id, uint64_t position, int64_t now_ns, Actions& out) {
  now_ns = begin(now_ns, out);
  if (handover_.phase == Phase::kPreparing && id == handover_.id) {
    handover_.phase = Phase::kOffered;
    handover_.position = position;
    handover_.since_ns = now_ns;
    role_ = Role::kHandingOver;
    lease_until_ns_ = 0;
    out.push_back(SetRole{role_, own_epoch_, 0, handover_.target, INT64_MAX, kNoMember});
    report_urgently();
  }
  end(now_ns, out);
}

// Before the offer: nothing has been given away.
void StateMachine::cancel_handover(int64_t now_ns, Actions& out) {
  const bool problem = handover_.problem;
  const MemberId target = handover_.target;
  handover_ = {};
  handover_not_before_ns_ = now_ns + kHandoverRetry * config_.timers.dead_ns;
  count(ClusterCounter::kHandoversCancelled);
  log_cause(Cause::kHandoverCancelled, target, now_ns, out);
  if (problem && best_standby() != nullptr) {
    change_state(MemberState::kDown, Cause::kCriticalDevice, best_standby()->config.id, now_ns, out);
    return;
  }
  out.push_back(SetRole{role_, own_epoch_, lease_until_ns_, kNoMember, 0, kNoMember});
}

// The target has said that it did not take the role and never will take it by this offer.
void StateMachine::resume_after_offer(int64_t now_ns, Actions& out) {
  const MemberId target = handover_.target;
  handover_ = {};
  handover_not_before_ns_ = now_ns + kHandoverRetry * config_.timers.dead_ns;
  own_epoch_ = ++seen_epoch_;
  role_ = Role::kActive;
  lease_until_ns_ = now_ns + config_.timers.lease_ns;
  count(ClusterCounter::kHandoversCancelled);
  log_cause(Cause::kHandoverResumed, target, now_ns, out);
  out.push_back(SetRole{role_, own_epoch_, lease_until_ns_, kNoMember, 0, kNoMember});
  report_urgently();
}

void StateMachine::give_handover(const Peer& target, int64_t now_ns, Actions& out) {
  const bool problem = handover_.problem;
  count(ClusterCounter::kHandoversGiven);
  change_state(problem ? MemberState::kDown : MemberState::kStandby,
               problem ? Cause::kHandoverGivenProblem : Cause::kHandoverGiven, target.config.id, now_ns, out,
               target.config.id);
}

bool StateMachine::handover_step(int64_t now_ns, Actions& out) {
  const Timers& t = config_.timers;
  const Peer* target = peer(handover_.target);
  assert(target != nullptr);
  const bool there = target->alive && target->incarnation == handover_.target_incarnation;
  if (handover_.phase == Phase::kPreparing) {
    const bool fit = there && target->report.state == MemberState::kStandby && target->report.synchronized;
    const int64_t patience_ns = handover_.problem ? std::min(t.dead_ns, t.prepare_timeout_ns) : t.prepare_timeout_ns;
    if (fit && !due(handover_.since_ns + patience_ns, now_ns)) return false;
    cancel_handover(now_ns, out);
    return true;
  }
  if (!there) {
    // It may have been active with the next epoch before it went: leave that one out, and ask everybody who lives.
    own_epoch_ = seen_epoch_ = own_epoch_ + 1;
    count(ClusterCounter::kHandoversCancelled);
    change_state(MemberState::kReady, Cause::kHandoverCancelled, handover_.target, now_ns, out);
    return true;
  }
  const HandoverField& answer = target->report.handover;
  if (answer.kind == Handover::kRefuse && answer.member == config_.own_id &&
      answer.incarnation == config_.incarnation && answer.id == handover_.id) {
    resume_after_offer(now_ns, out);
    return true;
  }
  if (handover_.phase == Phase::kOffered && due(handover_.since_ns + t.handover_timeout_ns, now_ns)) {
    handover_.phase = Phase::kWithdrawing;
    report_urgently();
  }
  return false;
}

void StateMachine::serve_requests(int64_t now_ns, Actions& out) {
  for (Peer& p : peers_) {
    const HandoverField& h = p.report.handover;
    if (!p.alive || h.kind != Handover::kRequest || h.member != config_.own_id ||
        h.incarnation != config_.incarnation || h.id == p.served_request) {
      continue;
    }
    p.served_request = h.id;
    log_cause(Cause::kHandoverRequested, p.config.id, now_ns, out);
    const Report& r = p.report;
    const bool fit = r.state == MemberState::kStandby && r.synchronized && r.problems == 0;
    if (fit && handover_.phase == Phase::kNone && devices_.problems() == 0) {
      start_handover(p.config.id, false, now_ns, out);
    } else {
      refuse(p, h.id);
    }
  }
}

// ---- the standby ----

void StateMachine::refuse(const Peer& to, uint64_t id) {
  handover_out_ = {Handover::kRefuse, to.config.id, to.incarnation, id, 0};
  report_urgently();
}

bool StateMachine::take_offer(const Peer& active, int64_t now_ns, Actions& out) {
  const HandoverField& h = active.report.handover;
  if (h.member != config_.own_id || h.incarnation != config_.incarnation) return false;
  if (h.kind == Handover::kRefuse && handover_out_.kind == Handover::kRequest && h.id == handover_out_.id) {
    handover_out_ = {};
    count(ClusterCounter::kHandoversCancelled);
    log_cause(Cause::kHandoverCancelled, active.config.id, now_ns, out);
    return false;
  }
  if (h.kind != Handover::kOffer && h.kind != Handover::kWithdraw) return false;
  const bool known_refused = refused_offer_ == h.id && refused_incarnation_ == active.incarnation;
  const bool fit = state_ == MemberState::kStandby && synced_ && devices_.problems() == 0;
  if (h.kind == Handover::kOffer && fit && !known_refused) {
    if (data_.position < h.position) return false;  // the last deltas are on their way
    count(ClusterCounter::kHandoversTaken);
    become_active(Cause::kHandoverAccepted, active.config.id, now_ns, out);
    return true;
  }
  if (known_refused && handover_out_.kind == Handover::kRefuse && handover_out_.id == h.id) return false;
  refused_offer_ = h.id;
  refused_incarnation_ = active.incarnation;
  count(ClusterCounter::kOffersRefused);
  log_cause(Cause::kHandoverRefused, active.config.id, now_ns, out);
  refuse(active, h.id);
  return false;
}

absl::Status StateMachine::failover(int64_t now_ns, Actions& out) {
  now_ns = begin(now_ns, out);
  absl::Status result = absl::OkStatus();
  const Peer* active = active_peer();
  if (leaving_) {
    result = absl::FailedPreconditionError("this member is stopping");
  } else if (is_active(state_)) {
    const Peer* target = best_standby();
    if (handover_.phase != Phase::kNone) {
      result = absl::FailedPreconditionError("a handover is under way");
    } else if (target == nullptr) {
      result = absl::FailedPreconditionError("no standby member is synchronized and without problems");
    } else {
      start_handover(target->config.id, false, now_ns, out);
    }
  } else if (active == nullptr) {
    result = absl::FailedPreconditionError("no active member is known");
  } else if (state_ != MemberState::kStandby) {
    result = absl::FailedPreconditionError("this member is not Standby");
  } else {
    handover_out_ = {Handover::kRequest, active->config.id, active->incarnation, ++next_handover_id_, 0};
    request_until_ns_ = now_ns + config_.timers.prepare_timeout_ns + 2 * config_.timers.handover_timeout_ns;
    report_urgently();
  }
  end(now_ns, out);
  return result;
}

}  // namespace phalanx::cluster
