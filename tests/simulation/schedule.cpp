// What happens in a run, and when the checkers look.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/simulation/checkers/tables.hpp"
#include "tests/simulation/world.hpp"

namespace phalanx::simulation {
namespace {

constexpr int64_t kProgressNs = 3 * kSecondNs;  // TCP's longest timeout here is 0.8 s
constexpr int64_t kQuietNs = 1 * kSecondNs;
constexpr int64_t kTablesBoundNs =
    1 * kSecondNs;  // a session that ends just then is told within 10 ms; losses are over
// Evidence from before a partition healed is gone within so many dead times.
constexpr int64_t kHealDeadTimes = 2;

}  // namespace

// The active member decides and the other is Standby, with everything told and acknowledged.
bool World::healthy() {
  const int a = active_node();
  if (a < 0) return false;
  const auto other = static_cast<size_t>(1 - a);
  return nodes_[other]->running() && !nodes_[other]->paused() &&
         nodes_[other]->state() == cluster::MemberState::kStandby && !nodes_[other]->deciding() &&
         nodes_[static_cast<size_t>(a)]->state() == cluster::MemberState::kActive;
}

int World::active_node() {
  for (int node = 0; node < 2; ++node) {
    if (nodes_[static_cast<size_t>(node)]->deciding()) return node;
  }
  return -1;
}

bool World::wait_healthy(int64_t bound_ns, std::string_view when) {
  const int64_t until_ns = scheduler_.now_ns() + bound_ns;
  // For a while without a break: a handover to the primary member may still come.
  int64_t since_ns = -1;
  while (scheduler_.now_ns() < until_ns) {
    scheduler_.run_until(scheduler_.now_ns() + kMillisecondNs);
    if (!healthy()) {
      since_ns = -1;
    } else if (since_ns < 0) {
      since_ns = scheduler_.now_ns();
    } else if (scheduler_.now_ns() - since_ns >= 50 * kMillisecondNs) {
      return true;
    }
  }
  const auto state = [&](size_t node) {
    if (!nodes_[node]->running()) return std::string("dead");
    return absl::StrCat(std::string(cluster::to_string(nodes_[node]->state())),
                        nodes_[node]->deciding() ? " deciding" : "");
  };
  fail(Checker::kRoles, absl::StrCat(std::string(when), ": no active member with a standby within ",
                                     bound_ns / kMillisecondNs, " ms: ", state(0), ", ", state(1)));
  return false;
}

void World::inject(Fault fault) {
  const int node = static_cast<int>(random_.below(2));
  const int network = static_cast<int>(random_.below(3));
  const int64_t duration_ns = random_.between(20, 1200) * kMillisecondNs;
  const int a = active_node() < 0 ? node : active_node();
  Active entry{fault, [] {}, [] { return uint64_t{1}; }, scheduler_.now_ns() + duration_ns};
  const bool outward = random_.chance(0.5);
  Impairment* link = network == kDataNetworks ? &sync_.out[node]
                     : outward ? &switches_[static_cast<size_t>(network)]->port(static_cast<size_t>(node)).in
                               : &switches_[static_cast<size_t>(network)]->port(static_cast<size_t>(node)).out;
  const auto impaired = [&](double Impairment::*field, double value) {
    link->*field = value;
    entry.heal = [link, field] { link->*field = 0; };
    entry.hits = [link, before = link->hits] { return link->hits - before; };
  };
  const auto cut = [&](int of, bool both) {
    bool* flags = of == kDataNetworks ? sync_.cut : switches_[static_cast<size_t>(of)]->cut;
    flags[node] = true;
    if (both) flags[1 - node] = true;
    return [flags] { flags[0] = flags[1] = false; };
  };
  trace(absl::StrCat("FAULT ", std::string(to_string(fault)), ", member ", node + 1, " (active ", a + 1, "), network ",
                     network, ", for ", duration_ns / kMillisecondNs, " ms"));
  switch (fault) {
    case Fault::kLoss:
      impaired(&Impairment::loss, 0.02 + 0.01 * static_cast<double>(random_.below(30)));
      break;
    case Fault::kDuplication:
      impaired(&Impairment::duplication, 0.3);
      break;
    case Fault::kReordering:
      impaired(&Impairment::reordering, 0.3);
      break;
    case Fault::kDelay:
      link->delay_ns = random_.between(200, fast_ ? 4000 : 40000) * kMicrosecondNs;
      entry.heal = [link] { link->delay_ns = 0; };
      entry.hits = [link, before = link->hits] { return link->hits - before; };
      break;
    case Fault::kPartitionOneWay:
      entry.heal = cut(network, false);
      break;
    case Fault::kPartition:
      entry.heal = cut(network, true);
      break;
    case Fault::kPartitionAll: {
      std::vector<std::function<void()>> heals;
      for (int of = 0; of <= kDataNetworks; ++of) heals.push_back(cut(of, true));
      excuse_from_ns_ = scheduler_.now_ns();
      entry.heal = [this, heals] {
        for (const auto& heal : heals) heal();
        deciders_.excuse(excuse_from_ns_, scheduler_.now_ns() + kHealDeadTimes * timers_.dead_ns);
      };
      break;
    }
    case Fault::kSyncCut:
      entry.heal = cut(kDataNetworks, true);
      entry.hits = [this, before = sync_.cut_hits] { return sync_.cut_hits - before; };
      break;
    case Fault::kLinkDown:
      set_link(node, network, false);
      entry.heal = [this, node, network] { set_link(node, network, true); };
      break;
    case Fault::kCrashActive:
    case Fault::kCrashStandby:
    case Fault::kCrashBoth: {
      const int first = fault == Fault::kCrashStandby ? 1 - a : a;
      crash_node(first);
      if (fault == Fault::kCrashBoth) {
        scheduler_.after(random_.between(0, 30) * kMillisecondNs, [this, other = 1 - first] { crash_node(other); });
      }
      entry.until_ns = std::max(entry.until_ns, scheduler_.now_ns() + 50 * kMillisecondNs);
      entry.heal = [this] {
        for (int n = 0; n < 2; ++n) {
          if (!nodes_[static_cast<size_t>(n)]->running()) start_node(n);
        }
      };
      break;
    }
    case Fault::kPauseActive:
    case Fault::kPauseStandby: {
      Node* paused = nodes_[static_cast<size_t>(fault == Fault::kPauseActive ? a : 1 - a)].get();
      paused->pause();
      // Short ones too, which end within the lease.
      if (random_.chance(0.5)) entry.until_ns = scheduler_.now_ns() + random_.between(2, 60) * kMillisecondNs;
      entry.heal = [paused] { paused->resume(); };
      break;
    }
    case Fault::kSlow: {
      Node* slow = nodes_[static_cast<size_t>(node)].get();
      slow->set_lag(random_.between(500, fast_ ? 3000 : 30000) * kMicrosecondNs);
      entry.heal = [slow] { slow->set_lag(0); };
      break;
    }
    case Fault::kFailover:
      inject_failover();
      break;
  }
  active_.push_back(std::move(entry));
}

void World::inject_failover() {
  Node* asked = nodes_[random_.below(2)].get();
  asked->post([this](gateway::Member& member, int64_t now_ns) {
    const absl::Status status = member.failover(now_ns);
    trace(absl::StrCat("planned failover: ", status.ok() ? "begun" : std::string(status.message())));
  });
}

void World::heal(size_t index) {
  const Active entry = std::move(active_[index]);
  active_.erase(active_.begin() + static_cast<ptrdiff_t>(index));
  trace(absl::StrCat("healed: ", std::string(to_string(entry.fault))));
  if (entry.hits() != 0) ++result_.faults[static_cast<size_t>(entry.fault)];
  entry.heal();
}

void World::heal_all() {
  while (!active_.empty()) heal(0);
}

// One fault at a time. What is established before it, and acknowledged, must be there after it.
void World::run_single() {
  const int faults = static_cast<int>(random_.between(2, 4));
  for (int i = 0; i < faults; ++i) {
    const auto fault = static_cast<Fault>(random_.below(kFaults));
    if (kFaultInfo[static_cast<size_t>(fault)].single && healthy()) {
      sessions_.protect(flows_, scheduler_.now_ns());
      result_.protected_sessions += sessions_.count();
    } else {
      sessions_.release();
    }
    if (options_.defect == Break::kForgetSessions && healthy()) {
      nodes_[static_cast<size_t>(1 - active_node())]->member()->data().engine().clear();
      inject(Fault::kCrashActive);
    } else {
      inject(fault);
    }
    scheduler_.run_until(active_.back().until_ns);
    heal_all();
    if (!wait_healthy(bound_ns_, "after the fault")) return;
    const int64_t recovered_ns = scheduler_.now_ns();
    scheduler_.run_until(recovered_ns + kProgressNs);
    sessions_.check(flows_, recovered_ns, scheduler_.now_ns(), result_.violations);
    if (!wait_healthy(bound_ns_, "a while after the fault")) return;
  }
}

void World::run_storm() {
  // Several faults at once are beyond what the lease can prove (docs/cluster.md, "What is not covered").
  const int64_t from_ns = scheduler_.now_ns();
  const int faults = static_cast<int>(random_.between(5, 12));
  for (int i = 0; i < faults; ++i) {
    inject(static_cast<Fault>(random_.below(kFaults)));
    const int64_t next_ns = scheduler_.now_ns() + random_.between(10, 600) * kMillisecondNs;
    while (scheduler_.now_ns() < next_ns) {
      scheduler_.run_until(std::min(next_ns, scheduler_.now_ns() + 5 * kMillisecondNs));
      for (size_t k = active_.size(); k-- > 0;) {
        if (active_[k].until_ns <= scheduler_.now_ns()) heal(k);
      }
    }
  }
  heal_all();
  deciders_.excuse(from_ns, scheduler_.now_ns() + kHealDeadTimes * timers_.dead_ns);
}

// A healthy network: each request must be answered, whatever moves.
void World::run_planned() {
  for (int i = 0; i < 3; ++i) {
    inject(Fault::kFailover);
    scheduler_.run_until(scheduler_.now_ns() + random_.between(300, 1500) * kMillisecondNs);
    heal_all();
    if (!wait_healthy(bound_ns_, "after the planned failover")) return;
  }
  apply_defect();
  scheduler_.run_until(scheduler_.now_ns() + 300 * kMillisecondNs);
}

void World::apply_defect() {
  const int active = active_node();
  if (active < 0) return;
  gateway::Member& standby = *nodes_[static_cast<size_t>(1 - active)]->member();
  if (options_.defect == Break::kSecondDecider) {
    for (const auto& sw : switches_) sw->is_hub = true;
    standby.data().dataplane().set_role(scheduler_.now_ns(), {.active = true,
                                                              .holding = false,
                                                              .epoch = 99,
                                                              .lease_until_ns = INT64_MAX,
                                                              .relay_to = 0,
                                                              .relay_until_ns = 0});
  }
  if (options_.defect == Break::kLostPacket) drop_one_ = true;
  if (options_.defect == Break::kSharedBinding) {
    const BindingsChecker::Key key{hls::kProtocolUdp, IpAddress::v4(1), 1024, IpAddress::v4(2), 7};
    for (const auto& [id, flow] : flows_) {  // echo flows, which last
      if (!flow.tcp) bindings_.translated(key, id, scheduler_.now_ns(), flows_, result_.violations);
    }
  }
}

void World::finish() {
  heal_all();
  if (!wait_healthy(bound_ns_, "with all healed")) return;
  scheduler_.run_until(scheduler_.now_ns() + kSecondNs);
  traffic_ = false;
  for (const auto& host : hosts_) host->quiet();
  scheduler_.run_until(scheduler_.now_ns() + kQuietNs);
  if (!wait_healthy(bound_ns_, "in quiet")) return;
  const auto active = static_cast<size_t>(active_node());
  gateway::Member& a = *nodes_[active]->member();
  gateway::Member& b = *nodes_[1 - active]->member();
  if (options_.defect == Break::kLostDelta) b.data().engine().clear();
  std::string difference;
  for (const int64_t until_ns = scheduler_.now_ns() + kTablesBoundNs; scheduler_.now_ns() < until_ns;) {
    difference = table_difference(a, b, scheduler_.now_ns());
    if (difference.empty()) break;
    scheduler_.run_until(scheduler_.now_ns() + 10 * kMillisecondNs);
  }
  if (!difference.empty()) fail(Checker::kTables, difference);
  for (const auto& host : hosts_) {
    if (host->misdelivered() != 0)
      fail(Checker::kBindings, absl::StrCat(host->config().name, " got what isn't its own"));
  }
  for (const auto& [id, flow] : flows_) {
    if (mode_ != Mode::kPlanned) break;
    if (!flow.tcp && flow.answered != flow.sent) {
      fail(Checker::kLoss, absl::StrCat("flow ", id, ": ", flow.sent, " requests, ", flow.answered, " answers"));
    }
    if (flow.reset) fail(Checker::kLoss, absl::StrCat("connection ", id, " was reset"));
  }
}

RunResult World::run() {
  trace(absl::StrCat("seed ", options_.seed, ": ", result_.description));
  start_node(0);
  scheduler_.after(random_.between(0, 200) * kMillisecondNs, [this] { start_node(1); });
  scheduler_.after(0, [this] { watch(); });
  if (wait_healthy(bound_ns_, "at the start")) {
    start_traffic();
    scheduler_.run_until(scheduler_.now_ns() + 700 * kMillisecondNs);
    if (mode_ == Mode::kSingle) run_single();
    if (mode_ == Mode::kStorm) run_storm();
    if (mode_ == Mode::kPlanned) run_planned();
    if (result_.violations.empty()) finish();
  }
  deciders_.check(result_.violations);
  return std::move(result_);
}

}  // namespace phalanx::simulation
