#include "host/packet/address.hpp"

#include <arpa/inet.h>  // text of addresses only

#include <algorithm>
#include <charconv>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "host/packet/bytes.hpp"

namespace phalanx {
namespace {

// For messages: what was given, safe to print.
std::string quoted(std::string_view text) {
  return absl::StrCat("\"", absl::CEscape(absl::string_view(text.data(), std::min<size_t>(text.size(), 64))), "\"");
}

uint64_t mask64(unsigned bits) { return bits == 0 ? 0 : ~uint64_t{0} << (64 - std::min(bits, 64u)); }

// `a` with only its first `length` bits.
IpAddress masked(const IpAddress& a, unsigned length) {
  if (a.is_v4()) return IpAddress::v4(static_cast<uint32_t>(a.lo & mask64(length + 32)));
  return IpAddress::v6(a.hi & mask64(std::min(length, 64u)), a.lo & mask64(length > 64 ? length - 64 : 0));
}

}  // namespace

std::string to_string(const MacAddress& mac) {
  return absl::StrFormat("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

absl::StatusOr<MacAddress> parse_mac(std::string_view text) {
  MacAddress mac{};
  bool good = text.size() == 17;
  for (size_t i = 0; good && i < 6; ++i) {
    const char* at = text.data() + i * 3;
    const auto [end, error] = std::from_chars(at, at + 2, mac[i], 16);
    good = error == std::errc{} && end == at + 2 && (i == 5 || at[2] == ':');
  }
  if (!good) return absl::InvalidArgumentError(absl::StrCat(quoted(text), " is no MAC address like 02:00:5e:10:00:01"));
  return mac;
}

std::string to_string(const IpAddress& address) {
  char text[INET6_ADDRSTRLEN] = "";
  uint8_t bytes[16];
  if (address.is_v4()) {
    store32(bytes, static_cast<uint32_t>(address.lo));
    inet_ntop(AF_INET, bytes, text, sizeof(text));
  } else if (address.is_v6()) {
    store64(bytes, address.hi);
    store64(bytes + 8, address.lo);
    inet_ntop(AF_INET6, bytes, text, sizeof(text));
  } else {
    return "none";
  }
  return text;
}

absl::StatusOr<IpAddress> parse_ip(std::string_view text) {
  const std::string terminated(text);
  uint8_t bytes[16];
  if (terminated.find('\0') == std::string::npos) {
    if (inet_pton(AF_INET, terminated.c_str(), bytes) == 1) return IpAddress::v4(load32(bytes));
    if (inet_pton(AF_INET6, terminated.c_str(), bytes) == 1) return IpAddress::v6(load64(bytes), load64(bytes + 8));
  }
  return absl::InvalidArgumentError(absl::StrCat(quoted(text), " is no IPv4 or IPv6 address"));
}

bool Prefix::contains(const IpAddress& a) const {
  return a.family == address.family && a.family != 0 && masked(a, length) == address;
}

std::string to_string(const Prefix& prefix) {
  return absl::StrCat(to_string(prefix.address), "/", static_cast<int>(prefix.length));
}

absl::StatusOr<Prefix> parse_prefix(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat(quoted(text), " has no prefix length (like 10.0.0.0/8)"));
  }
  const absl::StatusOr<IpAddress> address = parse_ip(text.substr(0, slash));
  if (!address.ok()) return address.status();
  const unsigned bits = address->is_v4() ? 32 : 128;
  const std::string_view digits = text.substr(slash + 1);
  uint8_t length = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (error != std::errc{} || end != digits.data() + digits.size() || length > bits) {
    return absl::InvalidArgumentError(absl::StrCat(quoted(text), ": prefix length must be 0 to ", bits));
  }
  const IpAddress network = masked(*address, length);
  if (network != *address) {
    return absl::InvalidArgumentError(absl::StrCat(quoted(text), " has bits set behind its length; the prefix is ",
                                                   to_string(Prefix{network, length})));
  }
  return Prefix{*address, length};
}

}  // namespace phalanx
