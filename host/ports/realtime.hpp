// Scheduling of the calling thread. Each returns PermissionDenied with what is missing, and the caller may go on
// without.
#ifndef PHALANX_HOST_PORTS_REALTIME_HPP
#define PHALANX_HOST_PORTS_REALTIME_HPP

#include "absl/status/status.h"

namespace phalanx {

// SCHED_FIFO with `priority` 1 (lowest) to 99; needs CAP_SYS_NICE or RLIMIT_RTPRIO.
absl::Status set_realtime_priority(int priority);
// The calling thread's share of the CPUs among ordinary threads: -20 (most) to 19; below 0 needs CAP_SYS_NICE.
absl::Status set_niceness(int niceness);
// Back to SCHED_OTHER.
absl::Status set_normal_priority();
// Keeps all memory of the process resident, now and later (mlockall); needs CAP_IPC_LOCK or RLIMIT_MEMLOCK.
absl::Status lock_memory();
// Runs the thread on one CPU only.
absl::Status pin_to_cpu(int cpu);

}  // namespace phalanx

#endif
