// What a member says about itself in each CCP report (FWHA_MY_STATE), analyser-visible part and extension together.
#ifndef PHALANX_HOST_CLUSTER_REPORT_HPP
#define PHALANX_HOST_CLUSTER_REPORT_HPP

#include <array>
#include <cstdint>

#include "host/cluster/member_state.hpp"

namespace phalanx::cluster {

// An interface's place in the list of monitored interfaces; the list is the same on all members of a cluster.
using InterfaceIndex = uint8_t;
inline constexpr InterfaceIndex kInterfacesMax = 64;  // one bit each in a 64-bit mask
using InterfaceMask = uint64_t;

// What a report says about the passing on of the active role.
enum class Handover : uint8_t {
  kNone = 0,
  kRequest = 1,   // a standby asks the active member (`member`) to hand over to it
  kOffer = 2,     // the active member has stopped deciding; `member` may start once it has applied `position`
  kWithdraw = 3,  // the offer `id` is taken back, as soon as `member` answers with kRefuse or says that it is active
  kRefuse = 4,    // the offer or request `id` of `member` is not taken and never will be
};
inline constexpr uint8_t kHandoverKinds = 5;

struct HandoverField {
  Handover kind = Handover::kNone;
  MemberId member = kNoMember;  // the one addressed
  uint64_t incarnation = 0;     // of the one addressed: a restarted member is another one
  uint64_t id = 0;              // names the offer or request; unique with the sender's incarnation
  uint64_t position = 0;        // delta position that must have been applied before the offer may be taken
};

// What the sender knows of another member. The echo proves that a report is no older than what it echoes.
struct PeerEcho {
  uint64_t incarnation = 0;                // last heard incarnation, 0 = never heard
  uint64_t report_sequence = 0;            // highest report heard of it
  MemberState state = MemberState::kDown;  // last heard
  uint32_t silence_us = UINT32_MAX;        // since any interface heard it; UINT32_MAX = never heard
};

struct Report {
  MemberId member = kNoMember;
  uint64_t incarnation = 0;      // random at start
  uint64_t report_sequence = 0;  // grows with each report; the same on every interface it is sent on
  uint64_t epoch = 0;            // own when active, else the highest seen
  MemberState state = MemberState::kInit;
  uint16_t priority = 0;  // lower is preferred
  uint8_t problems = 0;   // critical devices that report a problem
  bool synchronized = false;
  bool claims_active = false;         // wants to become active and asks for the others' promises
  bool was_active = false;            // was active until its lease ran out, so it still holds the state
  bool leaving = false;               // stops now, on purpose
  MemberId promised_to = kNoMember;   // will not become active itself for dead_ns after that member's last claim
  uint64_t delta_position = 0;        // last delta made (active) or applied (others)
  InterfaceMask interfaces_up = 0;    // interfaces the sender believes its own side of to work
  InterfaceMask probes_answered = 0;  // interfaces on which hosts answered the sender lately
  HandoverField handover;
  std::array<PeerEcho, kMembersMax> peers;  // by member id - 1
};

}  // namespace phalanx::cluster

#endif
