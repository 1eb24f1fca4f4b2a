#include "host/daemon/route_feed.hpp"

#include <poll.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "host/daemon/log.hpp"

namespace phalanx::daemon {

RouteFeed::RouteFeed(const Settings& settings, Worker* worker) : worker_(worker) {
  for (PortIndex port = 0; port < static_cast<PortIndex>(settings.gateway.ports.size()); ++port) {
    const gateway::PortConfig& config = settings.gateway.ports[port];
    // A VLAN of the gateway's is no device of the kernel's; routes over it are given by next hops on the gateway's
    // networks.
    if (!config.vlan) port_by_device_[settings.devices[config.device].device] = port;
  }
}

absl::StatusOr<std::unique_ptr<RouteFeed>> RouteFeed::start(const Settings& settings, Worker* worker) {
  auto feed = std::unique_ptr<RouteFeed>(new RouteFeed(settings, worker));
  routing::RouteEvents* events = feed.get();
  auto mirror = routing::NetlinkMirror::open(events);
  if (!mirror.ok()) return mirror.status();
  feed->mirror_ = std::move(*mirror);
  feed->thread_ = std::thread([raw = feed.get()] { raw->run(); });
  return feed;
}

RouteFeed::~RouteFeed() {
  stopping_.store(true);
  stop_.notify();
  if (thread_.joinable()) thread_.join();
}

void RouteFeed::run() {
  absl::Status status = mirror_->start();
  while (!stopping_.load()) {
    if (!status.ok()) log::warning(absl::StrCat("routes: ", std::string(status.message())));
    pollfd fds[2] = {{.fd = mirror_->fd(), .events = POLLIN, .revents = 0},
                     {.fd = stop_.fd(), .events = POLLIN, .revents = 0}};
    if (poll(fds, 2, -1) > 0 && fds[0].revents != 0) status = mirror_->on_readable();
  }
}

PortIndex RouteFeed::port_of(int ifindex) const {
  const auto it = port_by_ifindex_.find(ifindex);
  return it == port_by_ifindex_.end() ? kNoPort : it->second;
}

bool RouteFeed::wanted(const routing::KernelRoute& route) const {
  if (route.type != routing::RouteType::kUnicast) return true;
  return route.next_hop.family != 0 && port_of(route.ifindex) != kNoPort;
}

void RouteFeed::route_added(const routing::KernelRoute& kernel) {
  if (!wanted(kernel)) return;
  const routing::Route route{.prefix = kernel.prefix,
                             .next_hop = kernel.next_hop,
                             .out_port = port_of(kernel.ifindex),
                             // Behind the networks of the virtual addresses, which have metric 0.
                             .metric = kernel.metric + 1,
                             .source = routing::RouteSource::kKernel,
                             .type = kernel.type};
  worker_->tasks().post([route](Worker& worker, int64_t) {
    if (absl::Status status = worker.data().dataplane().add_route(route); !status.ok()) {
      log::warning(absl::StrCat("route ", to_string(route.prefix), ": ", std::string(status.message())));
    }
  });
}

void RouteFeed::route_removed(const routing::KernelRoute& kernel) {
  if (!wanted(kernel)) return;
  worker_->tasks().post([prefix = kernel.prefix, metric = kernel.metric + 1](Worker& worker, int64_t) {
    worker.data().dataplane().remove_route(prefix, metric);
  });
}

void RouteFeed::link_changed(const routing::KernelLink& link) {
  const auto it = port_by_device_.find(link.name);
  if (it != port_by_device_.end()) port_by_ifindex_[link.ifindex] = it->second;
}

void RouteFeed::link_removed(const routing::KernelLink& link) { port_by_ifindex_.erase(link.ifindex); }

}  // namespace phalanx::daemon
