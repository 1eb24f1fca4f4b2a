#include "host/policy/match.hpp"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "hls/packet_meta.hpp"

namespace phalanx::policy {
namespace {

constexpr uint8_t kProtocolDccp = 33;
constexpr uint8_t kProtocolSctp = 132;
constexpr uint8_t kProtocolUdpLite = 136;

bool in_any(const std::vector<Prefix>& prefixes, const IpAddress& address) {
  return prefixes.empty() ||
         std::any_of(prefixes.begin(), prefixes.end(), [&](const Prefix& p) { return p.contains(address); });
}

bool in_any(const std::vector<PortRange>& ranges, uint16_t port) {
  return ranges.empty() ||
         std::any_of(ranges.begin(), ranges.end(), [&](const PortRange& r) { return r.contains(port); });
}

bool has_family(const std::vector<Prefix>& prefixes, uint8_t family) {
  return prefixes.empty() ||
         std::any_of(prefixes.begin(), prefixes.end(), [&](const Prefix& p) { return p.address.family == family; });
}

absl::Status check_prefixes(const std::vector<Prefix>& prefixes, std::string_view rule, std::string_view field) {
  for (const Prefix& p : prefixes) {
    const int longest = p.address.is_v4() ? 32 : p.address.is_v6() ? 128 : -1;
    if (p.length > longest) return rule_error(rule, field, "not an IPv4 or IPv6 prefix");
    if (!p.contains(p.address)) return rule_error(rule, field, "not an IPv4 or IPv6 prefix");
  }
  return absl::OkStatus();
}

absl::Status check_ports(const Match& match, const std::vector<PortRange>& ranges, std::string_view rule,
                         std::string_view field) {
  if (ranges.empty()) return absl::OkStatus();
  if (!match.protocol) return rule_error(rule, field, "ports need a protocol");
  if (!has_ports(*match.protocol)) {
    return rule_error(rule, field, absl::StrFormat("protocol %d has no ports", *match.protocol));
  }
  for (const PortRange& r : ranges) {
    if (r.first > r.last) {
      return rule_error(rule, field, absl::StrFormat("range %d-%d ends before it begins", r.first, r.last));
    }
  }
  return absl::OkStatus();
}

absl::Status check_icmp(const Match& match, std::string_view rule) {
  if (match.icmp.empty()) return absl::OkStatus();
  if (!match.protocol || !is_icmp(*match.protocol)) {
    return rule_error(rule, "icmp", "ICMP types need protocol icmp (1) or icmpv6 (58)");
  }
  for (const IcmpRange& r : match.icmp) {
    if (r.type_first > r.type_last) {
      return rule_error(rule, "icmp", absl::StrFormat("types %d-%d end before they begin", r.type_first, r.type_last));
    }
    if (r.code && r.type_first != r.type_last) return rule_error(rule, "icmp", "a code needs a single type");
  }
  return absl::OkStatus();
}

}  // namespace

bool has_ports(uint8_t protocol) {
  return protocol == hls::kProtocolTcp || protocol == hls::kProtocolUdp || protocol == kProtocolDccp ||
         protocol == kProtocolSctp || protocol == kProtocolUdpLite;
}

bool is_icmp(uint8_t protocol) { return protocol == hls::kProtocolIcmp || protocol == hls::kProtocolIcmpV6; }

bool matches(const Match& match, const FlowQuery& query) {
  if (!port_set_takes(match.from, query.in_port) || !port_set_takes(match.to, query.out_port)) return false;
  if (match.protocol && *match.protocol != query.protocol) return false;
  if (!in_any(match.sources, query.source) || !in_any(match.destinations, query.destination)) return false;
  if (!in_any(match.source_ports, query.source_port)) return false;
  if (!in_any(match.destination_ports, query.destination_port)) return false;
  return match.icmp.empty() || std::any_of(match.icmp.begin(), match.icmp.end(), [&](const IcmpRange& r) {
           return r.contains(query.icmp_type, query.icmp_code);
         });
}

absl::Status rule_error(std::string_view rule_name, std::string_view field, std::string_view why) {
  return absl::InvalidArgumentError(absl::StrFormat("rule \"%s\", %s: %s", rule_name, field, why));
}

absl::Status validate(const Match& match, std::string_view rule) {
  if (match.from == 0) return rule_error(rule, "from", "no port is in this set, so the rule can never match");
  if (match.to == 0) return rule_error(rule, "to", "no port is in this set, so the rule can never match");
  if (absl::Status s = check_prefixes(match.sources, rule, "sources"); !s.ok()) return s;
  if (absl::Status s = check_prefixes(match.destinations, rule, "destinations"); !s.ok()) return s;
  const bool v4 = has_family(match.sources, 4) && has_family(match.destinations, 4);
  const bool v6 = has_family(match.sources, 6) && has_family(match.destinations, 6);
  if (!v4 && !v6) {
    return rule_error(rule, "destinations", "of another family than the sources, so the rule can never match");
  }
  if (absl::Status s = check_ports(match, match.source_ports, rule, "source_ports"); !s.ok()) return s;
  if (absl::Status s = check_ports(match, match.destination_ports, rule, "destination_ports"); !s.ok()) return s;
  return check_icmp(match, rule);
}

}  // namespace phalanx::policy
