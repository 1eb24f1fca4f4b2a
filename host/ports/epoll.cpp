#include "host/ports/epoll.hpp"

#include <algorithm>
#include <cassert>
#include <cerrno>

namespace phalanx {
namespace {

absl::Status control(int epoll_fd, int operation, int fd, uint32_t events, uint64_t token) {
  epoll_event event = {};
  event.events = events;
  event.data.u64 = token;
  if (epoll_ctl(epoll_fd, operation, fd, &event) != 0) return errno_status(errno, "epoll_ctl");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Epoll> Epoll::create() {
  Epoll epoll;
  epoll.fd_ = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.fd_) return errno_status(errno, "epoll_create1");
  return epoll;
}

absl::Status Epoll::add(int fd, uint32_t events, uint64_t token) {
  return control(fd_.get(), EPOLL_CTL_ADD, fd, events, token);
}

absl::Status Epoll::modify(int fd, uint32_t events, uint64_t token) {
  return control(fd_.get(), EPOLL_CTL_MOD, fd, events, token);
}

absl::Status Epoll::remove(int fd) { return control(fd_.get(), EPOLL_CTL_DEL, fd, 0, 0); }

size_t Epoll::wait(absl::Span<epoll_event> events, int timeout_ms) {
  assert(!events.empty());
  const int room = static_cast<int>(std::min<size_t>(events.size(), 1024));
  const int ready = epoll_wait(fd_.get(), events.data(), room, timeout_ms);
  assert(ready >= 0 || errno == EINTR);
  return ready > 0 ? static_cast<size_t>(ready) : 0;
}

}  // namespace phalanx
