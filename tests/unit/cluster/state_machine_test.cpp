// The state machine as a member of a small cluster: what an operator would see.
#include "host/cluster/state_machine.hpp"

#include "tests/unit/cluster/cluster_harness.hpp"

namespace phalanx::cluster {
namespace {

using harness::Cluster;
using harness::kMs;
using harness::Options;
using testing::ElementsAre;

#define SETTLED(c, options)                                                                      \
  Cluster c(options);                                                                            \
  ASSERT_TRUE(c.run_until([&] { return c.one_active_rest_standby(); }, 5000 * kMs)) << story(c); \
  c.run_for(200 * kMs);                                                                          \
  c.mark()

TEST(StateMachine, TwoMembersStartedAtOnceChooseTheHigherPriority) {
  SETTLED(c, Options{});
  EXPECT_EQ(c.state(1), MemberState::kActive);
  EXPECT_EQ(c.state(2), MemberState::kStandby);
  EXPECT_EQ(c.at(2).active_member(), 1);
  EXPECT_EQ(c.at(1).epoch(), 1u);
}

TEST(StateMachine, KilledProcessIsReplacedAfterTheConfirmation) {
  SETTLED(c, Options{});
  const int64_t at = c.now();
  c.crash(1, true);
  ASSERT_TRUE(c.run_until([&] { return c.at(2).decides(c.now()); }, 100 * kMs)) << story(c);
  EXPECT_LE(c.now() - at, 10 * kMs) << story(c);
  EXPECT_EQ(c.at(2).epoch(), 2u);
}

TEST(StateMachine, DeadMachineIsReplacedAfterDeadTimeAndAProbeAnswer) {
  SETTLED(c, Options{});
  const int64_t at = c.now();
  c.crash(1, false);
  ASSERT_TRUE(c.run_until([&] { return c.at(2).decides(c.now()); }, 200 * kMs)) << story(c);
  EXPECT_GE(c.now() - at, 19 * kMs);
  EXPECT_LE(c.now() - at, 32 * kMs) << story(c);
}

TEST(StateMachine, PausedActiveStopsItselfAndJoinsWhenItWakes) {
  SETTLED(c, Options{});
  c.pause(1);
  c.run_for(200 * kMs);
  EXPECT_THAT(c.deciders(), ElementsAre(2)) << story(c);
  c.resume(1);
  c.run_for(5 * kMs);
  EXPECT_THAT(c.deciders(), ElementsAre(2)) << story(c);
  EXPECT_TRUE(c.run_until([&] { return c.one_active_rest_standby(); }, 500 * kMs)) << story(c);
  EXPECT_EQ(c.doubly_decided_ns(), 0);
  EXPECT_EQ(c.state(1), MemberState::kStandby);
}

TEST(StateMachine, PauseThatTheOthersDidNotNoticeEndsWithAHigherEpoch) {
  SETTLED(c, Options{});
  c.pause(1);
  c.run_for(27 * kMs);
  c.resume(1);
  c.run_for(10 * kMs);
  EXPECT_THAT(c.deciders(), ElementsAre(c.at(1).active_member())) << story(c);
  EXPECT_EQ(c.at(1).epoch(), 2u) << story(c);
  EXPECT_EQ(c.doubly_decided_ns(), 0);
}

TEST(StateMachine, OperatorsFailoverOnEitherMember) {
  for (const MemberId asked : {MemberId{1}, MemberId{2}}) {
    SETTLED(c, Options{});
    ASSERT_TRUE(c.failover(asked).ok());
    c.run_for(100 * kMs);
    EXPECT_EQ(c.state(1), MemberState::kStandby) << story(c);
    EXPECT_EQ(c.state(2), MemberState::kActive) << story(c);
    EXPECT_EQ(c.doubly_decided_ns(), 0);
    EXPECT_LE(c.longest_gap_ns(), 3 * kMs);
    EXPECT_EQ(c.at(1).counter(ClusterCounter::kHandoversGiven), 1u);
    EXPECT_EQ(c.at(2).counter(ClusterCounter::kHandoversTaken), 1u);
  }
}

TEST(StateMachine, LinkDownOnTheActiveHandsOverAndItComesBackAsStandby) {
  SETTLED(c, Options{});
  c.unplug(1, 0, true);
  c.set_link(1, 0, false);
  c.run_for(30 * kMs);
  EXPECT_EQ(c.state(1), MemberState::kDown) << story(c);
  EXPECT_EQ(c.state(2), MemberState::kActive) << story(c);
  c.unplug(1, 0, false);
  c.set_link(1, 0, true);
  c.run_for(200 * kMs);
  EXPECT_EQ(c.state(1), MemberState::kStandby) << story(c);
  EXPECT_EQ(c.state(2), MemberState::kActive) << story(c);
  EXPECT_EQ(c.doubly_decided_ns(), 0);
}

TEST(StateMachine, SyncCutMakesTheStandbyDownAndTheActiveAttention) {
  SETTLED(c, Options{});
  c.unplug(1, 2, true);
  c.run_for(300 * kMs);
  EXPECT_EQ(c.state(1), MemberState::kActiveAttention) << story(c);
  EXPECT_EQ(c.state(2), MemberState::kDown) << story(c);
  c.unplug(1, 2, false);
  EXPECT_TRUE(c.run_until([&] { return c.one_active_rest_standby(); }, 500 * kMs)) << story(c);
  EXPECT_EQ(c.state(1), MemberState::kActive);
}

// ---- handover: lost, late, refused ----

TEST(Handover, LostOffersAreRepeated) {
  SETTLED(c, Options{});
  int lost = 0;
  c.drop = [&](MemberId, MemberId, int, const Report& r) { return r.handover.kind == Handover::kOffer && lost++ < 9; };
  ASSERT_TRUE(c.failover(1).ok());
  c.run_for(50 * kMs);
  EXPECT_GE(lost, 9);
  EXPECT_THAT(c.deciders(), ElementsAre(2)) << story(c);
  EXPECT_EQ(c.doubly_decided_ns(), 0);
}

// The target never hears the offer, only the withdrawal: it consents, the old one goes on; the offer that then arrives
// late is refused.
TEST(Handover, OfferThatComesAfterItsWithdrawalIsRefused) {
  SETTLED(c, Options{});
  Report offer;
  c.drop = [&](MemberId, MemberId, int, const Report& r) {
    if (r.handover.kind == Handover::kOffer) offer = r;
    return r.handover.kind == Handover::kOffer;
  };
  // Silence for 30 ms would be a death; the withdrawal must come before, so the timeout is set below that.
  Options o;
  o.timers.handover_timeout_ns = 15 * kMs;
  Cluster d(o);
  d.drop = c.drop;
  ASSERT_TRUE(d.run_until([&] { return d.one_active_rest_standby(); }, 5000 * kMs));
  d.run_for(100 * kMs);
  d.mark();
  ASSERT_TRUE(d.failover(1).ok());
  d.run_for(40 * kMs);
  EXPECT_THAT(d.deciders(), ElementsAre(1)) << story(d);
  EXPECT_EQ(d.at(1).epoch(), 2u) << story(d);
  EXPECT_EQ(d.at(2).counter(ClusterCounter::kOffersRefused), 1u);
  ASSERT_EQ(offer.handover.kind, Handover::kOffer);
  d.event(2, [&](StateMachine& m, Actions& out) { m.report_received(0, offer, d.now(), out); });
  offer.report_sequence += 1000;  // even if it passed for a new one
  d.event(2, [&](StateMachine& m, Actions& out) { m.report_received(0, offer, d.now(), out); });
  EXPECT_EQ(d.state(2), MemberState::kStandby) << story(d);
  EXPECT_EQ(d.doubly_decided_ns(), 0);
}

// The target took the role, and nothing of it reaches the old one: that one does not start again by itself.
TEST(Handover, OldOneWaitsAsLongAsItsTargetMayHaveStarted) {
  SETTLED(c, Options{});
  ASSERT_TRUE(c.failover(1).ok());
  ASSERT_TRUE(c.run_until([&] { return c.at(2).decides(c.now()); }, 50 * kMs));
  c.drop = [&](MemberId from, MemberId, int, const Report&) { return from == 2; };
  c.run_for(15 * kMs);  // from 20 ms on the target would be told that it is not heard, and stop
  EXPECT_THAT(c.deciders(), ElementsAre(2)) << story(c);
  c.drop = nullptr;
  c.run_for(50 * kMs);
  EXPECT_EQ(c.state(1), MemberState::kStandby) << story(c);
  EXPECT_EQ(c.doubly_decided_ns(), 0);
}

TEST(Handover, TargetThatDiesWithTheOfferLeavesItsEpochOut) {
  SETTLED(c, Options{});
  c.drop = [](MemberId, MemberId, int, const Report& r) { return r.handover.kind == Handover::kOffer; };
  ASSERT_TRUE(c.failover(1).ok());
  c.run_for(3 * kMs);
  c.crash(2, true);
  c.run_for(30 * kMs);
  EXPECT_THAT(c.deciders(), ElementsAre(1)) << story(c);
  EXPECT_EQ(c.at(1).epoch(), 3u) << story(c);
}

TEST(Handover, DataPlaneThatNeverGetsReadyCancelsIt) {
  SETTLED(c, Options{});
  c.hold_handover_prepared = true;
  ASSERT_TRUE(c.failover(1).ok());
  EXPECT_EQ(c.failover(1).code(), absl::StatusCode::kFailedPrecondition);
  c.run_for(1100 * kMs);
  EXPECT_THAT(c.deciders(), ElementsAre(1)) << story(c);
  EXPECT_EQ(c.longest_gap_ns(), 0) << "it decided all the time";
  EXPECT_EQ(c.at(1).epoch(), 1u);
}

TEST(Handover, TargetWaitsForTheLastDelta) {
  SETTLED(c, Options{});
  DataPlaneStatus behind;
  behind.whole = true;
  behind.sync_id = 1;
  behind.position = 99;  // the harness offers at 100
  c.event(2, [&](StateMachine& m, Actions& out) { m.data_plane(behind, c.now(), out); });
  ASSERT_TRUE(c.failover(1).ok());
  c.run_for(10 * kMs);
  EXPECT_TRUE(c.deciders().empty()) << story(c);
  behind.position = 100;
  c.event(2, [&](StateMachine& m, Actions& out) { m.data_plane(behind, c.now(), out); });
  EXPECT_THAT(c.deciders(), ElementsAre(2)) << story(c);
}

TEST(Handover, WithoutAStandbyItIsRefused) {
  SETTLED(c, Options{});
  c.crash(2, true);
  c.run_for(50 * kMs);
  EXPECT_EQ(c.failover(1).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(c.deciders(), ElementsAre(1));
}

// ---- election, step by step ----

TEST(Election, ClaimNeedsThePromiseOfEveryLivingPeerAfterTheClaim) {
  ClusterConfig config;
  config.own_id = 1;
  config.members = {{1, 1}, {2, 2}};
  config.interfaces = {{"eth0", false}};
  config.incarnation = 77;
  StateMachine m(config, 0);
  Report peer;
  peer.member = 2;
  peer.incarnation = 88;
  peer.state = MemberState::kReady;
  int64_t now = 0;
  const auto hear = [&](uint64_t echo, MemberId promised_to) {
    ++peer.report_sequence;
    peer.peers[0] = {77, echo, MemberState::kReady, 0};
    peer.promised_to = promised_to;
    Actions out;
    m.report_received(0, peer, now += kMs, out);
  };
  Actions out;
  m.tick(0, out);
  hear(0, kNoMember);  // unproven: our next report is the challenge
  m.tick(now += 2 * kMs, out);
  hear(m.report().report_sequence, kNoMember);
  ASSERT_EQ(m.state(), MemberState::kReady);
  ASSERT_TRUE(m.report().claims_active);
  const uint64_t claim = m.report().report_sequence;
  hear(claim, kNoMember);
  EXPECT_EQ(m.state(), MemberState::kReady) << "heard, and not promised";
  hear(claim, 2);
  EXPECT_EQ(m.state(), MemberState::kReady) << "promised to another";
  hear(claim - 1, 1);
  EXPECT_EQ(m.state(), MemberState::kReady) << "a promise for an earlier claim";
  hear(claim, 1);
  EXPECT_EQ(m.state(), MemberState::kActive);
}

// ---- trust and oddities ----

TEST(StateMachine, RecordedReportsOfAnOlderIncarnationDoNothing) {
  SETTLED(c, Options{});
  const Report recorded = c.at(2).report();
  c.crash(2, true);
  c.run_for(50 * kMs);
  c.restart(2);
  ASSERT_TRUE(c.run_until([&] { return c.one_active_rest_standby(); }, 3000 * kMs)) << story(c);
  const uint64_t incarnation = c.at(1).peer_incarnation(2);
  Report forged = recorded;
  forged.state = MemberState::kActive;
  forged.epoch = 1000;
  for (int i = 0; i < 50; ++i) {
    c.event(1, [&](StateMachine& m, Actions& out) { m.report_received(0, forged, c.now(), out); });
    c.run_for(10 * kMs);
  }
  EXPECT_EQ(c.at(1).peer_incarnation(2), incarnation);
  EXPECT_EQ(c.state(1), MemberState::kActive) << story(c);
  EXPECT_EQ(c.at(1).epoch(), 1u) << story(c);
  EXPECT_GE(c.at(1).counter(ClusterCounter::kUnprovenReports), 50u);
}

TEST(StateMachine, ClosedConnectionOfALivingPeerIsAFalseAlarm) {
  SETTLED(c, Options{});
  c.event(2, [&](StateMachine& m, Actions& out) { m.peer_disconnected(1, c.now(), out); });
  c.run_for(50 * kMs);
  EXPECT_THAT(c.deciders(), ElementsAre(1)) << story(c);
  EXPECT_EQ(c.at(2).counter(ClusterCounter::kConnectionFalseAlarms), 1u);
}

TEST(StateMachine, SilentPeerWithoutAnswersFromHostsIsNotReplaced) {
  SETTLED(c, Options{});
  for (int i = 0; i < 3; ++i) c.unplug(2, i, true);
  c.run_for(1000 * kMs);
  EXPECT_THAT(c.deciders(), ElementsAre(1)) << story(c);
  EXPECT_EQ(c.state(2), MemberState::kDown) << story(c);
}

TEST(StateMachine, MemberThatLeavesIsReplacedWithoutWaiting) {
  SETTLED(c, Options{});
  c.event(1, [&](StateMachine& m, Actions& out) { m.leave(c.now(), out); });
  c.run_for(kMs);
  EXPECT_THAT(c.deciders(), ElementsAre(2)) << story(c);
}

TEST(StateMachine, AloneWithAProblemItGoesOnInAttention) {
  SETTLED(c, Options{});
  c.crash(2, true);
  c.run_for(50 * kMs);
  c.event(1, [&](StateMachine& m, Actions& out) { m.admin_down(c.now(), out); });
  EXPECT_EQ(c.state(1), MemberState::kActiveAttention);
  EXPECT_TRUE(c.at(1).decides(c.now()));
  c.event(1, [&](StateMachine& m, Actions& out) { m.admin_up(c.now(), out); });
  EXPECT_EQ(c.state(1), MemberState::kActive);
}

TEST(StateMachine, DeadWorkerGoesDownAndTheStandbyIsElected) {
  SETTLED(c, Options{});
  DataPlaneStatus dead;
  dead.workers_alive = false;
  c.event(1, [&](StateMachine& m, Actions& out) { m.data_plane(dead, c.now(), out); });
  c.run_for(3 * kMs);
  EXPECT_THAT(c.deciders(), ElementsAre(2)) << story(c);
  EXPECT_EQ(c.state(1), MemberState::kDown);
}

TEST(StateMachine, PrimaryUpGivesTheRoleBackAfterTheDelay) {
  Options o;
  o.recovery = Recovery::kPrimaryUp;
  SETTLED(c, o);
  c.crash(1, true);
  c.run_for(100 * kMs);
  c.restart(1);
  ASSERT_TRUE(c.run_until([&] { return c.one_active_rest_standby(); }, 1000 * kMs));
  EXPECT_EQ(c.state(2), MemberState::kActive) << story(c);
  c.run_for(1100 * kMs);
  EXPECT_EQ(c.state(1), MemberState::kActive) << story(c);
  EXPECT_EQ(c.doubly_decided_ns(), 0);
}

TEST(StateMachine, OneMemberAloneIsActiveAtOnce) {
  Options o;
  o.members = 1;
  Cluster c(o);
  c.run_for(5 * kMs);
  EXPECT_THAT(c.deciders(), ElementsAre(1)) << story(c);
}

TEST(StateMachine, NonsenseInReportsIsCountedAndHarmless) {
  SETTLED(c, Options{});
  Report r = c.at(2).report();
  r.member = 5;
  c.event(1, [&](StateMachine& m, Actions& out) { m.report_received(0, r, c.now(), out); });
  r.member = 1;
  c.event(1, [&](StateMachine& m, Actions& out) { m.report_received(0, r, c.now(), out); });
  r.member = 2;
  c.event(1, [&](StateMachine& m, Actions& out) { m.report_received(63, r, c.now(), out); });
  EXPECT_EQ(c.at(1).counter(ClusterCounter::kImpossibleReports), 3u);
  c.event(1, [&](StateMachine& m, Actions& out) { m.tick(c.now() - 5 * kMs, out); });
  EXPECT_EQ(c.at(1).counter(ClusterCounter::kClockStepsBack), 1u);
  EXPECT_EQ(c.state(1), MemberState::kActive);
}

}  // namespace
}  // namespace phalanx::cluster
