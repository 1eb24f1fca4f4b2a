#include "host/routing/netlink_mirror.hpp"

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "host/routing/netlink_parse.hpp"

namespace phalanx::routing {
namespace {

constexpr size_t kReceiveBytes =
    64 << 10;  // the kernel fills 32 KiB of a dump at a time, if the reader has room for it
constexpr std::array kGroups = {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
                                RTNLGRP_IPV6_ROUTE};

struct SocketCloser {
  void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
};
using Socket = std::unique_ptr<mnl_socket, SocketCloser>;

absl::Status failed(std::string_view what) {
  return absl::UnavailableError(absl::StrFormat("netlink: %s: %s", what, std::strerror(errno)));
}

absl::StatusOr<Socket> open_socket(int flags) {
  Socket socket(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | flags));
  if (socket == nullptr) return failed("socket");
  if (mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) return failed("bind");
  return socket;
}

// One reading of one kind of thing.
struct DumpRequest {
  uint16_t type;
  uint8_t family;
  const char* name;
};
constexpr DumpRequest kDumps[] = {{RTM_GETLINK, AF_UNSPEC, "links"},
                                  {RTM_GETADDR, AF_UNSPEC, "addresses"},
                                  {RTM_GETROUTE, AF_INET, "IPv4 routes"},
                                  {RTM_GETROUTE, AF_INET6, "IPv6 routes"}};

// What was told, and the dump in which it was last seen.
template <typename Thing>
struct Told {
  Thing thing;
  uint64_t seen = 0;
  bool shared = false;  // a route: the kernel has more of its prefix and metric, of which the first is used
};

}  // namespace

class NetlinkMirror::State {
 public:
  State(RouteEvents* events, Socket socket) : events_(events), socket_(std::move(socket)), buffer_(kReceiveBytes) {}

  absl::Status dump_all();
  absl::Status read_news();
  int fd() const { return mnl_socket_get_fd(socket_.get()); }
  const NetlinkCounters& counters() const { return counters_; }

 private:
  using RouteKey = std::pair<Prefix, uint32_t>;

  absl::Status dump(const DumpRequest& request);
  bool dump_once(mnl_socket* socket, const DumpRequest& request);
  static int on_message(const nlmsghdr* message, void* state) {
    static_cast<State*>(state)->take(*message);
    return MNL_CB_OK;
  }
  void take(const nlmsghdr& message);
  void take_route(const nlmsghdr& message, bool removed);
  void take_link(const nlmsghdr& message, bool removed);
  void take_address(const nlmsghdr& message, bool removed);
  // Tells the removal of what the dump just finished hasn't shown.
  template <typename Map, typename Tell>
  void sweep(Map& told, Tell tell);

  RouteEvents* events_;
  Socket socket_;
  std::vector<char> buffer_;
  std::map<RouteKey, Told<KernelRoute>> routes_;
  std::map<int, Told<KernelLink>> links_;
  std::map<KernelAddress, Told<KernelAddress>> addresses_;
  uint64_t dump_number_ = 0;
  bool dumping_ = false;
  bool stale_ = false;  // news were lost or don't say enough: everything is to be read anew
  uint32_t sequence_ = 0;
  NetlinkCounters counters_;
};

void NetlinkMirror::State::take(const nlmsghdr& message) {
  ++counters_.messages;
  switch (message.nlmsg_type) {
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      return take_route(message, message.nlmsg_type == RTM_DELROUTE);
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return take_link(message, message.nlmsg_type == RTM_DELLINK);
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return take_address(message, message.nlmsg_type == RTM_DELADDR);
    default:
      return;
  }
}

void NetlinkMirror::State::take_route(const nlmsghdr& message, bool removed) {
  const auto parsed = parse_route(message);
  if (!parsed.ok()) {
    ++counters_.malformed;
    return;
  }
  if (!parsed->has_value()) return;
  const KernelRoute& route = (*parsed)->route;
  if ((*parsed)->multipath && !removed) ++counters_.multipath;
  const RouteKey key{route.prefix, route.metric};
  const auto found = routes_.find(key);
  if (removed) {
    if (found == routes_.end()) return;
    // Of several routes of one prefix and metric, which of them counts now only a dump says.
    if (found->second.shared || found->second.thing != route) {
      stale_ = true;
      return;
    }
    events_->route_removed(found->second.thing);
    routes_.erase(found);
    return;
  }
  if (found == routes_.end()) {
    routes_.emplace(key, Told<KernelRoute>{route, dump_number_});
    events_->route_added(route);
    return;
  }
  Told<KernelRoute>& told = found->second;
  if (dumping_) {
    told.shared = told.seen == dump_number_;  // the second of its prefix and metric in this dump
    if (told.shared) return;
  }
  told.seen = dump_number_;
  if (told.thing == route) return;
  if (!dumping_ && (told.shared || (message.nlmsg_flags & NLM_F_REPLACE) == 0)) {
    stale_ = true;
    return;
  }
  told.thing = route;
  events_->route_added(route);
}

void NetlinkMirror::State::take_link(const nlmsghdr& message, bool removed) {
  const auto parsed = parse_link(message);
  if (!parsed.ok()) {
    ++counters_.malformed;
    return;
  }
  if (!parsed->has_value()) return;
  const KernelLink& link = **parsed;
  const auto found = links_.find(link.ifindex);
  const bool was_up = found != links_.end() && found->second.thing.admin_up;
  // A link that goes takes IPv4 routes with it, of which the kernel says nothing.
  if (was_up && (removed || !link.admin_up) && !dumping_) stale_ = true;
  if (removed) {
    if (found == links_.end()) return;
    events_->link_removed(found->second.thing);
    links_.erase(found);
    return;
  }
  if (found == links_.end()) {
    links_.emplace(link.ifindex, Told<KernelLink>{link, dump_number_});
    events_->link_changed(link);
    return;
  }
  found->second.seen = dump_number_;
  if (found->second.thing == link) return;
  found->second.thing = link;
  events_->link_changed(link);
}

void NetlinkMirror::State::take_address(const nlmsghdr& message, bool removed) {
  const auto parsed = parse_address(message);
  if (!parsed.ok()) {
    ++counters_.malformed;
    return;
  }
  if (!parsed->has_value()) return;
  const KernelAddress& address = **parsed;
  const auto found = addresses_.find(address);
  if (removed) {
    if (found == addresses_.end()) return;
    if (!dumping_) stale_ = true;  // routes with this source address go silently
    addresses_.erase(found);
    events_->address_removed(address);
    return;
  }
  if (found != addresses_.end()) {
    found->second.seen = dump_number_;
    return;
  }
  addresses_.emplace(address, Told<KernelAddress>{address, dump_number_});
  events_->address_added(address);
}

template <typename Map, typename Tell>
void NetlinkMirror::State::sweep(Map& told, Tell tell) {
  for (auto at = told.begin(); at != told.end();) {
    if (at->second.seen == dump_number_) {
      ++at;
      continue;
    }
    tell(at->second.thing);
    at = told.erase(at);
  }
}

// One try: false, with errno, if the kernel refused it, fell silent or changed its tables meanwhile (EINTR).
bool NetlinkMirror::State::dump_once(mnl_socket* socket, const DumpRequest& request) {
  std::array<char, 256> bytes{};
  nlmsghdr* header = mnl_nlmsg_put_header(bytes.data());
  header->nlmsg_type = request.type;
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  header->nlmsg_seq = ++sequence_;
  // The fixed parts of all three requests begin with the family and are otherwise zero.
  const size_t fixed = request.type == RTM_GETLINK   ? sizeof(ifinfomsg)
                       : request.type == RTM_GETADDR ? sizeof(ifaddrmsg)
                                                     : sizeof(rtmsg);
  *static_cast<uint8_t*>(mnl_nlmsg_put_extra_header(header, fixed)) = request.family;
  if (mnl_socket_sendto(socket, header, header->nlmsg_len) < 0) return false;
  const unsigned int port = mnl_socket_get_portid(socket);
  for (;;) {
    const ssize_t length = mnl_socket_recvfrom(socket, buffer_.data(), buffer_.size());
    if (length < 0) return false;
    const int result = mnl_cb_run(buffer_.data(), static_cast<size_t>(length), sequence_, port, on_message, this);
    if (result < 0) return false;
    if (result == MNL_CB_STOP) return true;
  }
}

absl::Status NetlinkMirror::State::dump(const DumpRequest& request) {
  for (int attempt = 0; attempt < kDumpTriesMax; ++attempt) {
    // A socket of its own: news don't mix with it, and what is left of an interrupted dump goes with it.
    absl::StatusOr<Socket> socket = open_socket(0);
    if (!socket.ok()) return socket.status();
    const timeval silence = {kDumpSilenceMs / 1000, kDumpSilenceMs % 1000 * 1000};
    const int fd = mnl_socket_get_fd(socket->get());
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence)) < 0) return failed("SO_RCVTIMEO");
    if (dump_once(socket->get(), request)) return absl::OkStatus();
    if (errno != EINTR) return failed(request.name);
    ++counters_.interrupted;
    ++dump_number_;  // what the interrupted try has shown may be gone
  }
  return absl::UnavailableError(
      absl::StrFormat("netlink: %s changed during each of %d readings", request.name, kDumpTriesMax));
}

absl::Status NetlinkMirror::State::dump_all() {
  stale_ = false;
  ++counters_.dumps;
  dumping_ = true;
  absl::Status status = absl::OkStatus();
  for (const DumpRequest& request : kDumps) {
    ++dump_number_;
    status = dump(request);
    if (!status.ok()) break;
    if (request.type == RTM_GETLINK) {
      sweep(links_, [&](const KernelLink& link) { events_->link_removed(link); });
    } else if (request.type == RTM_GETADDR) {
      sweep(addresses_, [&](const KernelAddress& address) { events_->address_removed(address); });
    } else {
      // Only this family's routes were shown.
      const uint8_t family = request.family == AF_INET ? 4 : 6;
      for (auto& [key, told] : routes_) {
        if (key.first.address.family != family) told.seen = dump_number_;
      }
      sweep(routes_, [&](const KernelRoute& route) { events_->route_removed(route); });
    }
  }
  dumping_ = false;
  if (!status.ok()) stale_ = true;  // tried again with the next news
  return status;
}

absl::Status NetlinkMirror::State::read_news() {
  for (int i = 0; i < kMessagesPerWakeMax; ++i) {
    const ssize_t length = mnl_socket_recvfrom(socket_.get(), buffer_.data(), buffer_.size());
    if (length < 0 && errno == ENOBUFS) {
      ++counters_.overruns;
      stale_ = true;
      continue;
    }
    if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) return failed("receive");
    // News carry the sequence number and port of whoever caused them, so neither is compared.
    if (mnl_cb_run(buffer_.data(), static_cast<size_t>(length), 0, 0, on_message, this) < 0) ++counters_.malformed;
  }
  return stale_ ? dump_all() : absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<NetlinkMirror>> NetlinkMirror::open(RouteEvents* events, int receive_buffer_bytes) {
  absl::StatusOr<Socket> socket = open_socket(SOCK_NONBLOCK);
  if (!socket.ok()) return socket.status();
  const int fd = mnl_socket_get_fd(socket->get());
  // Beyond the system's limit with CAP_NET_ADMIN, up to it without.
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_buffer_bytes, sizeof(int)) < 0 &&
      setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(int)) < 0) {
    return failed("SO_RCVBUF");
  }
  for (int group : kGroups) {
    if (mnl_socket_setsockopt(socket->get(), NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0) {
      return failed("NETLINK_ADD_MEMBERSHIP");
    }
  }
  auto state = std::make_unique<State>(events, *std::move(socket));
  return std::unique_ptr<NetlinkMirror>(new NetlinkMirror(std::move(state)));
}

NetlinkMirror::NetlinkMirror(std::unique_ptr<State> state) : state_(std::move(state)) {}
NetlinkMirror::~NetlinkMirror() = default;

absl::Status NetlinkMirror::start() { return state_->dump_all(); }
int NetlinkMirror::fd() const { return state_->fd(); }
absl::Status NetlinkMirror::on_readable() { return state_->read_news(); }
const NetlinkCounters& NetlinkMirror::counters() const { return state_->counters(); }

}  // namespace phalanx::routing
