// What the state machine wants done. The caller does the actions in their order.
#ifndef PHALANX_HOST_CLUSTER_ACTIONS_HPP
#define PHALANX_HOST_CLUSTER_ACTIONS_HPP

#include <cstdint>
#include <variant>

#include "absl/container/inlined_vector.h"
#include "host/cluster/member_state.hpp"
#include "host/cluster/report.hpp"

namespace phalanx::cluster {

// What the data plane is. Only kActive decides, and only before lease_until_ns.
enum class Role : uint8_t {
  kIdle,         // Init, Down, Ready: drops what is for the virtual MAC, but takes full sync and deltas
  kStandby,      // installs replicated state
  kActive,       // decides, answers ARP/ND for the virtual addresses
  kHandingOver,  // was active, has stopped deciding: holds packets, or relays them, until the next SetRole
};

struct SetRole {
  Role role = Role::kIdle;
  uint64_t epoch = 0;
  int64_t lease_until_ns = 0;     // kActive only
  MemberId relay_to = kNoMember;  // kStandby, kIdle after a handover, kHandingOver: pass packets that still arrive on
  int64_t relay_until_ns = 0;
  MemberId taken_from = kNoMember;  // kActive: the member that handed over, and so holds all that this one holds
};
struct RenewLease {  // kActive goes on; the role's other fields stay
  int64_t lease_until_ns = 0;
};
struct SendReport {  // StateMachine::report() on this interface
  InterfaceIndex interface = 0;
};
struct SendQuery {  // FWHA_QUERY_STATE
  InterfaceIndex interface = 0;
};
struct SendProbe {  // FWHA_IF_PROBE_REQ and ARP/ND requests to hosts known on this interface
  InterfaceIndex interface = 0;
};
struct Announce {  // gratuitous ARP / unsolicited neighbour advertisements for every virtual address
  uint8_t round = 0;
};
struct StartFullSync {  // throws away what it has and fetches all; DataPlaneStatus then carries sync_id
  MemberId from = kNoMember;
  uint32_t sync_id = 0;
};
struct FollowActive {  // a standby's source of deltas changed; if it cannot go on without loss, it says not whole
  MemberId active = kNoMember;
  uint64_t incarnation = 0;
  uint64_t epoch = 0;
};
// Flush all deltas to `target`, stop deciding, have the last one acknowledged, then call
// StateMachine::handover_prepared(id, position). SetRole{kActive} instead means: not now, go on deciding.
struct PrepareHandover {
  MemberId target = kNoMember;
  uint64_t id = 0;
};
struct LogEvent {
  Cause cause = Cause::kPeersHeard;
  MemberState from = MemberState::kInit;
  MemberState to = MemberState::kInit;
  MemberId member = kNoMember;                // the member it is about; kNoMember = own
  InterfaceIndex interface = kInterfacesMax;  // the interface it is about; kInterfacesMax = none
  uint64_t epoch = 0;
  int64_t time_ns = 0;
};

using Action = std::variant<SetRole, RenewLease, SendReport, SendQuery, SendProbe, Announce, StartFullSync,
                            FollowActive, PrepareHandover, LogEvent>;
using Actions = absl::InlinedVector<Action, 16>;

}  // namespace phalanx::cluster

#endif
