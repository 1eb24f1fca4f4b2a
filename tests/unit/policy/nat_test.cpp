#include "host/policy/nat.hpp"

#include <functional>

namespace phalanx::policy {
namespace {

Prefix prefix(const char* text) { return parse_prefix(text).value(); }
IpAddress ip(const char* text) { return parse_ip(text).value(); }

FlowQuery query(const char* source, uint16_t source_port, const char* destination, uint16_t destination_port,
                uint8_t protocol = 6) {
  FlowQuery q;
  q.in_port = 0, q.out_port = 1;
  q.source = ip(source), q.destination = ip(destination);
  q.protocol = protocol, q.source_port = source_port, q.destination_port = destination_port;
  return q;
}

NatRule hide(const char* name, std::vector<Prefix> sources, const char* address) {
  NatRule r;
  r.name = name, r.kind = NatKind::kHide, r.match.sources = std::move(sources), r.address = ip(address);
  return r;
}

NatRule forward(const char* name, const char* destination, PortRange ports, const char* target, uint16_t port) {
  NatRule r;
  r.name = name, r.kind = NatKind::kDestination;
  r.match.destinations = {prefix(destination)}, r.match.protocol = 6, r.match.destination_ports = {ports};
  r.address = ip(target), r.target_port = port;
  return r;
}

NatRule one_to_one(const char* name, const char* inside, const char* outside) {
  NatRule r;
  r.name = name, r.kind = NatKind::kStatic, r.inside = prefix(inside), r.outside = prefix(outside);
  return r;
}

TEST(Nat, HideAllocatesPortsWhereThereAreAny) {
  const auto table = NatTable::build({hide("v4", {prefix("10.0.0.0/8")}, "192.0.2.1"), hide("v6", {}, "2001:db8::1")});
  ASSERT_TRUE(table.ok()) << table.status();
  NatDecision d = table->source(query("10.9.8.7", 40000, "198.51.100.1", 443));
  EXPECT_TRUE(d.translate);
  EXPECT_TRUE(d.allocate_port);
  EXPECT_EQ(d.rule, 0);
  EXPECT_EQ(d.kind, NatKind::kHide);
  EXPECT_EQ(d.address, ip("192.0.2.1"));
  d = table->source(query("fd00::5", 40000, "2001:db8:9::1", 443));
  EXPECT_EQ(d.rule, 1);
  EXPECT_EQ(d.address, ip("2001:db8::1"));
  EXPECT_FALSE(table->source(query("11.0.0.1", 40000, "198.51.100.1", 443)).translate);
  EXPECT_FALSE(table->destination(query("10.9.8.7", 40000, "198.51.100.1", 443)).translate);

  FlowQuery echo = query("10.9.8.7", 77, "198.51.100.1", 0, 1);
  echo.icmp_type = 8;
  EXPECT_TRUE(table->source(echo).allocate_port);
  echo.icmp_type = 13;
  EXPECT_FALSE(table->source(echo).allocate_port);
  const NatDecision gre = table->source(query("10.9.8.7", 0, "198.51.100.1", 0, 47));
  EXPECT_TRUE(gre.translate);
  EXPECT_FALSE(gre.allocate_port);
  EXPECT_EQ(gre.port, 0);
}

TEST(Nat, ForwardsPortsOneForOne) {
  const auto table = NatTable::build({forward("ssh", "192.0.2.1/32", {2222, 2222}, "10.0.0.5", 22),
                                      forward("range", "192.0.2.1/32", {8000, 8009}, "10.0.0.6", 9000),
                                      forward("keep", "192.0.2.1/32", {443, 443}, "10.0.0.7", 0)});
  ASSERT_TRUE(table.ok()) << table.status();
  struct Case {
    uint16_t port;
    const char* target;  // null: not translated
    uint16_t target_port;
  };
  for (const Case& c : {Case{2222, "10.0.0.5", 22}, Case{8000, "10.0.0.6", 9000}, Case{8009, "10.0.0.6", 9009},
                        Case{443, "10.0.0.7", 443}, Case{8010, nullptr, 0}, Case{7999, nullptr, 0}}) {
    FlowQuery q = query("203.0.113.9", 5555, "192.0.2.1", c.port);
    q.out_port = kNoPort;
    const NatDecision d = table->destination(q);
    EXPECT_EQ(d.translate, c.target != nullptr) << c.port;
    if (c.target == nullptr) continue;
    EXPECT_EQ(d.address, ip(c.target));
    EXPECT_EQ(d.port, c.target_port);
    EXPECT_FALSE(d.allocate_port);
  }
}

TEST(Nat, StaticGoesBothWays) {
  const auto table = NatTable::build({one_to_one("host", "10.0.0.9/32", "192.0.2.9/32"),
                                      one_to_one("net", "10.1.0.0/16", "172.16.0.0/16"),
                                      one_to_one("net6", "fd00:0:0:8000::/49", "2001:db8:1:8000::/49"),
                                      one_to_one("all6", "fd00:1::5/128", "2001:db8:2::7/128")});
  ASSERT_TRUE(table.ok()) << table.status();
  struct Case {
    const char* inside;
    const char* outside;
    const char* peer;
  };
  for (const Case& c :
       {Case{"10.0.0.9", "192.0.2.9", "198.51.100.1"}, Case{"10.1.255.3", "172.16.255.3", "198.51.100.1"},
        Case{"fd00:0:0:8123:4:5:6:7", "2001:db8:1:8123:4:5:6:7", "2001:db8:9::1"},
        Case{"fd00:1::5", "2001:db8:2::7", "2001:db8:9::1"}}) {
    const NatDecision out = table->source(query(c.inside, 1234, c.peer, 80));
    EXPECT_TRUE(out.translate);
    EXPECT_FALSE(out.allocate_port);
    EXPECT_EQ(out.address, ip(c.outside));
    EXPECT_EQ(out.port, 1234);
    const NatDecision in = table->destination(query(c.peer, 4321, c.outside, 80));
    EXPECT_TRUE(in.translate);
    EXPECT_EQ(in.address, ip(c.inside));
    EXPECT_EQ(in.port, 80);
    EXPECT_EQ(in.rule, out.rule);
  }
}

TEST(Nat, StaticMirrorsPortsAndPeers) {
  NatRule r = one_to_one("host", "10.0.0.9/32", "192.0.2.9/32");
  r.match.from = port_bit(0), r.match.to = port_bit(1), r.match.destinations = {prefix("198.51.100.0/24")};
  const auto table = NatTable::build({r});
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_TRUE(table->source(query("10.0.0.9", 1, "198.51.100.1", 2)).translate);
  EXPECT_FALSE(table->source(query("10.0.0.9", 1, "203.0.113.1", 2)).translate);
  FlowQuery in = query("198.51.100.1", 2, "192.0.2.9", 1);
  in.in_port = 1, in.out_port = kNoPort;
  EXPECT_TRUE(table->destination(in).translate);
  in.in_port = 0;
  EXPECT_FALSE(table->destination(in).translate);
  in = query("203.0.113.1", 2, "192.0.2.9", 1);
  in.in_port = 1;
  EXPECT_FALSE(table->destination(in).translate);
}

TEST(Nat, FirstMatchAndExemptions) {
  NatRule vpn;
  vpn.name = "vpn", vpn.kind = NatKind::kExempt;
  vpn.match.sources = {prefix("10.0.0.0/8")}, vpn.match.destinations = {prefix("10.0.0.0/8")};
  NatRule off = hide("off", {}, "192.0.2.200");
  off.disabled = true;
  const auto table = NatTable::build(
      {vpn, off, hide("a", {prefix("10.0.0.0/16")}, "192.0.2.1"), hide("b", {prefix("10.0.0.0/8")}, "192.0.2.2")});
  ASSERT_TRUE(table.ok()) << table.status();
  const NatDecision exempt = table->source(query("10.0.0.1", 1, "10.2.0.1", 2));
  EXPECT_FALSE(exempt.translate);
  EXPECT_EQ(exempt.rule, 0);
  EXPECT_EQ(table->source(query("10.0.0.1", 1, "8.8.8.8", 2)).rule, 2);
  EXPECT_EQ(table->source(query("10.5.0.1", 1, "8.8.8.8", 2)).rule, 3);
  EXPECT_EQ(table->source(query("172.16.0.1", 1, "8.8.8.8", 2)).rule, kNoNatRule);
}

TEST(Nat, OutPortChoosesTheHideRule) {
  NatRule a = hide("isp-a", {}, "192.0.2.1");
  a.match.to = port_bit(1);
  NatRule b = hide("isp-b", {}, "198.51.100.1");
  b.match.to = port_bit(2);
  const auto table = NatTable::build({a, b}).value();
  FlowQuery q = query("10.0.0.1", 1, "8.8.8.8", 2);
  EXPECT_EQ(table.source(q).address, ip("192.0.2.1"));
  q.out_port = 2;
  EXPECT_EQ(table.source(q).address, ip("198.51.100.1"));
  q.out_port = 3;
  EXPECT_FALSE(table.source(q).translate);
}

TEST(Nat, ErrorsNameRuleAndField) {
  const auto with = [](NatRule r, const std::function<void(NatRule&)>& spoil) {
    spoil(r);
    return r;
  };
  const NatRule h = hide("h", {}, "192.0.2.1");
  const NatRule s = one_to_one("s", "10.0.0.0/24", "192.0.2.0/24");
  const NatRule d = forward("d", "192.0.2.1/32", {80, 90}, "10.0.0.5", 8080);
  struct Case {
    const char* expected;
    NatRule rule;
  };
  const Case cases[] = {
      {"rule \"#1\", name", with(h, [](NatRule& r) { r.name.clear(); })},
      {"rule \"h\", kind", with(h, [](NatRule& r) { r.kind = static_cast<NatKind>(9); })},
      {"rule \"h\", address", with(h, [](NatRule& r) { r.address = {}; })},
      {"rule \"h\", sources", with(h,
                                   [](NatRule& r) {
                                     r.match.sources = {{IpAddress::v6(0, 0), 0}};
                                   })},
      {"rule \"h\", from", with(h, [](NatRule& r) { r.match.from = 0; })},
      {"rule \"s\", inside", with(s,
                                  [](NatRule& r) {
                                    r.inside = {IpAddress::v4(1), 24};
                                  })},
      {"rule \"s\", outside", with(s, [](NatRule& r) { r.outside = Prefix{}; })},
      {"rule \"s\", outside", with(s, [](NatRule& r) { r.outside = prefix("192.0.2.0/25"); })},
      {"rule \"s\", outside", with(s,
                                   [](NatRule& r) {
                                     r.outside = {IpAddress::v6(0, 0), 24};
                                   })},
      {"rule \"s\", sources", with(s, [](NatRule& r) { r.match.sources = {prefix("10.0.0.0/25")}; })},
      {"rule \"s\", ports", with(s,
                                 [](NatRule& r) {
                                   r.match.protocol = 6, r.match.destination_ports = {{1, 2}};
                                 })},
      {"rule \"d\", destinations", with(d, [](NatRule& r) { r.match.destinations.clear(); })},
      {"rule \"d\", destinations", with(d, [](NatRule& r) { r.address = IpAddress::v6(1, 1); })},
      {"rule \"d\", to", with(d, [](NatRule& r) { r.match.to = 1; })},
      {"rule \"d\", target_port", with(d, [](NatRule& r) { r.match.protocol = 132; })},
      {"rule \"d\", target_port", with(d, [](NatRule& r) { r.match.destination_ports.clear(); })},
      {"rule \"d\", target_port", with(d, [](NatRule& r) { r.target_port = 65526; })},
  };
  for (const Case& c : cases) {
    const absl::Status status = NatTable::build({c.rule}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.expected << " " << (&c - cases);
    EXPECT_THAT(std::string(status.message()), testing::StartsWith(c.expected)) << (&c - cases);
  }
  EXPECT_TRUE(NatTable::build({with(d, [](NatRule& r) { r.target_port = 65525; })}).ok());
  EXPECT_FALSE(NatTable::build({h, h}).ok());
}

}  // namespace
}  // namespace phalanx::policy
