#include "host/packet/icmp_error.hpp"

#include <gtest/gtest.h>

#include "host/packet/packet_builder.hpp"
#include "tests/unit/packet/checksums.hpp"

namespace phalanx {
namespace {

using Bytes = std::vector<uint8_t>;
const IpAddress kGateway4 = IpAddress::v4(0x0a0000fe);
const IpAddress kGateway6 = IpAddress::v6(0x20010db8'00000000, 0xfe);

PacketBuilder v4() { return PacketBuilder().ip("10.0.0.1", "192.0.2.7"); }
PacketBuilder v6() { return PacketBuilder().ip("2001:db8::1", "2001:db8:1::7"); }

struct Answer {
  Bytes bytes;
  ParsedPacket packet;
};

Answer answer_to(const PacketBuilder& builder, IcmpError error) {
  Bytes offending = builder.build();
  ParsedPacket p;
  EXPECT_EQ(parse(frame_of(offending), 0, p), DropReason::kNone);
  Answer answer;
  answer.bytes.resize(kIcmpErrorBytesMax);
  const IpAddress& gateway = p.family == 4 ? kGateway4 : kGateway6;
  answer.bytes.resize(build_icmp_error(frame_of(offending), p, error, 1400, gateway, absl::MakeSpan(answer.bytes)));
  if (!answer.bytes.empty()) {
    EXPECT_EQ(parse(frame_of(answer.bytes), 0, answer.packet), DropReason::kNone);
    EXPECT_TRUE(test::checksums_are_right(frame_of(answer.bytes), answer.packet));
    // Its own parser finds the session that the error is about.
    EXPECT_TRUE(hls::same_key(answer.packet.meta.key, p.meta.key));
    EXPECT_EQ(answer.packet.meta.from_b, p.meta.from_b);
    EXPECT_EQ(answer.packet.destination, p.source);
  }
  return answer;
}

TEST(IcmpError, IsSentFromTheGatewayToTheSource) {
  for (const bool six : {false, true}) {
    const Answer answer =
        answer_to((six ? v6() : v4()).vlan(9).tcp(1, 2, hls::kTcpSyn, 5).payload_size(2000), IcmpError::kTooBig);
    ASSERT_FALSE(answer.bytes.empty());
    EXPECT_EQ(answer.packet.source, six ? kGateway6 : kGateway4);
    EXPECT_EQ(answer.packet.vlan_count, 1);
    EXPECT_EQ(answer.packet.vlan[0], 9);
    EXPECT_EQ(answer.packet.l3_length, six ? 1280u : 576u);
    EXPECT_EQ(answer.packet.meta.seq, 5u);
  }
}

// What the device was to compute is in the quote: the sender's stack may check it.
TEST(IcmpError, QuotesCompleteChecksums) {
  const Answer partial = answer_to(v4().udp(1, 2).payload("abc").partial_checksum(), IcmpError::kPortUnreachable);
  const Answer whole = answer_to(v4().udp(1, 2).payload("abc"), IcmpError::kPortUnreachable);
  EXPECT_EQ(partial.bytes, whole.bytes);
}

struct Case {
  const char* what;
  PacketBuilder builder;
  IcmpError error;
  bool answered;
};

TEST(IcmpError, IsNotSentAboutWhatMustNotBeAnswered) {
  const MacAddress group = {0x01, 0, 0x5e, 0, 0, 1};
  const MacAddress us = {2, 0, 0, 0, 0, 2};
  const Bytes quote4 = PacketBuilder().ip("192.0.2.7", "10.0.0.1").udp(1, 2).build_ip();
  const Bytes quote6 = PacketBuilder().ip("2001:db8:1::7", "2001:db8::1").udp(1, 2).build_ip();
  const auto fragment = [](PacketBuilder b, uint16_t at) {
    return b.udp(1, 2).payload_size(99).fragment(1, at, true).cut(at, at + 16);
  };
  for (const Case& c :
       {Case{"UDP", v4().udp(1, 2), IcmpError::kPortUnreachable, true},
        Case{"first fragment", fragment(v4(), 0), IcmpError::kTimeExceeded, true},
        Case{"later fragment", fragment(v4(), 16), IcmpError::kTimeExceeded, false},
        Case{"later fragment, IPv6", fragment(v6(), 16), IcmpError::kTimeExceeded, false},
        Case{"error", PacketBuilder().ip("10.0.0.1", "192.0.2.7").icmp(11, 0).payload(quote4),
             IcmpError::kHostUnreachable, false},
        Case{"error, IPv6", v6().icmp(3, 0).payload(quote6), IcmpError::kHostUnreachable, false},
        Case{"redirect", v4().icmp(5, 1).payload(quote4), IcmpError::kHostUnreachable, false},
        Case{"echo", v4().echo(true, 1, 1), IcmpError::kHostUnreachable, true},
        Case{"multicast", PacketBuilder().ip("10.0.0.1", "239.1.1.1").udp(1, 2), IcmpError::kTimeExceeded, false},
        Case{"multicast, IPv6", PacketBuilder().ip("2001:db8::1", "ff0e::1").udp(1, 2), IcmpError::kTimeExceeded,
             false},
        Case{"broadcast", PacketBuilder().ip("10.0.0.1", "255.255.255.255").udp(1, 2), IcmpError::kTimeExceeded, false},
        Case{"from nobody", PacketBuilder().ip("0.0.0.0", "10.0.0.1").udp(1, 2), IcmpError::kTimeExceeded, false},
        Case{"link multicast", v4().macs(group, us).udp(1, 2), IcmpError::kTimeExceeded, false},
        Case{"link broadcast", v4().macs(kBroadcastMac, us).udp(1, 2), IcmpError::kTimeExceeded, false}}) {
    EXPECT_EQ(!answer_to(c.builder, c.error).bytes.empty(), c.answered) << c.what;
  }
}

// RFC 4443, 2.4 (e.3): path MTU discovery works for IPv6 multicast.
TEST(IcmpError, TooBigMayAnswerIpv6Multicast) {
  Bytes offending = PacketBuilder().ip("2001:db8::1", "ff0e::1").udp(1, 2).build();
  ParsedPacket p;
  ASSERT_EQ(parse(frame_of(offending), 0, p), DropReason::kNone);
  EXPECT_TRUE(may_answer(frame_of(offending), p, IcmpError::kTooBig));
  EXPECT_FALSE(may_answer(frame_of(offending), p, IcmpError::kTimeExceeded));
}

TEST(IcmpError, NeedsRoomAndAGatewayOfTheFamily) {
  Bytes offending = v4().udp(1, 2).payload_size(900).build();
  ParsedPacket p;
  ASSERT_EQ(parse(frame_of(offending), 0, p), DropReason::kNone);
  Bytes buffer(10 + 14 + 575);
  EXPECT_EQ(build_icmp_error(frame_of(offending), p, IcmpError::kTimeExceeded, 0, kGateway4, absl::MakeSpan(buffer)),
            0u);
  buffer.resize(10 + 14 + 576);
  EXPECT_EQ(build_icmp_error(frame_of(offending), p, IcmpError::kTimeExceeded, 0, kGateway4, absl::MakeSpan(buffer)),
            600u);
  EXPECT_EQ(build_icmp_error(frame_of(offending), p, IcmpError::kTimeExceeded, 0, kGateway6, absl::MakeSpan(buffer)),
            0u);
}

TEST(TcpReset, AnswersAsTheDestinationWould) {
  struct Reset {
    uint8_t flags;
    uint32_t payload;
    uint8_t answer_flags;
    uint32_t seq, ack;
  };
  for (const Reset& c :
       {Reset{hls::kTcpSyn, 0, hls::kTcpRst | hls::kTcpAck, 0, 1001},
        Reset{hls::kTcpSyn, 7, hls::kTcpRst | hls::kTcpAck, 0, 1008},
        Reset{hls::kTcpFin, 3, hls::kTcpRst | hls::kTcpAck, 0, 1004}, Reset{hls::kTcpAck, 3, hls::kTcpRst, 77, 0},
        Reset{hls::kTcpSyn | hls::kTcpAck, 0, hls::kTcpRst, 77, 0}}) {
    for (const bool six : {false, true}) {
      Bytes offending = (six ? v6() : v4()).tcp(1024, 80, c.flags, 1000, 77).payload_size(c.payload).build();
      ParsedPacket p;
      ASSERT_EQ(parse(frame_of(offending), 0, p), DropReason::kNone);
      Bytes reset(100);
      reset.resize(build_tcp_reset(frame_of(offending), p, absl::MakeSpan(reset)));
      ParsedPacket r;
      ASSERT_EQ(parse(frame_of(reset), 0, r), DropReason::kNone);
      EXPECT_TRUE(test::checksums_are_right(frame_of(reset), r));
      EXPECT_TRUE(hls::same_key(r.meta.key, p.meta.key));
      EXPECT_NE(r.meta.from_b, p.meta.from_b);
      EXPECT_EQ(r.meta.tcp_flags, c.answer_flags);
      EXPECT_EQ(r.meta.seq, c.seq);
      EXPECT_EQ(r.meta.ack, c.ack);
      EXPECT_EQ(r.meta.payload, 0u);
    }
  }
}

TEST(TcpReset, IsNotSentToAResetOrToWhatIsNoTcp) {
  for (const auto& builder :
       {v4().tcp(1, 2, hls::kTcpRst), v4().tcp(1, 2, hls::kTcpRst | hls::kTcpAck), v4().udp(1, 2)}) {
    Bytes offending = builder.build();
    ParsedPacket p;
    ASSERT_EQ(parse(frame_of(offending), 0, p), DropReason::kNone);
    Bytes reset(100);
    EXPECT_EQ(build_tcp_reset(frame_of(offending), p, absl::MakeSpan(reset)), 0u);
  }
}

}  // namespace
}  // namespace phalanx
