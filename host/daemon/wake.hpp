// Wakes a thread that waits on descriptors.
#ifndef PHALANX_HOST_DAEMON_WAKE_HPP
#define PHALANX_HOST_DAEMON_WAKE_HPP

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "host/ports/fd.hpp"

namespace phalanx::daemon {

class Wake {
 public:
  Wake() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
  int fd() const { return fd_.get(); }
  // Any thread.
  void notify() const {
    const uint64_t one = 1;
    (void)!write(fd_.get(), &one, sizeof(one));
  }
  void clear() const {
    uint64_t count = 0;
    (void)!read(fd_.get(), &count, sizeof(count));
  }

 private:
  UniqueFd fd_;
};

}  // namespace phalanx::daemon

#endif
