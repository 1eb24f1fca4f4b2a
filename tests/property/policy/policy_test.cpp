// Tables agree with the meaning of their rules, and members never propose the same port.
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <numeric>
#include <set>

#include "absl/strings/str_cat.h"
#include "host/policy/nat.hpp"
#include "host/policy/port_blocks.hpp"
#include "host/policy/rule_table.hpp"

namespace phalanx::policy {
namespace {

using rc::gen::arbitrary;
using rc::gen::inRange;

// Small universes, so that rules overlap and packets meet their edges.
IpAddress some_address() {
  const uint64_t low = *inRange<uint64_t>(0, 32);
  const bool high = *arbitrary<bool>();
  if (*arbitrary<bool>()) return IpAddress::v4(static_cast<uint32_t>(high ? 0xffffffe0 + low : low));
  return high ? IpAddress::v6(low << 59, ~uint64_t{0} - low) : IpAddress::v6(*inRange<uint64_t>(0, 2), low);
}

Prefix some_prefix() {
  Prefix p{some_address(), 0};
  const int bits = p.address.is_v4() ? 32 : 128;
  // Lengths near both ends, where packets of this universe can tell them apart, and some between.
  p.length = static_cast<uint8_t>(*rc::gen::oneOf(inRange(0, 6), inRange(bits - 6, bits + 1), inRange(0, bits + 1)));
  const int length = p.length;
  const auto mask = [](int n) { return n <= 0 ? uint64_t{0} : ~uint64_t{0} << (64 - std::min(n, 64)); };
  if (p.address.is_v4()) p.address.lo &= mask(length + 32) & 0xffffffff;
  if (p.address.is_v6()) p.address.hi &= mask(length), p.address.lo &= mask(length - 64);
  return p;
}

uint16_t some_port() {
  return *rc::gen::oneOf(inRange<uint16_t>(0, 12), rc::gen::just<uint16_t>(65535), rc::gen::just<uint16_t>(65534));
}

template <typename T, typename Make>
std::vector<T> up_to(int most, Make make) {
  std::vector<T> all(static_cast<size_t>(*inRange(0, most + 1)));
  for (T& one : all) one = make();
  return all;
}

PortRange some_port_range() {
  const uint16_t x = some_port(), y = some_port();
  return {std::min(x, y), std::max(x, y)};
}

IcmpRange some_icmp_range() {
  const auto x = *inRange<uint8_t>(0, 6), y = *inRange<uint8_t>(0, 6);
  if (*arbitrary<bool>()) return {x, x, *inRange<uint8_t>(0, 3)};
  return {std::min(x, y), std::max(x, y), std::nullopt};
}

PortSet some_port_set() {
  return *rc::gen::oneOf(rc::gen::just(kAnyPortSet), rc::gen::just(kAnyPortSet), inRange<PortSet>(1, 16),
                         rc::gen::just(port_bit(63)), rc::gen::just(kAnyPortSet - 1));
}

Match some_match() {
  Match m;
  m.from = some_port_set(), m.to = some_port_set();
  m.sources = up_to<Prefix>(2, some_prefix), m.destinations = up_to<Prefix>(2, some_prefix);
  switch (*inRange(0, 4)) {
    case 0:
      break;
    case 1:
      m.protocol = *rc::gen::element<uint8_t>(6, 17);
      m.source_ports = up_to<PortRange>(2, some_port_range), m.destination_ports = up_to<PortRange>(3, some_port_range);
      break;
    case 2:
      m.protocol = *rc::gen::element<uint8_t>(1, 58);
      m.icmp = up_to<IcmpRange>(3, some_icmp_range);
      break;
    default:
      m.protocol = *rc::gen::element<uint8_t>(0, 47, 255);
  }
  return m;
}

FlowQuery some_query() {
  FlowQuery q;
  q.in_port = *rc::gen::element<PortIndex>(0, 1, 2, 3, 63, 64, kNoPort);
  q.out_port = *rc::gen::element<PortIndex>(0, 1, 2, 3, 63, kNoPort);
  q.source = some_address();
  do q.destination = some_address();
  while (q.destination.family != q.source.family);
  q.protocol = *rc::gen::element<uint8_t>(6, 6, 17, 1, 58, 47, 0, 255);
  q.source_port = some_port(), q.destination_port = some_port();
  q.icmp_type = *inRange<uint8_t>(0, 7), q.icmp_code = *inRange<uint8_t>(0, 4);
  return q;
}

// `padding` disabled rules lie between any two, so that chunks and summaries have their part.
std::vector<Rule> some_rules() {
  std::vector<Rule> rules;
  const int count = *inRange(0, 40);
  const int padding = *rc::gen::element(0, 0, 0, 30, 300);
  for (int i = 0; i < count; ++i) {
    Rule r;
    r.match = some_match();
    if (!validate(r.match, "generated").ok()) r.match.destinations.clear();
    r.action = static_cast<RuleAction>(*inRange(0, 3));
    r.log = *arbitrary<bool>();
    r.disabled = *inRange(0, 8) == 0;
    r.name = absl::StrCat("rule ", rules.size());
    rules.push_back(std::move(r));
    for (int p = 0; p < padding; ++p) {
      rules.emplace_back().name = absl::StrCat("rule ", rules.size());
      rules.back().disabled = true;
    }
  }
  return rules;
}

RC_GTEST_PROP(RuleTable, EqualsALinearSearch, ()) {
  const std::vector<Rule> rules = some_rules();
  const auto table = RuleTable::build(rules);
  RC_ASSERT(table.ok());
  int met = 0;
  for (int i = 0; i < 60; ++i) {
    const FlowQuery q = some_query();
    Decision expected;
    for (size_t r = 0; r < rules.size(); ++r) {
      if (rules[r].disabled || !matches(rules[r].match, q)) continue;
      expected = {rules[r].action, static_cast<RuleId>(r), rules[r].log};
      break;
    }
    ClassifyWork work;
    const Decision found = table->classify(q, &work);
    RC_ASSERT(found.rule == expected.rule);
    RC_ASSERT(found.action == expected.action);
    RC_ASSERT(found.log == expected.log);
    RC_ASSERT(work.chunks <= 7 * ((rules.size() + kChunkRules - 1) / kChunkRules));
    met += expected.rule != kDefaultRule;
  }
  RC_CLASSIFY(met >= 10, "a sixth of the packets met a rule");
}

// What goes out by a static rule comes back by it to where it was.
RC_GTEST_PROP(Nat, StaticInvertsItself, ()) {
  NatRule rule;
  rule.name = "s", rule.kind = NatKind::kStatic;
  rule.inside = some_prefix();
  do rule.outside = some_prefix();
  while (rule.outside.address.family != rule.inside.address.family);
  rule.inside.length = rule.outside.length = std::max(rule.inside.length, rule.outside.length);
  const auto table = NatTable::build({rule});
  RC_ASSERT(table.ok());
  FlowQuery q = some_query();
  const NatDecision out = table->source(q);
  RC_ASSERT(out.translate == rule.inside.contains(q.source));
  RC_PRE(out.translate);
  RC_ASSERT(rule.outside.contains(out.address));
  std::swap(q.source, q.destination);
  q.destination = out.address;
  const NatDecision in = table->destination(q);
  RC_ASSERT(in.translate);
  std::swap(q.source, q.destination);
  RC_ASSERT(rule.inside.contains(in.address));
  q.source = in.address;
  RC_ASSERT(table->source(q).address == out.address);
}

// Any two members, whatever their seeds and the flow, and however far apart their knowledge is.
RC_GTEST_PROP(PortChooser, MembersNeverProposeTheSamePort, ()) {
  const auto members_max = *inRange<uint32_t>(2, kLeaseholdersMax + 1);
  const auto x = *inRange<uint32_t>(0, members_max);
  const auto y = *rc::gen::distinctFrom(inRange<uint32_t>(0, members_max), x);
  const uint64_t seed_x[2] = {*arbitrary<uint64_t>(), 1};
  const uint64_t seed_y[2] = {*rc::gen::oneOf(rc::gen::just(seed_x[0]), arbitrary<uint64_t>()), 1};
  const PortChooser a(PortBlocks::make(x, members_max).value(), seed_x);
  const PortChooser b(PortBlocks::make(y, members_max).value(), seed_y);
  const hls::FlowKey flow_a = {0, *arbitrary<uint64_t>(), 0, 2, *arbitrary<uint64_t>()};
  const hls::FlowKey flow_b = *arbitrary<bool>() ? flow_a : hls::FlowKey{0, *arbitrary<uint64_t>(), 0, 2, 7};
  const auto original = *arbitrary<uint16_t>();
  std::set<uint16_t> of_a, of_b, both;
  for (uint32_t attempt = 0; attempt < kPortAttemptsMax; ++attempt) {
    of_a.insert(a.candidate(flow_a, original, attempt).value());
    of_b.insert(b.candidate(flow_b, original, attempt).value());
  }
  RC_ASSERT(of_a.size() == kPortAttemptsMax);  // distinct
  RC_ASSERT(of_b.size() == kPortAttemptsMax);
  both.insert(of_a.begin(), of_a.end()), both.insert(of_b.begin(), of_b.end());
  RC_ASSERT(both.size() == 2 * kPortAttemptsMax);
  for (const uint16_t port : of_a) RC_ASSERT(port >= kHidePortFirst && a.blocks().owns(port));
}

}  // namespace
}  // namespace phalanx::policy
