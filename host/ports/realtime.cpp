#include "host/ports/realtime.hpp"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>

#include "host/ports/fd.hpp"

namespace phalanx {

absl::Status set_realtime_priority(int priority) {
  assert(priority >= 1 && priority <= 99);
  sched_param parameters = {};
  parameters.sched_priority = priority;
  const int error = pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameters);
  if (error != 0) return errno_status(error, "SCHED_FIFO needs CAP_SYS_NICE or RLIMIT_RTPRIO");
  return absl::OkStatus();
}

absl::Status set_niceness(int niceness) {
  assert(niceness >= -20 && niceness <= 19);
  // On Linux the priority "of a process" is that of one thread.
  if (setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), niceness) != 0) {
    return errno_status(errno, "a niceness below 0 needs CAP_SYS_NICE");
  }
  return absl::OkStatus();
}

absl::Status set_normal_priority() {
  const sched_param parameters = {};
  const int error = pthread_setschedparam(pthread_self(), SCHED_OTHER, &parameters);
  if (error != 0) return errno_status(error, "SCHED_OTHER");
  return absl::OkStatus();
}

absl::Status lock_memory() {
  if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
    return errno_status(errno, "mlockall needs CAP_IPC_LOCK or RLIMIT_MEMLOCK");
  }
  return absl::OkStatus();
}

absl::Status pin_to_cpu(int cpu) {
  if (cpu < 0 || cpu >= CPU_SETSIZE) return absl::InvalidArgumentError("no such CPU");
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(static_cast<size_t>(cpu), &cpus);
  const int error = pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus);
  if (error != 0) return errno_status(error, "pthread_setaffinity_np");
  return absl::OkStatus();
}

}  // namespace phalanx
