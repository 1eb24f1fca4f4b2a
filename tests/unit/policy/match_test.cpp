#include "host/policy/match.hpp"

#include <functional>

#include "host/policy/keyed_hash.hpp"

namespace phalanx::policy {
namespace {

Prefix prefix(const char* text) { return parse_prefix(text).value(); }
IpAddress ip(const char* text) { return parse_ip(text).value(); }

FlowQuery https() {
  FlowQuery q;
  q.in_port = 1, q.out_port = 2;
  q.source = ip("10.1.2.3"), q.destination = ip("192.0.2.80");
  q.protocol = 6, q.source_port = 40000, q.destination_port = 443;
  return q;
}

TEST(Match, WithoutConditionsTakesEverything) {
  EXPECT_TRUE(matches(Match{}, https()));
  EXPECT_TRUE(matches(Match{}, FlowQuery{}));
}

TEST(Match, EveryConditionCounts) {
  Match all;
  all.from = port_bit(1) | port_bit(7), all.to = port_bit(2);
  all.sources = {prefix("10.0.0.0/8"), prefix("2001:db8::/32")};
  all.destinations = {prefix("192.0.2.80/32")};
  all.protocol = 6;
  all.source_ports = {{1024, 65535}}, all.destination_ports = {{80, 80}, {443, 443}};
  ASSERT_TRUE(validate(all, "r").ok());
  ASSERT_TRUE(matches(all, https()));
  const std::function<void(FlowQuery&)> breaks[] = {
      [](FlowQuery& q) { q.in_port = 2; },
      [](FlowQuery& q) { q.in_port = kNoPort; },
      [](FlowQuery& q) { q.out_port = 1; },
      [](FlowQuery& q) { q.source = ip("11.0.0.1"); },
      [](FlowQuery& q) { q.source = ip("2001:db9::1"); },
      [](FlowQuery& q) { q.destination = ip("192.0.2.81"); },
      [](FlowQuery& q) { q.protocol = 17; },
      [](FlowQuery& q) { q.source_port = 1023; },
      [](FlowQuery& q) { q.destination_port = 444; },
  };
  for (const auto& break_one : breaks) {
    FlowQuery q = https();
    break_one(q);
    EXPECT_FALSE(matches(all, q)) << (&break_one - breaks);
  }
}

TEST(Match, IcmpTypesAndCodes) {
  Match m;
  m.protocol = 1;
  m.icmp = {{8, 8, std::nullopt}, {3, 3, 4}};
  ASSERT_TRUE(validate(m, "r").ok());
  FlowQuery q = https();
  q.protocol = 1;
  for (const auto& [type, code, taken] : std::vector<std::tuple<uint8_t, uint8_t, bool>>{
           {8, 0, true}, {8, 9, true}, {3, 4, true}, {3, 3, false}, {0, 0, false}}) {
    q.icmp_type = type, q.icmp_code = code;
    EXPECT_EQ(matches(m, q), taken) << int{type} << "/" << int{code};
  }
}

TEST(Validate, ErrorsNameRuleAndField) {
  struct Case {
    const char* field;
    std::function<void(Match&)> spoil;
  };
  const Case cases[] = {
      {"from", [](Match& m) { m.from = 0; }},
      {"to", [](Match& m) { m.to = 0; }},
      {"sources", [](Match& m) { m.sources = {Prefix{}}; }},
      {"sources",
       [](Match& m) {
         m.sources = {{IpAddress::v4(0), 33}};
       }},
      {"sources",
       [](Match& m) {
         m.sources = {{IpAddress::v4(1), 8}};
       }},
      {"destinations",
       [](Match& m) {
         m.destinations = {{IpAddress::v6(0, 1), 127}};
       }},
      {"destinations",
       [](Match& m) {
         m.sources = {{IpAddress::v4(0), 0}}, m.destinations = {{IpAddress::v6(0, 0), 0}};
       }},
      {"source_ports",
       [](Match& m) {
         m.source_ports = {{1, 2}};
       }},
      {"destination_ports",
       [](Match& m) {
         m.protocol = 47, m.destination_ports = {{1, 2}};
       }},
      {"destination_ports",
       [](Match& m) {
         m.protocol = 6, m.destination_ports = {{2, 1}};
       }},
      {"icmp",
       [](Match& m) {
         m.icmp = {{8, 8, 0}};
       }},
      {"icmp",
       [](Match& m) {
         m.protocol = 6, m.icmp = {{8, 8, 0}};
       }},
      {"icmp",
       [](Match& m) {
         m.protocol = 1, m.icmp = {{8, 7, std::nullopt}};
       }},
      {"icmp",
       [](Match& m) {
         m.protocol = 58, m.icmp = {{1, 4, 0}};
       }},
  };
  for (const Case& c : cases) {
    Match m;
    c.spoil(m);
    const absl::Status status = validate(m, "web");
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << (&c - cases);
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr(std::string("rule \"web\", ") + c.field + ":"))
        << (&c - cases);
  }
}

// Test vectors of the SipHash paper's reference code: key 00..0f, input 00, 01, 02, ...
TEST(KeyedHash, IsSipHash24) {
  const uint64_t seed[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
  EXPECT_EQ(keyed_hash(seed, {}), 0x726fdb47dd0e0e31u);
  EXPECT_EQ(keyed_hash(seed, {0x0706050403020100}), 0x93f5f5799a932462u);
}

}  // namespace
}  // namespace phalanx::policy
