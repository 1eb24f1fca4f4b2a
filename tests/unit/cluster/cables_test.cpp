// All cables of a member are pulled and put back (docs/cluster.md, "Evidence").
#include "tests/unit/cluster/cluster_harness.hpp"

namespace phalanx::cluster {
namespace {

using harness::Cluster;
using harness::kMs;
using harness::Options;

constexpr int64_t kDeadMs = Timers{}.dead_ns / kMs;
// docs/cluster.md: links count as back only after two dead times.
constexpr int64_t kBackAfterMs = 2 * kDeadMs;

// A pair whose data planes forget the hosts of a link that goes down, so that a member without cables has nobody to
// ask. Member 1 is active, its cables are pulled for a second, member 2 takes over.
class AllCables {
 public:
  AllCables() : cluster(options()) {
    EXPECT_TRUE(cluster.run_until([this] { return cluster.one_active_rest_standby(); }, 3000 * kMs));
    EXPECT_EQ(cluster.state(1), MemberState::kActive);
    carrier(false);
    frames(false);
    cluster.run_for(1000 * kMs);
    EXPECT_FALSE(is_active(cluster.state(1))) << "a member without a cable took over";
    EXPECT_TRUE(is_active(cluster.state(2)));
  }
  void carrier(bool there) {
    for (int i = 0; i < 3; ++i) cluster.set_link(1, i, there);
    cluster.set_link(2, 2, there);  // the sync network is a cable between the two
  }
  void frames(bool pass) {
    for (int i = 0; i < 3; ++i) cluster.unplug(1, i, !pass);
  }

  Cluster cluster;

 private:
  static Options options() {
    Options o;
    o.forgets_hosts = true;
    return o;
  }
};

// A switch may need a while before it passes frames. Whoever took over keeps the role meanwhile: the member that was
// cut off hears nobody and knows no host, as if it were the only one left, and waits.
class CarrierBeforeFrames : public testing::TestWithParam<int64_t> {};

TEST_P(CarrierBeforeFrames, MovesTheRoleOnce) {
  AllCables pulled;
  Cluster& c = pulled.cluster;
  const uint64_t epoch = c.at(2).epoch();
  c.mark();
  pulled.carrier(true);
  c.run_for(GetParam() * kMs);
  EXPECT_FALSE(is_active(c.state(1))) << story(c);
  pulled.frames(true);
  c.run_for(2000 * kMs);
  EXPECT_EQ(c.state(1), MemberState::kStandby) << story(c);
  EXPECT_EQ(c.state(2), MemberState::kActive) << story(c);
  EXPECT_EQ(c.at(2).epoch(), epoch) << "the role moved, or the survivor's lease ended, when the cables came back";
  EXPECT_EQ(c.doubly_decided_ns(), 0) << story(c);
  EXPECT_EQ(c.longest_gap_ns(), 0) << story(c);
}

INSTANTIATE_TEST_SUITE_P(Ms, CarrierBeforeFrames, testing::Values(0, 1, 5, 25, kDeadMs + 5, kBackAfterMs - 5));

// Nobody is behind the cables: the wait ends, and the member decides again.
TEST(Cables, TheWaitEndsAfterTwoDeadTimes) {
  AllCables pulled;
  Cluster& c = pulled.cluster;
  pulled.carrier(true);
  c.crash(2, false);
  c.run_for(kBackAfterMs * kMs - 1);
  EXPECT_FALSE(is_active(c.state(1))) << story(c);
  c.run_for(5 * kMs);
  EXPECT_EQ(c.state(1), MemberState::kActive) << story(c);
  EXPECT_TRUE(c.at(1).decides(c.now())) << story(c);
}

// Each new loss of the carrier begins the wait anew.
TEST(Cables, AFlappingLinkNeverCountsAsBack) {
  AllCables pulled;
  Cluster& c = pulled.cluster;
  for (int round = 0; round < 20; ++round) {
    pulled.carrier(true);
    c.run_for((kBackAfterMs - 5) * kMs);
    EXPECT_FALSE(is_active(c.state(1))) << "round " << round << "\n" << story(c);
    pulled.carrier(false);
    c.run_for(kMs);
  }
}

}  // namespace
}  // namespace phalanx::cluster
