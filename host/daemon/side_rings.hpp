// The rings between the control thread and the worker.
#ifndef PHALANX_HOST_DAEMON_SIDE_RINGS_HPP
#define PHALANX_HOST_DAEMON_SIDE_RINGS_HPP

#include <array>
#include <atomic>

#include "host/daemon/spsc_ring.hpp"
#include "host/daemon/wake.hpp"
#include "host/gateway/side_messages.hpp"

namespace phalanx::daemon {

// Commands come with state changes and, for the lease, 100 times a second; events 50 times a second and with changes.
// 1024 hold several seconds of either, after which the worker is reported dead anyway.
inline constexpr size_t kSideRingSlots = 1024;

struct SideRings {
  SpscRing<gateway::DataCommand> commands{kSideRingSlots};
  SpscRing<gateway::DataEvent> events{kSideRingSlots};
  Wake data_wake;
  Wake control_wake;
  // When the worker last came by, for the control thread: a worker that hangs must not hold the active role.
  std::atomic<int64_t> worker_seen_ns{0};
  // By device: when the worker last had a frame in hand that came by it, a sign that its network is there.
  std::array<std::atomic<int64_t>, kPortsMax> heard_ns{};
  std::atomic<uint64_t> overflows{0};
};

}  // namespace phalanx::daemon

#endif
