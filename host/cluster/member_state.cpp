#include "host/cluster/member_state.hpp"

namespace phalanx::cluster {
namespace {

using enum MemberState;

// The whole life of a member. docs/cluster.md has the same table in words; a test compares them.
constexpr Transition kTransitions[] = {
    {kInit, Cause::kPeersHeard, kReady},
    {kInit, Cause::kInitialSilenceOver, kReady},
    {kInit, Cause::kCriticalDevice, kDown},
    {kInit, Cause::kLeaving, kDown},
    {kReady, Cause::kSynchronized, kStandby},
    {kReady, Cause::kElected, kActive},
    {kReady, Cause::kTakeover, kActive},
    {kReady, Cause::kCriticalDevice, kDown},
    {kReady, Cause::kLeaving, kDown},
    {kStandby, Cause::kSyncIncomplete, kReady},
    {kStandby, Cause::kElected, kActive},
    {kStandby, Cause::kTakeover, kActive},
    {kStandby, Cause::kHandoverAccepted, kActive},
    {kStandby, Cause::kCriticalDevice, kDown},
    {kStandby, Cause::kLeaving, kDown},
    {kDown, Cause::kRecovered, kReady},
    {kDown, Cause::kElected, kActiveAttention},
    {kDown, Cause::kTakeover, kActiveAttention},
    {kActive, Cause::kNoBetterMember, kActiveAttention},
    {kActive, Cause::kCriticalDevice, kDown},
    {kActive, Cause::kHandoverGiven, kStandby},
    {kActive, Cause::kHandoverGivenProblem, kDown},
    {kActive, Cause::kHandoverCancelled, kReady},
    {kActive, Cause::kHigherEpoch, kReady},
    {kActive, Cause::kSplitBrain, kReady},
    {kActive, Cause::kLeaseExpired, kReady},
    {kActive, Cause::kIsolated, kReady},
    {kActive, Cause::kLeaving, kDown},
    {kActiveAttention, Cause::kRecovered, kActive},
    {kActiveAttention, Cause::kCriticalDevice, kDown},
    {kActiveAttention, Cause::kHandoverGiven, kStandby},
    {kActiveAttention, Cause::kHandoverGivenProblem, kDown},
    {kActiveAttention, Cause::kHandoverCancelled, kReady},
    {kActiveAttention, Cause::kHigherEpoch, kReady},
    {kActiveAttention, Cause::kSplitBrain, kReady},
    {kActiveAttention, Cause::kLeaseExpired, kReady},
    {kActiveAttention, Cause::kIsolated, kReady},
    {kActiveAttention, Cause::kLeaving, kDown},
};

}  // namespace

std::string_view to_string(MemberState state) {
  switch (state) {
#define X(name, number, ccp, text) \
  case MemberState::name:          \
    return text;
    PHALANX_MEMBER_STATES(X)
#undef X
  }
  return "?";
}

uint8_t ccp_state_number(MemberState state) {
#define X(name, number, ccp, text) \
  if (state == MemberState::name) return ccp;
  PHALANX_MEMBER_STATES(X)
#undef X
  return 0;
}

std::optional<MemberState> member_state_from_number(uint8_t number) {
  switch (number) {
#define X(name, num, ccp, text) \
  case num:                     \
    return MemberState::name;
    PHALANX_MEMBER_STATES(X)
#undef X
    default:
      return std::nullopt;
  }
}

std::string_view to_string(Cause cause) {
  switch (cause) {
#define X(name, code, text) \
  case Cause::name:         \
    return text;
    PHALANX_CLUSTER_CAUSES(X)
#undef X
  }
  return "?";
}

std::string_view name_of(Cause cause) {
  switch (cause) {
#define X(name, code, text) \
  case Cause::name:         \
    return std::string_view(#name).substr(1);
    PHALANX_CLUSTER_CAUSES(X)
#undef X
  }
  return "?";
}

absl::Span<const Transition> transitions() { return kTransitions; }

bool transition_allowed(MemberState from, Cause cause, MemberState to) {
  for (const Transition& t : kTransitions) {
    if (t.from == from && t.cause == cause && t.to == to) return true;
  }
  return false;
}

}  // namespace phalanx::cluster
