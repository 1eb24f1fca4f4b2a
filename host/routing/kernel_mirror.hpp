// What the kernel's messages add up to: tells differences only, and knows when messages don't say enough. No I/O.
#ifndef PHALANX_HOST_ROUTING_KERNEL_MIRROR_HPP
#define PHALANX_HOST_ROUTING_KERNEL_MIRROR_HPP

#include <cstdint>
#include <map>
#include <utility>

#include "host/routing/kernel_state.hpp"
#include "host/routing/netlink_mirror.hpp"

struct nlmsghdr;

namespace phalanx::routing {

class KernelMirror {
 public:
  KernelMirror(RouteEvents* events, NetlinkCounters* counters) : events_(events), counters_(counters) {}

  // One message, of news or of a dump.
  void take(const nlmsghdr& message);

  // Messages are a dump's from begin_dump() until end_dump(), which tells the removal of what the dump of that kind
  // (RTM_GET... and address family) hasn't shown. begin_dump() again begins it anew; give_up_dump() leaves all as it
  // is, and stale.
  void begin_dump();
  void end_dump(uint16_t type, uint8_t family);
  void give_up_dump();

  // News were lost or don't say enough: everything is to be read anew.
  bool stale() const { return stale_; }
  void set_stale(bool stale) { stale_ = stale; }

 private:
  using RouteKey = std::pair<Prefix, uint32_t>;

  // What was told, and the dump in which it was last seen.
  template <typename Thing>
  struct Told {
    Thing thing;
    uint64_t seen = 0;
    bool shared = false;  // a route: the kernel has more of its prefix and metric, of which the first is used
  };

  void take_route(const nlmsghdr& message, bool removed);
  void take_link(const nlmsghdr& message, bool removed);
  void take_address(const nlmsghdr& message, bool removed);
  template <typename Map, typename Tell>
  void sweep(Map& told, Tell tell);

  RouteEvents* events_;
  NetlinkCounters* counters_;
  std::map<RouteKey, Told<KernelRoute>> routes_;
  std::map<int, Told<KernelLink>> links_;
  std::map<KernelAddress, Told<KernelAddress>> addresses_;
  uint64_t dump_number_ = 0;
  bool dumping_ = false;
  bool stale_ = false;
};

}  // namespace phalanx::routing

#endif
