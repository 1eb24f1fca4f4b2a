#include "mgmt/config/syntax.hpp"

#include <arpa/inet.h>
#include <sys/un.h>

#include <algorithm>
#include <numeric>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace phalanx::mgmt {
namespace {

constexpr size_t kTextBytesMax = 255;
constexpr size_t kNameBytesMax = 32;
constexpr size_t kDeviceBytesMax = 15;  // IFNAMSIZ without the terminator
constexpr size_t kFileBytesMax = 4095;  // PATH_MAX without the terminator
constexpr size_t kSocketBytesMax = sizeof(sockaddr_un{}.sun_path) - 1;

// A decimal number without sign, space or leading zero.
std::optional<int> parse_decimal(absl::string_view text, int maximum) {
  if (text.empty() || text.size() > 9 || !std::all_of(text.begin(), text.end(), absl::ascii_isdigit)) return {};
  if (text.size() > 1 && text[0] == '0') return {};
  int value = 0;
  if (!absl::SimpleAtoi(text, &value) || value > maximum) return {};
  return value;
}

bool bit(const Network& n, int i) { return (n.bytes[static_cast<size_t>(i) / 8] >> (7 - i % 8) & 1) != 0; }

bool has_control(absl::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_iscntrl(static_cast<unsigned char>(c)); });
}

bool is_name(absl::string_view text) {
  return !text.empty() && text.size() <= kNameBytesMax && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
  });
}

bool is_device(absl::string_view text) {
  return !text.empty() && text.size() <= kDeviceBytesMax && text != "." && text != ".." &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isgraph(static_cast<unsigned char>(c)) && c != '/' && c != ':'; });
}

// Domain, bus, device and function: DDDD:BB:DD.F, lower case as lspci writes it.
bool is_pcie_address(absl::string_view text) {
  constexpr absl::string_view kShape = "xxxx:xx:xx.7";
  if (text.size() != kShape.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const bool hex = absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
    const bool right = kShape[i] == 'x' ? hex : kShape[i] == '7' ? c >= '0' && c <= '7' : text[i] == kShape[i];
    if (!right) return false;
  }
  return true;
}

std::optional<std::string> mac_problem(absl::string_view text) {
  bool shape = text.size() == 17;
  bool zero = true;
  for (size_t i = 0; shape && i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    shape = i % 3 == 2 ? c == ':' : absl::ascii_isxdigit(c);
    if (i % 3 != 2 && c != '0') zero = false;
  }
  if (!shape) return "is not a MAC address like 02:50:48:0a:00:01";
  if (zero) return "is the MAC address of nobody";
  const int low =
      absl::ascii_isdigit(static_cast<unsigned char>(text[1])) ? text[1] - '0' : (text[1] | 0x20) - 'a' + 10;
  if ((low & 1) != 0) return "is a multicast MAC address";
  return {};
}

std::optional<std::string> ports_problem(absl::string_view text) {
  const size_t dash = text.find('-');
  const auto first = parse_decimal(text.substr(0, dash), 65535);
  const auto last = dash == absl::string_view::npos ? first : parse_decimal(text.substr(dash + 1), 65535);
  if (!first || !last || *first < 1) return "is not a port or a range of ports like 80 or 1024-65535";
  if (*first > *last) return "is a range of ports that ends before it begins";
  return {};
}

std::optional<std::string> prefix_problem(absl::string_view text) {
  const auto prefix = parse_prefix_or_address(text);
  if (!prefix) return "is not a prefix like 10.0.0.0/8 or fd00::/64";
  if (has_host_bits(*prefix)) return absl::StrCat("has bits set behind its length of ", prefix->length);
  return {};
}

std::optional<std::string> endpoint_problem(absl::string_view text, bool port_zero) {
  const auto endpoint = parse_host_port(text);
  if (!endpoint || (!port_zero && endpoint->port == 0)) {
    return "is not an address and port like 10.99.0.1:8117 or [fd00::1]:8117";
  }
  return {};
}

std::optional<std::string> listener_problem(absl::string_view text) {
  if (!absl::ConsumePrefix(&text, "unix:")) return endpoint_problem(text, true);
  if (text.empty() || text[0] != '/' || has_control(text)) return "a unix socket's path must be absolute";
  if (text.size() > kSocketBytesMax)
    return absl::StrCat("a unix socket's path has at most ", kSocketBytesMax, " bytes");
  return {};
}

size_t edit_distance(absl::string_view x, absl::string_view y) {
  std::vector<size_t> row(y.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= x.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= y.size(); ++j) {
      const size_t replaced = diagonal + (x[i - 1] == y[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

}  // namespace

std::optional<Network> parse_address(absl::string_view text) {
  const std::string copy(text.substr(0, INET6_ADDRSTRLEN));
  Network n;
  if (copy.size() != text.size() || copy.find('\0') != std::string::npos) return {};
  if (inet_pton(AF_INET, copy.c_str(), n.bytes.data()) == 1) {
    n.family = 4;
  } else if (inet_pton(AF_INET6, copy.c_str(), n.bytes.data()) == 1) {
    n.family = 6;
  } else {
    return {};
  }
  n.length = n.bits();
  return n;
}

std::optional<Network> parse_network(absl::string_view text) {
  return text.find('/') == absl::string_view::npos ? std::nullopt : parse_prefix_or_address(text);
}

std::optional<Network> parse_prefix_or_address(absl::string_view text) {
  const size_t slash = text.find('/');
  auto n = parse_address(text.substr(0, slash));
  if (!n || slash == absl::string_view::npos) return n;
  const auto length = parse_decimal(text.substr(slash + 1), n->bits());
  if (!length) return {};
  n->length = *length;
  return n;
}

bool has_host_bits(const Network& network) {
  for (int i = network.length; i < network.bits(); ++i) {
    if (bit(network, i)) return true;
  }
  return false;
}

bool overlap(const Network& x, const Network& y) {
  if (x.family != y.family) return false;
  for (int i = 0; i < std::min(x.length, y.length); ++i) {
    if (bit(x, i) != bit(y, i)) return false;
  }
  return true;
}

bool same_address(const Network& x, const Network& y) { return x.family == y.family && x.bytes == y.bytes; }

std::optional<HostPort> parse_host_port(absl::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return {};
  absl::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto address = parse_address(host);
  const auto port = parse_decimal(text.substr(colon + 1), 65535);
  if (!address || !port || bracketed != (address->family == 6)) return {};
  return HostPort{*address, std::string(host), *port};
}

std::optional<std::string> syntax_problem(v1::Syntax syntax, absl::string_view text) {
  switch (syntax) {
    case v1::SYNTAX_NAME:
      if (is_name(text)) return {};
      return absl::StrCat("is not a name: 1 to ", kNameBytesMax, " of letters, digits, '.', '_' and '-'");
    case v1::SYNTAX_DEVICE:
      if (is_device(text)) return {};
      return absl::StrCat("is not a network device's name: 1 to ", kDeviceBytesMax, " bytes without space, ':' or '/'");
    case v1::SYNTAX_ADDRESS:
      if (parse_address(text)) return {};
      return "is not an address like 10.0.0.1 or fd00::1";
    case v1::SYNTAX_PREFIX:
      return prefix_problem(text);
    case v1::SYNTAX_NETWORK:
      if (parse_network(text)) return {};
      return "is not an address and its network's length like 10.1.0.1/24 or fd00:1::1/64";
    case v1::SYNTAX_MAC:
      return mac_problem(text);
    case v1::SYNTAX_PORTS:
      return ports_problem(text);
    case v1::SYNTAX_ENDPOINT:
      return endpoint_problem(text, false);
    case v1::SYNTAX_LISTENER:
      return listener_problem(text);
    case v1::SYNTAX_CARD:
      if (text == "emulated" || is_pcie_address(text)) return {};
      return "is not a PCIe address like 0000:65:00.1, nor \"emulated\"";
    case v1::SYNTAX_FILE:
      if (!text.empty() && text.size() <= kFileBytesMax && !has_control(text)) return {};
      return "is not a file's name";
    default:
      if (text.size() <= kTextBytesMax) return {};
      return absl::StrCat("is longer than ", kTextBytesMax, " bytes");
  }
}

std::string suggestion(absl::string_view text, const std::vector<std::string>& candidates) {
  if (text.empty() || text.size() > 64) return "";
  const std::string folded = absl::AsciiStrToLower(text);
  std::string best;
  size_t best_distance = std::max<size_t>(1, text.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const size_t distance = edit_distance(folded, absl::AsciiStrToLower(candidate));
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best.empty() ? "" : absl::StrCat(" (did you mean ", best, "?)");
}

}  // namespace phalanx::mgmt
