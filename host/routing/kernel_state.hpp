// What the kernel has, as netlink tells it.
#ifndef PHALANX_HOST_ROUTING_KERNEL_STATE_HPP
#define PHALANX_HOST_ROUTING_KERNEL_STATE_HPP

#include <compare>
#include <cstdint>
#include <string>

#include "host/packet/address.hpp"
#include "host/routing/route_table.hpp"

namespace phalanx::routing {

// A route as the kernel has it; the caller maps ifindex to a port.
struct KernelRoute {
  Prefix prefix;
  IpAddress next_hop;  // family 0: connected
  int ifindex = 0;     // 0 for blackhole, unreachable, prohibit
  uint32_t metric = 0;
  RouteType type = RouteType::kUnicast;
  friend bool operator==(const KernelRoute&, const KernelRoute&) = default;
};

struct KernelLink {
  int ifindex = 0;
  std::string name;
  bool admin_up = false;
  bool carrier = false;
  MacAddress mac{};
  uint32_t mtu = 0;
  friend bool operator==(const KernelLink&, const KernelLink&) = default;
};

struct KernelAddress {
  int ifindex = 0;
  IpAddress address;
  uint8_t prefix_length = 0;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 means the 0 that the compiler compares the result with
  friend auto operator<=>(const KernelAddress&, const KernelAddress&) = default;
};

}  // namespace phalanx::routing

#endif
