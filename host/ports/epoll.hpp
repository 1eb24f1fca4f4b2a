// A thin epoll: descriptors with a token each.
#ifndef PHALANX_HOST_PORTS_EPOLL_HPP
#define PHALANX_HOST_PORTS_EPOLL_HPP

#include <sys/epoll.h>

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "host/ports/fd.hpp"

namespace phalanx {

class Epoll {
 public:
  static absl::StatusOr<Epoll> create();

  // `events` as EPOLLIN, EPOLLOUT, EPOLLRDHUP...; `token` comes back in epoll_event::data.u64.
  absl::Status add(int fd, uint32_t events, uint64_t token);
  absl::Status modify(int fd, uint32_t events, uint64_t token);
  absl::Status remove(int fd);

  // Waits up to `timeout_ms` (-1: for ever, 0: not at all), fills `events` and gives how many; an interrupt gives 0.
  size_t wait(absl::Span<epoll_event> events, int timeout_ms);
  int fd() const { return fd_.get(); }  // can itself be waited for by another epoll

 private:
  UniqueFd fd_;
};

}  // namespace phalanx

#endif
