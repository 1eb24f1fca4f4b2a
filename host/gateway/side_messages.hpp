// What the two sides of a member tell each other. The control side decides the member's role, the data side forwards
// and holds the state; in the daemon each has a thread and these go through rings, in the simulation they are handed
// over at once.
#ifndef PHALANX_HOST_GATEWAY_SIDE_MESSAGES_HPP
#define PHALANX_HOST_GATEWAY_SIDE_MESSAGES_HPP

#include <cstdint>
#include <variant>
#include <vector>

#include "host/cluster/actions.hpp"
#include "host/cluster/state_machine.hpp"
#include "host/packet/address.hpp"

namespace phalanx::gateway {

// Control to data. SetRole, RenewLease, Announce, StartFullSync, FollowActive and PrepareHandover are the state
// machine's own.
struct SetLink {
  uint16_t device = 0;
  bool up = true;
};
using DataCommand = std::variant<cluster::SetRole, cluster::RenewLease, cluster::Announce, cluster::StartFullSync,
                                 cluster::FollowActive, cluster::PrepareHandover, SetLink>;

// Data to control.
struct HandoverPrepared {
  uint64_t id = 0;
  uint64_t position = 0;
};
// Hosts that can be asked whether a network works; a few of each device.
struct ProbeTarget {
  uint16_t device = 0;
  uint16_t vlan = 0;  // 0: untagged
  IpAddress address;
};
struct ProbeTargets {
  std::vector<ProbeTarget> targets;
};
using DataEvent = std::variant<cluster::DataPlaneStatus, HandoverPrepared, ProbeTargets>;

// Asked of each device when it matters; three hosts of a network don't all die at once.
inline constexpr size_t kProbeTargetsPerDevice = 3;

}  // namespace phalanx::gateway

#endif
