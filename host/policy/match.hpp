// What a rule asks of a flow's first packet, and what that packet looks like to it.
#ifndef PHALANX_HOST_POLICY_MATCH_HPP
#define PHALANX_HOST_POLICY_MATCH_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "host/packet/address.hpp"

namespace phalanx::policy {

// One bit for each port of the member; zones and interface names are resolved to it by the configuration.
using PortSet = uint64_t;
// Every bit set is no condition at all: it also takes a packet without a port (one the member itself sends or
// receives).
inline constexpr PortSet kAnyPortSet = ~PortSet{0};
constexpr PortSet port_bit(PortIndex port) { return port < kPortsMax ? PortSet{1} << port : 0; }
constexpr bool port_set_takes(PortSet set, PortIndex port) { return set == kAnyPortSet || (set & port_bit(port)) != 0; }

// Layer 4 ports first..last, both included.
struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0xffff;
  friend bool operator==(const PortRange&, const PortRange&) = default;
  bool contains(uint16_t port) const { return first <= port && port <= last; }
};

// ICMP or ICMPv6 types type_first..type_last, with one code or all codes.
struct IcmpRange {
  uint8_t type_first = 0;
  uint8_t type_last = 0xff;
  std::optional<uint8_t> code;  // none: every code; only with a single type
  friend bool operator==(const IcmpRange&, const IcmpRange&) = default;
  bool contains(uint8_t type, uint8_t its_code) const {
    return type_first <= type && type <= type_last && (!code || *code == its_code);
  }
};

// A flow as its first packet shows it. Ports count for protocols that have them, icmp_type and icmp_code for ICMP and
// ICMPv6.
struct FlowQuery {
  PortIndex in_port = kNoPort;
  PortIndex out_port = kNoPort;
  IpAddress source;
  IpAddress destination;
  uint8_t protocol = 0;
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint8_t icmp_type = 0;
  uint8_t icmp_code = 0;
};

// The conditions of a rule; all must hold. An empty list, or no protocol, is no condition.
struct Match {
  PortSet from = kAnyPortSet;  // ports the packet may have come in by
  PortSet to = kAnyPortSet;    // ports it may leave by
  std::vector<Prefix> sources;
  std::vector<Prefix> destinations;
  std::optional<uint8_t> protocol;
  std::vector<PortRange> source_ports;       // only with a protocol that has ports
  std::vector<PortRange> destination_ports;  // only with a protocol that has ports
  std::vector<IcmpRange> icmp;               // only with protocol 1 (ICMP) or 58 (ICMPv6)
};

// TCP, UDP, DCCP, SCTP, UDP-Lite: source and destination port are the first four bytes of the header.
bool has_ports(uint8_t protocol);
bool is_icmp(uint8_t protocol);

// Whether `query` meets `match`: the meaning, condition by condition. Tables must agree with it, and are tested against
// it.
bool matches(const Match& match, const FlowQuery& query);

// InvalidArgument "rule "NAME", FIELD: why" if the conditions are malformed, contradict each other, or can never hold.
absl::Status validate(const Match& match, std::string_view rule_name);
// The error that all tables of this module give for one field of one rule.
absl::Status rule_error(std::string_view rule_name, std::string_view field, std::string_view why);

}  // namespace phalanx::policy

#endif
