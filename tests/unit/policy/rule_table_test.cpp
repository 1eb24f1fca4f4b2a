#include "host/policy/rule_table.hpp"

#include "absl/strings/str_cat.h"

namespace phalanx::policy {
namespace {

Prefix prefix(const std::string& text) { return parse_prefix(text).value(); }

Rule rule(std::string name, RuleAction action) {
  Rule r;
  r.name = std::move(name);
  r.action = action;
  return r;
}

FlowQuery query(const char* source, const char* destination, uint8_t protocol, uint16_t port) {
  FlowQuery q;
  q.in_port = 0, q.out_port = 1;
  q.source = parse_ip(source).value(), q.destination = parse_ip(destination).value();
  q.protocol = protocol, q.source_port = 50000, q.destination_port = port;
  return q;
}

TEST(RuleTable, EmptyDropsByTheDefaultRule) {
  for (const RuleTable& table : {RuleTable(), RuleTable::build({}).value()}) {
    const Decision d = table.classify(query("10.0.0.1", "10.0.0.2", 6, 80));
    EXPECT_EQ(d.action, RuleAction::kDrop);
    EXPECT_EQ(d.rule, kDefaultRule);
    EXPECT_FALSE(d.log);
  }
}

TEST(RuleTable, FirstMatchInOrderWins) {
  Rule block = rule("block-host", RuleAction::kReject);
  block.match.sources = {prefix("10.0.0.66/32")};
  block.log = true;
  Rule web = rule("web", RuleAction::kAccept);
  web.match.sources = {prefix("10.0.0.0/8")};
  web.match.protocol = 6;
  web.match.destination_ports = {{443, 443}};
  Rule off = rule("off", RuleAction::kAccept);
  off.disabled = true;
  const Rule ping = [] {
    Rule r = rule("ping", RuleAction::kAccept);
    r.match.protocol = 58;
    r.match.icmp = {{128, 128, std::nullopt}};
    return r;
  }();
  const auto table = RuleTable::build({block, web, off, ping});
  ASSERT_TRUE(table.ok()) << table.status();

  Decision d = table->classify(query("10.0.0.66", "192.0.2.1", 6, 443));
  EXPECT_EQ(d.rule, 0);
  EXPECT_EQ(d.action, RuleAction::kReject);
  EXPECT_TRUE(d.log);
  d = table->classify(query("10.0.0.67", "192.0.2.1", 6, 443));
  EXPECT_EQ(d.rule, 1);
  EXPECT_EQ(d.action, RuleAction::kAccept);
  EXPECT_FALSE(d.log);
  EXPECT_EQ(table->classify(query("10.0.0.67", "192.0.2.1", 17, 443)).rule, kDefaultRule);
  EXPECT_EQ(table->classify(query("2001:db8::1", "2001:db8::2", 6, 443)).rule, kDefaultRule);
  FlowQuery echo = query("2001:db8::1", "2001:db8::2", 58, 0);
  echo.icmp_type = 128;
  EXPECT_EQ(table->classify(echo).rule, 3);
}

TEST(RuleTable, ErrorsNameRuleAndField) {
  const auto message = [](std::vector<Rule> rules) {
    return std::string(RuleTable::build(std::move(rules)).status().message());
  };
  EXPECT_EQ(message({rule("a", RuleAction::kDrop), rule("", RuleAction::kDrop)}), "rule \"#2\", name: missing");
  EXPECT_EQ(message({rule("a", RuleAction::kDrop), rule("a", RuleAction::kDrop)}),
            "rule \"a\", name: rule 1 has it already");
  EXPECT_EQ(message({rule("a", static_cast<RuleAction>(9))}), "rule \"a\", action: unknown");
  Rule bad = rule("dns", RuleAction::kAccept);
  bad.match.destination_ports = {{53, 53}};
  EXPECT_EQ(message({bad}), "rule \"dns\", destination_ports: ports need a protocol");
  bad.disabled = true;
  EXPECT_EQ(message({bad}), "rule \"dns\", destination_ports: ports need a protocol");
}

TEST(RuleTable, RefusesMoreRulesThanIds) {
  std::vector<Rule> rules(kRulesMax + 1);
  for (size_t i = 0; i < rules.size(); ++i) rules[i].name = absl::StrCat(i);
  EXPECT_EQ(RuleTable::build(rules).status().code(), absl::StatusCode::kResourceExhausted);
  rules.pop_back();
  rules.back().action = RuleAction::kAccept;
  for (size_t i = 0; i + 1 < rules.size(); ++i) rules[i].disabled = true;
  const auto table = RuleTable::build(rules);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->classify(query("10.0.0.1", "10.0.0.2", 6, 1)).rule, kRulesMax - 1);
}

TEST(RuleTable, RefusesMoreRangesThanTheLimit) {
  Rule wide = rule("wide", RuleAction::kAccept);
  for (uint32_t i = 0; i <= kRangesMax; ++i) wide.match.sources.push_back({IpAddress::v4(i * 2), 32});
  const absl::Status status = RuleTable::build({wide}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("sources (IPv4)"));
  wide.match.sources.pop_back();
  EXPECT_TRUE(RuleTable::build({wide}).ok());
}

// The edges of every dimension: first and last values, the longest prefixes, all ports.
TEST(RuleTable, EdgesOfTheDimensions) {
  Rule r = rule("edge", RuleAction::kAccept);
  r.match.from = port_bit(63), r.match.to = port_bit(0);
  r.match.protocol = 17;
  r.match.sources = {prefix("255.255.255.255/32"), prefix("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"),
                     prefix("::/128"), prefix("0.0.0.0/32")};
  r.match.destinations = {prefix("128.0.0.0/1"), prefix("8000::/1"), prefix("0:0:0:1::/65")};
  r.match.source_ports = {{0, 0}, {65535, 65535}};
  r.match.destination_ports = {{0, 32767}, {32768, 65535}};
  const auto table = RuleTable::build({r});
  ASSERT_TRUE(table.ok()) << table.status();
  size_t taken = 0, asked = 0;
  for (const char* source : {"255.255.255.255", "255.255.255.254", "0.0.0.0", "0.0.0.1"}) {
    for (const char* destination : {"128.0.0.0", "127.255.255.255", "255.255.255.255"}) {
      for (const uint16_t port : std::initializer_list<uint16_t>{0, 1, 65534, 65535}) {
        FlowQuery q = query(source, destination, 17, port);
        q.in_port = 63, q.out_port = 0, q.source_port = port;
        ++asked;
        const bool matched = table->classify(q).rule == 0;
        EXPECT_EQ(matched, matches(r.match, q)) << source << " " << destination << " " << port;
        taken += matched;
      }
    }
  }
  EXPECT_EQ(asked, 48u);
  EXPECT_EQ(taken, 2u * 2 * 2);
  for (const char* destination : {"8000::", "7fff::", "0:0:0:1::", "0:0:0:1:8000::", "0:0:0:0:ffff::"}) {
    FlowQuery q = query("::", destination, 17, 9);
    q.in_port = 63, q.out_port = 0, q.source_port = 65535;
    EXPECT_EQ(table->classify(q).rule == 0, matches(r.match, q)) << destination;
  }
}

std::vector<Rule> many_rules(uint32_t count) {
  std::vector<Rule> rules;
  for (uint32_t i = 0; i < count; ++i) {
    Rule r = rule(absl::StrCat("r", i), i % 3 == 0 ? RuleAction::kDrop : RuleAction::kAccept);
    r.match.sources = {{IpAddress::v4(0x0a000000 + (i % 997) * 256), 24}};
    r.match.destinations = {{IpAddress::v4(0xc0000000 + i * 16), 28}};
    r.match.protocol = i % 2 ? 6 : 17;
    r.match.destination_ports = {{static_cast<uint16_t>(i % 5000), static_cast<uint16_t>(i % 5000 + i % 7)}};
    rules.push_back(r);
  }
  return rules;
}

// Counted, not timed: however many rules there are, a lookup stays within the bound that classifier.hpp states.
TEST(RuleTable, TenThousandRulesTouchFewCacheLines) {
  const uint32_t count = 10000;
  const std::vector<Rule> rules = many_rules(count);
  const auto table = RuleTable::build(rules);
  ASSERT_TRUE(table.ok()) << table.status();
  ClassifyWork total;
  for (uint32_t i = 0; i < count; ++i) {
    FlowQuery q;
    q.in_port = 3, q.out_port = 4;
    q.source = IpAddress::v4(0x0a000000 + (i % 997) * 256 + 5), q.destination = IpAddress::v4(0xc0000000 + i * 16 + 1);
    q.protocol = i % 2 ? 6 : 17, q.destination_port = static_cast<uint16_t>(i % 5000);
    ClassifyWork work;
    ASSERT_EQ(table->classify(q, &work).rule, i);
    EXPECT_LE(work.chunks, 7u * ((count + kChunkRules - 1) / kChunkRules));
    EXPECT_LE(work.steps, 7u * 15);
    total.chunks += work.chunks;
  }
  // Destinations are distinct here, so summaries leave one chunk, in 7 dimensions.
  EXPECT_LE(total.chunks, uint64_t{count} * 7 * 2);
  // 10,000 rules with one range in 4 dimensions; classifier.hpp's bound for each edge, with room for vectors' growth.
  EXPECT_LE(table->memory_bytes(), 4u * 2 * count * (16 + 4 * 20 + 64 + 20) * 2);
}

TEST(RuleHits, FollowRuleNamesIntoANewTable) {
  const auto old =
      RuleTable::build({rule("a", RuleAction::kAccept), rule("b", RuleAction::kAccept), rule("c", RuleAction::kAccept)})
          .value();
  const auto now =
      RuleTable::build({rule("new", RuleAction::kAccept), rule("c", RuleAction::kDrop), rule("a", RuleAction::kAccept)})
          .value();
  RuleHits hits(old);
  hits.count(0), hits.count(0), hits.count(1), hits.count(2, 5), hits.count(kDefaultRule, 7);
  const std::vector<RuleId> ids = now.ids_from(old);
  EXPECT_THAT(ids, testing::ElementsAre(2, kGoneRule, 1));
  EXPECT_EQ(carry_over(0, ids), 2);
  EXPECT_EQ(carry_over(1, ids), kGoneRule);
  EXPECT_EQ(carry_over(kDefaultRule, ids), kDefaultRule);
  EXPECT_EQ(carry_over(kGoneRule, ids), kGoneRule);
  RuleHits carried(now);
  carried.carry_over_from(hits, ids);
  EXPECT_THAT(std::vector<uint64_t>(carried.hits().begin(), carried.hits().end()), testing::ElementsAre(0, 5, 2, 7));
  carried.count(kGoneRule);
  EXPECT_EQ(carried.of(kDefaultRule), 8u);
}

TEST(RuleAction, HasNames) {
  EXPECT_EQ(to_string(RuleAction::kAccept), "accept");
  EXPECT_EQ(to_string(RuleAction::kReject), "reject");
  EXPECT_EQ(to_string(static_cast<RuleAction>(77)), "invalid");
}

}  // namespace
}  // namespace phalanx::policy
