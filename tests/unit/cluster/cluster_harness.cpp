#include "tests/unit/cluster/cluster_harness.hpp"

#include <algorithm>

namespace phalanx::cluster::harness {

Cluster::Cluster(const Options& options) : options_(options), random_(options.seed) {
  for (MemberId id = 1; id <= options_.members; ++id) start(id);
}

void Cluster::start(MemberId id) {
  ClusterConfig c;
  c.own_id = id;
  for (MemberId m = 1; m <= options_.members; ++m) c.members.push_back({m, options_.priority[m - 1]});
  for (int i = 0; i < options_.interfaces; ++i) {
    c.interfaces.push_back({"if" + std::to_string(i), i == options_.interfaces - 1});
  }
  c.timers = options_.timers;
  c.recovery = options_.recovery;
  c.when_isolated = options_.when_isolated;
  c.seed = random_();
  c.incarnation = random_() | 1;
  Node& node = nodes_[id];
  c.initial_epoch = node.kept_epoch;
  node = Node{};
  node.kept_epoch = c.initial_epoch;
  node.incarnation = c.incarnation;
  node.machine = std::make_unique<StateMachine>(c, now_ns_);
  later(random_between(0, kMs), [this, id, i = c.incarnation] {
    deliver(id, i, [](StateMachine& m, Actions& out) { m.tick(m.next_deadline_ns(), out); });
    if (nodes_[id].incarnation == i) status(id);
    connect_members();
  });
}

void Cluster::connect_members() {
  for (auto& [a, na] : nodes_) {
    for (auto& [b, nb] : nodes_) {
      if (a == b || !na.machine || !nb.machine || na.connected[b]) continue;
      na.connected[b] = true;
      deliver(a, na.incarnation,
              [this, peer = b](StateMachine& m, Actions& out) { m.peer_connected(peer, now_ns_, out); });
    }
  }
}

void Cluster::later(int64_t delay_ns, std::function<void()> what) {
  queue_.push({now_ns_ + delay_ns, order_++, std::move(what)});
}

// A paused member gets what came in the meantime when it wakes, in order: the sockets kept it.
void Cluster::deliver(MemberId id, uint64_t incarnation, std::function<void(StateMachine&, Actions&)> what) {
  Node& node = nodes_[id];
  if (!node.machine || node.incarnation != incarnation) return;
  auto run = [this, id, incarnation, what = std::move(what)] {
    Node& n = nodes_[id];
    if (!n.machine || n.incarnation != incarnation) return;
    Actions out;
    what(*n.machine, out);
    act(id, out);
  };
  if (node.paused) {
    node.held.push_back(std::move(run));
  } else {
    run();
  }
}

void Cluster::resume(MemberId id) {
  nodes_[id].paused = false;
  // Its workers run before its control thread has read anything: only the lease stops them.
  if (deciders().size() > 1) ++doubly_ns_;
  auto held = std::move(nodes_[id].held);
  nodes_[id].held.clear();
  for (auto& what : held) what();
}

void Cluster::crash(MemberId id, bool connection_closes) {
  if (nodes_[id].machine) nodes_[id].kept_epoch = nodes_[id].machine->epoch();
  nodes_[id].machine.reset();
  nodes_[id].held.clear();
  nodes_[id].paused = false;
  for (auto& [other, node] : nodes_) {
    if (other == id) continue;
    node.connected[id] = false;
    if (!connection_closes || !node.machine) continue;
    later(200'000, [this, peer = id, to = other, i = node.incarnation] {
      deliver(to, i, [this, peer](StateMachine& m, Actions& out) { m.peer_disconnected(peer, now_ns_, out); });
    });
  }
}

void Cluster::restart(MemberId id) { start(id); }

void Cluster::cut(MemberId from, MemberId to, int interface, bool cut_it) { cut_[{from, to, interface}] = cut_it; }

void Cluster::cut_all(MemberId a, MemberId b, bool cut_it) {
  for (int i = 0; i < options_.interfaces; ++i) {
    cut(a, b, i, cut_it);
    cut(b, a, i, cut_it);
  }
}

void Cluster::set_link(MemberId id, int interface, bool up) {
  event(id, [&](StateMachine& m, Actions& out) {
    m.link_changed(static_cast<InterfaceIndex>(interface), up, now_ns_, out);
  });
  if (!options_.forgets_hosts) return;
  if (up) {
    learn_hosts(id, interface);
  } else {
    nodes_[id].forgotten |= InterfaceMask{1} << interface;
    status(id);
  }
}

// Hosts become known by their first frames, a moment after the cable is whole again.
void Cluster::learn_hosts(MemberId id, int interface) {
  later(kMs, [this, id, inc = nodes_[id].incarnation, interface] {
    Node& n = nodes_[id];
    if (!n.machine || n.incarnation != inc || host_cut_[{id, interface}]) return;
    if (!n.machine->interfaces()[static_cast<size_t>(interface)].link_up) return;
    n.forgotten &= ~(InterfaceMask{1} << interface);
    status(id);
  });
}

void Cluster::unplug(MemberId id, int interface, bool unplugged) {
  for (MemberId other = 1; other <= options_.members; ++other) {
    cut(id, other, interface, unplugged);
    cut(other, id, interface, unplugged);
  }
  cut_hosts(id, interface, unplugged);
  if (options_.forgets_hosts && !unplugged) learn_hosts(id, interface);
}

void Cluster::event(MemberId id, const std::function<void(StateMachine&, Actions&)>& what) {
  Actions out;
  what(at(id), out);
  last_actions.assign(out.begin(), out.end());
  act(id, out);
}

absl::Status Cluster::failover(MemberId id) {
  absl::Status result;
  event(id, [&](StateMachine& m, Actions& out) { result = m.failover(now_ns_, out); });
  return result;
}

void Cluster::send(MemberId from, int interface, const std::function<void(MemberId)>& what) {
  for (auto& [to, node] : nodes_) {
    if (to == from || !node.machine || cut_[{from, to, interface}]) continue;
    const int copies = 1 + (chance(options_.duplication) ? 1 : 0);
    for (int c = 0; c < copies; ++c) {
      if (chance(options_.loss)) continue;
      later(random_between(options_.delay_min_ns, options_.delay_max_ns), [what, to = to] { what(to); });
    }
  }
}

void Cluster::status(MemberId id) {
  Node& n = nodes_[id];
  DataPlaneStatus s;
  s.whole = n.whole;
  s.needs_full_sync = false;
  s.sync_id = n.sync_id;
  s.position = 100;
  s.known_hosts = options_.hosts ? ~n.forgotten : 0;
  deliver(id, n.incarnation, [this, s](StateMachine& m, Actions& out) { m.data_plane(s, now_ns_, out); });
}

void Cluster::do_one(MemberId id, const Action& action) {
  Node& n = nodes_[id];
  const uint64_t inc = n.incarnation;
  if (const auto* a = std::get_if<SendReport>(&action)) {
    const Report report = n.machine->report();
    send(id, a->interface, [this, report, id, i = a->interface](MemberId to) {
      if (drop && drop(id, to, i, report)) return;
      deliver(to, nodes_[to].incarnation,
              [this, report, i](StateMachine& m, Actions& out) { m.report_received(i, report, now_ns_, out); });
    });
  } else if (const auto* q = std::get_if<SendQuery>(&action)) {
    send(id, q->interface, [this, id, i = q->interface](MemberId to) {
      deliver(to, nodes_[to].incarnation,
              [this, id, i](StateMachine& m, Actions& out) { m.query_received(i, id, now_ns_, out); });
    });
  } else if (const auto* p = std::get_if<SendProbe>(&action)) {
    if (!options_.hosts || host_cut_[{id, p->interface}] || chance(options_.loss)) return;
    later(2 * random_between(options_.delay_min_ns, options_.delay_max_ns), [this, id, inc, i = p->interface] {
      deliver(id, inc, [this, i](StateMachine& m, Actions& out) { m.probe_answered(i, now_ns_, out); });
    });
  } else if (const auto* h = std::get_if<PrepareHandover>(&action)) {
    if (hold_handover_prepared) return;
    later(kMs, [this, id, inc, handover = h->id] {
      deliver(id, inc,
              [this, handover](StateMachine& m, Actions& out) { m.handover_prepared(handover, 100, now_ns_, out); });
    });
  } else if (const auto* f = std::get_if<StartFullSync>(&action)) {
    n.whole = false;
    n.sync_id = f->sync_id;
    later(options_.full_sync_ns, [this, id, inc, from = f->from, sync = f->sync_id] {
      Node& me = nodes_[id];
      if (me.incarnation != inc || me.sync_id != sync || !nodes_[from].machine) return;
      me.whole = true;
      status(id);
    });
  } else if (const auto* r = std::get_if<SetRole>(&action)) {
    if (r->role == Role::kActive) {
      n.whole = true;
      epochs_grow = epochs_grow && r->epoch >= n.last_own_epoch;
      n.last_own_epoch = r->epoch;
      auto& owners = epoch_owners[r->epoch];
      if (std::find(owners.begin(), owners.end(), id) == owners.end()) owners.push_back(id);
    }
  } else if (const auto* e = std::get_if<LogEvent>(&action)) {
    trace.push_back(std::to_string(now_ns_ / 1000) + "us member " + std::to_string(id) + " " +
                    std::string(to_string(e->from)) + "->" + std::string(to_string(e->to)) + " " +
                    std::string(name_of(e->cause)) + " about " + std::to_string(e->member) + " epoch " +
                    std::to_string(e->epoch));
  }
}

void Cluster::act(MemberId id, const Actions& actions) {
  for (const Action& action : actions) do_one(id, action);
  Node& n = nodes_[id];
  const int64_t wait = std::max<int64_t>(n.machine->next_deadline_ns() - now_ns_, 0);
  const int64_t late = random_between(0, options_.tick_late_max_ns);
  later(wait + late, [this, id, inc = n.incarnation] {
    Node& node = nodes_[id];
    if (!node.machine || node.incarnation != inc || node.paused) {
      if (node.paused) deliver(id, inc, [this](StateMachine& m, Actions& out) { m.tick(now_ns_, out); });
      return;
    }
    if (node.machine->next_deadline_ns() > now_ns_) return;  // a later event has asked for a later tick
    deliver(id, inc, [this](StateMachine& m, Actions& out) { m.tick(now_ns_, out); });
  });
}

std::vector<MemberId> Cluster::deciders() {
  std::vector<MemberId> ids;
  for (auto& [id, n] : nodes_) {
    if (n.machine && !n.paused && n.machine->decides(now_ns_)) ids.push_back(id);
  }
  return ids;
}

bool Cluster::one_active_rest_standby() {
  int active = 0;
  for (auto& [id, n] : nodes_) {
    if (!n.machine) continue;
    if (n.machine->state() == MemberState::kActive && n.machine->decides(now_ns_)) {
      ++active;
    } else if (n.machine->state() != MemberState::kStandby) {
      return false;
    }
  }
  return active == 1;
}

void Cluster::mark() { gap_ns_ = longest_gap_ns_ = doubly_ns_ = 0; }

// Called before each event: what held since the last one is charged to the time between.
void Cluster::observe() {
  const int64_t passed = now_ns_ - last_observed_ns_;
  last_observed_ns_ = now_ns_;
  gap_ns_ = deciders_before_ == 0 ? gap_ns_ + passed : 0;
  longest_gap_ns_ = std::max(longest_gap_ns_, gap_ns_);
  if (deciders_before_ > 1) doubly_ns_ += passed;
}

void Cluster::run_until(int64_t t) {
  while (!queue_.empty() && queue_.top().at <= t) {
    const Event event = queue_.top();
    queue_.pop();
    now_ns_ = event.at;
    observe();
    event.what();
    deciders_before_ = deciders().size();
  }
  now_ns_ = t;
  observe();
}

bool Cluster::run_until(const std::function<bool()>& done, int64_t limit_ns) {
  const int64_t end = now_ns_ + limit_ns;
  while (!done() && !queue_.empty() && queue_.top().at <= end) run_until(queue_.top().at);
  return done();
}

std::string story(const Cluster& cluster) {
  std::string text = "\n";
  for (const auto& line : cluster.trace) text += line + "\n";
  return text;
}

}  // namespace phalanx::cluster::harness
