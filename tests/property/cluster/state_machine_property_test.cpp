// Random lives of small clusters. Invariants: see each test; a failing seed replays exactly.
#include <rapidcheck/gtest.h>

#include "tests/unit/cluster/cluster_harness.hpp"

namespace phalanx::cluster {
namespace {

using harness::Cluster;
using harness::kMs;
using harness::Options;

Options random_options() {
  Options o;
  o.members = *rc::gen::inRange<uint8_t>(2, 4);
  o.seed = *rc::gen::arbitrary<uint64_t>();
  o.recovery = *rc::gen::element(Recovery::kActiveUp, Recovery::kPrimaryUp);
  if (*rc::gen::inRange(0, 5) == 0) o.timers = Timers::cluster_xl();
  return o;
}

MemberId member(const Options& o) { return *rc::gen::inRange<MemberId>(1, static_cast<MemberId>(o.members + 1)); }

// Long enough for every timer: initial silence, preemption delay, announcements, retries of handovers.
void calm(Cluster& c, const Options& o) {
  const int64_t patience = 2 * o.timers.initial_silence_ns + 40 * o.timers.dead_ns + 2 * o.timers.preempt_delay_ns;
  const bool settled = c.run_until([&] { return c.one_active_rest_standby(); }, patience);
  if (!settled) RC_FAIL("not settled" + story(c));
  c.run_for(20 * o.timers.dead_ns + 2 * o.timers.preempt_delay_ns);
  if (!c.one_active_rest_standby()) RC_FAIL("did not stay settled" + story(c));
}

void check_epochs(const Cluster& c) {
  if (!c.epochs_grow) RC_FAIL("a member's epochs went back" + story(c));
}

// Pauses, crashes, restarts, links, handovers, with every report delivered: nobody ever decides beside another, no
// epoch has two owners, and when it is over there is one active member and everybody else is Standby.
RC_GTEST_PROP(ClusterProperty, WholeNetworkNeverHasTwoDeciders, ()) {
  Options o = random_options();
  o.duplication = 0.1;
  Cluster c(o);
  calm(c, o);
  c.mark();
  const int64_t unit = o.timers.dead_ns / 6;
  const int steps = *rc::gen::inRange(1, 8);
  for (int i = 0; i < steps; ++i) {
    const MemberId m = member(o);
    switch (*rc::gen::inRange(0, 6)) {
      case 0:
        c.pause(m);
        c.run_for(*rc::gen::inRange<int64_t>(1, 20) * unit);
        c.resume(m);
        break;
      case 1:
        // A machine that dies and one that is gone for longer than it takes to notice: the simplest and the usual
        // death.
        c.crash(m, *rc::gen::arbitrary<bool>());
        c.run_for(*rc::gen::inRange<int64_t>(1, 30) * unit);
        c.restart(m);
        break;
      case 2:
        (void)c.failover(m);
        break;
      case 3: {
        const int interface = *rc::gen::inRange(0, 3);
        c.unplug(m, interface, true);
        c.set_link(m, interface, false);
        c.run_for(*rc::gen::inRange<int64_t>(1, 30) * unit);
        c.unplug(m, interface, false);
        c.set_link(m, interface, true);
        break;
      }
      case 4:
        c.event(m, [&](StateMachine& s, Actions& out) { s.admin_down(c.now(), out); });
        c.run_for(*rc::gen::inRange<int64_t>(1, 30) * unit);
        c.event(m, [&](StateMachine& s, Actions& out) { s.admin_up(c.now(), out); });
        break;
      case 5: {
        const int interface = *rc::gen::inRange(0, 3);
        c.unplug(m, interface, true);
        c.run_for(*rc::gen::inRange<int64_t>(1, 30) * unit);
        c.unplug(m, interface, false);
        break;
      }
    }
    c.run_for(*rc::gen::inRange<int64_t>(0, 12) * unit);
  }
  calm(c, o);
  if (c.doubly_decided_ns() != 0)
    RC_FAIL("two decided for " + std::to_string(c.doubly_decided_ns()) + " ns" + story(c));
  for (const auto& [epoch, owners] : c.epoch_owners) {
    if (owners.size() != 1) RC_FAIL("epoch " + std::to_string(epoch) + " had two owners" + story(c));
  }
  check_epochs(c);
}

// With the lease bound to evidence (step down), a member that loses every cable stops before the others may start.
RC_GTEST_PROP(ClusterProperty, StepDownNeverHasTwoDecidersWhenAMemberIsCutOff, ()) {
  Options o = random_options();
  o.when_isolated = WhenIsolated::kStepDown;
  Cluster c(o);
  calm(c, o);
  c.mark();
  const int64_t unit = o.timers.dead_ns / 6;
  for (int i = 0; i < 3; ++i) {
    const MemberId m = member(o);
    for (int interface = 0; interface < o.interfaces; ++interface) c.unplug(m, interface, true);
    c.run_for(*rc::gen::inRange<int64_t>(1, 60) * unit);
    for (int interface = 0; interface < o.interfaces; ++interface) c.unplug(m, interface, false);
    // One failure at a time: the next comes when the members have heard each other again for two dead times.
    c.run_for(*rc::gen::inRange<int64_t>(12, 60) * unit);
  }
  calm(c, o);
  if (c.doubly_decided_ns() != 0) RC_FAIL("two decided" + story(c));
  check_epochs(c);
}

// Reports lost one way only, for any time: what the deaf side says of its silence ends the other's lease in time.
RC_GTEST_PROP(ClusterProperty, OneWayLossNeverHasTwoDeciders, ()) {
  Options o = random_options();
  o.members = 2;
  Cluster c(o);
  calm(c, o);
  c.mark();
  const MemberId m = member(o);
  for (int i = 0; i < o.interfaces; ++i) c.cut(m, static_cast<MemberId>(3 - m), i, true);
  c.run_for(*rc::gen::inRange<int64_t>(1, 40) * o.timers.dead_ns / 6);
  for (int i = 0; i < o.interfaces; ++i) c.cut(m, static_cast<MemberId>(3 - m), i, false);
  calm(c, o);
  if (c.doubly_decided_ns() != 0) RC_FAIL("two decided" + story(c));
  check_epochs(c);
}

// A bad network: loss, duplicates, late packets, partitions of members that both still reach hosts. Two may decide
// while they cannot hear each other; once they can, one does, within a few reports, and every epoch grew.
RC_GTEST_PROP(ClusterProperty, PartitionedAndLossyClusterHeals, ()) {
  Options o = random_options();
  o.loss = *rc::gen::inRange(0, 30) / 100.0;
  o.duplication = 0.1;
  o.delay_max_ns = 3 * kMs;
  o.hosts = *rc::gen::inRange(0, 4) != 0;
  Cluster c(o);
  c.run_for(2 * o.timers.initial_silence_ns);
  for (int i = 0; i < 4; ++i) {
    const MemberId a = member(o), b = member(o);
    if (a != b) c.cut_all(a, b, true);
    c.run_for(*rc::gen::inRange<int64_t>(1, 200) * o.timers.dead_ns / 20);
    if (*rc::gen::arbitrary<bool>()) (void)c.failover(a);
    c.run_for(*rc::gen::inRange<int64_t>(1, 200) * o.timers.dead_ns / 20);
    if (a != b) c.cut_all(a, b, false);
  }
  // From here on the network is whole, though it still loses reports: one decider within a dead time.
  const bool one = c.run_until([&] { return c.deciders().size() == 1; }, 60 * o.timers.dead_ns);
  if (!one) RC_FAIL("not one decider" + story(c));
  c.calm_network();
  calm(c, o);
  check_epochs(c);
}

}  // namespace
}  // namespace phalanx::cluster
