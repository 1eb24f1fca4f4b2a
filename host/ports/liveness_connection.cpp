#include "host/ports/liveness_connection.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace phalanx {

LivenessHello liveness_hello(uint8_t member) { return {'P', 'H', 'X', 'L', 1, member, 0, 0}; }

LivenessCloseReason close_reason_of(int error) {
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

absl::Status prepare_liveness(int fd, const LivenessOptions& options) {
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

bool send_liveness_hello(int fd, uint8_t member) {
  const LivenessHello hello = liveness_hello(member);
  // Eight bytes into an empty buffer go whole or not at all.
  return send(fd, hello.data(), hello.size(), MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(hello.size());
}

LivenessConnection::Progress LivenessConnection::read(uint8_t expected_member, bool open, int& error) {
  LivenessHello bytes = {};
  const size_t wanted = open ? 1 : kLivenessHelloBytes - received;
  const ssize_t got = recv(fd.get(), bytes.data(), wanted, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Progress::kWaiting;
  if (got <= 0) {
    error = got < 0 ? errno : 0;
    return Progress::kEnded;
  }
  if (open) return Progress::kWrong;
  std::copy_n(bytes.begin(), got, hello.begin() + static_cast<ptrdiff_t>(received));
  received += static_cast<size_t>(got);
  if (received < kLivenessHelloBytes) return Progress::kWaiting;
  return hello == liveness_hello(expected_member) ? Progress::kHelloComplete : Progress::kWrong;
}

}  // namespace phalanx
