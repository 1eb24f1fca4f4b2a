#include "host/policy/nat.hpp"

#include <array>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_format.h"
#include "hls/packet_meta.hpp"

namespace phalanx::policy {
namespace {

constexpr std::array kKindNames = {
#define PHALANX_X(name, text) std::string_view(text),
    PHALANX_NAT_KINDS(PHALANX_X)
#undef PHALANX_X
};

constexpr uint8_t kIcmpEchoRequest = 8;      // RFC 792
constexpr uint8_t kIcmpV6EchoRequest = 128;  // RFC 4443

Prefix everything(uint8_t family) { return {{0, 0, family}, 0}; }
Prefix host(const IpAddress& address) { return {address, static_cast<uint8_t>(address.is_v4() ? 32 : 128)}; }

bool is_ip(const IpAddress& address) { return address.is_v4() || address.is_v6(); }

bool is_echo_request(const FlowQuery& query) {
  return (query.protocol == hls::kProtocolIcmp && query.icmp_type == kIcmpEchoRequest) ||
         (query.protocol == hls::kProtocolIcmpV6 && query.icmp_type == kIcmpV6EchoRequest);
}

// Whether the flow has a port or echo id that the session engine rewrites.
bool has_rewritable_port(const FlowQuery& query) {
  return query.protocol == hls::kProtocolTcp || query.protocol == hls::kProtocolUdp || is_echo_request(query);
}

absl::Status check_family(const NatRule& rule, const std::vector<Prefix>& prefixes, std::string_view field,
                          uint8_t family) {
  for (const Prefix& p : prefixes) {
    if (p.address.family != family) {
      return rule_error(rule.name, field, absl::StrFormat("the translation is of IPv%d, these must be too", family));
    }
  }
  return absl::OkStatus();
}

// Restricts a match to the translation's family: conditions of the other one could only be met by flows it can't
// translate.
absl::Status bind_family(const NatRule& rule, Match& match, uint8_t family) {
  if (absl::Status s = check_family(rule, match.sources, "sources", family); !s.ok()) return s;
  if (absl::Status s = check_family(rule, match.destinations, "destinations", family); !s.ok()) return s;
  if (match.sources.empty()) match.sources = {everything(family)};
  return absl::OkStatus();
}

// The matches of one rule in either table; none: it takes no part there.
struct RuleMatches {
  std::optional<Match> to_destination;
  std::optional<Match> to_source;
};

absl::Status prepare_hide(const NatRule& rule, RuleMatches& out) {
  if (!is_ip(rule.address)) return rule_error(rule.name, "address", "not an IPv4 or IPv6 address");
  out.to_source = rule.match;
  return bind_family(rule, *out.to_source, rule.address.family);
}

absl::Status prepare_static(const NatRule& rule, RuleMatches& out) {
  for (const auto& [prefix, field] : {std::pair(rule.inside, "inside"), std::pair(rule.outside, "outside")}) {
    if (!is_ip(prefix.address) || prefix.length > host(prefix.address).length || !prefix.contains(prefix.address)) {
      return rule_error(rule.name, field, "not an IPv4 or IPv6 prefix");
    }
  }
  if (rule.inside.address.family != rule.outside.address.family || rule.inside.length != rule.outside.length) {
    return rule_error(rule.name, "outside", "not of the family and length of inside");
  }
  const Match& match = rule.match;
  if (!match.sources.empty()) return rule_error(rule.name, "sources", "inside says it already");
  if (!match.source_ports.empty() || !match.destination_ports.empty() || !match.icmp.empty()) {
    return rule_error(rule.name, "ports", "a static translation is of whole addresses, in both directions");
  }
  out.to_source = match;
  out.to_source->sources = {rule.inside};
  if (absl::Status s = bind_family(rule, *out.to_source, rule.inside.address.family); !s.ok()) return s;
  out.to_destination = Match{match.to, kAnyPortSet, match.destinations, {rule.outside}, match.protocol, {}, {}, {}};
  return absl::OkStatus();
}

absl::Status prepare_destination(const NatRule& rule, RuleMatches& out) {
  const Match& match = rule.match;
  if (!is_ip(rule.address)) return rule_error(rule.name, "address", "not an IPv4 or IPv6 address");
  if (match.destinations.empty()) return rule_error(rule.name, "destinations", "missing");
  if (match.to != kAnyPortSet) return rule_error(rule.name, "to", "not known yet where destinations are translated");
  if (rule.target_port != 0) {
    if (!match.protocol || (*match.protocol != hls::kProtocolTcp && *match.protocol != hls::kProtocolUdp)) {
      return rule_error(rule.name, "target_port", "needs protocol tcp (6) or udp (17)");
    }
    if (match.destination_ports.size() != 1) {
      return rule_error(rule.name, "target_port", "needs exactly one range of destination ports");
    }
    const PortRange range = match.destination_ports[0];
    if (range.first <= range.last && rule.target_port + (range.last - range.first) > 0xffff) {
      return rule_error(rule.name, "target_port", "the range would end beyond 65535");
    }
  }
  out.to_destination = match;
  return bind_family(rule, *out.to_destination, rule.address.family);
}

absl::Status prepare(const NatRule& rule, RuleMatches& out) {
  if (absl::Status s = validate(rule.match, rule.name); !s.ok()) return s;
  switch (rule.kind) {
    case NatKind::kHide:
      return prepare_hide(rule, out);
    case NatKind::kStatic:
      return prepare_static(rule, out);
    case NatKind::kDestination:
      return prepare_destination(rule, out);
    case NatKind::kExempt:
      out.to_source = rule.match;
      // A rule that asks for an out port says nothing of flows that aren't routed yet.
      if (rule.match.to == kAnyPortSet) out.to_destination = rule.match;
      return absl::OkStatus();
  }
  return rule_error(rule.name, "kind", "unknown");
}

// The address at the same place in `to` as `address` has in a prefix of that length.
IpAddress transpose(const IpAddress& address, const Prefix& to) {
  const int host_bits = (to.address.is_v4() ? 32 : 128) - to.length;
  const uint64_t hi_mask = host_bits > 64 ? ~uint64_t{0} >> (128 - host_bits) : 0;
  const uint64_t lo_mask = host_bits == 0 ? 0 : ~uint64_t{0} >> (64 - (host_bits > 64 ? 64 : host_bits));
  return {to.address.hi | (address.hi & hi_mask), to.address.lo | (address.lo & lo_mask), to.address.family};
}

absl::StatusOr<Classifier> classifier_of(const std::vector<std::optional<Match>>& matches) {
  std::vector<const Match*> pointers;
  pointers.reserve(matches.size());
  for (const auto& match : matches) pointers.push_back(match ? &*match : nullptr);
  return Classifier::build(pointers);
}

}  // namespace

std::string_view to_string(NatKind kind) {
  const auto index = static_cast<size_t>(kind);
  return index < kKindNames.size() ? kKindNames[index] : "invalid";
}

absl::StatusOr<NatTable> NatTable::build(std::vector<NatRule> rules) {
  if (rules.size() > kNatRulesMax) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("%d NAT rules, at most %d are possible", rules.size(), kNatRulesMax));
  }
  NatTable table;
  table.rules_ = std::move(rules);
  std::vector<std::optional<Match>> to_destination, to_source;
  absl::flat_hash_set<std::string> names;
  for (const NatRule& rule : table.rules_) {
    if (rule.name.empty()) return rule_error(absl::StrFormat("#%d", to_source.size() + 1), "name", "missing");
    if (!names.insert(rule.name).second) return rule_error(rule.name, "name", "another NAT rule has it already");
    RuleMatches prepared;
    if (absl::Status s = prepare(rule, prepared); !s.ok()) return s;
    if (rule.disabled) prepared = {};
    to_destination.push_back(std::move(prepared.to_destination));
    to_source.push_back(std::move(prepared.to_source));
  }
  absl::StatusOr<Classifier> destination = classifier_of(to_destination);
  if (!destination.ok()) return destination.status();
  absl::StatusOr<Classifier> source = classifier_of(to_source);
  if (!source.ok()) return source.status();
  table.to_destination_ = *std::move(destination);
  table.to_source_ = *std::move(source);
  return table;
}

NatDecision NatTable::destination(const FlowQuery& query) const {
  const uint32_t index = to_destination_.find(query);
  if (index == kNoMatch) return {};
  const NatRule& rule = rules_[index];
  NatDecision decision;
  decision.kind = rule.kind;
  decision.rule = static_cast<uint16_t>(index);
  if (rule.kind == NatKind::kExempt) return decision;
  decision.translate = true;
  decision.port = query.destination_port;
  if (rule.kind == NatKind::kStatic) {
    decision.address = transpose(query.destination, rule.inside);
    return decision;
  }
  decision.address = rule.address;
  if (rule.target_port != 0) {
    const uint16_t first = rule.match.destination_ports[0].first;
    decision.port = static_cast<uint16_t>(rule.target_port + (query.destination_port - first));
  }
  return decision;
}

NatDecision NatTable::source(const FlowQuery& query) const {
  const uint32_t index = to_source_.find(query);
  if (index == kNoMatch) return {};
  const NatRule& rule = rules_[index];
  NatDecision decision;
  decision.kind = rule.kind;
  decision.rule = static_cast<uint16_t>(index);
  if (rule.kind == NatKind::kExempt) return decision;
  decision.translate = true;
  decision.port = query.source_port;
  if (rule.kind == NatKind::kStatic) {
    decision.address = transpose(query.source, rule.outside);
    return decision;
  }
  decision.address = rule.address;
  decision.allocate_port = has_rewritable_port(query);
  return decision;
}

}  // namespace phalanx::policy
