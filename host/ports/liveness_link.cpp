#include "host/ports/liveness_link.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"

namespace phalanx {
namespace {

// What each side sends once, at the start: "PHXL", version, member id, two zero bytes.
constexpr size_t kHelloBytes = 8;
using Hello = std::array<uint8_t, kHelloBytes>;
Hello hello_of(uint8_t member) { return {'P', 'H', 'X', 'L', 1, member, 0, 0}; }

// Epoll tokens: the listener, pending connections from 1 on, peers from 1000 on.
constexpr uint64_t kListenerToken = 0, kPendingToken = 1, kPeerToken = 1000;
constexpr uint32_t kWatched = EPOLLIN | EPOLLRDHUP;
constexpr size_t kAcceptsPerPoll = 2 * kLivenessPendingMax;
constexpr size_t kPeersMax = 255;

LivenessCloseReason reason_of(int error) {
  switch (error) {
    case ECONNRESET:
    case EPIPE:
      return LivenessCloseReason::reset;
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ENETUNREACH:
      return LivenessCloseReason::timed_out;
    default:
      return LivenessCloseReason::local_error;
  }
}

absl::Status prepare(int fd, const LivenessOptions& options) {
  if (absl::Status s = set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 0, "SO_KEEPALIVE"); !s.ok()) return s;
  if (absl::Status s = set_option(fd, SOL_TCP, TCP_NODELAY, 1, "TCP_NODELAY"); !s.ok()) return s;
  if (absl::Status s = set_option(fd, SOL_TCP, TCP_USER_TIMEOUT, kLivenessUserTimeoutMs, "TCP_USER_TIMEOUT"); !s.ok()) {
    return s;
  }
  const bool v6 = options.local.is_v6();
  absl::Status s = v6 ? set_option(fd, SOL_IPV6, IPV6_FREEBIND, 1, "IPV6_FREEBIND")
                      : set_option(fd, SOL_IP, IP_FREEBIND, 1, "IP_FREEBIND");
  if (!s.ok()) return s;
  if (!options.device.empty() && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, options.device.data(),
                                            static_cast<socklen_t>(options.device.size())) != 0) {
    return errno_status(errno, "SO_BINDTODEVICE");
  }
  return absl::OkStatus();
}

int take_error(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

bool send_hello(int fd, uint8_t member) {
  const Hello hello = hello_of(member);
  // Eight bytes into an empty buffer go whole or not at all.
  return send(fd, hello.data(), hello.size(), MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(hello.size());
}

}  // namespace

const char* to_string(LivenessCloseReason reason) {
  static constexpr const char* kNames[] = {
#define PHALANX_LIVENESS_NAME(name, text) #name,
      PHALANX_LIVENESS_CLOSE_REASONS(PHALANX_LIVENESS_NAME)
#undef PHALANX_LIVENESS_NAME
  };
  return kNames[static_cast<size_t>(reason)];
}

struct LivenessLinks::Connection {
  UniqueFd fd;
  IpAddress remote;
  Hello hello = {};
  size_t received = 0;
  int64_t deadline_ns = 0;
  bool connecting = false;

  enum class Progress { kWaiting, kHelloComplete, kWrong, kEnded };
  // Reads what is there. After the hello nothing may come: that, too, is kWrong. `error` is set with kEnded, 0 for a
  // FIN.
  Progress read(uint8_t expected_member, bool open, int& error);
};

LivenessLinks::Connection::Progress LivenessLinks::Connection::read(uint8_t expected_member, bool open, int& error) {
  Hello bytes = {};
  const size_t wanted = open ? 1 : kHelloBytes - received;
  const ssize_t got = recv(fd.get(), bytes.data(), wanted, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Progress::kWaiting;
  if (got <= 0) {
    error = got < 0 ? errno : 0;
    return Progress::kEnded;
  }
  if (open) return Progress::kWrong;
  std::copy_n(bytes.begin(), got, hello.begin() + static_cast<ptrdiff_t>(received));
  received += static_cast<size_t>(got);
  if (received < kHelloBytes) return Progress::kWaiting;
  return hello == hello_of(expected_member) ? Progress::kHelloComplete : Progress::kWrong;
}

struct LivenessLinks::Peer {
  LivenessPeer config;
  bool we_connect = false;
  bool open = false;
  Connection connection;
  int64_t backoff_ns = kLivenessBackoffMinNs;
  int64_t next_try_ns = 0;
  uint64_t token = 0;
};

LivenessLinks::LivenessLinks(Epoll epoll) : epoll_(std::move(epoll)) {}
LivenessLinks::~LivenessLinks() = default;

absl::StatusOr<std::unique_ptr<LivenessLinks>> LivenessLinks::open(const LivenessOptions& options, int64_t now_ns) {
  if (options.peers.size() > kPeersMax) return absl::InvalidArgumentError("more peers than member ids");
  absl::StatusOr<Epoll> epoll = Epoll::create();
  if (!epoll.ok()) return epoll.status();
  std::unique_ptr<LivenessLinks> links(new LivenessLinks(std::move(*epoll)));
  links->options_ = options;
  for (const LivenessPeer& peer : options.peers) {
    const bool twice = std::any_of(links->peers_.begin(), links->peers_.end(),
                                   [&](const Peer& other) { return other.config.member == peer.member; });
    if (twice || peer.member == options.member || peer.address.family != options.local.family) {
      return absl::InvalidArgumentError(
          absl::StrCat("liveness peer ", peer.member, ": id used twice, or address of another family than the own"));
    }
    Peer& added = links->peers_.emplace_back();
    added.config = peer;
    added.we_connect = options.member > peer.member;
    added.token = kPeerToken + links->peers_.size() - 1;
    added.next_try_ns = now_ns;
  }
  if (absl::Status s = links->listen(options); !s.ok()) return s;
  return links;
}

absl::Status LivenessLinks::listen(const LivenessOptions& options) {
  sockaddr_storage address;
  socklen_t length = to_sockaddr({options.local, options.port}, address);
  if (length == 0) return absl::InvalidArgumentError("liveness link without a local address");
  listener_ = UniqueFd(socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!listener_) return errno_status(errno, "socket(TCP)");
  if (absl::Status s = prepare(listener_.get(), options); !s.ok()) return s;
  // A restarted daemon must not wait for its predecessor's connections to time out.
  if (absl::Status s = set_option(listener_.get(), SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR"); !s.ok()) return s;
  if (bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) {
    return errno_status(errno, "bind of the liveness listener");
  }
  if (::listen(listener_.get(), static_cast<int>(kLivenessPendingMax)) != 0) return errno_status(errno, "listen");
  length = sizeof address;
  getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length);
  port_ = from_sockaddr(address).port;
  return epoll_.add(listener_.get(), EPOLLIN, kListenerToken);
}

std::vector<LivenessEvent> LivenessLinks::poll(int64_t now_ns) {
  std::vector<LivenessEvent> events;
  std::array<epoll_event, 64> ready;
  const size_t count = epoll_.wait(absl::MakeSpan(ready), 0);
  // Ends of connections before new ones, so that a quick restart is told as closed and then opened.
  for (size_t i = 0; i < count; ++i) {
    const uint64_t token = ready[i].data.u64;
    if (token >= kPeerToken) handle_peer(peers_[token - kPeerToken], ready[i].events, now_ns, events);
  }
  for (size_t i = 0; i < count; ++i) {
    const uint64_t token = ready[i].data.u64;
    if (token >= kPendingToken && token < kPeerToken) handle_pending(token - kPendingToken, events);
  }
  if (std::any_of(ready.begin(), ready.begin() + static_cast<ptrdiff_t>(count),
                  [](const epoll_event& e) { return e.data.u64 == kListenerToken; })) {
    accept_all(now_ns);
  }
  run_timers(now_ns);
  return events;
}

void LivenessLinks::accept_all(int64_t now_ns) {
  for (size_t n = 0; n < kAcceptsPerPoll; ++n) {
    sockaddr_storage address = {};
    socklen_t length = sizeof address;
    UniqueFd fd(accept4(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) return;
    const IpAddress remote = from_sockaddr(address).address;
    const bool known = std::any_of(peers_.begin(), peers_.end(),
                                   [&](const Peer& peer) { return !peer.we_connect && peer.config.address == remote; });
    if (!known) {
      ++stats_.refused_address;
      continue;
    }
    const auto free = std::find(pending_.begin(), pending_.end(), nullptr);
    if (free == pending_.end()) {
      ++stats_.refused_full;
      continue;
    }
    const uint64_t token = kPendingToken + static_cast<uint64_t>(free - pending_.begin());
    // The options set on the listener are inherited.
    if (!epoll_.add(fd.get(), kWatched, token).ok()) continue;
    *free = std::make_unique<Connection>();
    (*free)->fd = std::move(fd);
    (*free)->remote = remote;
    (*free)->deadline_ns = now_ns + kLivenessHelloTimeoutNs;
  }
}

// A connection that was accepted says who it is.
void LivenessLinks::handle_pending(size_t index, std::vector<LivenessEvent>& events) {
  Connection& connection = *pending_[index];
  int error = 0;
  // The hello's member byte is checked below; for its form any member will do.
  const Connection::Progress progress = connection.read(0, false, error);
  if (progress == Connection::Progress::kWaiting) return;
  std::unique_ptr<Connection> done = std::move(pending_[index]);
  if (progress == Connection::Progress::kEnded) return;
  const auto peer = std::find_if(peers_.begin(), peers_.end(), [&](const Peer& p) {
    return !p.we_connect && p.config.address == done->remote && done->hello == hello_of(p.config.member);
  });
  if (peer == peers_.end()) {
    ++stats_.refused_hello;
    return;
  }
  if (!send_hello(done->fd.get(), options_.member)) return;
  if (peer->open) {
    ++stats_.closed;
    events.push_back({peer->config.member, false, LivenessCloseReason::replaced});
  }
  peer->open = false;
  peer->connection = std::move(*done);
  if (!epoll_.modify(peer->connection.fd.get(), kWatched, peer->token).ok()) {
    peer->connection = {};
    return;
  }
  open_peer(*peer, events);
}

void LivenessLinks::open_peer(Peer& peer, std::vector<LivenessEvent>& events) {
  assert(!peer.open && peer.connection.fd);
  peer.open = true;
  peer.backoff_ns = kLivenessBackoffMinNs;
  ++stats_.opened;
  events.push_back({peer.config.member, true, {}});
}

void LivenessLinks::close_peer(Peer& peer, LivenessCloseReason reason, int64_t now_ns,
                               std::vector<LivenessEvent>& events) {
  assert(peer.open);
  peer.open = false;
  peer.connection = {};
  peer.next_try_ns = now_ns + peer.backoff_ns;
  ++stats_.closed;
  events.push_back({peer.config.member, false, reason});
}

void LivenessLinks::fail_connect(Peer& peer, int64_t now_ns) {
  peer.connection = {};
  peer.next_try_ns = now_ns + peer.backoff_ns;
  peer.backoff_ns = std::min(2 * peer.backoff_ns, kLivenessBackoffMaxNs);
  ++stats_.connect_failed;
}

void LivenessLinks::start_connect(Peer& peer, int64_t now_ns) {
  assert(peer.we_connect && !peer.connection.fd);
  sockaddr_storage local, remote;
  const socklen_t local_length = to_sockaddr({options_.local, 0}, local);
  const socklen_t remote_length = to_sockaddr({peer.config.address, port_}, remote);
  Connection& connection = peer.connection;
  connection.fd = UniqueFd(socket(remote.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int fd = connection.fd.get();
  // The peer knows us by this source address.
  if (fd < 0 || !prepare(fd, options_).ok() || bind(fd, reinterpret_cast<sockaddr*>(&local), local_length) != 0 ||
      (connect(fd, reinterpret_cast<sockaddr*>(&remote), remote_length) != 0 && errno != EINPROGRESS) ||
      !epoll_.add(fd, EPOLLOUT, peer.token).ok()) {
    fail_connect(peer, now_ns);
    return;
  }
  connection.connecting = true;
  connection.deadline_ns = now_ns + kLivenessHelloTimeoutNs;
}

void LivenessLinks::handle_peer(Peer& peer, uint32_t ready, int64_t now_ns, std::vector<LivenessEvent>& events) {
  Connection& connection = peer.connection;
  if (!connection.fd) return;
  if (connection.connecting) {
    const int error = take_error(connection.fd.get());
    if (error != 0 || !(ready & EPOLLOUT) || !send_hello(connection.fd.get(), options_.member) ||
        !epoll_.modify(connection.fd.get(), kWatched, peer.token).ok()) {
      fail_connect(peer, now_ns);
      return;
    }
    connection.connecting = false;
    return;
  }
  int error = 0;
  const Connection::Progress progress = connection.read(peer.config.member, peer.open, error);
  if (progress == Connection::Progress::kWaiting) return;
  if (peer.open) {
    LivenessCloseReason reason = LivenessCloseReason::protocol_error;
    if (progress == Connection::Progress::kEnded) {
      reason = error == 0 ? LivenessCloseReason::peer_closed : reason_of(error);
    }
    close_peer(peer, reason, now_ns, events);
  } else if (progress == Connection::Progress::kHelloComplete) {
    open_peer(peer, events);
  } else {
    if (progress == Connection::Progress::kWrong) ++stats_.refused_hello;
    fail_connect(peer, now_ns);
  }
}

void LivenessLinks::run_timers(int64_t now_ns) {
  for (std::unique_ptr<Connection>& connection : pending_) {
    if (connection == nullptr || now_ns < connection->deadline_ns) continue;
    connection.reset();
    ++stats_.hello_timeouts;
  }
  for (Peer& peer : peers_) {
    if (!peer.we_connect || peer.open) continue;
    if (peer.connection.fd && now_ns >= peer.connection.deadline_ns) fail_connect(peer, now_ns);
    if (!peer.connection.fd && now_ns >= peer.next_try_ns) start_connect(peer, now_ns);
  }
}

int64_t LivenessLinks::next_timer_ns() const {
  int64_t next = std::numeric_limits<int64_t>::max();
  for (const std::unique_ptr<Connection>& connection : pending_) {
    if (connection != nullptr) next = std::min(next, connection->deadline_ns);
  }
  for (const Peer& peer : peers_) {
    if (!peer.we_connect || peer.open) continue;
    next = std::min(next, peer.connection.fd ? peer.connection.deadline_ns : peer.next_try_ns);
  }
  return next;
}

bool LivenessLinks::is_open(uint8_t member) const {
  return std::any_of(peers_.begin(), peers_.end(),
                     [member](const Peer& peer) { return peer.open && peer.config.member == member; });
}

}  // namespace phalanx
