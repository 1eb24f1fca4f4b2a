#include "host/packet/parse.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "host/packet/checksum.hpp"
#include "host/packet/packet_builder.hpp"
#include "host/packet/text.hpp"

namespace phalanx {
namespace {

using Bytes = std::vector<uint8_t>;
constexpr size_t kL3 = sizeof(VirtioNetHeader) + kEthernetBytes;
constexpr uint8_t kScaleOption[] = {2, 4, 5, 0xb4, 1, 3, 3, 7};

PacketBuilder v4() { return PacketBuilder().ip("10.0.0.1", "192.0.2.7"); }
PacketBuilder v6() { return PacketBuilder().ip("2001:db8::1", "2001:db8:1::7"); }

DropReason parsed(Bytes bytes, ParsedPacket& out) { return parse(frame_of(bytes), 3, out); }

void fix_ip_checksum(Bytes& b) {
  store16(&b[kL3 + 10], 0);
  store_raw(&b[kL3 + 10], checksum(&b[kL3], static_cast<size_t>(b[kL3] & 15) * 4));
}

TEST(Parse, TcpSyn) {
  ParsedPacket p;
  ASSERT_EQ(
      parsed(v4().tcp(1024, 80, hls::kTcpSyn, 0xfffffff0, 0).tcp_options(kScaleOption).window(8192).dscp(46).build(),
             p),
      DropReason::kNone);
  EXPECT_EQ(p.kind, FrameKind::kIp);
  EXPECT_EQ(p.l3, 14u);
  EXPECT_EQ(p.l4, 34u);
  EXPECT_EQ(p.payload, 62u);
  EXPECT_EQ(p.l3_length, 48u);
  EXPECT_EQ(p.dscp, 46);
  EXPECT_EQ(p.ttl, 64);
  EXPECT_EQ(p.meta.kind, hls::kPacketTcp);
  EXPECT_EQ(p.meta.seq, 0xfffffff0u);
  EXPECT_EQ(p.meta.window, 8192);
  EXPECT_EQ(p.meta.window_scale, 7);
  EXPECT_EQ(p.meta.tcp_flags, hls::kTcpSyn);
  EXPECT_EQ(p.meta.payload, 0u);
  EXPECT_EQ(p.meta.segments, 1);
  EXPECT_EQ(p.meta.from_b, 0);
  EXPECT_EQ(p.meta.key.a_lo, 0x0a000001u);
  EXPECT_EQ(p.meta.key.b_lo, 0xc0000207u);
  EXPECT_EQ(p.meta.key.tail, uint64_t{1024} << 48 | uint64_t{80} << 32 | 3u << 16 | 4u << 8 | 6);
}

TEST(Parse, BothDirectionsHaveOneKey) {
  ParsedPacket there;
  ParsedPacket back;
  for (const bool six : {false, true}) {
    const IpAddress a = *parse_ip(six ? "2001:db8::1" : "10.0.0.1");
    const IpAddress b = *parse_ip(six ? "2001:db8::2" : "10.0.0.2");
    for (const bool echo : {false, true}) {
      auto one = PacketBuilder().ip(a, b);
      auto two = PacketBuilder().ip(b, a);
      if (echo) {
        one.echo(true, 77, 1);
        two.echo(false, 77, 1);
      } else {
        one.udp(5, 6);
        two.udp(6, 5);
      }
      ASSERT_EQ(parsed(one.build(), there), DropReason::kNone);
      ASSERT_EQ(parsed(two.build(), back), DropReason::kNone);
      EXPECT_TRUE(hls::same_key(there.meta.key, back.meta.key));
      EXPECT_EQ(there.meta.from_b, 0);
      EXPECT_EQ(back.meta.from_b, 1);
      if (echo) {
        EXPECT_EQ(there.meta.kind, hls::kPacketEchoRequest);
        EXPECT_EQ(back.meta.kind, hls::kPacketEchoReply);
        EXPECT_EQ(there.source_port, 77);
        EXPECT_EQ(there.destination_port, 0);
        EXPECT_EQ(back.destination_port, 77);
        EXPECT_EQ(back.icmp_id, 77);
      }
    }
  }
}

TEST(Parse, LengthsAreTheIpHeadersNotTheFrames) {
  ParsedPacket p;
  ASSERT_EQ(parsed(v4().tcp(1, 2, hls::kTcpAck).payload("abc").padding(9).build(), p), DropReason::kNone);
  EXPECT_EQ(p.meta.payload, 3u);
  EXPECT_EQ(p.meta.bytes, 43u);
  ASSERT_EQ(parsed(v6().udp(1, 2).payload("abc").padding(9).build(), p), DropReason::kNone);
  EXPECT_EQ(p.meta.payload, 3u);
  EXPECT_EQ(p.meta.bytes, 51u);
}

TEST(Parse, GsoFramesCountTheirSegments) {
  struct Case {
    uint32_t payload;
    uint16_t size;
    uint8_t segments;
  };
  for (const Case& c : {Case{1448, 1448, 1}, Case{1449, 1448, 2}, Case{65000, 1448, 45}, Case{60000, 100, 255}}) {
    for (const bool six : {false, true}) {
      ParsedPacket p;
      auto builder = six ? v6() : v4();
      ASSERT_EQ(parsed(builder.tcp(1, 2, hls::kTcpAck).payload_size(c.payload).partial_checksum(c.size).build(), p),
                DropReason::kNone);
      EXPECT_EQ(p.meta.segments, c.segments) << c.payload;
      EXPECT_EQ(p.meta.payload, c.payload);
    }
  }
}

TEST(Parse, VlanTags) {
  ParsedPacket p;
  ASSERT_EQ(parsed(v4().vlan(100).vlan(4094).udp(1, 2).build(), p), DropReason::kNone);
  EXPECT_EQ(p.vlan_count, 2);
  EXPECT_EQ(p.vlan[0], 100);
  EXPECT_EQ(p.vlan[1], 4094);
  EXPECT_EQ(p.l3, 22u);
  EXPECT_EQ(to_text(p), "vlan 100 vlan 4094 UDP 10.0.0.1:1 > 192.0.2.7:2 len 0");
  Bytes three = v4().vlan(1).vlan(2).udp(1, 2).build();
  store16(&three[10 + 20], kEthertypeVlan);
  EXPECT_EQ(parsed(three, p), DropReason::kVlanDepth);
}

TEST(Parse, Ipv6ExtensionHeaders) {
  const uint8_t body[] = {1, 4, 0, 0, 0, 0};
  const uint8_t routing[] = {4, 0, 0, 0, 0, 0};
  ParsedPacket p;
  ASSERT_EQ(parsed(v6().extension(kProtocolHopByHop, body)
                       .extension(kProtocolDestinationOptions, body)
                       .extension(kProtocolRouting, routing)
                       .extension(kProtocolAh, Bytes(22))
                       .extension(kProtocolDestinationOptions, Bytes(14))
                       .udp(9, 10)
                       .payload("x")
                       .build(),
                   p),
            DropReason::kNone);
  EXPECT_EQ(p.protocol, hls::kProtocolUdp);
  EXPECT_EQ(p.destination_port, 10);
  EXPECT_EQ(p.l4, 14u + 40 + 8 + 8 + 8 + 24 + 16);
  EXPECT_TRUE(p.has_options);
  ASSERT_EQ(parsed(v6().protocol(kProtocolEsp).payload_size(40).build(), p), DropReason::kNone);
  EXPECT_EQ(p.protocol, kProtocolEsp);
  EXPECT_EQ(p.meta.kind, hls::kPacketOther);
  ASSERT_EQ(parsed(v6().fragment(5, 0, false).udp(1, 2).build(), p), DropReason::kNone);
  EXPECT_FALSE(p.is_fragment) << "an atomic fragment is whole (RFC 6946)";
  EXPECT_EQ(p.destination_port, 2);
}

TEST(Parse, Fragments) {
  for (const bool six : {false, true}) {
    ParsedPacket p;
    const auto datagram = [six] { return (six ? v6() : v4()).udp(7, 9).payload_size(3000); };
    ASSERT_EQ(parsed(datagram().fragment(99, 0, true).cut(0, 1200).build(), p), DropReason::kNone);
    EXPECT_TRUE(p.is_fragment && p.first_fragment && p.more_fragments);
    EXPECT_EQ(p.destination_port, 9);
    EXPECT_EQ(p.meta.payload, 1192u);
    EXPECT_EQ(p.fragment_id, 99u);
    ASSERT_EQ(parsed(datagram().fragment(99, 2400, false).cut(2400, 4000).build(), p), DropReason::kNone);
    EXPECT_TRUE(p.is_fragment && !p.first_fragment && !p.more_fragments);
    EXPECT_EQ(p.fragment_offset, 2400);
    EXPECT_EQ(p.destination_port, 0);
    EXPECT_EQ(p.meta.kind, hls::kPacketOther);
    EXPECT_EQ(p.payload, p.l4);
  }
}

TEST(Parse, IcmpErrorsHaveTheQuotedPacketsKey) {
  for (const bool six : {false, true}) {
    auto quoted = (six ? v6() : v4()).tcp(1024, 80, hls::kTcpAck, 0x12345678, 1);
    ParsedPacket of_quoted;
    ASSERT_EQ(parsed(quoted.build(), of_quoted), DropReason::kNone);
    Bytes quote = quoted.build_ip();
    quote.resize(quote.size() - 12);  // 8 bytes of TCP are left
    auto error = six ? PacketBuilder().ip("2001:db8:5::1", "2001:db8::1").icmp(kIcmpV6PacketTooBig, 0, 1400)
                     : PacketBuilder().ip("198.51.100.1", "10.0.0.1").icmp(kIcmpUnreachable, 4, 1400);
    ParsedPacket p;
    ASSERT_EQ(parsed(error.payload(quote).build(), p), DropReason::kNone);
    EXPECT_TRUE(p.is_icmp_error());
    EXPECT_TRUE(hls::same_key(p.meta.key, of_quoted.meta.key));
    EXPECT_EQ(p.meta.from_b, of_quoted.meta.from_b);
    EXPECT_EQ(p.meta.seq, 0x12345678u);
    EXPECT_EQ(p.quoted_protocol, hls::kProtocolTcp);
    EXPECT_EQ(p.quoted_l3, p.l4 + 8);
    EXPECT_EQ(p.quoted_l4, p.quoted_l3 + (six ? 40 : 20));
  }
}

TEST(Parse, NeighbourMessagesAreForNeighbourCode) {
  ParsedPacket p;
  ASSERT_EQ(parsed(PacketBuilder()
                       .ip("::", "ff02::1:ff00:1")
                       .ttl(255)
                       .icmp(kNdNeighbourSolicitation, 0)
                       .payload_size(16)
                       .build(),
                   p),
            DropReason::kNone);
  EXPECT_EQ(p.kind, FrameKind::kNeighbourDiscovery);
  Bytes arp = v4().payload_size(28).build();
  store16(&arp[10 + 12], kEthertypeArp);
  ASSERT_EQ(parsed(arp, p), DropReason::kNone);
  EXPECT_EQ(p.kind, FrameKind::kArp);
  EXPECT_EQ(to_text(p), "ARP");
}

struct Refusal {
  const char* what;
  DropReason reason;
  std::function<Bytes()> frame;
};

Bytes edited(Bytes b, size_t at, uint8_t value, bool fix = false) {
  b[at] = value;
  if (fix) fix_ip_checksum(b);
  return b;
}

// An ICMP error to 10.0.0.1 that quotes `quote`.
Bytes error_quoting(const Bytes& quote) {
  return PacketBuilder().ip("198.51.100.1", "10.0.0.1").icmp(kIcmpTimeExceeded, 0).payload(quote).build();
}

std::vector<Refusal> frame_refusals() {
  const auto udp = v4().udp(1, 2).payload("abcd").build();
  const auto partial = v4().udp(1, 2).payload("abcd").partial_checksum().build();
  const auto gso = v4().tcp(1, 2, 16).payload_size(3000).partial_checksum(1448).build();
  return {
      {"no Ethernet header", DropReason::kEthernetShort, [=] { return Bytes(udp.begin(), udp.begin() + 23); }},
      {"no room for the tag", DropReason::kEthernetShort,
       [=] {
         Bytes b(udp.begin(), udp.begin() + 26);
         store16(&b[22], kEthertypeVlan);
         return b;
       }},
      {"unknown ethertype", DropReason::kEthertypeUnsupported, [=] { return edited(udp, 22, 0x99); }},
      {"checksum beyond the frame", DropReason::kVnetHeader, [=] { return edited(partial, 7, 0x40); }},
      {"checksum in the Ethernet header", DropReason::kVnetHeader, [=] { return edited(partial, 6, 2); }},
      {"checksum in the padding", DropReason::kVnetHeader,
       [=] {
         Bytes b = partial;
         b.resize(b.size() + 40);
         store_raw<uint16_t>(&b[8], 20);
         return b;
       }},
      {"GSO without size", DropReason::kVnetHeader,
       [=] {
         Bytes b = gso;
         store_raw<uint16_t>(&b[4], 0);
         return b;
       }},
      {"GSO of no kind", DropReason::kVnetHeader, [=] { return edited(gso, 1, kGsoEcn); }},
      {"GSO of an unknown kind", DropReason::kVnetHeader, [=] { return edited(gso, 1, 9); }},
      {"GSO of the other family", DropReason::kVnetHeader, [=] { return edited(gso, 1, kGsoTcpV6); }},
      {"GSO of the other protocol", DropReason::kVnetHeader, [=] { return edited(gso, 1, kGsoUdpL4); }},
      {"big TCP", DropReason::kBigTcp,
       [=] {
         Bytes b = gso;
         store16(&b[kL3 + 2], 0);
         return b;
       }},
  };
}

std::vector<Refusal> ipv4_refusals() {
  const auto udp = v4().udp(1, 2).payload("abcd").build();
  const uint8_t source_route[] = {1, 131, 7, 4, 1, 2, 3, 4};
  const uint8_t overrun[] = {7, 9, 4, 0};
  const uint8_t no_length[] = {7, 1, 0, 0};
  return {
      {"version", DropReason::kIpv4Header, [=] { return edited(udp, kL3, 0x55, true); }},
      {"header length", DropReason::kIpv4Header, [=] { return edited(udp, kL3, 0x44); }},
      {"header beyond the packet", DropReason::kIpv4Header, [=] { return edited(udp, kL3, 0x4f); }},
      {"longer than the frame", DropReason::kIpv4Header, [=] { return edited(udp, kL3 + 3, 33, true); }},
      {"checksum", DropReason::kIpv4Checksum,
       [=] { return edited(udp, kL3 + 10, static_cast<uint8_t>(udp[kL3 + 10] ^ 1)); }},
      {"source route", DropReason::kIpv4SourceRoute, [=] { return v4().ip_options(source_route).udp(1, 2).build(); }},
      {"option too long", DropReason::kIpv4Options, [=] { return v4().ip_options(overrun).udp(1, 2).build(); }},
      {"option without length", DropReason::kIpv4Options, [=] { return v4().ip_options(no_length).udp(1, 2).build(); }},
      {"multicast source", DropReason::kMartianSource,
       [] { return PacketBuilder().ip("224.0.0.1", "10.0.0.1").udp(1, 2).build(); }},
      {"loopback source", DropReason::kMartianSource,
       [] { return PacketBuilder().ip("127.0.0.1", "10.0.0.1").udp(1, 2).build(); }},
      {"broadcast source", DropReason::kMartianSource,
       [] { return PacketBuilder().ip("255.255.255.255", "10.0.0.1").udp(1, 2).build(); }},
      {"loopback", DropReason::kMartianDestination,
       [] { return PacketBuilder().ip("10.0.0.1", "127.0.0.1").udp(1, 2).build(); }},
      {"to itself", DropReason::kLand, [] { return PacketBuilder().ip("10.0.0.1", "10.0.0.1").tcp(1, 1, 2).build(); }},
      {"fragment of 7 bytes", DropReason::kFragmentSize,
       [] { return v4().udp(1, 2).payload_size(99).fragment(1, 8, true).cut(8, 15).build(); }},
      {"empty fragment", DropReason::kFragmentSize,
       [] { return v4().udp(1, 2).payload_size(99).fragment(1, 8, true).cut(8, 8).build(); }},
      {"ping of death", DropReason::kFragmentSize,
       [] { return v4().udp(1, 2).payload_size(99).fragment(1, 65528, false).cut(8, 24).build(); }},
      {"first fragment without TCP header", DropReason::kFragmentTiny,
       [] { return v4().tcp(1, 2, 2).payload_size(99).fragment(1, 0, true).cut(0, 16).build(); }},
      {"first fragment without TCP options", DropReason::kFragmentTiny,
       [] { return v4().tcp(1, 2, 2).tcp_options(kScaleOption).fragment(1, 0, true).cut(0, 24).build(); }},
  };
}

std::vector<Refusal> ipv6_refusals() {
  const auto udp = v6().udp(1, 2).payload("abcd").build();
  const Bytes body(6);
  const uint8_t segments_left[] = {4, 1, 0, 0, 0, 0};
  return {
      {"version", DropReason::kIpv6Header, [=] { return edited(udp, kL3, 0x40); }},
      {"longer than the frame", DropReason::kIpv6Header, [=] { return edited(udp, kL3 + 5, 13); }},
      {"short", DropReason::kIpv6Header, [=] { return Bytes(udp.begin(), udp.begin() + kL3 + 39); }},
      {"jumbogram", DropReason::kBigTcp,
       [=] {
         Bytes b = v6().extension(kProtocolHopByHop, body).udp(1, 2).build();
         store16(&b[kL3 + 4], 0);
         return b;
       }},
      {"hop-by-hop not first", DropReason::kIpv6Extension,
       [=] {
         return v6().extension(kProtocolDestinationOptions, body).extension(kProtocolHopByHop, body).udp(1, 2).build();
       }},
      {"too many", DropReason::kIpv6Extension,
       [=] {
         auto b = v6();
         for (int i = 0; i < 9; ++i) b.extension(kProtocolDestinationOptions, body);
         return b.udp(1, 2).build();
       }},
      {"extension too long", DropReason::kIpv6Extension,
       [=] { return edited(v6().extension(kProtocolDestinationOptions, body).udp(1, 2).build(), kL3 + 41, 2); }},
      {"routing type 0", DropReason::kIpv6RoutingType0,
       [=] { return v6().extension(kProtocolRouting, body).udp(1, 2).build(); }},
      {"segments left", DropReason::kIpv6Routing,
       [=] { return v6().extension(kProtocolRouting, segments_left).udp(1, 2).build(); }},
      {"mapped source", DropReason::kMartianSource,
       [] { return PacketBuilder().ip("::ffff:10.0.0.1", "2001:db8::1").udp(1, 2).build(); }},
      {"multicast source", DropReason::kMartianSource,
       [] { return PacketBuilder().ip("ff02::1", "2001:db8::1").udp(1, 2).build(); }},
      {"to nowhere", DropReason::kMartianDestination,
       [] { return PacketBuilder().ip("2001:db8::1", "::").udp(1, 2).build(); }},
      {"header chain not in the first fragment", DropReason::kFragmentTiny,
       [] {
         return v6()
             .udp(1, 2)
             .payload_size(99)
             .fragment(1, 0, true)
             .cut(0, 0)
             .extension(kProtocolDestinationOptions, Bytes(6))
             .protocol(kProtocolDestinationOptions)
             .payload(Bytes{17, 9, 0, 0, 0, 0, 0, 0})
             .cut(0, 8)
             .build();
       }},
  };
}

std::vector<Refusal> transport_refusals() {
  const auto tcp = v4().tcp(1, 2, 16).payload("abcd").build();
  const auto udp = v4().udp(1, 2).payload("abcd").build();
  const Bytes quote = v4().udp(1, 2).build_ip();
  return {
      {"TCP header length", DropReason::kTcpHeader, [=] { return edited(tcp, kL3 + 32, 0x40); }},
      {"TCP header beyond the packet", DropReason::kTcpHeader, [=] { return edited(tcp, kL3 + 32, 0xf0); }},
      {"TCP cut short", DropReason::kTcpHeader, [] { return v4().tcp(1, 2, 16).cut(0, 19).build(); }},
      {"UDP cut short", DropReason::kUdpHeader, [] { return v4().udp(1, 2).cut(0, 7).build(); }},
      {"UDP length too small", DropReason::kUdpHeader, [=] { return edited(udp, kL3 + 25, 7); }},
      {"UDP length beyond the packet", DropReason::kUdpHeader, [=] { return edited(udp, kL3 + 25, 13); }},
      {"ICMP cut short", DropReason::kIcmpHeader, [] { return v4().echo(true, 1, 1).cut(0, 7).build(); }},
      {"source quench", DropReason::kIcmpDeprecated,
       [] { return v4().icmp(kIcmpSourceQuench, 0).payload_size(28).build(); }},
      {"error without quote", DropReason::kIcmpQuote, [] { return error_quoting({}); }},
      {"quote of 7 transport bytes", DropReason::kIcmpQuote,
       [=] {
         return error_quoting({quote.begin(), quote.begin() + 27});
       }},
      {"quote of another's packet", DropReason::kIcmpQuote,
       [] { return error_quoting(PacketBuilder().ip("10.0.0.9", "192.0.2.7").udp(1, 2).build_ip()); }},
      {"quote of a later fragment", DropReason::kIcmpQuote,
       [] { return error_quoting(v4().udp(1, 2).payload_size(99).fragment(1, 8, true).cut(8, 32).build_ip()); }},
      {"quote of an error", DropReason::kIcmpQuote,
       [=] { return error_quoting(v4().icmp(kIcmpTimeExceeded, 0).payload(quote).build_ip()); }},
      {"quote of the other family", DropReason::kIcmpQuote, [] { return error_quoting(v6().udp(1, 2).build_ip()); }},
  };
}

TEST(Parse, RefusesAndSaysWhy) {
  for (const auto& table : {frame_refusals(), ipv4_refusals(), ipv6_refusals(), transport_refusals()}) {
    for (const Refusal& refusal : table) {
      ParsedPacket p;
      EXPECT_EQ(drop_name(parsed(refusal.frame(), p)), drop_name(refusal.reason)) << refusal.what;
    }
  }
}

TEST(Parse, TcpOptionsEndWhereTheReceiverEndsThem) {
  struct Case {
    Bytes options;
    uint8_t scale;
  };
  for (const Case& c : {Case{{1, 3, 3, 9}, 9}, Case{{3, 3, 200, 0}, 14}, Case{{0, 3, 3, 9}, hls::kNoWindowScale},
                        Case{{3, 4, 9, 0}, hls::kNoWindowScale}, Case{{8, 1, 3, 3, 9, 0}, hls::kNoWindowScale},
                        Case{{5, 60, 3, 3, 9}, hls::kNoWindowScale}, Case{{1, 1, 1, 3}, hls::kNoWindowScale}}) {
    ParsedPacket p;
    ASSERT_EQ(parsed(v4().tcp(1, 2, hls::kTcpSyn).tcp_options(c.options).build(), p), DropReason::kNone);
    EXPECT_EQ(p.meta.window_scale, c.scale);
    ASSERT_EQ(parsed(v4().tcp(1, 2, hls::kTcpAck).tcp_options(c.options).build(), p), DropReason::kNone);
    EXPECT_EQ(p.meta.window_scale, hls::kNoWindowScale) << "means nothing without SYN";
  }
}

TEST(Text, NamesWhatMatters) {
  const auto text = [](const PacketBuilder& builder) {
    ParsedPacket p;
    EXPECT_EQ(parsed(builder.build(), p), DropReason::kNone);
    return to_text(p);
  };
  EXPECT_EQ(text(v4().tcp(1024, 80, hls::kTcpSyn | hls::kTcpAck, 1, 2)),
            "TCP 10.0.0.1:1024 > 192.0.2.7:80 [S.] seq 1 ack 2 len 0");
  EXPECT_EQ(text(v6().udp(5, 53).payload("x")), "UDP [2001:db8::1]:5 > [2001:db8:1::7]:53 len 1");
  EXPECT_EQ(text(v4().echo(true, 7, 1)), "ICMP 10.0.0.1 > 192.0.2.7 echo request id 7");
  EXPECT_EQ(text(v4().protocol(47).payload("xyz")), "protocol 47 10.0.0.1 > 192.0.2.7 len 23");
  EXPECT_EQ(text(v4().udp(1, 2).payload_size(99).fragment(4, 16, true).cut(16, 32)),
            "UDP 10.0.0.1 > 192.0.2.7 fragment id 4 offset 16+");
}

}  // namespace
}  // namespace phalanx
