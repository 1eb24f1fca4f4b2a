// What the operator sets about the cluster, and the timers with their arithmetic (docs/cluster.md, "Timers").
#ifndef PHALANX_HOST_CLUSTER_CLUSTER_CONFIG_HPP
#define PHALANX_HOST_CLUSTER_CLUSTER_CONFIG_HPP

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "host/cluster/report.hpp"

namespace phalanx::cluster {

inline constexpr int64_t kMillisecondNs = 1'000'000;

// All times in nanoseconds. validate() holds the inequalities that the lease proof needs.
struct Timers {
  int64_t report_interval_ns = 10 * kMillisecondNs;
  int64_t dead_ns = 30 * kMillisecondNs;    // silence on every interface after which a member may be dead
  int64_t lease_ns = 25 * kMillisecondNs;   // an active member decides no longer than this after its last report
  int64_t margin_ns = 5 * kMillisecondNs;   // dead - lease at least: delay and clock rate of one report
  int64_t confirm_ns = 8 * kMillisecondNs;  // time to answer a query after the peer connection closed
  int64_t initial_silence_ns = 1000 * kMillisecondNs;  // how long a starting member waits for peers never heard
  int64_t prepare_timeout_ns = 1000 * kMillisecondNs;  // the data plane's time to flush before an operator's handover
  int64_t handover_timeout_ns = 50 * kMillisecondNs;   // an offer is withdrawn after this
  int64_t relay_window_ns = 500 * kMillisecondNs;      // how long the old active passes late packets on
  int64_t preempt_delay_ns = 1000 * kMillisecondNs;    // Primary Up: a better member must have been Standby this long

  // Silence from which probes are sent: early enough for an answer and one report after it before dead_ns.
  int64_t suspect_ns() const { return std::min(dead_ns * 2 / 3, dead_ns - own_side_ns() - 2 * report_gap_ns()); }
  // A host has answered, so our side works; a living peer would then be heard within one report and its delay.
  int64_t own_side_ns() const { return report_interval_ns + margin_ns; }
  // Silence that a peer tells an active member of, so that the latter's lease ends before the peer's patience.
  int64_t told_ns() const { return dead_ns * 2 / 3; }
  // Step-down: the longest an active member decides without hearing anybody (docs/cluster.md, "Isolation").
  int64_t isolation_lease_ns() const { return dead_ns - report_interval_ns - margin_ns; }
  // Reports made at once (answers, changes) keep this distance, so that members cannot drive each other into a storm.
  int64_t report_gap_ns() const { return report_interval_ns / 10; }

  static Timers fast() { return {}; }
  static Timers cluster_xl();  // 100 ms reports, dead after 0.7 s
};

enum class Recovery : uint8_t { kActiveUp, kPrimaryUp };
enum class WhenIsolated : uint8_t { kKeepActive, kStepDown };

struct MemberConfig {
  MemberId id = kNoMember;
  uint16_t priority = 0;  // lower is preferred; equal is decided by id
};

struct MonitoredInterface {
  std::string name;
  bool sync = false;  // carries delta and full sync; otherwise a data interface
};

struct ClusterConfig {
  MemberId own_id = kNoMember;
  std::vector<MemberConfig> members;  // 1..kMembersMax, own included
  std::vector<MonitoredInterface> interfaces;
  Timers timers;
  Recovery recovery = Recovery::kActiveUp;
  WhenIsolated when_isolated = WhenIsolated::kKeepActive;
  uint64_t seed = 0;         // handover ids
  uint64_t incarnation = 0;  // random, not 0
  uint64_t initial_epoch =
      0;  // the last one this member knew, if the daemon keeps it; else epochs begin anew when all restart
};

// InvalidArgument with the field and the reason.
absl::Status validate(const ClusterConfig& config);

}  // namespace phalanx::cluster

#endif
