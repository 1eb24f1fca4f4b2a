// The rings between the control thread and the worker.
#ifndef PHALANX_HOST_DAEMON_SIDE_RINGS_HPP
#define PHALANX_HOST_DAEMON_SIDE_RINGS_HPP

#include <array>
#include <atomic>
#include <optional>
#include <variant>

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

// Takes the lease's renewals that come before any other command. The latest of them; none if another command is first
// or there is none.
inline std::optional<int64_t> take_renewals(SpscRing<gateway::DataCommand>& commands) {
  std::optional<int64_t> until_ns;
  while (const gateway::DataCommand* command = commands.front()) {
    const auto* renewal = std::get_if<cluster::RenewLease>(command);
    if (renewal == nullptr) break;
    until_ns = renewal->lease_until_ns;
    commands.pop();
  }
  return until_ns;
}

}  // namespace phalanx::daemon

#endif
