#include "host/packet/rewrite.hpp"

#include <gtest/gtest.h>

#include "host/packet/bytes.hpp"
#include "host/packet/packet_builder.hpp"
#include "tests/unit/packet/checksums.hpp"

namespace phalanx {
namespace {

using Bytes = std::vector<uint8_t>;
using test::checksums_are_right;

hls::Rewrite hide(const char* address, uint16_t port) {
  const IpAddress a = *parse_ip(address);
  hls::Rewrite r{};
  r.source = 1;
  r.source_hi = a.hi;
  r.source_lo = a.lo;
  r.source_port = port;
  return r;
}

hls::Rewrite redirect(const char* address, uint16_t port) {
  const IpAddress a = *parse_ip(address);
  hls::Rewrite r{};
  r.destination = 1;
  r.destination_hi = a.hi;
  r.destination_lo = a.lo;
  r.destination_port = port;
  return r;
}

ParsedPacket parsed(Bytes& bytes) {
  ParsedPacket p;
  EXPECT_EQ(parse(frame_of(bytes), 0, p), DropReason::kNone);
  return p;
}

ParsedPacket rewritten(Bytes& bytes, const hls::Rewrite& rewrite) {
  apply_any_rewrite(frame_of(bytes), parsed(bytes), rewrite);
  return parsed(bytes);
}

TEST(Rewrite, ChangesAddressesPortsAndChecksums) {
  Bytes b = PacketBuilder().ip("10.0.0.1", "192.0.2.7").tcp(1024, 80, hls::kTcpAck).payload("hello").build();
  const ParsedPacket p = rewritten(b, hide("203.0.113.5", 61000));
  EXPECT_EQ(to_string(p.source), "203.0.113.5");
  EXPECT_EQ(p.source_port, 61000);
  EXPECT_EQ(p.destination_port, 80);
  EXPECT_TRUE(checksums_are_right(frame_of(b), p));
  const ParsedPacket q = rewritten(b, redirect("10.9.9.9", 8080));
  EXPECT_EQ(to_string(q.destination), "10.9.9.9");
  EXPECT_EQ(q.destination_port, 8080);
  EXPECT_TRUE(checksums_are_right(frame_of(b), q));
}

TEST(Rewrite, EchoIdentifierIsTheRequestersPort) {
  for (const bool six : {false, true}) {
    const char* hidden = six ? "2001:db8:9::9" : "203.0.113.5";
    const char* inside = six ? "2001:db8::1" : "10.0.0.1";
    const char* outside = six ? "2001:db8:1::7" : "192.0.2.7";
    Bytes request = PacketBuilder().ip(inside, outside).echo(true, 7, 1).payload("ping").build();
    ParsedPacket p = rewritten(request, hide(hidden, 40000));
    EXPECT_EQ(p.icmp_id, 40000);
    EXPECT_TRUE(checksums_are_right(frame_of(request), p));
    Bytes reply = PacketBuilder().ip(outside, hidden).echo(false, 40000, 1).payload("ping").build();
    p = rewritten(reply, redirect(inside, 7));
    EXPECT_EQ(p.icmp_id, 7);
    EXPECT_TRUE(checksums_are_right(frame_of(reply), p));
    Bytes other = PacketBuilder().ip(inside, outside).echo(true, 7, 1).build();
    p = rewritten(other, redirect(hidden, 1));
    EXPECT_EQ(p.icmp_id, 7) << "the identifier is not the destination's";
    EXPECT_TRUE(checksums_are_right(frame_of(other), p));
  }
}

TEST(Rewrite, UdpWithoutChecksumStaysWithout) {
  Bytes b = PacketBuilder().ip("10.0.0.1", "192.0.2.7").udp(5, 53).zero_checksum().payload("x").build();
  const ParsedPacket p = rewritten(b, hide("203.0.113.5", 61000));
  EXPECT_EQ(load16(frame_of(b).ethernet() + p.l4 + 6), 0);
  EXPECT_EQ(p.source_port, 61000);
}

// Of 65536 source ports one makes the checksum come out as 0, which must be sent as 0xffff (RFC 768).
TEST(Rewrite, UdpChecksumNeverBecomesZero) {
  int as_ffff = 0;
  for (uint32_t port = 0; port < 65536; ++port) {
    Bytes b = PacketBuilder().ip("10.0.0.1", "192.0.2.7").udp(5, 53).payload("x").build();
    const ParsedPacket p = rewritten(b, hide("203.0.113.5", static_cast<uint16_t>(port)));
    const uint16_t field = load16(frame_of(b).ethernet() + p.l4 + 6);
    ASSERT_NE(field, 0) << port;
    if (field == 0xffff) {
      ++as_ffff;
      EXPECT_TRUE(checksums_are_right(frame_of(b), p)) << port;
    }
  }
  EXPECT_GE(as_ffff, 1);
}

// The device adds everything from the transport header on; only the pseudo-header's sum is the gateway's.
TEST(Rewrite, PartialChecksumsFollowAddressesOnly) {
  for (const bool six : {false, true}) {
    for (const bool tcp : {false, true}) {
      auto builder =
          six ? PacketBuilder().ip("2001:db8::1", "2001:db8:1::7") : PacketBuilder().ip("10.0.0.1", "192.0.2.7");
      if (tcp) {
        builder.tcp(1024, 80, hls::kTcpAck);
      } else {
        builder.udp(1024, 80);
      }
      Bytes b = builder.payload_size(1000).partial_checksum().build();
      hls::Rewrite r = hide(six ? "2001:db8:9::9" : "203.0.113.5", 61000);
      const hls::Rewrite d = redirect(six ? "2001:db8:8::8" : "198.51.100.8", 8080);
      r.destination = 1;
      r.destination_hi = d.destination_hi;
      r.destination_lo = d.destination_lo;
      r.destination_port = d.destination_port;
      const ParsedPacket p = rewritten(b, r);
      EXPECT_NE(frame_of(b).vnet().flags & kNeedsChecksum, 0);
      complete_checksum(frame_of(b), p);
      EXPECT_EQ(frame_of(b).vnet().flags & kNeedsChecksum, 0);
      EXPECT_EQ(p.source_port, 61000);
      EXPECT_TRUE(checksums_are_right(frame_of(b), p));
    }
  }
}

TEST(Rewrite, CompletedChecksumLeavesPaddingOut) {
  Bytes b = PacketBuilder().ip("10.0.0.1", "192.0.2.7").udp(5, 53).payload("odd").partial_checksum().padding(7).build();
  b.back() = 0x77;
  const ParsedPacket p = parsed(b);
  complete_checksum(frame_of(b), p);
  EXPECT_TRUE(checksums_are_right(frame_of(b), p));
}

TEST(Rewrite, LaterFragmentsChangeOnlyAddresses) {
  const auto piece = [](const char* from) {
    return PacketBuilder()
        .ip(from, "192.0.2.7")
        .udp(5, 53)
        .payload_size(400)
        .fragment(7, 80, true)
        .cut(80, 160)
        .build();
  };
  Bytes b = piece("10.0.0.1");
  rewritten(b, hide("203.0.113.5", 61000));
  EXPECT_EQ(b, piece("203.0.113.5"));
}

TEST(Rewrite, OtherProtocolsChangeOnlyAddresses) {
  Bytes b = PacketBuilder().ip("10.0.0.1", "192.0.2.7").protocol(47).payload("abcdefghijklmnopqrst").build();
  rewritten(b, hide("203.0.113.5", 61000));
  EXPECT_EQ(b, PacketBuilder().ip("203.0.113.5", "192.0.2.7").protocol(47).payload("abcdefghijklmnopqrst").build());
}

// A corrupted packet must not be healed: its checksum is as wrong behind the gateway as before.
TEST(Rewrite, CorruptionStays) {
  Bytes b = PacketBuilder().ip("10.0.0.1", "192.0.2.7").tcp(1024, 80, hls::kTcpAck).payload("hello").build();
  b[b.size() - 1] ^= 0x10;
  const uint16_t before = test::transport_sum(frame_of(b), parsed(b));
  const ParsedPacket p = rewritten(b, hide("203.0.113.5", 61000));
  EXPECT_EQ(test::transport_sum(frame_of(b), p), before);
  EXPECT_NE(before, 0xffff);
}

// A router on the outside answers a hidden client's packet: the error must look to the client as if about its own
// packet.
TEST(ErrorRewrite, TranslatesTheQuoteBack) {
  const Bytes outside = PacketBuilder().ip("203.0.113.5", "192.0.2.7").udp(61000, 53).payload("query").build_ip();
  const Bytes inside = PacketBuilder().ip("10.0.0.1", "192.0.2.7").udp(1024, 53).payload("query").build_ip();
  const auto error = [](const char* to, const Bytes& quote) {
    return PacketBuilder().ip("198.51.100.1", to).icmp(kIcmpTimeExceeded, 0).payload(quote).build();
  };
  Bytes b = error("203.0.113.5", outside);
  rewritten(b, hide("10.0.0.1", 1024));
  EXPECT_EQ(b, error("10.0.0.1", inside));
}

// A router on the inside answers a packet to a published server: neither its own nor the server's address may show.
TEST(ErrorRewrite, HidesInsideAddresses) {
  const Bytes inside = PacketBuilder().ip("192.0.2.7", "10.0.0.80").tcp(1024, 8080, hls::kTcpSyn).build_ip();
  const Bytes outside = PacketBuilder().ip("192.0.2.7", "203.0.113.80").tcp(1024, 80, hls::kTcpSyn).build_ip();
  Bytes b = PacketBuilder().ip("10.0.5.1", "192.0.2.7").icmp(kIcmpUnreachable, 1).payload(inside).build();
  rewritten(b, redirect("203.0.113.80", 80));
  EXPECT_EQ(b, PacketBuilder().ip("203.0.113.80", "192.0.2.7").icmp(kIcmpUnreachable, 1).payload(outside).build());
}

TEST(RewrittenDestination, IsWhereThePacketGoes) {
  const Bytes quote = PacketBuilder().ip("203.0.113.5", "192.0.2.7").udp(61000, 53).build_ip();
  for (Bytes b : {PacketBuilder().ip("198.51.100.1", "203.0.113.5").icmp(kIcmpTimeExceeded, 0).payload(quote).build(),
                  PacketBuilder().ip("192.0.2.7", "203.0.113.5").udp(53, 61000).build()}) {
    for (const hls::Rewrite& rewrite : {hide("10.0.0.1", 1024), redirect("10.0.0.2", 1025)}) {
      Bytes copy = b;
      const IpAddress expected = rewritten_destination(parsed(copy), rewrite);
      EXPECT_EQ(rewritten(copy, rewrite).destination, expected);
    }
  }
}

TEST(DecrementTtl, StopsAtOne) {
  for (const bool six : {false, true}) {
    for (const uint8_t ttl : std::initializer_list<uint8_t>{0, 1, 2, 64, 255}) {
      auto builder =
          six ? PacketBuilder().ip("2001:db8::1", "2001:db8::2") : PacketBuilder().ip("10.0.0.1", "10.0.0.2");
      Bytes b = builder.ttl(ttl).udp(1, 2).build();
      const Bytes before = b;
      EXPECT_EQ(decrement_ttl(frame_of(b), parsed(b)), ttl > 1);
      if (ttl > 1) {
        EXPECT_EQ(b, builder.ttl(static_cast<uint8_t>(ttl - 1)).build());
      } else {
        EXPECT_EQ(b, before);
      }
    }
  }
}

TEST(SetMacs, DestinationFirst) {
  Bytes b = PacketBuilder().udp(1, 2).build();
  const MacAddress to = {1, 2, 3, 4, 5, 6};
  const MacAddress from = {7, 8, 9, 10, 11, 12};
  set_macs(frame_of(b), to, from);
  EXPECT_EQ(destination_mac(frame_of(b)), to);
  EXPECT_EQ(source_mac(frame_of(b)), from);
  EXPECT_EQ(b, PacketBuilder().macs(to, from).udp(1, 2).build());
}

}  // namespace
}  // namespace phalanx
