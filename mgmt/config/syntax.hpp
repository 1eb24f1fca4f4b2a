// What the strings of a configuration must look like, and the few parts of them that cross-checks compare.
#ifndef PHALANX_MGMT_CONFIG_SYNTAX_HPP
#define PHALANX_MGMT_CONFIG_SYNTAX_HPP

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "phalanx/v1/schema.pb.h"

namespace phalanx::mgmt {

// An address in network order with the length of its network; IPv4 in the first four bytes.
struct Network {
  std::array<uint8_t, 16> bytes = {};
  int length = 0;  // bits
  int family = 0;  // 4 or 6

  int bits() const { return family == 4 ? 32 : 128; }
  bool is_single() const { return length == bits(); }
};

std::optional<Network> parse_address(absl::string_view text);            // length is that of the whole address
std::optional<Network> parse_network(absl::string_view text);            // ADDRESS/LENGTH
std::optional<Network> parse_prefix_or_address(absl::string_view text);  // host bits may be set: has_host_bits tells
bool has_host_bits(const Network& network);
bool overlap(const Network& x, const Network& y);
bool same_address(const Network& x, const Network& y);

// ADDRESS:PORT or [ADDRESS]:PORT; port 0 is allowed for a listener (any free one).
struct HostPort {
  Network address;
  std::string host;
  int port = 0;
};
std::optional<HostPort> parse_host_port(absl::string_view text);

// What is wrong with `text`, or nullopt if nothing is.
std::optional<std::string> syntax_problem(v1::Syntax syntax, absl::string_view text);

// " (did you mean X?)" for the candidate nearest to `text`, or "" if none is near.
std::string suggestion(absl::string_view text, const std::vector<std::string>& candidates);

}  // namespace phalanx::mgmt

#endif
