#include <gtest/gtest.h>

#include "host/packet/bytes.hpp"
#include "tests/unit/sync/sync_harness.hpp"

namespace phalanx::sync {
namespace {

abi::Record udp_record(uint32_t client, uint64_t generation, uint32_t version, uint8_t state) {
  abi::Record r = {};
  const hls::DirectedKey key = hls::make_key({0, client, 1234}, {0, 0x08080808, 53}, hls::kProtocolUdp, 4, 0);
  r.session.key = key.key;
  r.session.flags = key.from_b ? hls::kOriginatorIsB : 0;
  r.session.order = generation << hls::kVersionBits | version;
  r.session.state = state;
  r.session.rule = 3;
  return r;
}

TEST(Delta, ConnectsOnlyToAPeerThatAnswersAndAsksForAFullSync) {
  Pair p(1);
  EXPECT_EQ(p.sender->state(), SenderState::kIdle);
  EXPECT_EQ(p.sender->next_deadline_ns(), INT64_MAX);
  p.sender->add(udp_record(1, 1, 0, hls::kStateUdpNew), 0);
  EXPECT_EQ(p.sent(Counter::kUnsentUpdates), 1u);
  p.connect();
  EXPECT_EQ(p.sender->state(), SenderState::kStreaming);
  EXPECT_TRUE(p.receiver->joined());
  EXPECT_TRUE(p.receiver->needs_full_sync());
  p.receiver->full_synced(p.receiver->full_sync_request());
  EXPECT_FALSE(p.receiver->needs_full_sync());
}

struct WaitCase {
  const char* name;
  uint32_t version;
  uint8_t state;
  int64_t wait_ns;
};
class WaitTest : public testing::TestWithParam<WaitCase> {};
TEST_P(WaitTest, LeavesAfterItsTimeAndNotBefore) {
  Pair p(1);
  p.connect();
  const uint64_t before = p.sender->position();
  const int64_t now = p.now_ns;
  p.sender->add(udp_record(9, 5, GetParam().version, GetParam().state), now);
  EXPECT_FALSE(p.sender->should_flush(now + GetParam().wait_ns - 1));
  p.sender->flush_due(now + GetParam().wait_ns - 1);
  EXPECT_EQ(p.sender->position(), before);
  EXPECT_TRUE(p.sender->should_flush(now + GetParam().wait_ns));
  p.sender->flush_due(now + GetParam().wait_ns);
  EXPECT_EQ(p.sender->position(), before + 1);
  EXPECT_FALSE(p.sender->should_flush(now + 1000 * kMs));
}
INSTANTIATE_TEST_SUITE_P(Kinds, WaitTest,
                         testing::Values(WaitCase{"create", 0, hls::kStateUdpNew, kFlushCreateNs},
                                         WaitCase{"update", 1, hls::kStateUdpStream, kFlushUpdateNs},
                                         WaitCase{"end", 2, hls::kStateDeleted, kFlushDeleteNs}),
                         [](const auto& case_info) { return case_info.param.name; });

TEST(Delta, LaterChangesReplaceEarlierOnesThatWait) {
  Pair p(1);
  p.connect();
  for (uint32_t v = 1; v <= 10; ++v) p.sender->add(udp_record(9, 5, v, hls::kStateUdpStream), p.now_ns);
  p.sender->add(udp_record(9, 5, 4, hls::kStateUdpStream), p.now_ns);  // late: must not win
  p.run(5 * kMs);
  EXPECT_EQ(p.sent(Counter::kUpdates), 1u);
  EXPECT_EQ(p.sent(Counter::kCoalesced), 10u);
  ASSERT_EQ(p.standby.sessions().size(), 1u);
  EXPECT_EQ(p.standby.sessions().begin()->second.session.order, 5u << hls::kVersionBits | 10);
}

TEST(Delta, DeleteOfACreateThatHasNotLeftYetStillRemovesAnOlderSessionOfThatKey) {
  Pair p(1);
  p.connect();
  p.sender->add(udp_record(9, 5, 0, hls::kStateUdpNew), p.now_ns);
  p.run(kMs);
  ASSERT_EQ(p.standby.sessions().size(), 1u);
  p.sender->add(udp_record(9, 5, 1, hls::kStateDeleted), p.now_ns);
  p.sender->add(udp_record(9, 6, 0, hls::kStateUdpNew), p.now_ns);
  p.sender->add(udp_record(9, 6, 1, hls::kStateDeleted), p.now_ns);
  p.run(20 * kMs);
  EXPECT_TRUE(p.standby.sessions().empty());
}

TEST(Delta, DrainedOnlyWhenThePeerHasEverything) {
  Pair p(1);
  p.connect();
  p.forth.set_weather({.loss = 100});
  for (int i = 0; i < 500; ++i) p.change();
  p.sender->flush(p.now_ns);
  p.run(5 * kMs);
  EXPECT_FALSE(p.sender->drained(p.now_ns));
  p.forth.set_weather({});
  bool drained = false;
  p.run(100 * kMs, [&] { drained = drained || p.sender->drained(p.now_ns); });
  EXPECT_TRUE(drained);
  EXPECT_EQ(p.sender->position(), p.receiver->position());
  EXPECT_EQ(p.active.digest(), p.standby.digest());
}

TEST(Delta, AGapIsFilledByWhatIsMissingAndNothingElse) {
  Pair p(1);
  p.connect();
  const auto burst = [&] {
    for (int i = 0; i < 20; ++i) {
      p.sender->add(udp_record(static_cast<uint32_t>(p.sender->position() * 50 + static_cast<uint64_t>(i)),
                               p.sender->position() + 1, 0, hls::kStateUdpNew),
                    p.now_ns);
    }
    p.sender->flush(p.now_ns);
  };
  for (int i = 0; i < 10; ++i) burst(), p.run(kMs / 10);
  p.forth.set_weather({.loss = 100});
  for (int i = 0; i < 3; ++i) burst(), p.run(kMs);
  p.forth.set_weather({});
  for (int i = 0; i < 3; ++i) burst(), p.run(kMs / 10);
  p.run(50 * kMs);
  EXPECT_EQ(p.receiver->position(), p.sender->position());
  EXPECT_EQ(p.sent(Counter::kRetransmitted), 3u);
  EXPECT_GE(p.received(Counter::kGaps), 1u);
  EXPECT_EQ(p.received(Counter::kDuplicates), 0u);
  EXPECT_EQ(p.standby.sessions().size(), 16u * 20u);
}

TEST(Delta, AnOlderStateThatArrivesAfterTheDeleteDoesNotBringTheSessionBack) {
  Pair p(1);
  p.connect();
  p.forth.record(true);
  p.forth.set_weather({.loss = 100});
  p.sender->add(udp_record(9, 5, 0, hls::kStateUdpNew), p.now_ns);
  p.sender->flush(p.now_ns);
  p.sender->add(udp_record(9, 5, 1, hls::kStateDeleted), p.now_ns);
  p.sender->flush(p.now_ns);
  ASSERT_EQ(p.forth.recorded().size(), 2u);
  p.receiver->on_datagram(p.now_ns, p.forth.recorded()[1]);
  EXPECT_TRUE(p.receiver->has_gap());
  EXPECT_EQ(p.receiver->position(), 0u);
  p.receiver->on_datagram(p.now_ns, p.forth.recorded()[0]);
  EXPECT_EQ(p.receiver->position(), 2u);
  EXPECT_TRUE(p.standby.sessions().empty());
}

TEST(Delta, WhatWaitsBehindAGapIsHandedOnAtTakeover) {
  Pair p(1);
  p.connect();
  p.sender->add(udp_record(9, 5, 0, hls::kStateUdpNew), p.now_ns);
  p.run(kMs);
  p.forth.record(true);
  p.forth.set_weather({.loss = 100});
  p.sender->add(udp_record(8, 6, 0, hls::kStateUdpNew), p.now_ns);
  p.sender->flush(p.now_ns);
  p.sender->add(udp_record(9, 5, 1, hls::kStateDeleted), p.now_ns);
  p.sender->flush(p.now_ns);
  p.receiver->on_datagram(p.now_ns, p.forth.recorded()[1]);
  EXPECT_EQ(p.standby.sessions().size(), 1u);
  p.receiver->set_listening(false);
  EXPECT_EQ(p.standby.sessions().size(), 0u);
  p.receiver->on_datagram(p.now_ns, p.forth.recorded()[0]);
  EXPECT_EQ(p.received(Counter::kRefusedRole), 1u);
  EXPECT_EQ(p.standby.sessions().size(), 0u);
}

TEST(Delta, RunningOutOfRetainedDatagramsIsAStateAndThePeerFullSyncs) {
  Pair p(1, {}, 64);
  p.connect();
  p.receiver->full_synced(p.receiver->full_sync_request());
  const uint32_t stream = p.sender->stream();
  p.forth.set_weather({.loss = 100});
  for (int i = 0; i < 65; ++i) {
    EXPECT_EQ(p.sender->state(), SenderState::kStreaming);
    p.change();
    p.sender->flush(p.now_ns);
  }
  EXPECT_EQ(p.sender->state(), SenderState::kOutOfSync);
  EXPECT_EQ(p.sent(Counter::kOutOfSync), 1u);
  EXPECT_FALSE(p.sender->drained(p.now_ns));
  p.run(50 * kMs);
  EXPECT_EQ(p.sender->state(), SenderState::kOutOfSync);
  EXPECT_FALSE(p.receiver->needs_full_sync());  // it cannot know yet
  p.forth.set_weather({});
  p.run(50 * kMs);
  EXPECT_EQ(p.sender->state(), SenderState::kStreaming);
  EXPECT_GT(p.sender->stream(), stream);
  EXPECT_EQ(p.receiver->stream(), p.sender->stream());
  EXPECT_TRUE(p.receiver->needs_full_sync());
}

TEST(Delta, NoSnapshotStartsBeforeTheSenderKnowsThatTheReceiverHasJoined) {
  Pair p(1, {}, 64);
  p.connect();
  EXPECT_TRUE(p.sender->may_snapshot(p.receiver->stream()));
  p.forth.set_weather({.loss = 100});
  for (int i = 0; i < 65; ++i) p.change(), p.sender->flush(p.now_ns);
  EXPECT_FALSE(p.sender->may_snapshot(p.receiver->stream()));
  p.forth.set_weather({});
  p.back.set_weather({.loss = 100});
  p.run(100 * kMs);
  ASSERT_EQ(p.receiver->stream(), p.sender->stream());
  EXPECT_FALSE(p.sender->may_snapshot(p.receiver->stream()));  // its changes are not kept yet
  p.back.set_weather({});
  p.run(100 * kMs);
  EXPECT_TRUE(p.sender->may_snapshot(p.receiver->stream()));
}

TEST(Delta, APeerThatRestartsGetsANewStream) {
  Pair p(1);
  p.connect();
  const uint32_t stream = p.sender->stream();
  p.standby = {};
  p.restart_receiver(2001);
  for (int i = 0; i < 50; ++i) p.change();  // not for the new life of the peer: it must not take them
  p.sender->flush(p.now_ns);
  p.run(50 * kMs);
  EXPECT_EQ(p.sent(Counter::kPeerRestarts), 1u);
  EXPECT_GE(p.received(Counter::kRefusedNotForUs), 1u);
  EXPECT_GT(p.sender->stream(), stream);
  EXPECT_TRUE(p.receiver->joined());
  EXPECT_TRUE(p.receiver->needs_full_sync());
  EXPECT_TRUE(p.standby.sessions().empty());
}

TEST(Delta, APeerThatRestartsWhileNothingChangesIsNoticed) {
  Pair p(1);
  p.connect();
  p.restart_receiver(2001);
  p.run(300 * kMs);
  EXPECT_TRUE(p.receiver->joined());
  EXPECT_EQ(p.sent(Counter::kPeerRestarts), 1u);
}

TEST(Delta, RecordingsOfAnEarlierLifeOfTheReceiverHaveNoEffect) {
  Pair p(1);
  p.forth.record(true);
  p.connect();
  for (int i = 0; i < 50; ++i) p.change();
  p.sender->flush(p.now_ns);
  p.run(5 * kMs);
  const auto recorded = p.forth.recorded();
  p.standby = {};
  p.restart_receiver(2001);
  for (const auto& datagram : recorded) p.receiver->on_datagram(p.now_ns, datagram);
  EXPECT_FALSE(p.receiver->joined());
  EXPECT_TRUE(p.standby.sessions().empty());
}

// What is refused, and under which name.
struct ForgeryCase {
  const char* name;
  Counter counter;
  void (*forge)(std::vector<uint8_t>&);
};
class ForgeryTest : public testing::TestWithParam<ForgeryCase> {};
TEST_P(ForgeryTest, IsRefusedAndCounted) {
  Pair p(1);
  p.connect();
  p.forth.record(true);
  p.forth.set_weather({.loss = 100});
  p.change();
  p.sender->flush(p.now_ns);
  std::vector<uint8_t> datagram = p.forth.recorded().at(0);
  GetParam().forge(datagram);
  const uint64_t before = p.received(GetParam().counter);
  p.receiver->on_datagram(p.now_ns, datagram);
  EXPECT_EQ(p.received(GetParam().counter), before + 1);
  EXPECT_EQ(p.receiver->position(), 0u);
  EXPECT_TRUE(p.standby.sessions().empty());
  p.receiver->on_datagram(p.now_ns, p.forth.recorded()[0]);  // the true one is still welcome
  EXPECT_EQ(p.receiver->position(), 1u);
}
INSTANTIATE_TEST_SUITE_P(
    Datagrams, ForgeryTest,
    testing::Values(
        ForgeryCase{"empty", Counter::kRefusedShort, [](std::vector<uint8_t>& d) { d.clear(); }},
        ForgeryCase{"cut", Counter::kRefusedNotAuthentic, [](std::vector<uint8_t>& d) { d.pop_back(); }},
        ForgeryCase{"long", Counter::kRefusedShort, [](std::vector<uint8_t>& d) { d.resize(kDatagramBytes + 1); }},
        ForgeryCase{"magic", Counter::kRefusedFormat, [](std::vector<uint8_t>& d) { d[0] ^= 1; }},
        ForgeryCase{"opcode", Counter::kRefusedFormat, [](std::vector<uint8_t>& d) { d[7] = 1; }},
        ForgeryCase{"format", Counter::kRefusedFormat, [](std::vector<uint8_t>& d) { d[20] ^= 0x20; }},
        ForgeryCase{"cluster", Counter::kRefusedCluster, [](std::vector<uint8_t>& d) { d[5] ^= 1; }},
        ForgeryCase{"source", Counter::kRefusedMember, [](std::vector<uint8_t>& d) { d[13] ^= 4; }},
        ForgeryCase{"channel", Counter::kRefusedMember, [](std::vector<uint8_t>& d) { d[21] ^= 1; }},
        ForgeryCase{"policy_id", Counter::kRefusedNotAuthentic, [](std::vector<uint8_t>& d) { d[17] ^= 1; }},
        ForgeryCase{"stream_0", Counter::kRefusedFormat, [](std::vector<uint8_t>& d) { d[25] = 0; }},
        ForgeryCase{"new_stream", Counter::kRefusedNotAuthentic, [](std::vector<uint8_t>& d) { d[25] = 9; }},
        ForgeryCase{"old_incarnation", Counter::kRefusedOldStream, [](std::vector<uint8_t>& d) { d[32] = 0; }},
        ForgeryCase{"new_incarnation", Counter::kRefusedNotAuthentic, [](std::vector<uint8_t>& d) { d[26] = 1; }},
        ForgeryCase{"sequence", Counter::kRefusedNotAuthentic, [](std::vector<uint8_t>& d) { d[39] ^= 2; }},
        ForgeryCase{"far_sequence", Counter::kRefusedWindow, [](std::vector<uint8_t>& d) { d[35] = 1; }},
        ForgeryCase{"text", Counter::kRefusedNotAuthentic, [](std::vector<uint8_t>& d) { d[60] ^= 1; }},
        ForgeryCase{"tag", Counter::kRefusedNotAuthentic, [](std::vector<uint8_t>& d) { d.back() ^= 0x80; }}),
    [](const auto& case_info) { return case_info.param.name; });

TEST(Delta, ReplayedDatagramsAreCountedAndChangeNothing) {
  Pair p(1);
  p.forth.record(true);
  p.connect();
  for (int i = 0; i < 300; ++i) p.change();
  p.sender->flush(p.now_ns);
  p.run(20 * kMs);
  const TableDigest digest = p.standby.digest();
  const uint64_t records = p.received(Counter::kRecordsReceived);
  for (const auto& datagram : p.forth.recorded()) p.receiver->on_datagram(p.now_ns, datagram);
  EXPECT_EQ(p.received(Counter::kRecordsReceived), records);
  EXPECT_EQ(p.received(Counter::kDuplicates), p.sender->position());
  EXPECT_GE(p.received(Counter::kRefusedReplay), 1u);
  EXPECT_EQ(p.standby.digest(), digest);
}

TEST(Delta, AnEarlierStreamIsOverForGood) {
  Pair p(1);
  p.connect();
  p.forth.record(true);
  p.change();
  p.sender->flush(p.now_ns);
  const std::vector<uint8_t> old = p.forth.recorded().at(0);
  p.sender->stop();
  p.sender->start(p.now_ns);
  p.run(20 * kMs);
  ASSERT_EQ(p.receiver->stream(), 3u);
  p.receiver->on_datagram(p.now_ns, old);
  EXPECT_EQ(p.received(Counter::kRefusedOldStream), 1u);
}

TEST(Delta, ReplayedAndForgedAcksAreCounted) {
  Pair p(1);
  p.back.record(true);
  p.connect();
  p.change();
  p.sender->flush(p.now_ns);
  p.run(20 * kMs);
  const auto acks = p.back.recorded();
  ASSERT_GE(acks.size(), 2u);
  for (const auto& ack : acks) p.sender->on_datagram(p.now_ns, ack);
  EXPECT_EQ(p.sent(Counter::kRefusedReplay), acks.size());
  std::vector<uint8_t> forged = acks.back();
  forged[39] = static_cast<uint8_t>(forged[39] + 1);  // a later count
  p.sender->on_datagram(p.now_ns, forged);
  EXPECT_EQ(p.sent(Counter::kRefusedNotAuthentic), 1u);
}

TEST(Delta, AnotherClustersKeyIsNotAuthentic) {
  Pair p(1);
  DeltaSenderConfig config;
  config.identity = {7, 1, 2, 0, 0, 5000};
  config.key = test_key();
  config.key[0] ^= 1;
  p.sender = *DeltaSender::create(config, &p.forth);
  p.sender->start(0);
  p.run(100 * kMs);
  EXPECT_EQ(p.sender->state(), SenderState::kConnecting);
  EXPECT_GE(p.received(Counter::kRefusedNotAuthentic), 1u);
  EXPECT_EQ(p.received(Counter::kAcksSent), 0u);
}

TEST(Delta, TakesAnyBytes) {
  Pair p(1);
  p.connect();
  std::mt19937_64 random(1);
  p.forth.record(true);
  p.change();
  p.sender->flush(p.now_ns);
  const std::vector<uint8_t> real = p.forth.recorded().at(0);
  for (int i = 0; i < 20000; ++i) {
    std::vector<uint8_t> bytes = real;
    bytes.resize(random() % 200);
    for (int k = 0; k < 8 && !bytes.empty(); ++k) bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    bytes.shrink_to_fit();
    p.receiver->on_datagram(p.now_ns, bytes);
    p.sender->on_datagram(p.now_ns, bytes);
  }
  EXPECT_EQ(p.received(Counter::kRecordsReceived), 0u);
  EXPECT_EQ(p.sent(Counter::kAcksReceived), 2u);
}

TEST(Delta, ConfigurationsThatMakeNoSenseAreRefused) {
  Wire wire(1, {});
  DeltaSenderConfig config;
  config.identity = {7, 1, 2, 0, 0, 1000};
  EXPECT_TRUE(DeltaSender::create(config, &wire).ok());
  for (const uint64_t n : {0, 63, 100, 16384}) {
    DeltaSenderConfig bad = config;
    bad.retained_datagrams = n;
    EXPECT_FALSE(DeltaSender::create(bad, &wire).ok()) << n;
  }
  DeltaSenderConfig slow = config;
  slow.flush_create_ns = kFlushUpdateNs + 1;
  EXPECT_FALSE(DeltaSender::create(slow, &wire).ok());
  config.identity.incarnation = 0;
  EXPECT_FALSE(DeltaSender::create(config, &wire).ok());
}

TEST(SyncCounters, EveryCounterHasANameOfItsOwn) {
  std::map<std::string_view, int> names;
  for (const CounterInfo& info : kCounterTable) {
    EXPECT_FALSE(info.help.empty());
    EXPECT_EQ(++names[info.name], 1) << info.name;
  }
}

}  // namespace
}  // namespace phalanx::sync
