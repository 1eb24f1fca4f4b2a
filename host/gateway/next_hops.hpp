// Where a packet leaves and to which MAC address: routes and neighbours, behind a small cache for the packet path.
#ifndef PHALANX_HOST_GATEWAY_NEXT_HOPS_HPP
#define PHALANX_HOST_GATEWAY_NEXT_HOPS_HPP

#include <cstdint>
#include <vector>

#include "host/gateway/port_map.hpp"
#include "host/packet/drop_reason.hpp"
#include "host/routing/neighbour_table.hpp"
#include "host/routing/route_table.hpp"

namespace phalanx::gateway {

struct NextHop {
  PortIndex port = kNoPort;
  MacAddress mac{};
  IpAddress neighbour;  // whom to wait for, if `mac` isn't known
};

// 4096 destinations of 56 bytes: a slice of the L2 cache; a miss costs a route and a neighbour lookup, about 100 ns.
inline constexpr size_t kNextHopCacheEntries = 4096;
// A cached neighbour is looked up again after this long, which is what keeps it from going stale unseen.
inline constexpr int64_t kNextHopCacheNs = 1'000'000'000;

class NextHops {
 public:
  explicit NextHops(const PortMap& ports);

  // kNone and `out` whole; kNeighbourUnresolved with port and neighbour set: queue() the frame (or the neighbour
  // failed: then `unreachable` is set); kNoRoute, kRouteRefused, kPortDown, kNeighbourQueueFull.
  DropReason find(int64_t now_ns, const IpAddress& destination, NextHop& out, bool& unreachable) {
    Cached& cached = cache_[slot(destination)];
    if (cached.destination == destination && cached.generation == generation_ && now_ns < cached.until_ns) [[likely]] {
      out = cached.hop;
      return DropReason::kNone;
    }
    return find_slow(now_ns, destination, out, unreachable, cached);
  }
  // The port that `destination` leaves by, without asking for its neighbour.
  DropReason route(const IpAddress& destination, PortIndex& port, IpAddress& neighbour) const;

  routing::RouteTable& routes() { return routes_; }
  const routing::RouteTable& routes() const { return routes_; }
  routing::NeighbourTable& neighbours() { return neighbours_; }
  // What neighbours() wants done; the caller carries it out and clears it.
  routing::NeighbourActions& actions() { return actions_; }
  // To be called after any change to routes, neighbours or links.
  void changed() { ++generation_; }

 private:
  struct Cached {
    IpAddress destination;
    NextHop hop;
    uint64_t generation = 0;
    int64_t until_ns = 0;
  };
  static size_t slot(const IpAddress& a) {
    const uint64_t mixed = (a.lo ^ (a.hi * 0x9e3779b97f4a7c15u)) * 0xd6e8feb86659fd93u;
    return static_cast<size_t>(mixed >> 52) % kNextHopCacheEntries;
  }
  DropReason find_slow(int64_t now_ns, const IpAddress& destination, NextHop& out, bool& unreachable, Cached& cached);

  const PortMap& ports_;
  routing::RouteTable routes_;
  routing::NeighbourTable neighbours_;
  routing::NeighbourActions actions_;
  std::vector<Cached> cache_;
  uint64_t generation_ = 1;
};

}  // namespace phalanx::gateway

#endif
