// The names of cluster life: states, causes, the transitions between states, and why members refuse each other.
// Each set is one table; docs/cluster.md shows the same tables and a test compares them.
#ifndef PHALANX_HOST_CLUSTER_MEMBER_STATE_HPP
#define PHALANX_HOST_CLUSTER_MEMBER_STATE_HPP

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/types/span.h"

namespace phalanx::cluster {

// A member's number in the cluster, 1..kMembersMax; 0 = none. On the wire the machine id is one less.
using MemberId = uint8_t;
inline constexpr MemberId kMembersMax = 5;  // as many as ClusterXL allows in one cluster
inline constexpr MemberId kNoMember = 0;

// X(name, number in our extension, CCP state number, text). CCP has one number for Active and Active Attention.
#define PHALANX_MEMBER_STATES(X) \
  X(kInit, 0, 1, "Init")         \
  X(kDown, 1, 0, "Down")         \
  X(kReady, 2, 3, "Ready")       \
  X(kStandby, 3, 2, "Standby")   \
  X(kActive, 4, 4, "Active")     \
  X(kActiveAttention, 5, 4, "Active Attention")

enum class MemberState : uint8_t {
#define X(name, number, ccp, text) name = number,
  PHALANX_MEMBER_STATES(X)
#undef X
};
std::string_view to_string(MemberState state);
uint8_t ccp_state_number(MemberState state);
std::optional<MemberState> member_state_from_number(uint8_t number);  // of our extension
inline bool is_active(MemberState s) { return s == MemberState::kActive || s == MemberState::kActiveAttention; }

// Why a member changed its state, or something worth an event happened. X(name, event code, text).
#define PHALANX_CLUSTER_CAUSES(X)                                                                   \
  X(kPeersHeard, 101, "every peer was heard")                                                       \
  X(kInitialSilenceOver, 102, "the time to wait for peers is over")                                 \
  X(kSynchronized, 103, "the data plane holds everything the active member holds")                  \
  X(kSyncIncomplete, 104, "the data plane lost part of the active member's state")                  \
  X(kElected, 105, "no active member, and none better than this one")                               \
  X(kTakeover, 106, "the active member died")                                                       \
  X(kHandoverAccepted, 107, "the active member handed over")                                        \
  X(kHandoverGiven, 108, "another member took the role that this one offered")                      \
  X(kHandoverGivenProblem, 109, "another member took the role of this one, which has a problem")    \
  X(kCriticalDevice, 110, "a critical device reports a problem")                                    \
  X(kNoBetterMember, 111, "a critical device reports a problem, and no other member is better")     \
  X(kRecovered, 112, "no critical device reports a problem any more")                               \
  X(kHigherEpoch, 113, "another member is active with a higher epoch")                              \
  X(kSplitBrain, 114, "another member is active with the same epoch and a lower id")                \
  X(kLeaseExpired, 115, "this member did not run for longer than its lease")                        \
  X(kIsolated, 116, "nobody is heard on any interface, and the configuration says to step down")    \
  X(kLeaving, 117, "this member stops")                                                             \
  X(kPeerDead, 120, "a peer died")                                                                  \
  X(kPeerAlive, 121, "a peer is heard again")                                                       \
  X(kHandoverStarted, 122, "handing over")                                                          \
  X(kHandoverCancelled, 123, "the handover was cancelled")                                          \
  X(kHandoverResumed, 124, "the target did not take over; this member goes on with a higher epoch") \
  X(kHandoverRefused, 125, "this member refused the role it was offered")                           \
  X(kHandoverRequested, 126, "the active member was asked to hand over")                            \
  X(kInterfaceProblem, 127, "an interface of this member does not work")                            \
  X(kInterfaceRecovered, 128, "an interface of this member works again")

enum class Cause : uint8_t {
#define X(name, code, text) name = code,
  PHALANX_CLUSTER_CAUSES(X)
#undef X
};
std::string_view to_string(Cause cause);  // the text
std::string_view name_of(Cause cause);    // "Elected", as in the docs' tables
inline int event_code(Cause cause) { return static_cast<int>(cause); }

// One allowed change of state. Anything that is not in the table is a defect of this program (asserted).
struct Transition {
  MemberState from;
  Cause cause;
  MemberState to;
};
absl::Span<const Transition> transitions();
bool transition_allowed(MemberState from, Cause cause, MemberState to);

}  // namespace phalanx::cluster

#endif
