// Tracking other than TCP, counters, the log, ICMP errors, re-anchoring and APPLY.
#include "hls/track.hpp"

#include <cstring>

#include "hls/apply.hpp"
#include "hls/timeouts.hpp"
#include "tests/unit/hls/tcp_script.hpp"

namespace phalanx::hls {
namespace {

const TrackConfig kConfig = default_track_config();

PacketMeta packet_of(uint8_t kind, uint32_t bytes = 100, uint8_t segments = 1) {
  PacketMeta packet = {};
  packet.kind = kind;
  packet.bytes = bytes;
  packet.segments = segments;
  return packet;
}

bool unchanged(const Session& x, const Session& y) { return std::memcmp(&x, &y, sizeof(Session)) == 0; }

TEST(Track, UdpIsAStreamOnceAnswered) {
  Session session = {};
  EXPECT_TRUE(open_session(session, packet_of(kPacketUdp), 5, kConfig).log);
  EXPECT_EQ(session.state, kStateUdpNew);
  EXPECT_FALSE(track_packet(session, packet_of(kPacketUdp), 0, 6, kConfig).log);
  EXPECT_EQ(session.state, kStateUdpNew);
  EXPECT_TRUE(track_packet(session, packet_of(kPacketUdp), 1, 7, kConfig).log);
  EXPECT_EQ(session.state, kStateUdpStream);
  EXPECT_FALSE(track_packet(session, packet_of(kPacketUdp), 1, 8, kConfig).log);
  EXPECT_EQ(session.last_seen, 8u);
}

TEST(Track, EchoRepliesNeedARequest) {
  Session session = {};
  const Session before = session;
  const Track refused = open_session(session, packet_of(kPacketEchoReply), 5, kConfig);
  EXPECT_EQ(refused.reason, TrackReason::kIcmpState);
  EXPECT_EQ(open_session(session, packet_of(kPacketIcmpError), 5, kConfig).reason, TrackReason::kIcmpState);
  EXPECT_TRUE(unchanged(session, before));
  EXPECT_TRUE(open_session(session, packet_of(kPacketEchoRequest), 5, kConfig).pass);
  EXPECT_TRUE(track_packet(session, packet_of(kPacketEchoReply), 1, 6, kConfig).pass);
  EXPECT_TRUE(track_packet(session, packet_of(kPacketEchoRequest), 0, 7, kConfig).pass);
  const Session open = session;
  EXPECT_EQ(track_packet(session, packet_of(kPacketEchoReply), 0, 8, kConfig).reason, TrackReason::kIcmpState);
  EXPECT_EQ(track_packet(session, packet_of(kPacketEchoRequest), 1, 8, kConfig).reason, TrackReason::kIcmpState);
  EXPECT_EQ(track_packet(session, packet_of(kPacketOther), 0, 8, kConfig).reason, TrackReason::kIcmpState);
  EXPECT_TRUE(unchanged(session, open));
}

TEST(Track, OtherProtocolsPassBothWays) {
  Session session = {};
  EXPECT_TRUE(open_session(session, packet_of(kPacketOther), 5, kConfig).pass);
  EXPECT_TRUE(track_packet(session, packet_of(kPacketOther), 1, 6, kConfig).pass);
  EXPECT_EQ(session.state, kStateOther);
}

TEST(Track, OpeningKeepsWhatTheCallerHasSetAndClearsTheRest) {
  Session session;
  std::memset(&session, 0xa5, sizeof session);
  session.flags = 0xff;
  const Session before = session;
  EXPECT_TRUE(open_session(session, packet_of(kPacketUdp, 77), 128 * 9, kConfig).pass);
  EXPECT_TRUE(same_key(session.key, before.key));
  EXPECT_EQ(session.order, before.order);
  EXPECT_EQ(session.rule, before.rule);
  EXPECT_EQ(session.nat_source, before.nat_source);
  EXPECT_EQ(session.flags, kOriginatorIsB | kNatSource | kNatDestination | kNatWide | kDirty);
  EXPECT_EQ(session.synced, 9);
  EXPECT_EQ(bytes_counted(session, 0), 77u);
  EXPECT_EQ(packets_counted(session, 0), 1u);
  EXPECT_EQ(session.traffic[1] | session.packets[1], 0u);
}

TEST(Track, CountersAre48BitsEachAndWrapAlone) {
  Session session = {};
  for (const uint8_t direction : {uint8_t{0}, uint8_t{1}}) {
    session.packets[direction] = 0xfffffffe;
    session.traffic[direction] = 0x0005ffffffffffffull;
    count_packets(session, direction, 45, 64000);
    EXPECT_EQ(packets_counted(session, direction), 0x0000000600000000ull + 43);
    EXPECT_EQ(bytes_counted(session, direction), 63999u);
    session.traffic[direction] |= 0xffffull << 48;
    session.packets[direction] = 0xffffffff;
    count_packets(session, direction, 1, 1);
    EXPECT_EQ(packets_counted(session, direction), 0u);
    EXPECT_EQ(bytes_counted(session, direction), 64000u);
  }
}

TEST(Track, ASessionThatSeesPacketsIsLoggedAgainAfterTheRefresh) {
  for (const uint8_t kind : {kPacketUdp, kPacketOther}) {
    Session session = {};
    session.order = (7ull << kVersionBits) | kVersionMask;
    open_session(session, packet_of(kind), 0, kConfig);
    EXPECT_FALSE(track_packet(session, packet_of(kind), 0, 78 * 128 - 1, kConfig).log);
    EXPECT_EQ(session.order, (7ull << kVersionBits) | kVersionMask);
    EXPECT_TRUE(track_packet(session, packet_of(kind), 0, 78 * 128, kConfig).log);
    EXPECT_EQ(session.order, 7ull << kVersionBits) << "the version wraps within its generation";
    EXPECT_FALSE(track_packet(session, packet_of(kind), 0, 78 * 128 + 500, kConfig).log);
  }
}

TEST(Track, NothingPassesASessionThatIsNone) {
  for (const uint8_t state : {kStateFree, kStateDeleted}) {
    Session session = {};
    session.state = state;
    EXPECT_FALSE(track_packet(session, packet_of(kPacketUdp), 0, 1, kConfig).pass);
    EXPECT_FALSE(track_packet(session, packet_of(kPacketTcp), 0, 1, kConfig).pass);
  }
  TcpScript script(1, 2);
  script.play("> S 0");
  EXPECT_FALSE(track_packet(script.session(), packet_of(kPacketOther), 0, 1, kConfig).pass);
}

TEST(Track, IcmpErrorsPassIfTheQuotedSegmentWasSentAndChangeNothing) {
  struct Case {
    uint32_t seq;
    uint8_t direction;
    bool passes;
  };
  // The originator has sent 1..1001 from ISN 5000, the responder 1..11 from ISN 9000; windows are 65535.
  const Case kCases[] = {{5001, 1, true},           {6001, 1, true}, {6002, 1, false}, {6001u - 131536, 1, false},
                         {6001u - 131535, 1, true}, {9001, 0, true}, {9011, 0, true},  {9012, 0, false},
                         {5000000, 0, false}};
  TcpScript script(5000, 9000);
  for (const char* segment : {"> S 0", "< SA 0 ack 1", "> A 1 ack 1 len 1000", "< A 1 ack 1001 len 10"}) {
    ASSERT_TRUE(script.play(segment).pass);
  }
  for (const Case& c : kCases) {
    PacketMeta error = packet_of(kPacketIcmpError);
    error.seq = c.seq;
    const Session before = script.session();
    const Track track = track_packet(script.session(), error, c.direction, 999999, kConfig);
    EXPECT_EQ(track.pass, c.passes) << c.seq;
    EXPECT_EQ(track.reason, c.passes ? TrackReason::kNone : TrackReason::kTcpSequence);
    EXPECT_FALSE(track.log);
    EXPECT_TRUE(unchanged(script.session(), before));
  }
  Session udp = {};
  open_session(udp, packet_of(kPacketUdp), 0, kConfig);
  EXPECT_TRUE(track_packet(udp, packet_of(kPacketIcmpError), 1, 999999, kConfig).pass);
  EXPECT_EQ(udp.last_seen, 0u);
  EXPECT_EQ(packets_counted(udp, 1), 0u);
}

TEST(Track, AnIcmpErrorAboutASideNotHeardIsRefused) {
  TcpScript script(5000, 9000);
  script.play("> S 0");
  PacketMeta error = packet_of(kPacketIcmpError);
  error.seq = 5000;
  EXPECT_TRUE(track_packet(script.session(), error, 1, 1, kConfig).pass);
  error.seq = 0;
  EXPECT_FALSE(track_packet(script.session(), error, 0, 1, kConfig).pass);
}

// Sends `bytes` from the originator in frames of 64000 bytes, each acknowledged; gives how often the session was
// logged.
int transfer(TcpScript& script, uint32_t bytes) {
  int logged = 0;
  const uint32_t start = script.session().side[0].end;
  for (uint32_t sent = 0; sent < bytes; sent += 64000) {
    PacketMeta data = packet_of(kPacketTcp, 64040, 45);
    data.tcp_flags = kTcpAck;
    data.seq = start + sent;
    data.ack = script.session().side[1].end;
    data.payload = 64000;
    data.window = 65535;
    PacketMeta answer = packet_of(kPacketTcp, 40);
    answer.tcp_flags = kTcpAck;
    answer.seq = data.ack;
    answer.ack = data.seq + 64000;
    answer.window = 65535;
    const Track there = track_packet(script.session(), data, 0, script.now_ms(), kConfig);
    const Track back = track_packet(script.session(), answer, 1, script.now_ms(), kConfig);
    EXPECT_TRUE(there.pass && back.pass);
    logged += there.log;
    logged += back.log;
  }
  return logged;
}

TEST(Track, ASessionIsLoggedWheneverAnEndPassesAMultipleOf2To28) {
  TcpScript script(0xfffff000, 9000);
  for (const char* segment : {"> S 0", "< SA 0 ack 1", "> A 1 ack 1"}) ASSERT_TRUE(script.play(segment).pass);
  EXPECT_EQ(transfer(script, 64000), 1) << "0xfffff001 + 64000 wraps past 0";
  EXPECT_EQ(transfer(script, 200u << 20), 0);
  EXPECT_EQ(transfer(script, 100u << 20), 1);
  EXPECT_EQ(transfer(script, 1024u << 20), 4);
}

TEST(Track, TheVersionGrowsExactlyWhenLogged) {
  TcpScript script(1, 2);
  script.session().order = 3ull << kVersionBits;
  ASSERT_TRUE(script.play("> S 0").log);
  uint64_t order = script.session().order;
  for (const char* segment : {"< SA 0 ack 1", "> A 1 ack 1", "> A 1 ack 1 len 5", "< A 1 ack 6", "> FA 6 ack 1",
                              "> FA 6 ack 1", "< FA 1 ack 7", "> A 7 ack 2"}) {
    const Track track = script.play(segment);
    ASSERT_TRUE(track.pass) << segment;
    EXPECT_EQ(newer(script.session().order, order), track.log) << segment;
    EXPECT_EQ(script.session().order != order, track.log) << segment;
    order = script.session().order;
  }
  EXPECT_EQ(order, (3ull << kVersionBits) + 5) << "SYN/ACK, ACK, FIN, FIN, last ACK";
}

Session replica_of(const Session& session) { return decide_apply(false, Session{}, session, 50).session; }

TEST(Reanchor, EachSideIsAnchoredByItsFirstSegmentThatFits) {
  TcpScript script(100, 200);
  script.expect({{"> S 0 ws 7", kStateTcpSynSent}, {"< SA 0 ack 1 ws 7", kStateTcpSynReceived}, {"> A 1 ack 1", 4}});
  script.session() = replica_of(script.session());
  const uint8_t open = kStateTcpEstablished;
  script.expect({{"> A 536870913 ack 1", open},  // 2^29 ahead
                 {"> A 536870914 ack 536870913", open}});
  EXPECT_EQ(script.session().flags & kReanchorMask, kReanchorResponder);
  script.expect({{"< A 536870914 ack 536870914 win 500", open}});
  EXPECT_EQ(script.session().flags & kReanchorMask, 0);
  script.expect({{"> A 546870914 ack 1", open, TrackReason::kTcpSequence},
                 {"> A 536870914 ack 536870914 len 1448", open},
                 {"< A 536870914 ack 536872362", open},
                 {"< A 736870914 ack 536872362", open, TrackReason::kTcpSequence}});
}

TEST(Reanchor, WhatDoesNotFitIsRefusedAndAnchorsNothing) {
  TcpScript script(100, 200);
  script.expect({{"> S 0", kStateTcpSynSent}, {"< SA 0 ack 1", kStateTcpSynReceived}, {"> A 1 ack 1", 4}});
  script.session() = replica_of(script.session());
  const uint8_t open = kStateTcpEstablished;
  script.expect({{"> A 536870914 ack 1", open, TrackReason::kTcpSequence},
                 {"> A 1 ack 536870914", open, TrackReason::kTcpAcknowledge},
                 {"> A 4294800000 ack 1", open, TrackReason::kTcpSequence},
                 {"> A 1 ack 4294800000", open, TrackReason::kTcpAcknowledge},
                 {"> S 1", open, TrackReason::kTcpState},
                 {"> R 2", open, TrackReason::kTcpReset},
                 {"< R 3", open, TrackReason::kTcpReset}});
  EXPECT_EQ(script.session().flags & kReanchorMask, kReanchorMask);
  script.expect({{"> R 1", kStateTcpClosed}});
}

// The replica lags by a change of state whose log entry was lost with the member that sent it.
TEST(Reanchor, AReplicaThatMissedTheHandshakeTakesTheSessionUp) {
  for (const int known : {1, 2}) {
    for (const bool responder_first : {false, true}) {
      TcpScript script(100, 200);
      ASSERT_TRUE(script.play("> S 0 ws 7").pass);
      if (known == 2) {
        ASSERT_TRUE(script.play("< SA 0 ack 1 ws 7").pass);
      }
      script.session() = replica_of(script.session());
      if (responder_first) {
        ASSERT_TRUE(script.play("< A 100001 ack 70001 len 1448").pass) << known;
      }
      script.expect({{"> A 70001 ack 101449 len 100", kStateTcpEstablished},
                     {"< A 101449 ack 70101 len 1000", kStateTcpEstablished},
                     {"> FA 70101 ack 102449", kStateTcpFinWait},
                     {"< FA 102449 ack 70102", kStateTcpClosing},
                     {"> A 70102 ack 102450", kStateTcpTimeWait}});
    }
  }
}

// The case that forbids trusting the first segment's end: it is a repetition, and the receiver has more already.
TEST(Reanchor, AnAcknowledgementBeyondTheRepeatedSegmentPasses) {
  TcpScript script(100, 200);
  script.expect({{"> S 0 ws 7", kStateTcpSynSent}, {"< SA 0 ack 1 ws 7", kStateTcpSynReceived}, {"> A 1 ack 1", 4}});
  script.session() = replica_of(script.session());
  const uint8_t open = kStateTcpEstablished;
  script.expect({{"< A 1 ack 1", open},
                 {"> A 1 ack 1 len 1000", open},
                 {"< A 1 ack 10001", open},
                 {"> A 10001 ack 1 len 1000", open},
                 {"> A 10001 ack 20000001", open, TrackReason::kTcpAcknowledge}});
}

TEST(Apply, TheNewerOrderWins) {
  Session existing = {};
  existing.order = 5ull << kVersionBits | 10;
  existing.state = kStateUdpStream;
  existing.flags = kDirty;
  Session replicated = existing;
  replicated.flags = kNatSource;
  replicated.packets[0] = 1;
  struct Case {
    uint64_t order;
    uint8_t state;
    bool exists;
    ApplyAction action;
  };
  const Case kCases[] = {
      {existing.order, kStateUdpStream, true, ApplyAction::kStale},
      {existing.order - 1, kStateUdpStream, true, ApplyAction::kStale},
      {existing.order + 1, kStateUdpStream, true, ApplyAction::kInstall},
      {6ull << kVersionBits, kStateUdpStream, true, ApplyAction::kInstall},
      {4ull << kVersionBits | 99, kStateUdpStream, true, ApplyAction::kStale},
      {existing.order - 1, kStateUdpStream, false, ApplyAction::kInstall},
      {existing.order + 1, kStateDeleted, true, ApplyAction::kRemove},
      {existing.order, kStateDeleted, true, ApplyAction::kStale},
      {existing.order, kStateDeleted, false, ApplyAction::kAbsent},
      {existing.order + 1, kStates, true, ApplyAction::kInvalid},
      {existing.order + 1, 255, false, ApplyAction::kInvalid},
  };
  for (const Case& c : kCases) {
    replicated.order = c.order;
    replicated.state = c.state;
    const ApplyDecision decision = decide_apply(c.exists, existing, replicated, 128 * 7);
    EXPECT_EQ(decision.action, c.action) << c.order;
    if (decision.action != ApplyAction::kInstall) continue;
    EXPECT_EQ(decision.session.order, c.order);
    EXPECT_EQ(decision.session.last_seen, 128u * 7);
    EXPECT_EQ(decision.session.synced, 7);
    EXPECT_EQ(decision.session.packets[0], 1u);
    EXPECT_EQ(decision.session.flags, c.exists ? kNatSource | kDirty : kNatSource);
  }
}

TEST(Apply, OnlyTcpIsReanchored) {
  for (uint8_t state = 1; state < kStateDeleted; ++state) {
    Session replicated = {};
    replicated.state = state;
    replicated.flags = kReanchorOriginator | kDirty;
    const uint8_t flags = decide_apply(false, Session{}, replicated, 0).session.flags;
    EXPECT_EQ(flags, state <= kStateTcpClosed ? kReanchorMask : 0) << int{state};
  }
}

TEST(Timeouts, ASessionEndsAfterItsStatesIdleTimeAcrossTheClocksWrap) {
  const Timeouts timeouts = default_timeouts();
  for (const uint32_t seen : {0u, 0xfffffff0u, 0x7fffffffu}) {
    EXPECT_FALSE(timed_out(timeouts, kStateUdpNew, seen, seen, seen + 29999));
    EXPECT_TRUE(timed_out(timeouts, kStateUdpNew, seen, seen, seen + 30000));
    EXPECT_FALSE(timed_out(timeouts, kStateUdpNew, seen, seen + 10000, seen + 30000)) << "the floor counts as seen";
  }
}

}  // namespace
}  // namespace phalanx::hls
