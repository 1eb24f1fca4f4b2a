#include "host/cluster/state_machine.hpp"

#include <algorithm>
#include <cassert>

namespace phalanx::cluster {

// What follows from an event settles in a few steps (Init, Ready, Active); more would be two rules that undo each
// other.
constexpr int kStepsMax = 8;

std::string_view to_string(ClusterCounter counter) {
  switch (counter) {
#define X(name, text)        \
  case ClusterCounter::name: \
    return text;
    PHALANX_CLUSTER_COUNTERS(X)
#undef X
  }
  return "?";
}

StateMachine::StateMachine(const ClusterConfig& config, int64_t now_ns)
    : config_(config), start_ns_(now_ns), last_event_ns_(now_ns), listen_from_ns_(now_ns), deadline_ns_(now_ns) {
  assert(validate(config_).ok());
  for (const MemberConfig& m : config_.members) {
    if (m.id == config_.own_id) {
      report_.priority = m.priority;
      continue;
    }
    Peer& p = peers_.emplace_back();
    p.config = m;
    p.heard_ns.fill(kNever);
  }
  interfaces_.resize(config_.interfaces.size());
  report_.member = config_.own_id;
  report_.incarnation = config_.incarnation;
  next_handover_id_ = config_.seed;
  seen_epoch_ = config_.initial_epoch;
}

int64_t StateMachine::begin(int64_t now_ns, Actions& out) {
  if (now_ns < last_event_ns_) {
    count(ClusterCounter::kClockStepsBack);
    now_ns = last_event_ns_;
  }
  if (now_ns - last_event_ns_ > config_.timers.lease_ns) {
    // We did not listen, so the silence of the others says nothing: it counts from now.
    count(ClusterCounter::kPauses);
    listen_from_ns_ = now_ns;
    for (Peer& p : peers_) p.suspected_ns = p.alive ? kNever : p.suspected_ns;
    for (Interface& i : interfaces_) i.silent_since_ns = kNever;
  }
  last_event_ns_ = now_ns;
  if (role_ == Role::kActive && now_ns >= lease_until_ns_) lease_ran_out(now_ns, out);
  return now_ns;
}

void StateMachine::end(int64_t now_ns, Actions& out) {
  deadline_ns_ = INT64_MAX;
  if (!leaving_) {
    wake_at(devices_.expire(now_ns));
    update_peers(now_ns, out);
    check_interfaces(now_ns, out);
    for (int step = 0; step < kStepsMax; ++step) {
      if (!(is_active(state_) ? active_step(now_ns, out) : passive_step(now_ns, out))) break;
    }
    while (role_ == Role::kActive && announce_round_ < kAnnounceAfterNs.size() &&
           due(active_since_ns_ + kAnnounceAfterNs[announce_round_], now_ns)) {
      out.push_back(Announce{static_cast<uint8_t>(announce_round_++)});
    }
  }
  send_round(now_ns, out);
  if (role_ == Role::kActive) renew_lease(out);
}

bool StateMachine::due(int64_t t, int64_t now_ns) {
  if (now_ns >= t) return true;
  wake_at(t);
  return false;
}

void StateMachine::log(const LogEvent& event, Actions& out) {
  events_.push_back(event);
  if (events_.size() > kEventsKept) events_.pop_front();
  out.push_back(event);
}

void StateMachine::log_cause(Cause cause, MemberId about, int64_t now_ns, Actions& out) {
  log({cause, state_, state_, about, kInterfacesMax, epoch(), now_ns}, out);
}

// Into a state that does not decide, or between Active and Active Attention; become_active() does the rest.
void StateMachine::change_state(MemberState to, Cause cause, MemberId about, int64_t now_ns, Actions& out,
                                MemberId relay_to) {
  assert(transition_allowed(state_, cause, to));
  const bool was = is_active(state_);
  log({cause, state_, to, about, kInterfacesMax, epoch(), now_ns}, out);
  state_ = to;
  report_urgently();
  if (is_active(to)) return;
  if (was) {
    handover_ = {};
    handover_out_ = {};
    problem_since_ns_ = kNever;
    claims_ = false;
    held_active_ = cause != Cause::kHandoverGiven && cause != Cause::kHandoverGivenProblem;
    relay_to_ = relay_to;
    relay_until_ns_ = relay_to == kNoMember ? 0 : now_ns + config_.timers.relay_window_ns;
  }
  role_ = to == MemberState::kStandby ? Role::kStandby : Role::kIdle;
  lease_until_ns_ = 0;
  const bool relays = now_ns < relay_until_ns_;
  out.push_back(SetRole{role_, epoch(), 0, relays ? relay_to_ : kNoMember, relays ? relay_until_ns_ : 0, kNoMember});
}

void StateMachine::note_active(MemberId id) {
  if (last_active_ != kNoMember && last_active_ != id) count(ClusterCounter::kFailovers);
  last_active_ = id;
}

void StateMachine::query_all(Actions& out) {
  for (InterfaceIndex i = 0; i < static_cast<InterfaceIndex>(interfaces_.size()); ++i) {
    if (interfaces_[i].link_up) out.push_back(SendQuery{i});
  }
}

void StateMachine::probe_data_interfaces(Actions& out) {
  for (InterfaceIndex i = 0; i < static_cast<InterfaceIndex>(interfaces_.size()); ++i) {
    if (interfaces_[i].link_up && !config_.interfaces[i].sync) out.push_back(SendProbe{i});
  }
}

// ---- reports of our own ----

// Where an answer is awaited, a lost report costs a quarter of the interval and not a whole one.
int64_t StateMachine::report_period_ns() const {
  const bool waiting = claims_ || handover_.phase == Phase::kOffered || handover_.phase == Phase::kWithdrawing ||
                       handover_out_.kind == Handover::kRequest;
  return waiting ? config_.timers.report_interval_ns / 4 : config_.timers.report_interval_ns;
}

void StateMachine::send_round(int64_t now_ns, Actions& out) {
  bool send = report_urgent_ || last_report_ns_ == kNever;
  if (!send && report_wanted_) send = due(last_report_ns_ + config_.timers.report_gap_ns(), now_ns);
  if (!send) send = due(last_report_ns_ + report_period_ns(), now_ns);
  if (!send) return;
  report_urgent_ = report_wanted_ = false;
  last_report_ns_ = now_ns;
  fill_report(now_ns);
  for (InterfaceIndex i = 0; i < static_cast<InterfaceIndex>(interfaces_.size()); ++i) {
    if (interfaces_[i].link_up) out.push_back(SendReport{i});
  }
  wake_at(now_ns + report_period_ns());
}

void StateMachine::fill_report(int64_t now_ns) {
  Report& r = report_;
  ++r.report_sequence;
  sent_ns_[r.report_sequence % kSentTimes] = now_ns;
  r.epoch = epoch();
  r.state = state_;
  r.problems = devices_.problems();
  r.synchronized = synced_;
  r.claims_active = claims_;
  r.was_active = own_rank_was_active();
  r.leaving = leaving_;
  r.promised_to = promised_to_;
  r.delta_position = data_.position;
  r.interfaces_up = r.probes_answered = 0;
  for (size_t i = 0; i < interfaces_.size(); ++i) {
    const InterfaceMask bit = InterfaceMask{1} << i;
    if (interfaces_[i].works) r.interfaces_up |= bit;
    const int64_t answered = interfaces_[i].answered_ns;
    if (answered != kNever && now_ns - answered < 2 * config_.timers.dead_ns) r.probes_answered |= bit;
  }
  r.handover = handover_out_;
  if (handover_.phase == Phase::kOffered || handover_.phase == Phase::kWithdrawing) {
    r.handover = {handover_.phase == Phase::kOffered ? Handover::kOffer : Handover::kWithdraw, handover_.target,
                  handover_.target_incarnation, handover_.id, handover_.position};
  }
  for (const Peer& p : peers_) {
    PeerEcho& echo = r.peers[p.config.id - 1];
    const bool unproven = !p.alive && p.unproven_incarnation != 0;
    echo.incarnation = unproven ? p.unproven_incarnation : p.incarnation;
    echo.report_sequence = unproven ? p.unproven_sequence : p.report.report_sequence;
    echo.state = p.alive ? p.report.state : MemberState::kDown;
    echo.silence_us = UINT32_MAX;
    if (p.last_heard_ns != kNever) {
      const int64_t silence_us = (now_ns - silence_start(p.last_heard_ns)) / 1000;
      echo.silence_us = static_cast<uint32_t>(std::min<int64_t>(silence_us, UINT32_MAX - 1));
    }
  }
}

// ---- events ----

void StateMachine::tick(int64_t now_ns, Actions& out) { end(begin(now_ns, out), out); }

void StateMachine::report_received(InterfaceIndex interface, const Report& report, int64_t now_ns, Actions& out) {
  now_ns = begin(now_ns, out);
  Peer* p = peer(report.member);
  if (p == nullptr || interface >= interfaces_.size() || report.incarnation == 0) {
    count(ClusterCounter::kImpossibleReports);
  } else if (!accept_incarnation(*p, report, now_ns, out)) {
    count(ClusterCounter::kUnprovenReports);
    report_now();
  } else if (report.report_sequence < p->report.report_sequence) {
    count(ClusterCounter::kLateReports);
  } else {
    p->heard_ns[interface] = now_ns;
    p->last_heard_ns = now_ns;
    if (report.report_sequence > p->report.report_sequence) take_report(*p, report, now_ns, out);
  }
  end(now_ns, out);
}

void StateMachine::query_received(InterfaceIndex interface, MemberId from, int64_t now_ns, Actions& out) {
  now_ns = begin(now_ns, out);
  if (peer(from) == nullptr || interface >= interfaces_.size()) {
    count(ClusterCounter::kImpossibleReports);
  } else {
    report_now();
  }
  end(now_ns, out);
}

void StateMachine::link_changed(InterfaceIndex interface, bool up, int64_t now_ns, Actions& out) {
  now_ns = begin(now_ns, out);
  assert(interface < interfaces_.size());
  Interface& i = interfaces_[interface];
  if (i.link_up != up) {
    i.link_up = up;
    i.silent_since_ns = kNever;
    i.link_since_ns = now_ns;
    report_urgently();
  }
  end(now_ns, out);
}

void StateMachine::peer_connected(MemberId id, int64_t now_ns, Actions& out) {
  now_ns = begin(now_ns, out);
  // An alarm of the old connection stays: this may be the restarted process.
  if (Peer* p = peer(id)) p->connected = true;
  end(now_ns, out);
}

void StateMachine::peer_disconnected(MemberId id, int64_t now_ns, Actions& out) {
  now_ns = begin(now_ns, out);
  Peer* p = peer(id);
  if (p != nullptr && p->connected) {
    p->connected = false;
    // Both sides see the close, and both report at once: whoever lives is heard.
    report_urgently();
    query_all(out);
    if (p->alive) {
      p->disconnected_ns = now_ns;
      p->disconnected_sequence = report_.report_sequence + 1;
    }
  }
  end(now_ns, out);
}

void StateMachine::probe_answered(InterfaceIndex interface, int64_t now_ns, Actions& out) {
  now_ns = begin(now_ns, out);
  assert(interface < interfaces_.size());
  interfaces_[interface].answered_ns = now_ns;
  end(now_ns, out);
}

void StateMachine::data_plane(const DataPlaneStatus& status, int64_t now_ns, Actions& out) {
  now_ns = begin(now_ns, out);
  data_ = status;
  // What it says of a sync before the last one asked for is not about the present.
  if (is_active(state_)) {
    data_.whole = true;
  } else if (status.sync_id != sync_id_) {
    data_.whole = data_.needs_full_sync = false;
  }
  devices_.report(BuiltInDevice::kWorker, status.workers_alive ? DeviceStatus::kOk : DeviceStatus::kProblem, now_ns);
  devices_.report(BuiltInDevice::kCard, status.card_fit ? DeviceStatus::kOk : DeviceStatus::kProblem, now_ns);
  end(now_ns, out);
}

void StateMachine::built_in_device(BuiltInDevice device, DeviceStatus status, int64_t now_ns, Actions& out) {
  now_ns = begin(now_ns, out);
  const uint8_t before = devices_.problems();
  devices_.report(device, status, now_ns);
  if (devices_.problems() != before) report_urgently();
  end(now_ns, out);
}

absl::Status StateMachine::add_device(std::string_view name, DeviceStatus status, int64_t timeout_ns, int64_t now_ns,
                                      Actions& out) {
  now_ns = begin(now_ns, out);
  absl::Status result = devices_.add(name, status, timeout_ns, now_ns);
  end(now_ns, out);
  return result;
}

absl::Status StateMachine::remove_device(std::string_view name, int64_t now_ns, Actions& out) {
  now_ns = begin(now_ns, out);
  absl::Status result = devices_.remove(name);
  end(now_ns, out);
  return result;
}

absl::Status StateMachine::report_device(std::string_view name, DeviceStatus status, int64_t now_ns, Actions& out) {
  now_ns = begin(now_ns, out);
  absl::Status result = devices_.report(name, status, now_ns);
  end(now_ns, out);
  return result;
}

void StateMachine::admin_down(int64_t now_ns, Actions& out) {
  built_in_device(BuiltInDevice::kAdminDown, DeviceStatus::kProblem, now_ns, out);
}

void StateMachine::admin_up(int64_t now_ns, Actions& out) {
  built_in_device(BuiltInDevice::kAdminDown, DeviceStatus::kOk, now_ns, out);
}

void StateMachine::leave(int64_t now_ns, Actions& out) {
  now_ns = begin(now_ns, out);
  if (!leaving_) {
    leaving_ = true;
    claims_ = false;
    if (state_ != MemberState::kDown) change_state(MemberState::kDown, Cause::kLeaving, kNoMember, now_ns, out);
    report_urgently();
  }
  end(now_ns, out);
}

// ---- views ----

MemberId StateMachine::active_member() const {
  if (is_active(state_)) return config_.own_id;
  const Peer* p = active_peer();
  return p == nullptr ? kNoMember : p->config.id;
}

uint64_t StateMachine::peer_incarnation(MemberId id) const {
  const Peer* p = peer(id);
  return p == nullptr ? 0 : p->incarnation;
}

std::vector<MemberView> StateMachine::members() const {
  std::vector<MemberView> views;
  for (const MemberConfig& m : config_.members) {
    MemberView& v = views.emplace_back();
    v.id = m.id;
    v.priority = m.priority;
    v.own = m.id == config_.own_id;
    const Peer* p = peer(m.id);
    const Report& r = p == nullptr ? report_ : p->report;
    v.alive = p == nullptr || p->alive;
    v.connected = p == nullptr || p->connected;
    v.state = p == nullptr ? state_ : r.state;
    v.problems = p == nullptr ? devices_.problems() : r.problems;
    v.synchronized = p == nullptr ? synced_ : r.synchronized;
    v.incarnation = p == nullptr ? config_.incarnation : p->incarnation;
    v.epoch = p == nullptr ? epoch() : r.epoch;
    for (size_t i = 0; p != nullptr && i < interfaces_.size(); ++i) {
      v.silence_ns.push_back(p->heard_ns[i] == kNever ? -1 : last_event_ns_ - p->heard_ns[i]);
    }
  }
  return views;
}

std::vector<InterfaceView> StateMachine::interfaces() const {
  std::vector<InterfaceView> views;
  for (size_t i = 0; i < interfaces_.size(); ++i) {
    const MonitoredInterface& c = config_.interfaces[i];
    views.push_back({c.name, c.sync, interfaces_[i].link_up, interfaces_[i].works});
  }
  return views;
}

}  // namespace phalanx::cluster
