// Who lives, and which interfaces work: the rules of evidence (docs/cluster.md, "Evidence").
#include <algorithm>

#include "host/cluster/state_machine.hpp"

namespace phalanx::cluster {

StateMachine::Peer* StateMachine::peer(MemberId id) {
  const auto it = std::find_if(peers_.begin(), peers_.end(), [&](const Peer& p) { return p.config.id == id; });
  return it == peers_.end() ? nullptr : &*it;
}

const StateMachine::Peer* StateMachine::peer(MemberId id) const {
  const auto it = std::find_if(peers_.begin(), peers_.end(), [&](const Peer& p) { return p.config.id == id; });
  return it == peers_.end() ? nullptr : &*it;
}

// An incarnation is present if it echoes a report that we sent after we first heard of it. A recorded report cannot.
bool StateMachine::accept_incarnation(Peer& p, const Report& report, int64_t now_ns, Actions& out) {
  if (report.incarnation == p.incarnation) return true;
  if (report.incarnation != p.unproven_incarnation) {
    p.unproven_incarnation = report.incarnation;
    p.unproven_after = report_.report_sequence;
    p.unproven_sequence = 0;
  }
  p.unproven_sequence = std::max(p.unproven_sequence, report.report_sequence);
  const PeerEcho& echo = report.peers[config_.own_id - 1];
  if (echo.incarnation != config_.incarnation || echo.report_sequence <= p.unproven_after ||
      echo.report_sequence > report_.report_sequence) {
    return false;
  }
  if (p.alive) give_up(p, true, now_ns, out);  // it restarted faster than its silence was noticed
  p.incarnation = report.incarnation;
  p.unproven_incarnation = 0;
  p.report = {};
  p.report.report_sequence = 0;
  p.disconnected_ns = kNever;
  p.told_until_ns = INT64_MAX;
  p.heard_ns.fill(kNever);
  return true;
}

void StateMachine::take_report(Peer& p, const Report& report, int64_t now_ns, Actions& out) {
  const MemberState before = p.report.state;
  p.report = report;
  seen_epoch_ = std::max(seen_epoch_, report.epoch);
  if (report.leaving) {
    p.proven_dead = true;
    if (p.alive) give_up(p, true, now_ns, out);
    return;
  }
  if (!p.alive) {
    p.alive = true;
    p.proven_dead = false;
    p.alive_since_ns = now_ns;
    p.standby_since_ns = kNever;
    log_cause(Cause::kPeerAlive, p.config.id, now_ns, out);
    report_now();
  }
  if (report.state != MemberState::kStandby) {
    p.standby_since_ns = kNever;
  } else if (before != MemberState::kStandby || p.standby_since_ns == kNever) {
    p.standby_since_ns = now_ns;
  }
  const PeerEcho& echo = report.peers[config_.own_id - 1];
  const bool echoes_us = echo.incarnation == config_.incarnation;
  if (echoes_us && p.disconnected_ns != kNever && echo.report_sequence >= p.disconnected_sequence) {
    p.disconnected_ns = kNever;
    count(ClusterCounter::kConnectionFalseAlarms);
  }
  // It has not heard us for a while: it may take over when its patience ends, so our lease must end before. One that
  // says that none of its own data interfaces works cannot take over (can_do_without).
  // What it missed while it could not be heard itself (its cables were out) says nothing about now: the time counts
  // from when it came back, and until then it has had no report of ours to miss.
  const int64_t silence_ns = std::min(int64_t{echo.silence_us} * 1000, now_ns - p.alive_since_ns);
  const Timers& t = config_.timers;
  const bool could_take_over = data_mask() == 0 || (report.interfaces_up & data_mask()) != 0;
  const bool ever_heard = echo.silence_us != UINT32_MAX;  // one that just started waits longer than that
  p.told_until_ns = echoes_us && ever_heard && silence_ns >= t.told_ns() && could_take_over
                        ? now_ns + t.dead_ns - silence_ns - t.margin_ns
                        : INT64_MAX;
  if (p.told_until_ns != INT64_MAX || p.suspected_ns != kNever || report.claims_active) report_now();
  p.suspected_ns = kNever;
}

int64_t StateMachine::silence_start(int64_t heard_ns) const { return std::max(heard_ns, listen_from_ns_); }

InterfaceMask StateMachine::data_mask() const {
  InterfaceMask mask = 0;
  for (size_t i = 0; i < config_.interfaces.size(); ++i) {
    if (!config_.interfaces[i].sync) mask |= InterfaceMask{1} << i;
  }
  return mask;
}

// Its silence is its own and not ours: hosts on a data interface answer, and went on answering for as long as a living
// peer needs to be heard. The first answer alone proves nothing: a cable may have been put back just now.
bool StateMachine::own_side_works(Peer& p, int64_t now_ns) {
  if (p.suspected_ns == kNever) return false;
  int64_t latest = kNever;
  for (size_t i = 0; i < interfaces_.size(); ++i) {
    if (!config_.interfaces[i].sync && interfaces_[i].link_up) latest = std::max(latest, interfaces_[i].answered_ns);
  }
  const int64_t window_ns = config_.timers.own_side_ns();
  if (latest < p.suspected_ns || now_ns - latest > window_ns) {
    p.answered_from_ns = kNever;
    return false;
  }
  if (p.answered_from_ns == kNever) p.answered_from_ns = latest;
  // Answers that began late mean that our own side may have been broken until then: its silence counts from there.
  const bool at_once = p.answered_from_ns <= p.suspected_ns + window_ns;
  return due(p.answered_from_ns + (at_once ? window_ns : config_.timers.dead_ns), now_ns);
}

void StateMachine::suspect(Peer& p, int64_t now_ns, Actions& out) {
  if (p.suspected_ns == kNever) {
    p.suspected_ns = now_ns;
    p.answered_from_ns = kNever;
    p.told_it = false;
    p.next_probe_ns = now_ns;
  }
  if (due(p.next_probe_ns, now_ns)) {
    query_all(out);
    probe_data_interfaces(out);
    p.next_probe_ns = now_ns + config_.timers.report_interval_ns / 5;
    wake_at(p.next_probe_ns);
  }
}

void StateMachine::give_up(Peer& p, bool proven, int64_t now_ns, Actions& out) {
  p.alive = false;
  p.proven_dead = proven;
  p.disconnected_ns = kNever;
  p.told_until_ns = INT64_MAX;
  if (p.suspected_ns == kNever) {
    p.suspected_ns = now_ns;
    p.answered_from_ns = kNever;
  }
  p.next_probe_ns = now_ns;
  count(ClusterCounter::kPeerDeaths);
  log_cause(Cause::kPeerDead, p.config.id, now_ns, out);
}

// Not heard, and nothing yet that tells its death from ours: go on asking, but slowly.
void StateMachine::update_missing(Peer& p, int64_t now_ns, Actions& out) {
  if (p.incarnation == 0 || p.proven_dead) return;
  if (own_side_works(p, now_ns)) {
    p.proven_dead = true;
    return;
  }
  if (due(p.next_probe_ns, now_ns)) {
    query_all(out);
    probe_data_interfaces(out);
    p.next_probe_ns = now_ns + config_.timers.report_interval_ns;
    wake_at(p.next_probe_ns);
  }
}

void StateMachine::update_peers(int64_t now_ns, Actions& out) {
  const Timers& t = config_.timers;
  // A member that steps down when isolated must have its answers before its isolation lease ends.
  const bool early = is_active(state_) && config_.when_isolated == WhenIsolated::kStepDown;
  const int64_t suspect_ns = early ? t.report_interval_ns + t.report_gap_ns() : t.suspect_ns();
  for (Peer& p : peers_) {
    if (!p.alive) {
      update_missing(p, now_ns, out);
      continue;
    }
    if (p.disconnected_ns != kNever && due(p.disconnected_ns + t.confirm_ns, now_ns)) {
      give_up(p, true, now_ns, out);
      continue;
    }
    const int64_t silent_from = silence_start(p.last_heard_ns);
    if (due(silent_from + suspect_ns, now_ns)) {
      suspect(p, now_ns, out);
    } else {
      p.suspected_ns = kNever;
    }
    if (p.suspected_ns != kNever && !p.told_it && due(silent_from + t.told_ns(), now_ns)) {
      p.told_it = true;
      report_now();
    }
    const bool proven = own_side_works(p, now_ns) || p.disconnected_ns != kNever;
    if (due(silent_from + t.dead_ns, now_ns)) give_up(p, proven, now_ns, out);
  }
}

// May this member act as if `p` were not there?
bool StateMachine::can_do_without(const Peer& p, int64_t now_ns) {
  if (p.alive) return false;
  if (p.proven_dead) return true;
  if (p.incarnation == 0) return due(start_ns_ + config_.timers.initial_silence_ns, now_ns);
  // Nobody can be asked. With its own cables out, or put back a moment ago, this member is the one that is missing.
  bool connected = data_mask() == 0;
  for (size_t i = 0; i < interfaces_.size(); ++i) {
    const Interface& own = interfaces_[i];
    connected |= !config_.interfaces[i].sync && own.link_up &&
                 due(std::max(own.link_since_ns, start_ns_) + 2 * config_.timers.dead_ns, now_ns);
  }
  return connected && (data_.known_hosts & data_mask()) == 0 && config_.when_isolated == WhenIsolated::kKeepActive;
}

// One side's interface: the link, then hearing a peer there, then hosts that answer, then what the peers find there.
bool StateMachine::interface_works(InterfaceIndex i, bool expected, int64_t now_ns, Actions& out) {
  Interface& own = interfaces_[i];
  const Timers& t = config_.timers;
  const InterfaceMask bit = InterfaceMask{1} << i;
  int64_t heard = own.link_since_ns;
  bool answered_at_peer = false;
  for (const Peer& p : peers_) {
    if (!p.alive) continue;
    heard = std::max({heard, p.heard_ns[i], p.alive_since_ns});
    answered_at_peer = answered_at_peer || (p.report.probes_answered & bit) != 0;
  }
  if (!own.link_up || !expected || config_.interfaces[i].sync || !due(silence_start(heard) + t.dead_ns, now_ns)) {
    own.silent_since_ns = kNever;
    return own.link_up;
  }
  if (own.silent_since_ns == kNever) {
    own.silent_since_ns = now_ns;
    own.next_probe_ns = now_ns;
  }
  if (due(own.next_probe_ns, now_ns)) {
    out.push_back(SendProbe{i});
    out.push_back(SendQuery{i});
    own.next_probe_ns = now_ns + t.report_interval_ns;
    wake_at(own.next_probe_ns);
  }
  if (own.answered_ns != kNever && own.answered_ns >= own.silent_since_ns && now_ns - own.answered_ns < 2 * t.dead_ns) {
    return true;
  }
  if (!due(own.silent_since_ns + 2 * t.report_interval_ns, now_ns)) return own.works;
  return (data_.known_hosts & bit) == 0 && !answered_at_peer;
}

// The sync network has no hosts to ask, and a cut is seen by both ends: it counts against both.
bool StateMachine::sync_network_works(int64_t now_ns) {
  bool configured = false, alive = false;
  int64_t heard = kNever;
  for (size_t i = 0; i < interfaces_.size(); ++i) {
    if (!config_.interfaces[i].sync) continue;
    configured = true;
    if (!interfaces_[i].link_up) continue;
    for (const Peer& p : peers_) {
      if (p.alive) heard = std::max({heard, p.heard_ns[i], p.alive_since_ns, interfaces_[i].link_since_ns});
    }
  }
  for (const Peer& p : peers_) alive = alive || p.alive;
  if (!configured || !alive) return true;
  return heard != kNever && !due(silence_start(heard) + config_.timers.dead_ns, now_ns);
}

void StateMachine::check_interfaces(int64_t now_ns, Actions& out) {
  const uint8_t before = devices_.problems();
  const bool expected = std::any_of(peers_.begin(), peers_.end(),
                                    [](const Peer& p) { return p.alive || (p.incarnation != 0 && !p.proven_dead); });
  bool all_work = true;
  for (InterfaceIndex i = 0; i < static_cast<InterfaceIndex>(interfaces_.size()); ++i) {
    const bool works = interface_works(i, expected, now_ns, out);
    if (works != interfaces_[i].works) {
      interfaces_[i].works = works;
      const Cause cause = works ? Cause::kInterfaceRecovered : Cause::kInterfaceProblem;
      log({cause, state_, state_, kNoMember, i, epoch(), now_ns}, out);
      report_urgently();
    }
    if (!config_.interfaces[i].sync) all_work = all_work && works;
  }
  const auto status = [](bool ok) { return ok ? DeviceStatus::kOk : DeviceStatus::kProblem; };
  devices_.report(BuiltInDevice::kInterfaceActiveCheck, status(all_work), now_ns);
  devices_.report(BuiltInDevice::kSyncNetwork, status(sync_network_works(now_ns)), now_ns);
  devices_.report(BuiltInDevice::kFullSync, synced_ ? DeviceStatus::kOk : DeviceStatus::kInit, now_ns);
  if (devices_.problems() != before) report_urgently();
}

}  // namespace phalanx::cluster
