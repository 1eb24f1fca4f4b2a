// What the data plane does with packets, one case after the other; frames in and out are built and parsed by
// host/packet.
#include <gtest/gtest.h>

#include "host/cluster/ccp_frame.hpp"
#include "host/packet/arp.hpp"
#include "tests/unit/gateway/gateway_harness.hpp"

namespace phalanx::gateway::harness {
namespace {

IpAddress ip(std::string_view text) { return *parse_ip(text); }

policy::NatRule nat(policy::NatKind kind, std::string_view address) {
  policy::NatRule rule;
  rule.name = "nat";
  rule.kind = kind;
  rule.address = ip(address);
  return rule;
}

policy::NatRule hide(std::string_view address) {
  policy::NatRule rule = nat(policy::NatKind::kHide, address);
  rule.match.to = policy::port_bit(1);
  return rule;
}

policy::NatRule forward_port() {
  policy::NatRule rule = nat(policy::NatKind::kDestination, "10.2.0.2");
  rule.match.destinations = {*parse_prefix("10.1.0.1/32")};
  rule.match.protocol = hls::kProtocolUdp;
  rule.match.destination_ports = {{8080, 8080}};
  rule.target_port = 80;
  return rule;
}

policy::NatRule one_to_one() {
  policy::NatRule rule;
  rule.name = "static";
  rule.kind = policy::NatKind::kStatic;
  rule.inside = *parse_prefix("10.1.0.2/32");
  rule.outside = *parse_prefix("10.2.0.77/32");
  return rule;
}

struct ForwardCase {
  const char* name;
  const char* source;
  const char* destination;
};

class Forward : public testing::TestWithParam<ForwardCase> {};

TEST_P(Forward, BothWaysOneHopOlderByVirtualMac) {
  Gateway gateway;
  const auto out = gateway.receive(0, gateway.from_client(GetParam().source, GetParam().destination).udp(1000, 7));
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].device, 1);
  EXPECT_EQ(out[0].packet.ttl, 63);
  auto bytes = out[0].bytes;
  EXPECT_EQ(destination_mac(frame_of(bytes)), kServerMac);
  EXPECT_EQ(source_mac(frame_of(bytes)), kOutsideMac);
  // State goes before the packet's consequence.
  EXPECT_EQ(gateway.changes_at_first_frame, 1u);
  const auto back = gateway.receive(1, gateway.from_server(GetParam().destination, GetParam().source).udp(7, 1000));
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].device, 0);
  EXPECT_EQ(gateway.dataplane->counters().opened, 1u);
}

INSTANTIATE_TEST_SUITE_P(Families, Forward,
                         testing::Values(ForwardCase{"v4", "10.1.0.2", "10.2.0.2"},
                                         ForwardCase{"v6", "2001:db8:1::2", "2001:db8:2::2"}),
                         [](const auto& one) { return std::string(one.param.name); });

std::vector<Sent> arp_for(Gateway& gateway, std::string_view target) {
  std::vector<uint8_t> buffer(kArpFrameBytesMax);
  buffer.resize(build_arp_request(kClientMac, ip("10.1.0.2"), ip(target), absl::MakeSpan(buffer)));
  const Frame frame = frame_of(buffer);
  gateway.dataplane->receive(gateway.now_ns, 0, absl::MakeConstSpan(&frame, 1));
  return gateway.take();
}

TEST(Local, AnswersArpForItsAddressesAlone) {
  Gateway gateway;
  const auto out = arp_for(gateway, "10.1.0.1");
  ASSERT_EQ(out.size(), 1u);
  ArpMessage message;
  auto bytes = out[0].bytes;
  ASSERT_EQ(parse_arp(frame_of(bytes), out[0].packet, message), DropReason::kNone);
  EXPECT_EQ(message.sender_mac, kInsideMac);
  EXPECT_EQ(message.sender, ip("10.1.0.1"));
  EXPECT_TRUE(arp_for(gateway, "10.1.0.9").empty());
  EXPECT_TRUE(arp_for(gateway, "10.2.0.1").empty());  // of the other network
}

TEST(Local, AnswersEcho) {
  for (const auto& [from, to] : {std::pair("10.1.0.2", "10.1.0.1"), std::pair("2001:db8:1::2", "2001:db8:1::1")}) {
    Gateway gateway;
    const auto out = gateway.receive(0, gateway.from_client(from, to).echo(true, 5, 6).payload("abc"));
    ASSERT_EQ(out.size(), 1u) << from;
    EXPECT_EQ(out[0].packet.meta.kind, hls::kPacketEchoReply);
    EXPECT_EQ(out[0].packet.destination, ip(from));
  }
}

TEST(Nat, HidesAndBringsBack) {
  Gateway gateway({.action = policy::RuleAction::kAccept, .nat = {hide("10.2.0.1")}, .outside_vlan = {}});
  const auto out = gateway.receive(0, gateway.from_client("10.1.0.2", "10.2.0.2").udp(1000, 7));
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].packet.source, ip("10.2.0.1"));
  const uint16_t port = out[0].packet.source_port;
  const auto back = gateway.receive(1, gateway.from_server("10.2.0.2", "10.2.0.1").udp(7, port));
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].packet.destination, ip("10.1.0.2"));
  EXPECT_EQ(back[0].packet.destination_port, 1000);
  // Nobody else comes in by that port.
  EXPECT_TRUE(gateway.receive(1, gateway.from_server("10.2.0.3", "10.2.0.1").udp(7, port)).empty());
}

TEST(Nat, ForwardsPorts) {
  Gateway gateway({.action = policy::RuleAction::kAccept, .nat = {forward_port()}, .outside_vlan = {}});
  const auto out = gateway.receive(0, gateway.from_client("10.1.0.2", "10.1.0.1").udp(1000, 8080));
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].packet.destination, ip("10.2.0.2"));
  EXPECT_EQ(out[0].packet.destination_port, 80);
  const auto back = gateway.receive(1, gateway.from_server("10.2.0.2", "10.1.0.2").udp(80, 1000));
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].packet.source, ip("10.1.0.1"));
  EXPECT_EQ(back[0].packet.source_port, 8080);
}

TEST(Nat, StaticOutwards) {
  Gateway gateway({.action = policy::RuleAction::kAccept, .nat = {one_to_one()}, .outside_vlan = {}});
  const auto out = gateway.receive(0, gateway.from_client("10.1.0.2", "10.2.0.2").udp(1000, 7));
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].packet.source, ip("10.2.0.77"));
  EXPECT_EQ(out[0].packet.source_port, 1000);
}

TEST(Nat, ErrorReachesTheClientWithItsOwnPacketQuoted) {
  Gateway gateway({.action = policy::RuleAction::kAccept, .nat = {hide("10.2.0.1")}, .outside_vlan = {}});
  const auto out = gateway.receive(0, gateway.from_client("10.1.0.2", "10.2.0.2").udp(1000, 7));
  ASSERT_EQ(out.size(), 1u);
  const auto quoted =
      PacketBuilder().ip("10.2.0.1", "10.2.0.2").udp(out[0].packet.source_port, 7).payload("x").build_ip();
  const auto back =
      gateway.receive(1, gateway.from_server("10.2.0.2", "10.2.0.1").icmp(kIcmpUnreachable, 3).payload(quoted));
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].packet.destination, ip("10.1.0.2"));
  ASSERT_TRUE(back[0].packet.is_icmp_error());
  const uint8_t* inner = back[0].bytes.data() + sizeof(VirtioNetHeader) + back[0].packet.quoted_l3;
  EXPECT_EQ(inner[12] << 24 | inner[13] << 16 | inner[14] << 8 | inner[15], 0x0a010002);
  const uint8_t* ports = back[0].bytes.data() + sizeof(VirtioNetHeader) + back[0].packet.quoted_l4;
  EXPECT_EQ(ports[0] << 8 | ports[1], 1000);
}

struct RefuseCase {
  const char* name;
  policy::RuleAction action;
  bool tcp;
  size_t answers;
};
class Refuse : public testing::TestWithParam<RefuseCase> {};
TEST_P(Refuse, DropsOrSaysSo) {
  Gateway gateway({.action = GetParam().action, .nat = {}, .outside_vlan = {}});
  PacketBuilder packet = gateway.from_client("10.1.0.2", "10.2.0.2");
  GetParam().tcp ? packet.tcp(1000, 80, hls::kTcpSyn, 1) : packet.udp(1000, 7);
  const auto out = gateway.receive(0, packet);
  ASSERT_EQ(out.size(), GetParam().answers);
  EXPECT_EQ(gateway.dropped(DropReason::kPolicyDrop) + gateway.dropped(DropReason::kPolicyReject), 1u);
  if (out.empty()) return;
  EXPECT_EQ(out[0].device, 0);
  EXPECT_EQ(out[0].packet.is_icmp_error(), !GetParam().tcp);
  EXPECT_EQ(out[0].packet.destination, ip("10.1.0.2"));
}
INSTANTIATE_TEST_SUITE_P(Actions, Refuse,
                         testing::Values(RefuseCase{"drop", policy::RuleAction::kDrop, true, 0},
                                         RefuseCase{"reset", policy::RuleAction::kReject, true, 1},
                                         RefuseCase{"unreachable", policy::RuleAction::kReject, false, 1}),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(Egress, TimeExceededAndTooBigAreAnswered) {
  Gateway gateway({.action = policy::RuleAction::kAccept, .nat = {}, .outside_vlan = {}, .outside_mtu = 600});
  auto out = gateway.receive(0, gateway.from_client("10.1.0.2", "10.2.0.2").ttl(1).udp(1000, 7));
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].packet.icmp_type, kIcmpTimeExceeded);
  EXPECT_EQ(gateway.engine->counters().sessions, 0u);
  out = gateway.receive(0, gateway.from_client("10.1.0.2", "10.2.0.2").dont_fragment().udp(1000, 7).payload_size(1000));
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].packet.icmp_type, kIcmpUnreachable);
  EXPECT_EQ(out[0].packet.icmp_code, 4);
  // Without DF it is cut.
  out = gateway.receive(0, gateway.from_client("10.1.0.2", "10.2.0.2").udp(1000, 7).payload_size(1000));
  EXPECT_EQ(out.size(), 2u);
}

TEST(Egress, FragmentsFollowTheirFirst) {
  Gateway gateway;
  const auto piece = [&](uint32_t begin, uint32_t end, bool more) {
    return gateway.from_client("10.1.0.2", "10.2.0.2")
        .udp(1000, 7)
        .payload_size(1000)
        .fragment(9, static_cast<uint16_t>(begin), more)
        .cut(begin, end);
  };
  EXPECT_TRUE(gateway.receive(0, piece(512, 1008, false)).empty());  // waits
  EXPECT_EQ(gateway.receive(0, piece(0, 512, true)).size(), 2u);
}

TEST(Egress, PutsTheTagOnAndTakesItOff) {
  Gateway gateway({.action = policy::RuleAction::kAccept, .nat = {}, .outside_vlan = 7});
  const auto out = gateway.receive(0, gateway.from_client("10.1.0.2", "10.2.0.2").udp(1000, 7).payload("abc"));
  ASSERT_EQ(out.size(), 1u);
  ASSERT_EQ(out[0].packet.vlan_count, 1);
  EXPECT_EQ(out[0].packet.vlan[0], 7);
  const auto back = gateway.receive(1, gateway.from_server("10.2.0.2", "10.1.0.2").vlan(7).udp(7, 1000).payload("abc"));
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].packet.vlan_count, 0);
  EXPECT_EQ(back[0].packet.destination_port, 1000);
  EXPECT_TRUE(gateway.receive(1, gateway.from_server("10.2.0.2", "10.1.0.2").udp(7, 1000)).empty());  // untagged
}

TEST(Egress, WaitsForTheNeighbourAndThenReleases) {
  Gateway gateway({.action = policy::RuleAction::kAccept, .nat = {}, .outside_vlan = {}, .neighbours = false});
  const auto asked = gateway.receive(0, gateway.from_client("10.1.0.2", "10.2.0.2").udp(1000, 7));
  ASSERT_EQ(asked.size(), 1u);
  ASSERT_EQ(asked[0].packet.kind, FrameKind::kArp);
  std::vector<uint8_t> reply(kArpFrameBytesMax);
  const LinkHeader link{.destination = kOutsideMac, .source = kServerMac};
  reply.resize(build_arp(link, {ArpOperation::kReply, kServerMac, ip("10.2.0.2"), kOutsideMac, ip("10.2.0.1")},
                         absl::MakeSpan(reply)));
  const Frame frame = frame_of(reply);
  gateway.dataplane->receive(gateway.now_ns, 1, absl::MakeConstSpan(&frame, 1));
  auto out = gateway.take();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(destination_mac(frame_of(out[0].bytes)), kServerMac);
  EXPECT_EQ(out[0].packet.destination_port, 7);
}

Role standing_by() {
  return {.active = false, .holding = false, .epoch = 1, .lease_until_ns = 0, .relay_to = 0, .relay_until_ns = 0};
}

TEST(Standby, DropsAndCounts) {
  Gateway gateway;
  gateway.dataplane->set_role(gateway.now_ns, standing_by());
  EXPECT_TRUE(gateway.receive(0, gateway.from_client("10.1.0.2", "10.2.0.2").udp(1000, 7)).empty());
  EXPECT_EQ(gateway.dropped(DropReason::kMemberNotActive), 1u);
  EXPECT_TRUE(arp_for(gateway, "10.1.0.1").empty());
}

TEST(Standby, RelaysAfterAHandoverForAWhile) {
  Gateway gateway;
  Role role = standing_by();
  role.relay_to = 2;
  role.relay_until_ns = gateway.now_ns + 10 * kMs;
  gateway.dataplane->set_role(gateway.now_ns, role);
  auto out = gateway.receive(0, gateway.from_client("10.1.0.2", "10.2.0.2").udp(1000, 7));
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].device, 0);
  EXPECT_EQ(destination_mac(frame_of(out[0].bytes)), cluster::ccp_source_mac(cluster::kDefaultMacMagic, 2));
  EXPECT_EQ(out[0].packet.ttl, 64);
  gateway.now_ns += 10 * kMs;
  EXPECT_TRUE(gateway.receive(0, gateway.from_client("10.1.0.2", "10.2.0.2").udp(1000, 7)).empty());
}

TEST(Standby, KeepsWhatComesDuringAHandover) {
  Gateway gateway;
  Role role = gateway.dataplane->role();
  role.active = false;
  role.holding = true;
  gateway.dataplane->set_role(gateway.now_ns, role);
  EXPECT_TRUE(gateway.receive(0, gateway.from_client("10.1.0.2", "10.2.0.2").udp(1000, 7)).empty());
  role.active = true;
  role.holding = false;
  gateway.dataplane->set_role(gateway.now_ns, role);
  size_t forwarded = 0;
  for (const Sent& one : gateway.take()) forwarded += one.packet.destination_port == 7 ? 1u : 0u;
  EXPECT_EQ(forwarded, 1u);
}

TEST(Lease, StopsForwardingWhenItEnds) {
  Gateway gateway;
  gateway.dataplane->set_lease(gateway.now_ns + kMs);
  EXPECT_EQ(gateway.receive(0, gateway.from_client("10.1.0.2", "10.2.0.2").udp(1000, 7)).size(), 1u);
  gateway.now_ns += kMs;
  EXPECT_TRUE(gateway.receive(0, gateway.from_client("10.1.0.2", "10.2.0.2").udp(1000, 7)).empty());
  EXPECT_EQ(gateway.dropped(DropReason::kLeaseExpired), 1u);
  gateway.dataplane->set_lease(gateway.now_ns + kMs);
  EXPECT_EQ(gateway.receive(0, gateway.from_client("10.1.0.2", "10.2.0.2").udp(1000, 7)).size(), 1u);
}

}  // namespace
}  // namespace phalanx::gateway::harness
