// Reads rtnetlink messages. Nothing here opens a socket; what doesn't fit its length is refused.
#ifndef PHALANX_HOST_ROUTING_NETLINK_PARSE_HPP
#define PHALANX_HOST_ROUTING_NETLINK_PARSE_HPP

#include <optional>

#include "absl/status/statusor.h"
#include "host/routing/kernel_state.hpp"

struct nlmsghdr;

namespace phalanx::routing {

struct ParsedRoute {
  KernelRoute route;
  bool multipath = false;  // has more next hops than the one given
};

// RTM_NEWROUTE, RTM_DELROUTE. No value: a route that the gateway has no use for (another table than main, local,
// multicast, a type of service, a cache entry, link-local). InvalidArgument: malformed.
absl::StatusOr<std::optional<ParsedRoute>> parse_route(const nlmsghdr& message);
// RTM_NEWLINK, RTM_DELLINK. No value: not about the link itself (a bridge port's settings).
absl::StatusOr<std::optional<KernelLink>> parse_link(const nlmsghdr& message);
// RTM_NEWADDR, RTM_DELADDR.
absl::StatusOr<std::optional<KernelAddress>> parse_address(const nlmsghdr& message);

}  // namespace phalanx::routing

#endif
