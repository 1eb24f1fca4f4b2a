#include "host/routing/neighbour_table.hpp"

#include <limits>

namespace phalanx::routing {
namespace {

constexpr int64_t kMs = 1000000;
constexpr MacAddress kMacA = {2, 0, 0, 0, 0, 0xa};
constexpr MacAddress kMacB = {2, 0, 0, 0, 0, 0xb};
using Status = NeighbourTable::Status;

class Neighbours : public testing::Test {
 protected:
  NeighbourTable::Resolution resolve(const IpAddress& address = kPeer) {
    return table_.resolve(now_, kPort, address, actions_);
  }
  void learn(const MacAddress& mac, Evidence evidence, const IpAddress& address = kPeer) {
    table_.learn(now_, kPort, address, mac, evidence, actions_);
  }
  // Lets time pass in the steps of a real caller, keeping all actions.
  void pass(int64_t ms, bool busy = false) {
    for (const int64_t end = now_ + ms * kMs; now_ < end;) {
      now_ += 100 * kMs;
      table_.tick(now_, actions_);
      if (!busy) continue;
      EXPECT_EQ(resolve().status, Status::kKnown);
    }
  }
  NeighbourState state(const IpAddress& address = kPeer) {
    for (const NeighbourView& v : table_.list(now_)) {
      if (v.address == address) return v.state;
    }
    ADD_FAILURE() << "no entry";
    return NeighbourState::kFailed;
  }
  void make_reachable() {
    resolve();
    learn(kMacA, Evidence::kReply);
    actions_.clear();
  }

  static constexpr PortIndex kPort = 3;
  static constexpr IpAddress kPeer = {0, 0x0a000001, 4};
  int64_t now_ = 0;
  NeighbourTable table_;
  NeighbourActions actions_;
};

TEST_F(Neighbours, AskQueueAnswerRelease) {
  EXPECT_EQ(resolve().status, Status::kQueue);
  ASSERT_EQ(actions_.solicits.size(), 1u);
  EXPECT_FALSE(actions_.solicits[0].unicast);
  EXPECT_EQ(actions_.solicits[0].port, kPort);
  EXPECT_EQ(actions_.solicits[0].address, kPeer);
  EXPECT_TRUE(table_.queue(kPort, kPeer, std::vector<uint8_t>{1, 2, 3}));
  EXPECT_EQ(resolve().status, Status::kQueue);
  EXPECT_TRUE(table_.queue(kPort, kPeer, std::vector<uint8_t>{4}));
  EXPECT_EQ(actions_.solicits.size(), 1u);  // asked once, however many packets wait
  learn(kMacA, Evidence::kReply);
  ASSERT_EQ(actions_.released.size(), 2u);
  EXPECT_EQ(actions_.released[0].mac, kMacA);
  EXPECT_THAT(actions_.released[0].frame, testing::ElementsAre(1, 2, 3));
  EXPECT_THAT(actions_.released[1].frame, testing::ElementsAre(4));
  const auto r = resolve();
  EXPECT_EQ(r.status, Status::kKnown);
  EXPECT_EQ(r.mac, kMacA);
  EXPECT_EQ(state(), NeighbourState::kReachable);
}

TEST_F(Neighbours, AsksThreeTimesThenFailsThenStartsAnew) {
  resolve();
  table_.queue(kPort, kPeer, std::vector<uint8_t>{7});
  pass(2900);
  EXPECT_EQ(actions_.solicits.size(), kSolicitsMax);
  EXPECT_TRUE(actions_.failed.empty());
  pass(200);
  EXPECT_EQ(actions_.solicits.size(), kSolicitsMax);
  ASSERT_EQ(actions_.failed.size(), 1u);
  EXPECT_THAT(actions_.failed[0].frame, testing::ElementsAre(7));
  EXPECT_EQ(resolve().status, Status::kUnreachable);
  EXPECT_FALSE(table_.queue(kPort, kPeer, std::vector<uint8_t>{8}));
  EXPECT_EQ(table_.counters().failed, 1u);
  pass(3100);
  actions_.clear();
  EXPECT_EQ(resolve().status, Status::kQueue);
  EXPECT_EQ(actions_.solicits.size(), 1u);
}

TEST_F(Neighbours, FailedOneThatSpeaksIsUsable) {
  resolve();
  pass(3200);
  ASSERT_EQ(state(), NeighbourState::kFailed);
  learn(kMacA, Evidence::kAnnounce);
  EXPECT_EQ(resolve().status, Status::kKnown);
}

TEST_F(Neighbours, BusyEntryIsProbedBeforeItExpiresAndNeverStalls) {
  make_reachable();
  pass(24900, true);
  EXPECT_TRUE(actions_.solicits.empty());
  pass(200, true);
  ASSERT_EQ(actions_.solicits.size(), 1u);
  EXPECT_TRUE(actions_.solicits[0].unicast);
  EXPECT_EQ(actions_.solicits[0].mac, kMacA);
  EXPECT_EQ(state(), NeighbourState::kProbe);
  pass(1500, true);
  EXPECT_EQ(actions_.solicits.size(), 2u);
  learn(kMacA, Evidence::kReply);
  EXPECT_EQ(state(), NeighbourState::kReachable);
  pass(20000, true);
  EXPECT_EQ(actions_.solicits.size(), 2u);
}

TEST_F(Neighbours, SilentNeighbourIsAskedForByAllBeforeItFails) {
  make_reachable();
  pass(25000, true);
  resolve();
  pass(3200);
  EXPECT_EQ(state(), NeighbourState::kIncomplete);
  EXPECT_EQ(resolve().status, Status::kQueue);
  pass(2000);
  const auto& s = actions_.solicits;
  ASSERT_EQ(s.size(), 2 * kSolicitsMax);
  for (size_t i = 0; i < s.size(); ++i) EXPECT_EQ(s[i].unicast, i < kSolicitsMax) << i;
  pass(1200);
  EXPECT_EQ(state(), NeighbourState::kFailed);
}

TEST_F(Neighbours, IdleEntryGoesStaleIsProbedWhenUsedAndForgottenWhenNot) {
  make_reachable();
  pass(30200);
  EXPECT_TRUE(actions_.solicits.empty());
  EXPECT_EQ(state(), NeighbourState::kStale);
  EXPECT_EQ(resolve().status, Status::kKnown);
  EXPECT_EQ(state(), NeighbourState::kProbe);
  ASSERT_EQ(actions_.solicits.size(), 1u);
  EXPECT_TRUE(actions_.solicits[0].unicast);
  learn(kMacA, Evidence::kReply);
  pass(30200 + 599000);
  EXPECT_EQ(table_.size(), 1u);
  pass(1200);
  EXPECT_EQ(table_.size(), 0u);
  EXPECT_EQ(table_.next_deadline_ns(), std::numeric_limits<int64_t>::max());
}

TEST_F(Neighbours, UpperLayerConfirmationPutsProbesOff) {
  make_reachable();
  for (int i = 0; i < 10; ++i) {
    pass(10000, true);
    table_.confirm(now_, kPort, kPeer);
  }
  EXPECT_TRUE(actions_.solicits.empty());
  EXPECT_EQ(state(), NeighbourState::kReachable);
  // And rescues one that is being probed.
  pass(25100, true);
  ASSERT_EQ(state(), NeighbourState::kProbe);
  table_.confirm(now_, kPort, kPeer);
  EXPECT_EQ(state(), NeighbourState::kReachable);
}

TEST_F(Neighbours, WhatEachEvidenceMayDo) {
  struct Case {
    Evidence evidence;
    bool creates;
    bool confirms;  // an entry that was asked for
  };
  for (const Case& c : {Case{Evidence::kReply, false, true}, Case{Evidence::kAnnounce, false, false},
                        Case{Evidence::kRequest, true, false}}) {
    table_ = NeighbourTable();
    actions_.clear();
    learn(kMacA, c.evidence);
    EXPECT_EQ(table_.size(), c.creates ? 1u : 0u);
    EXPECT_EQ(table_.counters().ignored, c.creates ? 0u : 1u);
    table_ = NeighbourTable();
    resolve();
    table_.queue(kPort, kPeer, std::vector<uint8_t>{1});
    learn(kMacA, c.evidence);
    EXPECT_EQ(actions_.released.size(), 1u);
    EXPECT_EQ(state(), c.confirms ? NeighbourState::kReachable : NeighbourState::kStale);
  }
}

TEST_F(Neighbours, MovedAddressIsFollowedAtOnce) {
  make_reachable();
  learn(kMacB, Evidence::kAnnounce);
  EXPECT_EQ(table_.counters().mac_changes, 1u);
  EXPECT_EQ(resolve().mac, kMacB);
  EXPECT_EQ(state(), NeighbourState::kProbe);  // believed, but asked
  ASSERT_EQ(actions_.solicits.size(), 1u);
  EXPECT_EQ(actions_.solicits[0].mac, kMacB);
}

TEST_F(Neighbours, UnusableMacsAreIgnored) {
  resolve();
  learn(kBroadcastMac, Evidence::kReply);
  learn(MacAddress{}, Evidence::kReply);
  learn({0x33, 0x33, 0, 0, 0, 1}, Evidence::kReply);
  EXPECT_EQ(table_.counters().ignored, 3u);
  EXPECT_EQ(state(), NeighbourState::kIncomplete);
}

TEST_F(Neighbours, PortsAreSeparate) {
  make_reachable();
  EXPECT_EQ(table_.resolve(now_, kPort + 1, kPeer, actions_).status, Status::kQueue);
  table_.forget_port(kPort);
  EXPECT_EQ(table_.size(), 1u);
  EXPECT_EQ(resolve().status, Status::kQueue);
}

TEST_F(Neighbours, OldestFrameGivesWay) {
  resolve();
  for (uint8_t i = 0; i < kPendingPerNeighbour + 2; ++i) {
    EXPECT_TRUE(table_.queue(kPort, kPeer, std::vector<uint8_t>{i}));
  }
  EXPECT_EQ(table_.counters().pending_dropped, 2u);
  learn(kMacA, Evidence::kReply);
  ASSERT_EQ(actions_.released.size(), kPendingPerNeighbour);
  EXPECT_EQ(actions_.released.front().frame[0], 2);
  EXPECT_EQ(actions_.released.back().frame[0], kPendingPerNeighbour + 1);
}

TEST_F(Neighbours, PendingBytesAreBoundedAndGivenBack) {
  const std::vector<uint8_t> frame(65536);
  const auto fill = [&]() {
    uint32_t taken = 0;
    for (uint32_t i = 0; i < 400; ++i) {
      const IpAddress peer = IpAddress::v4(0x0a000000 + i);
      resolve(peer);
      taken += table_.queue(kPort, peer, frame);
    }
    return taken;
  };
  EXPECT_EQ(fill(), kPendingBytesMax / frame.size());
  EXPECT_EQ(table_.counters().pending_refused, 400 - kPendingBytesMax / frame.size());
  table_.forget_port(kPort);
  EXPECT_EQ(fill(), kPendingBytesMax / frame.size());
  pass(3200);
  EXPECT_EQ(actions_.failed.size(), kPendingBytesMax / frame.size());
  pass(3200);
  EXPECT_EQ(fill(), kPendingBytesMax / frame.size());
}

TEST_F(Neighbours, AScanCantPushOutKnownNeighbours) {
  make_reachable();
  for (uint32_t i = 0; i < kIncompleteMax; ++i) {
    EXPECT_EQ(resolve(IpAddress::v4(0x0b000000 + i)).status, Status::kQueue);
  }
  EXPECT_EQ(resolve(IpAddress::v4(0x0c000000)).status, Status::kFull);
  EXPECT_EQ(table_.counters().refused_full, 1u);
  EXPECT_EQ(resolve().status, Status::kKnown);
  pass(3200);  // they fail, and others may be asked for
  EXPECT_EQ(resolve(IpAddress::v4(0x0c000000)).status, Status::kQueue);
}

TEST_F(Neighbours, ForgedRequestsLeaveRoomForTheGatewaysOwn) {
  for (uint32_t i = 0; i < kNeighboursMax; ++i) learn(kMacB, Evidence::kRequest, IpAddress::v4(0x0b000000 + i));
  EXPECT_EQ(table_.size(), kNeighboursLearnedMax);
  EXPECT_EQ(resolve().status, Status::kQueue);
}

// However often a neighbour changes, its timers don't pile up: the next deadline is its own, and all is gone in time.
TEST_F(Neighbours, FlappingLeavesNothingBehind) {
  make_reachable();
  for (uint32_t i = 0; i < 300000; ++i) {
    learn(i % 2 ? kMacA : kMacB, Evidence::kAnnounce);
    resolve();
    now_ += kMs / 100;
    if (i % 100 == 0) table_.tick(now_, actions_);
    actions_.clear();
  }
  learn(kMacA, Evidence::kReply);
  pass(640000);
  EXPECT_EQ(table_.size(), 0u);
  EXPECT_EQ(table_.next_deadline_ns(), std::numeric_limits<int64_t>::max());
}

TEST_F(Neighbours, StandbyIsWarmFromASnapshot) {
  make_reachable();
  resolve(IpAddress::v4(0x0a000002));  // unknown yet: not told
  const std::vector<NeighbourView> told = table_.snapshot(now_);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].mac, kMacA);

  NeighbourTable standby;
  NeighbourActions actions;
  standby.install(0, told);
  for (int64_t t = 0; t < 500000 * kMs; t += 1000 * kMs) standby.tick(t, actions);
  EXPECT_TRUE(actions.solicits.empty());  // a standby is silent
  standby.install(500000 * kMs, told);
  for (int64_t t = 500000 * kMs; t < 1000000 * kMs; t += 1000 * kMs) standby.tick(t, actions);
  const auto r = standby.resolve(1000000 * kMs, kPort, kPeer, actions);
  EXPECT_EQ(r.status, Status::kKnown);  // the first packet after takeover doesn't wait
  EXPECT_EQ(r.mac, kMacA);
  EXPECT_EQ(actions.solicits.size(), 1u);
}

TEST_F(Neighbours, InstallDoesntOverruleWhatIsConfirmedAndRefusesNonsense) {
  make_reachable();
  NeighbourView told;
  told.port = kPort, told.address = kPeer, told.mac = kMacB;
  NeighbourView nonsense = told;
  nonsense.address = IpAddress{};
  NeighbourView no_mac = told;
  no_mac.mac = MacAddress{}, no_mac.address = IpAddress::v4(9);
  table_.install(now_, {told, nonsense, no_mac});
  EXPECT_EQ(resolve().mac, kMacA);
  EXPECT_EQ(table_.size(), 1u);
  EXPECT_EQ(table_.counters().ignored, 2u);
}

TEST_F(Neighbours, StandingByEndsQuestions) {
  make_reachable();
  pass(25100, true);
  ASSERT_EQ(state(), NeighbourState::kProbe);
  resolve(IpAddress::v4(0x0a000002));
  table_.queue(kPort, IpAddress::v4(0x0a000002), std::vector<uint8_t>{1});
  actions_.clear();
  table_.stand_by(now_);
  EXPECT_EQ(table_.size(), 1u);
  EXPECT_EQ(state(), NeighbourState::kStale);
  EXPECT_EQ(table_.counters().pending_dropped, 1u);
  pass(60000);
  EXPECT_TRUE(actions_.solicits.empty());
}

}  // namespace
}  // namespace phalanx::routing
