// TCP scenarios: segments in, state and refusal out. Each is played with several pairs of ISNs, some about to wrap.
#include <cstdint>

#include "tests/unit/hls/tcp_script.hpp"

namespace phalanx::hls {
namespace {

constexpr uint8_t kFree = kStateFree, kSent = kStateTcpSynSent, kBoth = kStateTcpSynSentBoth,
                  kReceived = kStateTcpSynReceived, kOpen = kStateTcpEstablished, kFinWait = kStateTcpFinWait,
                  kCloseWait = kStateTcpCloseWait, kClosing = kStateTcpClosing, kTimeWait = kStateTcpTimeWait,
                  kClosed = kStateTcpClosed;
constexpr TrackReason kFlags = TrackReason::kTcpFlags, kSequence = TrackReason::kTcpSequence,
                      kAcknowledge = TrackReason::kTcpAcknowledge, kReset = TrackReason::kTcpReset,
                      kState = TrackReason::kTcpState, kNotSyn = TrackReason::kTcpNotSyn;

struct Scenario {
  const char* name;
  std::vector<Step> steps;
};

const std::vector<Step> kHandshake = {
    {"> S 0 ws 7", kSent}, {"< SA 0 ack 1 ws 7", kReceived}, {"> A 1 ack 1 win 1000", kOpen}};

// Scenarios that begin with kHandshake: windows are 65535 from the SYNs, then as advertised times 128.
const Scenario kEstablishedScenarios[] = {
    {"data both ways",
     {{"> PA 1 ack 1 len 100", kOpen}, {"< A 1 ack 101 len 1448", kOpen}, {"> A 101 ack 1449", kOpen}}},
    {"keepalive and its answer",
     {{"> PA 1 ack 1 len 10", kOpen},
      {"< A 1 ack 11", kOpen},
      {"> A 10 ack 1", kOpen},
      {"> A 10 ack 1 len 1", kOpen},
      {"< A 1 ack 11", kOpen}}},
    {"zero window, then one byte probes it",
     {{"> A 1 ack 1 len 100", kOpen}, {"< A 1 ack 101 win 0", kOpen}, {"> A 101 ack 1 len 1", kOpen}}},
    {"a GSO frame counts whole", {{"> A 1 ack 1 len 65000", kOpen}, {"< A 1 ack 65001", kOpen}}},
    {"beyond the window",
     {{"> A 65537 ack 1 len 1", kOpen, kSequence},
      {"> A 65536 ack 1 len 1 win 1000", kOpen},
      {"< A 128002 ack 1", kOpen, kSequence},
      {"< A 128001 ack 1", kOpen}}},
    {"far too old", {{"> A 4294767000 ack 1 len 1", kOpen, kSequence}, {"> A 1 ack 4294767000", kOpen, kAcknowledge}}},
    {"acknowledges what was never sent", {{"> A 1 ack 2", kOpen, kAcknowledge}, {"< A 1 ack 2", kOpen, kAcknowledge}}},
    {"SYN", {{"> S 1", kOpen, kState}, {"< S 1", kOpen, kState}, {"> S 0", kOpen, kState}}},
    {"SYN/ACK repeated, for its ACK got lost behind us",
     {{"< SA 0 ack 1 ws 7", kOpen}, {"> A 1 ack 1", kOpen}, {"< SA 5 ack 1", kOpen, kState}}},
    {"SYN/ACK once its side has sent more", {{"< A 1 ack 1 len 5", kOpen}, {"< SA 0 ack 1", kOpen, kState}}},
    {"flags that mean nothing",
     {{"> SF 1", kOpen, kFlags},
      {"> SR 1", kOpen, kFlags},
      {"> - 1", kOpen, kFlags},
      {"> F 1", kOpen, kFlags},
      {"> P 1 len 1", kOpen, kFlags},
      {"> RFA 1 ack 1", kOpen, kFlags},
      {"> SFRPAU 1 ack 1", kOpen, kFlags}}},
    {"reset at the end of what was sent", {{"> A 1 ack 1 len 10", kOpen}, {"> R 11", kClosed}}},
    {"reset at what the peer has acknowledged",
     {{"> A 1 ack 1 len 10", kOpen}, {"< A 1 ack 1", kOpen}, {"> R 1", kClosed}}},
    {"reset within the window, but not exact",
     {{"> A 1 ack 1 len 10", kOpen},
      {"> R 2", kOpen, kReset},
      {"> RA 10 ack 1", kOpen, kReset},
      {"> R 12", kOpen, kReset},
      {"< R 0", kOpen, kReset},
      {"< R 1", kClosed}}},
    {"after a reset: the peer goes on and is reset again",
     {{"> A 1 ack 1 len 10", kOpen},
      {"> R 11", kClosed},
      {"< A 1 ack 1 len 5", kClosed},
      {"> R 1", kClosed},
      {"< A 9000001 ack 1", kClosed, kSequence},
      {"< R 77", kClosed, kReset}}},
    {"after a reset: opened anew, with any ISN",
     {{"> R 1", kClosed},
      {"isn > 4000000000", kClosed},
      {"> S 0", kSent},
      {"isn < 77", kSent},
      {"< SA 0 ack 1", kReceived}}},
    {"close by the originator",
     {{"> FA 1 ack 1", kFinWait}, {"< A 1 ack 2", kFinWait}, {"< FA 1 ack 2", kClosing}, {"> A 2 ack 2", kTimeWait}}},
    {"close by the responder", {{"< FA 1 ack 1", kCloseWait}, {"> FA 1 ack 2", kClosing}, {"< A 2 ack 2", kTimeWait}}},
    {"both close at once",
     {{"> FA 1 ack 1", kFinWait}, {"< FA 1 ack 1", kClosing}, {"> A 2 ack 2", kClosing}, {"< A 2 ack 2", kTimeWait}}},
    {"half close: the other side goes on",
     {{"> FA 1 ack 1 len 10", kFinWait},
      {"< A 1 ack 12 len 1000", kFinWait},
      {"> A 12 ack 1001", kFinWait},
      {"< FA 1001 ack 12", kClosing},
      {"> A 12 ack 1002", kTimeWait}}},
    {"FIN repeated",
     {{"> FA 1 ack 1", kFinWait},
      {"> FA 1 ack 1", kFinWait},
      {"< FA 1 ack 2", kClosing},
      {"< FA 1 ack 2", kClosing},
      {"> A 2 ack 2", kTimeWait},
      {"< FA 1 ack 2", kTimeWait},
      {"> A 2 ack 2", kTimeWait}}},
    {"data beyond FIN",
     {{"> FA 1 ack 1", kFinWait}, {"> A 2 ack 1 len 1", kFinWait, kSequence}, {"> A 2 ack 1", kFinWait}}},
    {"data that FIN overtook",
     {{"> FA 101 ack 1", kFinWait}, {"> A 1 ack 1 len 100", kFinWait}, {"< A 1 ack 102", kFinWait}}},
    {"reset while closing", {{"> FA 1 ack 1", kFinWait}, {"< RA 1 ack 2", kClosed}}},
    {"TIME-WAIT is not cut short by a reset",
     {{"> FA 1 ack 1", kFinWait},
      {"< FA 1 ack 2", kClosing},
      {"> A 2 ack 2", kTimeWait},
      {"< R 2", kTimeWait},
      {"< R 1", kTimeWait, kReset}}},
    {"TIME-WAIT opened anew with a higher sequence number",
     {{"> FA 1 ack 1", kFinWait},
      {"< FA 1 ack 2", kClosing},
      {"> A 2 ack 2", kTimeWait},
      {"> S 1", kTimeWait, kSequence},
      {"> SA 2 ack 2", kTimeWait, kState},
      {"isn > 5000", kTimeWait},
      {"> S 0", kSent},
      {"isn < 900000", kSent},
      {"< SA 0 ack 1", kReceived},
      {"> A 1 ack 1", kOpen},
      {"< A 65537 ack 1 len 1", kOpen, kSequence}}},
    {"TIME-WAIT is not opened by the former responder",
     {{"> FA 1 ack 1", kFinWait},
      {"< FA 1 ack 2", kClosing},
      {"> A 2 ack 2", kTimeWait},
      {"< S 5000", kTimeWait, kState}}},
};

const Scenario kOpeningScenarios[] = {
    {"not a SYN", {{"> A 1 ack 1", kFree, kNotSyn}}},
    {"SYN/ACK first", {{"> SA 1 ack 1", kFree, kNotSyn}}},
    {"RST first", {{"> R 1", kFree, kNotSyn}}},
    {"FIN/ACK first", {{"> FA 1 ack 1", kFree, kNotSyn}}},
    {"SYN and FIN", {{"> SF 1", kFree, kFlags}}},
    {"no flags", {{"> - 1", kFree, kFlags}}},
    {"SYN repeated", {{"> S 0", kSent}, {"> S 0", kSent}, {"< SA 0 ack 1", kReceived}, {"> S 0", kReceived}}},
    {"SYN with another ISN",
     {{"> S 0", kSent},
      {"isn > 1000", kSent},
      {"> S 0", kSent},
      {"< SA 0 ack 4294966297", kSent, kAcknowledge},
      {"< SA 0 ack 1", kReceived},
      {"isn > 4294966200", kReceived}}},
    {"SYN with a lower ISN", {{"> S 0", kSent}, {"isn > 4294966296", kSent}, {"> S 0", kSent, kSequence}}},
    {"SYN/ACK that acknowledges something else",
     {{"> S 0", kSent}, {"< SA 0 ack 0", kSent, kAcknowledge}, {"< SA 0 ack 2", kSent, kAcknowledge}}},
    {"data before the handshake",
     {{"> S 0", kSent},
      {"> A 1 ack 1 len 10", kSent, kState},
      {"< A 1 ack 1 len 10", kSent, kState},
      {"< FA 1 ack 1", kSent, kState},
      {"> SA 0 ack 1", kSent, kState}}},
    {"connection refused", {{"> S 0", kSent}, {"< RA 0 ack 1", kClosed}, {"< A 1 ack 1", kClosed, kState}}},
    {"refused twice, opened anew",
     {{"> S 0", kSent},
      {"> S 0", kSent},
      {"< RA 0 ack 1", kClosed},
      {"< RA 0 ack 1", kClosed},
      {"> S 0", kSent},
      {"< SA 0 ack 1", kReceived}}},
    {"blind reset of an attempt",
     {{"> S 0", kSent}, {"< R 0", kSent, kReset}, {"< RA 0 ack 2", kSent, kReset}, {"< RA 1 ack 0", kSent, kReset}}},
    {"the originator gives up", {{"> S 0", kSent}, {"> R 0", kSent, kReset}, {"> R 1", kClosed}}},
    {"an old connection answers a SYN with a challenge, and is reset",
     {{"> S 0", kSent},
      {"< A 5555 ack 777", kSent},
      {"> R 778", kSent, kReset},
      {"> R 777", kClosed},
      {"> S 0", kSent}}},
    {"SYN/ACK repeated, with another ISN while unanswered",
     {{"> S 0", kSent},
      {"< SA 0 ack 1", kReceived},
      {"< SA 0 ack 1", kReceived},
      {"isn < 1000000", kReceived},
      {"< SA 0 ack 1", kReceived},
      {"< SA 0 ack 2", kReceived, kAcknowledge},
      {"> A 1 ack 1", kOpen},
      {"isn < 1000000", kOpen},
      {"< SA 0 ack 1", kOpen, kState}}},
    {"another SYN while the SYN/ACK is unanswered",
     {{"> S 0", kSent}, {"< SA 0 ack 1", kReceived}, {"> S 100000", kReceived, kState}}},
    {"an ACK that does not answer the SYN/ACK",
     {{"> S 0", kSent},
      {"< SA 0 ack 1", kReceived},
      {"> A 1 ack 0", kReceived, kAcknowledge},
      {"> A 1 ack 2", kReceived, kAcknowledge},
      {"> A 1 ack 1", kOpen}}},
    {"the SYN/ACK is answered by data, or by FIN",
     {{"> S 0", kSent}, {"< SA 0 ack 1", kReceived}, {"> FA 1 ack 1 len 100", kFinWait}}},
    {"the SYN/ACK is reset by the originator",
     {{"> S 0", kSent}, {"< SA 0 ack 1", kReceived}, {"> R 2", kReceived, kReset}, {"> R 1", kClosed}}},
    {"the responder resets after its SYN/ACK",
     {{"> S 0", kSent}, {"< SA 0 ack 1", kReceived}, {"< RA 1 ack 1", kClosed}}},
    {"fast open: data in SYN and SYN/ACK",
     {{"> S 0 len 500", kSent},
      {"< SA 0 ack 501 len 200", kReceived},
      {"< A 201 ack 501 len 300", kReceived},
      {"> A 501 ack 501", kOpen}}},
    {"fast open: the data is not taken",
     {{"> S 0 len 500", kSent}, {"> S 0", kSent}, {"< SA 0 ack 1", kReceived}, {"> A 1 ack 1 len 500", kOpen}}},
    {"simultaneous open",
     {{"> S 0", kSent},
      {"< S 0", kBoth},
      {"> SA 0 ack 1", kBoth},
      {"< SA 0 ack 1", kOpen},
      {"> A 1 ack 1 len 9", kOpen}}},
    {"simultaneous open, answered in the other order",
     {{"> S 0", kSent},
      {"< S 0", kBoth},
      {"< SA 0 ack 1", kReceived},
      {"> SA 0 ack 1", kOpen},
      {"< A 1 ack 1 len 9", kOpen}}},
    {"simultaneous open, repetitions and bare ACKs",
     {{"> S 0", kSent},
      {"< S 0", kBoth},
      {"> S 0", kBoth},
      {"< S 0", kBoth},
      {"< S 7", kBoth, kSequence},
      {"> SA 0 ack 1", kBoth},
      {"> SA 0 ack 1", kBoth},
      {"< A 1 ack 2", kBoth, kAcknowledge},
      {"< A 1 ack 1 len 5", kOpen},
      {"> SA 0 ack 1", kOpen},
      {"> A 1 ack 6", kOpen}}},
    {"the scale of one side only does not count",
     {{"> S 0 ws 7 win 100", kSent},
      {"< SA 0 ack 1 win 100", kReceived},
      {"> A 1 ack 1 win 100", kOpen},
      {"< A 101 ack 1 len 1", kOpen},
      {"< A 102 ack 1", kOpen, kSequence}}},
    {"scales beyond 14 count as 14",
     {{"> S 0 ws 15 win 100", kSent},
      {"< SA 0 ack 1 ws 0 win 100", kReceived},
      {"> A 1 ack 1 win 1", kOpen},
      {"< A 16386 ack 1", kOpen, kSequence},
      {"< A 16385 ack 1", kOpen}}},
};

const uint32_t kIsns[][2] = {{1000, 2000}, {0xfffffff0, 0x7ffffff0}, {0x7fffff00, 0xffffffff}, {0xffff0001, 0}};

TEST(TcpTrack, Opening) {
  for (const Scenario& scenario : kOpeningScenarios) {
    for (const auto& isn : kIsns) {
      SCOPED_TRACE(std::string(scenario.name) + ", ISNs " + std::to_string(isn[0]) + " " + std::to_string(isn[1]));
      TcpScript(isn[0], isn[1]).expect(scenario.steps);
    }
  }
}

TEST(TcpTrack, Established) {
  for (const Scenario& scenario : kEstablishedScenarios) {
    for (const auto& isn : kIsns) {
      SCOPED_TRACE(std::string(scenario.name) + ", ISNs " + std::to_string(isn[0]) + " " + std::to_string(isn[1]));
      TcpScript script(isn[0], isn[1]);
      script.expect(kHandshake);
      script.expect(scenario.steps);
    }
  }
}

TEST(TcpTrack, TheFormerResponderReopensIfConfigured) {
  TrackConfig config = default_track_config();
  config.reopen_by_responder = true;
  const std::vector<Step> close = {{"> FA 1 ack 1", kFinWait}, {"< FA 1 ack 2", kClosing}, {"> A 2 ack 2", kTimeWait}};
  for (const uint8_t nat : {uint8_t{0}, kNatSource, kNatDestination}) {
    TcpScript script(1000, 2000, config);
    script.session().flags = kOriginatorIsB | nat;
    script.expect(kHandshake);
    script.expect(close);
    if (nat) {
      script.expect({{"< S 5000", kTimeWait, kState}});
      continue;
    }
    const uint64_t sent = bytes_counted(script.session(), 0);
    const uint64_t received = bytes_counted(script.session(), 1);
    script.expect({{"< S 1", kTimeWait, kSequence}, {"isn < 5000", kTimeWait}, {"< S 0", kSent}});
    EXPECT_EQ(script.session().flags & kOriginatorIsB, 0);
    EXPECT_EQ(bytes_counted(script.session(), 0), received + 40);
    EXPECT_EQ(bytes_counted(script.session(), 1), sent);
    script.swap_roles();
    script.expect(
        {{"isn > 7777", kSent}, {"> SA 0 ack 1", kReceived}, {"< A 1 ack 1", kOpen}, {"> A 1 ack 1 len 5", kOpen}});
  }
}

TEST(TcpTrack, PickupTakesUpMidstream) {
  TrackConfig config = default_track_config();
  config.tcp_pickup = true;
  for (const auto& isn : kIsns) {
    TcpScript script(isn[0], isn[1], config);
    script.expect({{"> SA 500 ack 900", kFree, kNotSyn},
                   {"> RA 500 ack 900", kFree, kNotSyn},
                   {"> A 500 ack 900 len 100", kOpen},
                   {"> A 300000 ack 900 len 100", kOpen},
                   {"> R 3", kOpen, kReset},
                   {"< A 900 ack 3000000000", kOpen, kAcknowledge},
                   {"< A 2000000000 ack 600", kOpen, kSequence},
                   {"< A 5000 ack 600 len 1448", kOpen},
                   {"> A 300100 ack 6448", kOpen},
                   {"> FA 300100 ack 6448", kFinWait},
                   {"< FA 6448 ack 300101", kClosing},
                   {"> A 300101 ack 6449", kTimeWait}});
    EXPECT_TRUE(script.session().flags & kPickedUp);
    EXPECT_FALSE(script.session().flags & kReanchorMask);
  }
}

TEST(TcpTrack, ChallengesAndWhatFollowsAResetKeepNothingAlive) {
  TcpScript script(1000, 2000);
  script.expect({{"> S 0", kSent}});
  const uint32_t opened_ms = script.session().last_seen;
  script.expect({{"< A 5 ack 9", kSent}});
  EXPECT_EQ(script.session().last_seen, opened_ms);
  script.expect({{"< SA 0 ack 1", kReceived}, {"> A 1 ack 1", kOpen}, {"> R 1", kClosed}});
  const uint32_t reset_ms = script.session().last_seen;
  EXPECT_GT(reset_ms, opened_ms);
  script.expect({{"< A 1 ack 1 len 5", kClosed}, {"> R 1", kClosed}});
  EXPECT_EQ(script.session().last_seen, reset_ms);
}

// Flags of a whole byte: exactly the six combinations are valid, whatever PSH, URG and the ECN bits say.
TEST(TcpTrack, FlagCombinations) {
  for (unsigned flags = 0; flags < 256; ++flags) {
    const unsigned core = flags & (kTcpFin | kTcpSyn | kTcpRst | kTcpAck);
    const bool valid = core == kTcpSyn || core == (kTcpSyn | kTcpAck) || core == kTcpRst ||
                       core == (kTcpRst | kTcpAck) || core == kTcpAck || core == (kTcpFin | kTcpAck);
    EXPECT_EQ(valid_tcp_flags(static_cast<uint8_t>(flags)), valid) << flags;
  }
}

}  // namespace
}  // namespace phalanx::hls
