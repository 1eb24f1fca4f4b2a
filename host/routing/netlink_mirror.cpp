#include "host/routing/netlink_mirror.hpp"

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "host/routing/kernel_mirror.hpp"

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

}  // namespace

class NetlinkMirror::State {
 public:
  State(RouteEvents* events, Socket socket)
      : socket_(std::move(socket)), buffer_(kReceiveBytes), told_(events, &counters_) {}

  absl::Status dump_all();
  absl::Status read_news();
  int fd() const { return mnl_socket_get_fd(socket_.get()); }
  const NetlinkCounters& counters() const { return counters_; }

 private:
  absl::Status dump(const DumpRequest& request);
  bool dump_once(mnl_socket* socket, const DumpRequest& request);
  static int on_message(const nlmsghdr* message, void* state) {
    static_cast<State*>(state)->told_.take(*message);
    return MNL_CB_OK;
  }

  Socket socket_;
  std::vector<char> buffer_;
  uint32_t sequence_ = 0;
  NetlinkCounters counters_;
  KernelMirror told_;
};

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
    told_.begin_dump();  // what the interrupted try has shown may be gone
  }
  return absl::UnavailableError(
      absl::StrFormat("netlink: %s changed during each of %d readings", request.name, kDumpTriesMax));
}

absl::Status NetlinkMirror::State::dump_all() {
  ++counters_.dumps;
  told_.set_stale(false);
  for (const DumpRequest& request : kDumps) {
    told_.begin_dump();
    absl::Status status = dump(request);
    if (!status.ok()) {
      told_.give_up_dump();  // tried again with the next news
      return status;
    }
    told_.end_dump(request.type, request.family);
  }
  return absl::OkStatus();
}

absl::Status NetlinkMirror::State::read_news() {
  for (int i = 0; i < kMessagesPerWakeMax; ++i) {
    const ssize_t length = mnl_socket_recvfrom(socket_.get(), buffer_.data(), buffer_.size());
    if (length < 0 && errno == ENOBUFS) {
      ++counters_.overruns;
      told_.set_stale(true);
      continue;
    }
    if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) return failed("receive");
    // News carry the sequence number and port of whoever caused them, so neither is compared.
    if (mnl_cb_run(buffer_.data(), static_cast<size_t>(length), 0, 0, on_message, this) < 0) ++counters_.malformed;
  }
  return told_.stale() ? dump_all() : absl::OkStatus();
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
