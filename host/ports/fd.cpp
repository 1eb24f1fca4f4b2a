#include "host/ports/fd.hpp"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace phalanx {

void UniqueFd::reset(int fd) {
  assert(fd < 0 || fd != fd_);
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
}

absl::Status errno_status(int error, const char* what) { return absl::ErrnoToStatus(error, what); }

absl::Status set_option(int fd, int level, int option, int value, const char* what) {
  if (setsockopt(fd, level, option, &value, sizeof value) != 0) return errno_status(errno, what);
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> make_event_fd() {
  UniqueFd fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!fd) return errno_status(errno, "eventfd");
  return fd;
}

void notify(int event_fd) {
  const uint64_t one = 1;
  // A full counter (EAGAIN) is as readable as can be.
  [[maybe_unused]] const ssize_t written = write(event_fd, &one, sizeof one);
}

void drain(int event_or_timer_fd) {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = read(event_or_timer_fd, &count, sizeof count);
}

absl::StatusOr<UniqueFd> make_timer_fd() {
  UniqueFd fd(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!fd) return errno_status(errno, "timerfd_create");
  return fd;
}

absl::Status arm_timer(int timer_fd, int64_t at_ns) {
  assert(at_ns >= 0);
  itimerspec when = {};
  when.it_value.tv_sec = at_ns / 1'000'000'000;
  when.it_value.tv_nsec = at_ns % 1'000'000'000;
  if (timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, nullptr) != 0) return errno_status(errno, "timerfd_settime");
  return absl::OkStatus();
}

int64_t monotonic_ns() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace phalanx
