// Addresses as the whole host side uses them.
#ifndef PHALANX_HOST_PACKET_ADDRESS_HPP
#define PHALANX_HOST_PACKET_ADDRESS_HPP

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace phalanx {

using MacAddress = std::array<uint8_t, 6>;
std::string to_string(const MacAddress& mac);
absl::StatusOr<MacAddress> parse_mac(std::string_view text);
inline constexpr MacAddress kBroadcastMac = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

// IPv4 as (0, address in host order), IPv6 as two host-order halves: the same numbers as hls::FlowKey.
struct IpAddress {
  uint64_t hi = 0;
  uint64_t lo = 0;
  uint8_t family = 0;  // 4, 6; 0 = none

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 means the 0 that the compiler compares the result with
  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const IpAddress& a) {
    return H::combine(std::move(h), a.hi, a.lo, a.family);
  }
  static IpAddress v4(uint32_t host_order) { return {0, host_order, 4}; }
  static IpAddress v6(uint64_t hi, uint64_t lo) { return {hi, lo, 6}; }
  bool is_v4() const { return family == 4; }
  bool is_v6() const { return family == 6; }
};
std::string to_string(const IpAddress& address);
absl::StatusOr<IpAddress> parse_ip(std::string_view text);

// An address and how many of its leading bits count. Bits behind the length are zero.
struct Prefix {
  IpAddress address;
  uint8_t length = 0;  // 0..32 or 0..128

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 means the 0 that the compiler compares the result with
  friend auto operator<=>(const Prefix&, const Prefix&) = default;
  bool contains(const IpAddress& a) const;
};
std::string to_string(const Prefix& prefix);
absl::StatusOr<Prefix> parse_prefix(std::string_view text);  // "10.0.0.0/8"; host bits set are an error that says so

// A port's place in the member's configuration, from 0; ports of the sync network are no data ports and have none.
using PortIndex = uint16_t;
inline constexpr PortIndex kNoPort = 0xffff;
inline constexpr PortIndex kPortsMax = 64;  // one bit each in a 64-bit set

}  // namespace phalanx

#endif
