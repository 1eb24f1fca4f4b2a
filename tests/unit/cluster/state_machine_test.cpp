// The state machine as a member of a small cluster: what an operator would see.
#include "host/cluster/state_machine.hpp"

#include "tests/unit/cluster/cluster_harness.hpp"

namespace phalanx::cluster {
namespace {

using harness::Cluster;
using harness::kMs;
using harness::Options;
using testing::ElementsAre;

std::string story(const Cluster& c) {
  std::string text;
  for (const auto& line : c.trace) text += line + "\n";
  return text;
}

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

}  // namespace
}  // namespace phalanx::cluster
