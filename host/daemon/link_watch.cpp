#include "host/daemon/link_watch.hpp"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "host/ports/interface.hpp"

namespace phalanx::daemon {

LinkWatch::LinkWatch(std::vector<std::string> names, UniqueFd socket)
    : names_(std::move(names)), up_(names_.size(), true), socket_(std::move(socket)) {}

absl::StatusOr<std::unique_ptr<LinkWatch>> LinkWatch::open(std::vector<std::string> names) {
  UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK;
  if (socket.get() < 0 || bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    return absl::ErrnoToStatus(errno, "netlink socket for links");
  }
  return std::unique_ptr<LinkWatch>(new LinkWatch(std::move(names), std::move(socket)));
}

// The messages only say that something has changed; what it is, the interfaces themselves are asked, so a lost message
// costs nothing.
std::vector<LinkChange> LinkWatch::poll() {
  char message[8192];
  while (recv(socket_.get(), message, sizeof(message), 0) > 0 || errno == ENOBUFS) {
  }
  std::vector<LinkChange> changes;
  for (size_t i = 0; i < names_.size(); ++i) {
    const auto info = query_interface(names_[i]);
    const bool up = info.ok() && info->up && info->carrier;
    if (up == up_[i]) continue;
    up_[i] = up;
    changes.push_back({i, up});
  }
  return changes;
}

}  // namespace phalanx::daemon
