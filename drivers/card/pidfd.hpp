// pidfd_open(2) and pidfd_send_signal(2) by number: glibc 2.36 declares them without C linkage.
#ifndef PHALANX_DRIVERS_CARD_PIDFD_HPP
#define PHALANX_DRIVERS_CARD_PIDFD_HPP

#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

namespace phalanx::card {

// A close-on-exec descriptor that becomes readable when process `pid` ends, or -1 and errno.
inline int open_pidfd(pid_t pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }

inline int signal_pidfd(int pidfd, int signal) {
  return static_cast<int>(syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0));
}

}  // namespace phalanx::card

#endif
