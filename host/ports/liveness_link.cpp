#include "host/ports/liveness_link.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "host/ports/liveness_connection.hpp"

namespace phalanx {
namespace {

// Epoll tokens: the listener, pending connections from 1 on, peers from 1000 on.
constexpr uint64_t kListenerToken = 0, kPendingToken = 1, kPeerToken = 1000;
constexpr uint32_t kWatched = EPOLLIN | EPOLLRDHUP;
constexpr size_t kAcceptsPerPoll = 2 * kLivenessPendingMax;
constexpr size_t kPeersMax = 255;

}  // namespace

const char* to_string(LivenessCloseReason reason) {
  static constexpr const char* kNames[] = {
#define PHALANX_LIVENESS_NAME(name, text) #name,
      PHALANX_LIVENESS_CLOSE_REASONS(PHALANX_LIVENESS_NAME)
#undef PHALANX_LIVENESS_NAME
  };
  return kNames[static_cast<size_t>(reason)];
}

struct LivenessLinks::Peer {
  LivenessPeer config;
  bool we_connect = false;
  bool open = false;
  LivenessConnection connection;
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
  if (absl::Status s = prepare_liveness(listener_.get(), options); !s.ok()) return s;
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
    *free = std::make_unique<LivenessConnection>();
    (*free)->fd = std::move(fd);
    (*free)->remote = remote;
    (*free)->deadline_ns = now_ns + kLivenessHelloTimeoutNs;
  }
}

// A connection that was accepted says who it is.
void LivenessLinks::handle_pending(size_t index, std::vector<LivenessEvent>& events) {
  LivenessConnection& connection = *pending_[index];
  int error = 0;
  // The hello's member byte is checked below; for its form any member will do.
  const LivenessConnection::Progress progress = connection.read(0, false, error);
  if (progress == LivenessConnection::Progress::kWaiting) return;
  std::unique_ptr<LivenessConnection> done = std::move(pending_[index]);
  if (progress == LivenessConnection::Progress::kEnded) return;
  const auto peer = std::find_if(peers_.begin(), peers_.end(), [&](const Peer& p) {
    return !p.we_connect && p.config.address == done->remote && done->hello == liveness_hello(p.config.member);
  });
  if (peer == peers_.end()) {
    ++stats_.refused_hello;
    return;
  }
  if (!send_liveness_hello(done->fd.get(), options_.member)) return;
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
  LivenessConnection& connection = peer.connection;
  connection.fd = UniqueFd(socket(remote.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int fd = connection.fd.get();
  // The peer knows us by this source address.
  if (fd < 0 || !prepare_liveness(fd, options_).ok() ||
      bind(fd, reinterpret_cast<sockaddr*>(&local), local_length) != 0 ||
      (connect(fd, reinterpret_cast<sockaddr*>(&remote), remote_length) != 0 && errno != EINPROGRESS) ||
      !epoll_.add(fd, EPOLLOUT, peer.token).ok()) {
    fail_connect(peer, now_ns);
    return;
  }
  connection.connecting = true;
  connection.deadline_ns = now_ns + kLivenessHelloTimeoutNs;
}

void LivenessLinks::handle_peer(Peer& peer, uint32_t ready, int64_t now_ns, std::vector<LivenessEvent>& events) {
  LivenessConnection& connection = peer.connection;
  if (!connection.fd) return;
  if (connection.connecting) {
    const int error = take_error(connection.fd.get());
    if (error != 0 || !(ready & EPOLLOUT) || !send_liveness_hello(connection.fd.get(), options_.member) ||
        !epoll_.modify(connection.fd.get(), kWatched, peer.token).ok()) {
      fail_connect(peer, now_ns);
      return;
    }
    connection.connecting = false;
    return;
  }
  int error = 0;
  const LivenessConnection::Progress progress = connection.read(peer.config.member, peer.open, error);
  if (progress == LivenessConnection::Progress::kWaiting) return;
  if (peer.open) {
    LivenessCloseReason reason = LivenessCloseReason::protocol_error;
    if (progress == LivenessConnection::Progress::kEnded) {
      reason = error == 0 ? LivenessCloseReason::peer_closed : close_reason_of(error);
    }
    close_peer(peer, reason, now_ns, events);
  } else if (progress == LivenessConnection::Progress::kHelloComplete) {
    open_peer(peer, events);
  } else {
    if (progress == LivenessConnection::Progress::kWrong) ++stats_.refused_hello;
    fail_connect(peer, now_ns);
  }
}

void LivenessLinks::run_timers(int64_t now_ns) {
  for (std::unique_ptr<LivenessConnection>& connection : pending_) {
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
  for (const std::unique_ptr<LivenessConnection>& connection : pending_) {
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
