#include <gtest/gtest.h>

#include <array>
#include <functional>

#include "host/packet/arp.hpp"
#include "host/packet/bytes.hpp"
#include "host/packet/nd.hpp"
#include "host/packet/packet_builder.hpp"

namespace phalanx {
namespace {

using Bytes = std::vector<uint8_t>;
const MacAddress kVirtual = {0x00, 0x1c, 0x7f, 0, 0, 1};
const MacAddress kHost = {2, 0, 0, 0, 0, 9};
const IpAddress kAddress = IpAddress::v6(0x20010db8'00000000, 0x11'2233);

Bytes arp_request() {
  Bytes b(kArpFrameBytesMax);
  b.resize(build_arp_request(kHost, IpAddress::v4(0x0a000009), IpAddress::v4(0x0a000001), absl::MakeSpan(b)));
  return b;
}

DropReason parsed_arp(Bytes& b, ArpMessage& out) {
  ParsedPacket p;
  const DropReason reason = parse(frame_of(b), 0, p);
  return reason == DropReason::kNone ? parse_arp(frame_of(b), p, out) : reason;
}

TEST(Arp, RequestAndReply) {
  Bytes b = arp_request();
  EXPECT_EQ(b.size(), 70u);
  ArpMessage request;
  ASSERT_EQ(parsed_arp(b, request), DropReason::kNone);
  EXPECT_EQ(request.operation, ArpOperation::kRequest);
  EXPECT_EQ(request.sender_mac, kHost);
  EXPECT_EQ(to_string(request.sender), "10.0.0.9");
  EXPECT_EQ(to_string(request.target), "10.0.0.1");
  EXPECT_FALSE(request.is_gratuitous());
  EXPECT_EQ(destination_mac(frame_of(b)), kBroadcastMac);
  ParsedPacket p;
  ASSERT_EQ(parse(frame_of(b), 0, p), DropReason::kNone);
  Bytes r(kArpFrameBytesMax);
  r.resize(build_arp_reply(frame_of(b), p, request, kVirtual, absl::MakeSpan(r)));
  ArpMessage reply;
  ASSERT_EQ(parsed_arp(r, reply), DropReason::kNone);
  EXPECT_EQ(reply.operation, ArpOperation::kReply);
  EXPECT_EQ(reply.sender_mac, kVirtual);
  EXPECT_EQ(reply.sender, request.target);
  EXPECT_EQ(reply.target_mac, kHost);
  EXPECT_EQ(source_mac(frame_of(r)), kVirtual);
  EXPECT_EQ(destination_mac(frame_of(r)), kHost);
}

TEST(Arp, GratuitousAndProbe) {
  for (const ArpOperation operation : {ArpOperation::kRequest, ArpOperation::kReply}) {
    Bytes b(kArpFrameBytesMax);
    b.resize(build_gratuitous_arp(kVirtual, IpAddress::v4(0x0a000001), operation, absl::MakeSpan(b)));
    ArpMessage message;
    ASSERT_EQ(parsed_arp(b, message), DropReason::kNone);
    EXPECT_TRUE(message.is_gratuitous());
    EXPECT_EQ(message.operation, operation);
    EXPECT_EQ(message.sender_mac, kVirtual);
  }
  Bytes b(kArpFrameBytesMax);
  b.resize(build_arp_request(kHost, IpAddress::v4(0), IpAddress::v4(1), absl::MakeSpan(b), kVirtual));
  ArpMessage probe;
  ASSERT_EQ(parsed_arp(b, probe), DropReason::kNone);
  EXPECT_TRUE(probe.is_probe());
  EXPECT_EQ(destination_mac(frame_of(b)), kVirtual);
}

TEST(Arp, RefusesWhatNoHostSends) {
  struct Edit {
    const char* what;
    size_t at;
    uint8_t value;
  };
  for (const Edit& edit :
       {Edit{"hardware type", 1, 6}, Edit{"protocol type", 2, 0x86}, Edit{"MAC length", 4, 8},
        Edit{"address length", 5, 16}, Edit{"operation 0", 7, 0}, Edit{"operation 3", 7, 3}, Edit{"group MAC", 8, 0x03},
        Edit{"multicast sender", 14, 224}, Edit{"loopback sender", 14, 127}}) {
    Bytes b = arp_request();
    b[10 + 14 + edit.at] = edit.value;
    ArpMessage message;
    EXPECT_EQ(parsed_arp(b, message), DropReason::kArpMalformed) << edit.what;
  }
  for (size_t length = 24; length < 24 + 28; ++length) {
    Bytes b = arp_request();
    b.resize(length);
    b.shrink_to_fit();
    ArpMessage message;
    EXPECT_EQ(parsed_arp(b, message), DropReason::kArpMalformed) << length;
  }
  Bytes small(69);
  EXPECT_EQ(build_gratuitous_arp(kVirtual, IpAddress::v4(1), ArpOperation::kRequest, absl::MakeSpan(small)), 0u);
}

DropReason parsed_nd(Bytes& b, NdMessage& out) {
  ParsedPacket p;
  const DropReason reason = parse(frame_of(b), 0, p);
  return reason == DropReason::kNone ? parse_nd(frame_of(b), p, out) : reason;
}

TEST(Nd, SolicitedNodeGroups) {
  EXPECT_EQ(to_string(link_local({0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde})), "fe80::3656:78ff:fe9a:bcde");  // RFC 4291, A
  EXPECT_EQ(to_string(solicited_node(kAddress)), "ff02::1:ff11:2233");
  EXPECT_TRUE(is_solicited_node(solicited_node(kAddress)));
  EXPECT_FALSE(is_solicited_node(all_nodes()));
  EXPECT_EQ(multicast_mac(solicited_node(kAddress)), (MacAddress{0x33, 0x33, 0xff, 0x11, 0x22, 0x33}));
  EXPECT_EQ(multicast_mac(*parse_ip("239.129.2.3")), (MacAddress{0x01, 0x00, 0x5e, 0x01, 0x02, 0x03}));
}

TEST(Nd, SolicitationAndAdvertisement) {
  const IpAddress host = *parse_ip("2001:db8::9");
  Bytes b(kNdFrameBytesMax);
  b.resize(build_neighbour_solicitation(kHost, host, kAddress, absl::MakeSpan(b)));
  NdMessage asked;
  ASSERT_EQ(parsed_nd(b, asked), DropReason::kNone);
  EXPECT_EQ(asked.type, kNdNeighbourSolicitation);
  EXPECT_EQ(asked.source, host);
  EXPECT_EQ(asked.destination, solicited_node(kAddress));
  EXPECT_EQ(asked.target, kAddress);
  EXPECT_EQ(asked.link_layer, kHost);
  ParsedPacket p;
  ASSERT_EQ(parse(frame_of(b), 0, p), DropReason::kNone);
  Bytes r(kNdFrameBytesMax);
  r.resize(build_neighbour_advertisement(frame_of(b), p, asked, kVirtual, absl::MakeSpan(r)));
  NdMessage told;
  ASSERT_EQ(parsed_nd(r, told), DropReason::kNone);
  EXPECT_EQ(told.type, kNdNeighbourAdvertisement);
  EXPECT_EQ(told.target, kAddress);
  EXPECT_EQ(told.link_layer, kVirtual);
  EXPECT_TRUE(told.router && told.solicited && told.override_entry);
  EXPECT_EQ(destination_mac(frame_of(r)), kHost);
  b.assign(kNdFrameBytesMax, 0);
  b.resize(build_neighbour_solicitation(kHost, host, kAddress, absl::MakeSpan(b), &kVirtual));
  ASSERT_EQ(parsed_nd(b, asked), DropReason::kNone);
  EXPECT_EQ(asked.destination, kAddress);
  EXPECT_EQ(destination_mac(frame_of(b)), kVirtual);
}

TEST(Nd, DuplicateCheckIsAnsweredToAll) {
  Bytes b(kNdFrameBytesMax);
  b.resize(build_neighbour_solicitation(kHost, IpAddress::v6(0, 0), kAddress, absl::MakeSpan(b)));
  NdMessage asked;
  ASSERT_EQ(parsed_nd(b, asked), DropReason::kNone);
  EXPECT_TRUE(asked.is_duplicate_check());
  EXPECT_FALSE(asked.link_layer.has_value());
  ParsedPacket p;
  ASSERT_EQ(parse(frame_of(b), 0, p), DropReason::kNone);
  Bytes r(kNdFrameBytesMax);
  r.resize(build_neighbour_advertisement(frame_of(b), p, asked, kVirtual, absl::MakeSpan(r)));
  NdMessage told;
  ASSERT_EQ(parsed_nd(r, told), DropReason::kNone);
  EXPECT_FALSE(told.solicited);
  EXPECT_EQ(told.destination, all_nodes());
}

TEST(Nd, UnsolicitedOverrides) {
  Bytes b(kNdFrameBytesMax);
  b.resize(build_unsolicited_advertisement(kVirtual, kAddress, absl::MakeSpan(b)));
  NdMessage told;
  ASSERT_EQ(parsed_nd(b, told), DropReason::kNone);
  EXPECT_TRUE(told.override_entry && !told.solicited);
  EXPECT_EQ(told.destination, all_nodes());
  EXPECT_EQ(destination_mac(frame_of(b)), (MacAddress{0x33, 0x33, 0, 0, 0, 1}));
  Bytes small(kNdFrameBytesMax - 9);
  EXPECT_EQ(build_unsolicited_advertisement(kVirtual, kAddress, absl::MakeSpan(small)), 0u);
}

// A neighbour message by hand: type, flags, target and options.
Bytes message(uint8_t type, const char* source, const char* destination, uint8_t flags, const IpAddress& target,
              const Bytes& options, uint8_t hop_limit = 255, uint8_t code = 0) {
  Bytes body(16);
  store64(&body[0], target.hi);
  store64(&body[8], target.lo);
  body.insert(body.end(), options.begin(), options.end());
  return PacketBuilder()
      .ip(source, destination)
      .ttl(hop_limit)
      .icmp(type, code, static_cast<uint32_t>(flags) << 24)
      .payload(body)
      .build();
}

TEST(Nd, RefusesWhatRfc4861Does) {
  const char* host = "2001:db8::9";
  const char* group = "ff02::1:ff11:2233";
  const IpAddress many = all_nodes();
  const Bytes mac_option = {1, 1, 2, 0, 0, 0, 0, 9};
  struct Case {
    const char* what;
    DropReason reason;
    Bytes frame;
  };
  Bytes corrupt = message(kNdNeighbourSolicitation, host, group, 0, kAddress, mac_option);
  corrupt.back() ^= 1;
  for (Case& c : std::vector<Case>{
           {"good", DropReason::kNone, message(kNdNeighbourSolicitation, host, group, 0, kAddress, mac_option)},
           {"unknown option", DropReason::kNone,
            message(kNdNeighbourSolicitation, host, group, 0, kAddress, {99, 1, 0, 0, 0, 0, 0, 0})},
           {"from off the link", DropReason::kNdHopLimit,
            message(kNdNeighbourSolicitation, host, group, 0, kAddress, {}, 254)},
           {"code", DropReason::kNdMalformed, message(kNdNeighbourSolicitation, host, group, 0, kAddress, {}, 255, 1)},
           {"checksum", DropReason::kNdMalformed, corrupt},
           {"multicast target", DropReason::kNdMalformed, message(kNdNeighbourSolicitation, host, group, 0, many, {})},
           {"option of length 0", DropReason::kNdMalformed,
            message(kNdNeighbourSolicitation, host, group, 0, kAddress, {1, 0, 0, 0, 0, 0, 0, 0})},
           {"option too long", DropReason::kNdMalformed,
            message(kNdNeighbourSolicitation, host, group, 0, kAddress, {1, 2, 0, 0, 0, 0, 0, 0})},
           {"half an option", DropReason::kNdMalformed,
            message(kNdNeighbourSolicitation, host, group, 0, kAddress, {1})},
           {"group MAC", DropReason::kNdMalformed,
            message(kNdNeighbourSolicitation, host, group, 0, kAddress, {1, 1, 1, 0, 0, 0, 0, 9})},
           {"duplicate check with MAC", DropReason::kNdMalformed,
            message(kNdNeighbourSolicitation, "::", group, 0, kAddress, mac_option)},
           {"duplicate check, unicast", DropReason::kNdMalformed,
            message(kNdNeighbourSolicitation, "::", "2001:db8::11:2233", 0, kAddress, {})},
           {"solicited, multicast", DropReason::kNdMalformed,
            message(kNdNeighbourAdvertisement, host, "ff02::1", 0x40, kAddress, {})},
           {"advertisement", DropReason::kNone,
            message(kNdNeighbourAdvertisement, host, "ff02::1", 0x20, kAddress, {2, 1, 2, 0, 0, 0, 0, 9})},
           {"router, not link-local", DropReason::kNdMalformed,
            message(kNdRouterAdvertisement, host, "ff02::1", 0, kAddress, {})},
           {"too short", DropReason::kNdMalformed,
            PacketBuilder().ip(host, group).ttl(255).icmp(kNdNeighbourSolicitation, 0).payload_size(15).build()},
           {"fragment", DropReason::kNdMalformed,
            PacketBuilder()
                .ip(host, group)
                .ttl(255)
                .icmp(kNdNeighbourSolicitation, 0)
                .payload_size(32)
                .fragment(1, 0, true)
                .cut(0, 24)
                .build()}}) {
    NdMessage out;
    EXPECT_EQ(drop_name(parsed_nd(c.frame, out)), drop_name(c.reason)) << c.what;
  }
}

TEST(Nd, RouterAdvertisementGivesTheRoutersMac) {
  const Bytes options = {1, 1, 2, 0, 0, 0, 0, 7};
  Bytes body(8);
  body.insert(body.end(), options.begin(), options.end());
  Bytes b = PacketBuilder()
                .ip("fe80::7", "ff02::1")
                .ttl(255)
                .icmp(kNdRouterAdvertisement, 0, 64u << 24)
                .payload(body)
                .build();
  NdMessage out;
  ASSERT_EQ(parsed_nd(b, out), DropReason::kNone);
  EXPECT_EQ(out.link_layer, (MacAddress{2, 0, 0, 0, 0, 7}));
}

}  // namespace
}  // namespace phalanx
