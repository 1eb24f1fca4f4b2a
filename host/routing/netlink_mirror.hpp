// Mirrors links, addresses and the main routing table of the kernel, so that FRR, BIRD or `ip route` feed the member.
#ifndef PHALANX_HOST_ROUTING_NETLINK_MIRROR_HPP
#define PHALANX_HOST_ROUTING_NETLINK_MIRROR_HPP

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "host/routing/kernel_state.hpp"

namespace phalanx::routing {

// What changed, as differences from what was told before: a re-dump tells nothing twice. Called from start() and
// on_readable() only.
class RouteEvents {
 public:
  virtual ~RouteEvents() = default;
  virtual void route_added(
      const KernelRoute& route) = 0;  // or changed: takes the place of the one of its prefix and metric
  virtual void route_removed(const KernelRoute& route) = 0;
  virtual void link_changed(const KernelLink& link) = 0;  // new or changed
  virtual void link_removed(const KernelLink& link) = 0;
  virtual void address_added(const KernelAddress& address) = 0;
  virtual void address_removed(const KernelAddress& address) = 0;
};

struct NetlinkCounters {
  uint64_t messages = 0;
  uint64_t malformed = 0;    // refused by length or attribute checks
  uint64_t overruns = 0;     // ENOBUFS: notifications were lost
  uint64_t dumps = 0;        // whole readings, the first included
  uint64_t interrupted = 0;  // dumps begun anew, because the kernel's tables changed meanwhile
  uint64_t multipath = 0;    // routes with several next hops, of which the first is used
};

inline constexpr int kDumpTriesMax = 5;              // of one dump that the kernel says was interrupted
inline constexpr int kReceiveBufferBytes = 8 << 20;  // about 20,000 notifications
inline constexpr int kMessagesPerWakeMax = 4096;     // datagrams read in one on_readable()
inline constexpr int kDumpSilenceMs = 2000;          // a dump that says nothing for so long has failed

class NetlinkMirror {
 public:
  // Opens the sockets and subscribes. `events` must outlive it.
  static absl::StatusOr<std::unique_ptr<NetlinkMirror>> open(RouteEvents* events,
                                                             int receive_buffer_bytes = kReceiveBufferBytes);
  ~NetlinkMirror();
  NetlinkMirror(const NetlinkMirror&) = delete;
  NetlinkMirror& operator=(const NetlinkMirror&) = delete;

  // Reads links, addresses and routes as they are now and tells them as events. Blocks while it reads.
  absl::Status start();
  // Becomes readable when the kernel has news.
  int fd() const;
  // Reads them, at most kMessagesPerWakeMax datagrams; after lost or ambiguous news, reads everything anew.
  // After an error, call it again a little later, readable or not: the mirror may be behind until it returns Ok.
  absl::Status on_readable();

  const NetlinkCounters& counters() const;

 private:
  class State;
  explicit NetlinkMirror(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace phalanx::routing

#endif
