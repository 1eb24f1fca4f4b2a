#include "host/daemon/policy_settings.hpp"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace phalanx::daemon {
namespace {

using Names = google::protobuf::RepeatedPtrField<std::string>;

std::optional<uint8_t> protocol_number(v1::Protocol protocol) {
  switch (protocol) {
    case v1::PROTOCOL_ICMP:
      return 1;
    case v1::PROTOCOL_TCP:
      return 6;
    case v1::PROTOCOL_UDP:
      return 17;
    case v1::PROTOCOL_GRE:
      return 47;
    case v1::PROTOCOL_ESP:
      return 50;
    case v1::PROTOCOL_AH:
      return 51;
    case v1::PROTOCOL_ICMPV6:
      return 58;
    case v1::PROTOCOL_SCTP:
      return 132;
    default:
      return std::nullopt;
  }
}

// Names of interfaces, VLANs and zones as a set of ports; none: any.
policy::PortSet ports_of(const Names& names, const Settings& settings) {
  if (names.empty()) return policy::kAnyPortSet;
  policy::PortSet set = 0;
  for (const std::string& name : names) {
    for (PortIndex port = 0; port < static_cast<PortIndex>(settings.gateway.ports.size()); ++port) {
      if (settings.gateway.ports[port].name == name || settings.zones[port] == name) set |= policy::port_bit(port);
    }
  }
  return set;
}

absl::Status add_prefixes(const Names& texts, std::vector<Prefix>& out) {
  for (const std::string& text : texts) {
    const auto prefix = parse_prefix(text);
    if (!prefix.ok()) return prefix.status();
    out.push_back(*prefix);
  }
  return absl::OkStatus();
}

absl::Status add_ports(const Names& texts, std::vector<policy::PortRange>& out) {
  for (const std::string& text : texts) {
    const std::vector<std::string> ends = absl::StrSplit(text, '-');
    uint32_t first = 0;
    uint32_t last = 0;
    if (!absl::SimpleAtoi(ends.front(), &first) || !absl::SimpleAtoi(ends.back(), &last) || last > 0xffff) {
      return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is no port or range of ports"));
    }
    out.push_back({static_cast<uint16_t>(first), static_cast<uint16_t>(last)});
  }
  return absl::OkStatus();
}

absl::StatusOr<policy::Rule> make_rule(const v1::Rule& config, const Settings& settings) {
  policy::Rule rule;
  rule.name = config.name();
  rule.match.from = ports_of(config.from(), settings);
  rule.match.to = ports_of(config.to(), settings);
  rule.match.protocol = protocol_number(config.protocol());
  rule.action = config.action() == v1::ACTION_ACCEPT   ? policy::RuleAction::kAccept
                : config.action() == v1::ACTION_REJECT ? policy::RuleAction::kReject
                                                       : policy::RuleAction::kDrop;
  rule.log = config.log();
  for (const uint32_t type : config.icmp_types()) {
    rule.match.icmp.push_back({static_cast<uint8_t>(type), static_cast<uint8_t>(type), std::nullopt});
  }
  absl::Status status = add_prefixes(config.source(), rule.match.sources);
  status.Update(add_prefixes(config.destination(), rule.match.destinations));
  status.Update(add_ports(config.source_ports(), rule.match.source_ports));
  status.Update(add_ports(config.destination_ports(), rule.match.destination_ports));
  if (!status.ok()) return policy::rule_error(rule.name, "policy", std::string(status.message()));
  return rule;
}

absl::Status set_nat_addresses(const v1::NatRule& config, policy::NatRule& rule) {
  if (rule.kind == policy::NatKind::kDestination) {
    const auto target = parse_ip(config.target());
    if (!target.ok()) return target.status();
    rule.address = *target;
    rule.target_port = static_cast<uint16_t>(config.target_port());
    return absl::OkStatus();
  }
  if (rule.kind == policy::NatKind::kExempt) return absl::OkStatus();
  const bool has_length = config.address().find('/') != std::string::npos;
  if (rule.kind == policy::NatKind::kHide) {
    const auto address =
        parse_ip(has_length ? config.address().substr(0, config.address().find('/')) : config.address());
    if (!address.ok()) return address.status();
    rule.address = *address;
    return absl::OkStatus();
  }
  const std::string suffix = config.address().find(':') == std::string::npos ? "/32" : "/128";
  const auto outside = parse_prefix(has_length ? config.address() : absl::StrCat(config.address(), suffix));
  if (!outside.ok()) return outside.status();
  if (rule.match.sources.size() != 1) return absl::InvalidArgumentError("STATIC takes exactly one source prefix");
  rule.outside = *outside;
  rule.inside = rule.match.sources.front();
  rule.match.sources.clear();
  return absl::OkStatus();
}

absl::StatusOr<policy::NatRule> make_nat_rule(const v1::NatRule& config, const Settings& settings) {
  policy::NatRule rule;
  rule.name = config.name();
  rule.kind = config.kind() == v1::NAT_KIND_HIDE          ? policy::NatKind::kHide
              : config.kind() == v1::NAT_KIND_STATIC      ? policy::NatKind::kStatic
              : config.kind() == v1::NAT_KIND_DESTINATION ? policy::NatKind::kDestination
                                                          : policy::NatKind::kExempt;
  rule.match.from = ports_of(config.from(), settings);
  rule.match.to = ports_of(config.to(), settings);
  rule.match.protocol = protocol_number(config.protocol());
  absl::Status status = add_prefixes(config.source(), rule.match.sources);
  status.Update(add_prefixes(config.destination(), rule.match.destinations));
  status.Update(add_ports(config.destination_ports(), rule.match.destination_ports));
  if (status.ok()) status = set_nat_addresses(config, rule);
  if (!status.ok()) return policy::rule_error(rule.name, "nat", std::string(status.message()));
  return rule;
}

}  // namespace

absl::Status set_policy(const v1::Config& config, Settings& settings) {
  std::vector<policy::Rule> rules;
  for (const v1::Rule& one : config.policy().rules()) {
    auto rule = make_rule(one, settings);
    if (!rule.ok()) return rule.status();
    rules.push_back(std::move(*rule));
  }
  auto table = policy::RuleTable::build(std::move(rules));
  if (!table.ok()) return table.status();
  settings.gateway.rules = std::make_shared<const policy::RuleTable>(std::move(*table));

  std::vector<policy::NatRule> nat;
  for (const v1::NatRule& one : config.nat().rules()) {
    auto rule = make_nat_rule(one, settings);
    if (!rule.ok()) return rule.status();
    nat.push_back(std::move(*rule));
  }
  auto nat_table = policy::NatTable::build(std::move(nat));
  if (!nat_table.ok()) return nat_table.status();
  settings.gateway.nat = std::make_shared<const policy::NatTable>(std::move(*nat_table));
  return absl::OkStatus();
}

hls::Timeouts make_timeouts(const v1::Timeouts& config) {
  hls::Timeouts t = hls::default_timeouts();
  t.ms[hls::kStateTcpSynSent] = t.ms[hls::kStateTcpSynSentBoth] = config.tcp_syn_sent_s() * 1000;
  t.ms[hls::kStateTcpSynReceived] = config.tcp_syn_received_s() * 1000;
  t.ms[hls::kStateTcpEstablished] = config.tcp_established_s() * 1000;
  t.ms[hls::kStateTcpFinWait] = config.tcp_fin_wait_s() * 1000;
  t.ms[hls::kStateTcpCloseWait] = config.tcp_close_wait_s() * 1000;
  t.ms[hls::kStateTcpClosing] = config.tcp_closing_s() * 1000;
  t.ms[hls::kStateTcpTimeWait] = config.tcp_time_wait_s() * 1000;
  t.ms[hls::kStateTcpClosed] = config.tcp_closed_s() * 1000;
  t.ms[hls::kStateUdpNew] = config.udp_new_s() * 1000;
  t.ms[hls::kStateUdpStream] = config.udp_stream_s() * 1000;
  t.ms[hls::kStateIcmp] = config.icmp_s() * 1000;
  t.ms[hls::kStateOther] = config.other_s() * 1000;
  return t;
}

}  // namespace phalanx::daemon
