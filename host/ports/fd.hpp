// File descriptors that close themselves, and the two kinds that a loop needs besides sockets.
#ifndef PHALANX_HOST_PORTS_FD_HPP
#define PHALANX_HOST_PORTS_FD_HPP

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace phalanx {

// Owns a file descriptor.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

// The system's answer to a failed call as a Status that says what was tried: errno text and number.
absl::Status errno_status(int error, const char* what);

// setsockopt of an int.
absl::Status set_option(int fd, int level, int option, int value, const char* what);

// An eventfd, nonblocking: another thread wakes the loop by notify(), the loop takes it back by drain().
absl::StatusOr<UniqueFd> make_event_fd();
void notify(int event_fd);
void drain(int event_or_timer_fd);

// A timerfd on CLOCK_MONOTONIC, nonblocking. arm_timer: fires once at `at_ns` of that clock (the past: at once); 0
// disarms.
absl::StatusOr<UniqueFd> make_timer_fd();
absl::Status arm_timer(int timer_fd, int64_t at_ns);

// CLOCK_MONOTONIC in nanoseconds.
int64_t monotonic_ns();

}  // namespace phalanx

#endif
