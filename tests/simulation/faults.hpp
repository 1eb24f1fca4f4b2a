// What can go wrong: one table.
#ifndef PHALANX_TESTS_SIMULATION_FAULTS_HPP
#define PHALANX_TESTS_SIMULATION_FAULTS_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace phalanx::simulation {

// X(name, text, single): `single` faults leave one member and its networks whole, so no session may be lost by them.
#define PHALANX_FAULTS(X)                                                               \
  X(kLoss, "loss", true)                         /* on one link, one direction */       \
  X(kDuplication, "duplication", true)           /* on one link, one direction */       \
  X(kReordering, "reordering", true)             /* on one link, one direction */       \
  X(kDelay, "delay", true)                       /* a burst of delay on one link */     \
  X(kPartitionOneWay, "one-way partition", true) /* of the members, on one network */   \
  X(kPartition, "partition", true)               /* of the members, on one network */   \
  X(kPartitionAll, "full partition", false)      /* of the members, on every network */ \
  X(kSyncCut, "sync link cut", true)             /* silently */                         \
  X(kLinkDown, "link down", true)                /* with the kernel's word for it */    \
  X(kCrashActive, "crash of the active", true)   /* and restart, empty */               \
  X(kCrashStandby, "crash of the standby", true) /* and restart, empty */               \
  X(kCrashBoth, "crash of both", false)          /* and restart, empty */               \
  X(kPauseActive, "pause of the active", true)   /* as SIGSTOP and SIGCONT */           \
  X(kPauseStandby, "pause of the standby", true) /* as SIGSTOP and SIGCONT */           \
  X(kSlow, "slow member", true)                  /* its events come late */             \
  X(kFailover, "planned failover", true)         /* requested by the operator */

enum class Fault : uint8_t {
#define X(name, text, single) name,
  PHALANX_FAULTS(X)
#undef X
};
#define X(name, text, single) +1
inline constexpr size_t kFaults = 0 PHALANX_FAULTS(X);
#undef X

struct FaultInfo {
  std::string_view text;
  bool single;
};
inline constexpr std::array<FaultInfo, kFaults> kFaultInfo = {{
#define X(name, text, single) {text, single},
    PHALANX_FAULTS(X)
#undef X
}};
inline std::string_view to_string(Fault fault) { return kFaultInfo[static_cast<size_t>(fault)].text; }

// How often each kind was reached with effect.
using FaultCounts = std::array<uint64_t, kFaults>;

}  // namespace phalanx::simulation

#endif
