#include "host/gateway/next_hops.hpp"

#include <cassert>

namespace phalanx::gateway {
namespace {

Prefix network_of(const InterfaceAddress& own) {
  Prefix prefix{own.address, own.prefix_length};
  const unsigned length = own.prefix_length;
  if (own.address.is_v4()) {
    prefix.address.lo &= length == 0 ? 0 : 0xffffffffu << (32 - length) & 0xffffffffu;
    return prefix;
  }
  if (length < 64) prefix.address.hi &= length == 0 ? 0 : ~uint64_t{0} << (64 - length);
  prefix.address.lo &= length <= 64 ? 0 : ~uint64_t{0} << (128 - length);
  return prefix;
}

}  // namespace

NextHops::NextHops(const PortMap& ports) : ports_(ports), cache_(kNextHopCacheEntries) {
  const auto count = static_cast<PortIndex>(ports.size());
  for (PortIndex port = 0; port < count; ++port) {
    for (const InterfaceAddress& own : ports[port].addresses) {
      const absl::Status status = routes_.replace({.prefix = network_of(own),
                                                   .next_hop = {},
                                                   .out_port = port,
                                                   .metric = 0,
                                                   .source = routing::RouteSource::kConnected});
      assert(status.ok());
      (void)status;
    }
  }
}

DropReason NextHops::route(const IpAddress& destination, PortIndex& port, IpAddress& neighbour) const {
  const routing::Route* route = routes_.lookup(destination);
  if (route == nullptr) return DropReason::kNoRoute;
  if (route->type != routing::RouteType::kUnicast) return DropReason::kRouteRefused;
  port = route->out_port;
  neighbour = route->next_hop.family == 0 ? destination : route->next_hop;
  return ports_.is_up(port) ? DropReason::kNone : DropReason::kPortDown;
}

DropReason NextHops::find_slow(int64_t now_ns, const IpAddress& destination, NextHop& out, bool& unreachable,
                               Cached& cached) {
  const DropReason reason = route(destination, out.port, out.neighbour);
  if (reason != DropReason::kNone) return reason;
  const routing::NeighbourTable::Resolution resolution = neighbours_.resolve(now_ns, out.port, out.neighbour, actions_);
  switch (resolution.status) {
    case routing::NeighbourTable::Status::kKnown:
      out.mac = resolution.mac;
      cached = {destination, out, generation_, now_ns + kNextHopCacheNs};
      return DropReason::kNone;
    case routing::NeighbourTable::Status::kUnreachable:
      unreachable = true;
      return DropReason::kNeighbourUnresolved;
    case routing::NeighbourTable::Status::kFull:
      return DropReason::kNeighbourQueueFull;
    case routing::NeighbourTable::Status::kQueue:
      break;
  }
  return DropReason::kNeighbourUnresolved;
}

}  // namespace phalanx::gateway
