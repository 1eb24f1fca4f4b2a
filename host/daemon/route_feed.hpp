// Feeds the kernel's routes to the worker, from a thread of its own: reading a full table takes a while.
#ifndef PHALANX_HOST_DAEMON_ROUTE_FEED_HPP
#define PHALANX_HOST_DAEMON_ROUTE_FEED_HPP

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "host/daemon/settings.hpp"
#include "host/daemon/wake.hpp"
#include "host/daemon/worker.hpp"
#include "host/routing/netlink_mirror.hpp"

namespace phalanx::daemon {

class RouteFeed final : private routing::RouteEvents {
 public:
  static absl::StatusOr<std::unique_ptr<RouteFeed>> start(const Settings& settings, Worker* worker);
  ~RouteFeed() override;

 private:
  RouteFeed(const Settings& settings, Worker* worker);
  void run();
  // Networks that the kernel is connected to are not taken: the virtual addresses say what the gateway is connected to,
  // and the sync network is none of the gateway's business.
  bool wanted(const routing::KernelRoute& route) const;
  PortIndex port_of(int ifindex) const;

  void route_added(const routing::KernelRoute& route) override;
  void route_removed(const routing::KernelRoute& route) override;
  void link_changed(const routing::KernelLink& link) override;
  void link_removed(const routing::KernelLink& link) override;
  void address_added(const routing::KernelAddress&) override {}
  void address_removed(const routing::KernelAddress&) override {}

  Worker* worker_;
  std::map<std::string, PortIndex> port_by_device_;
  std::map<int, PortIndex> port_by_ifindex_;
  std::unique_ptr<routing::NetlinkMirror> mirror_;
  Wake stop_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace phalanx::daemon

#endif
