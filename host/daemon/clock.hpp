// The member's clock: nanoseconds of CLOCK_MONOTONIC since the process started. It goes on while the process is
// stopped, which is what lets a member that was paused see that its lease has run out.
#ifndef PHALANX_HOST_DAEMON_CLOCK_HPP
#define PHALANX_HOST_DAEMON_CLOCK_HPP

#include <time.h>

#include <cstdint>

namespace phalanx::daemon {

class Clock {
 public:
  Clock() : start_ns_(monotonic_ns()) {}
  // From 1, so that 0 can mean "never". Any thread.
  int64_t now_ns() const { return monotonic_ns() - start_ns_ + 1; }

 private:
  static int64_t monotonic_ns() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1'000'000'000 + t.tv_nsec;
  }
  int64_t start_ns_;
};

}  // namespace phalanx::daemon

#endif
