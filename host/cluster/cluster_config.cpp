#include "host/cluster/cluster_config.hpp"

#include <set>

#include "absl/strings/str_cat.h"

namespace phalanx::cluster {
namespace {

absl::Status invalid(std::string_view field, std::string_view reason) {
  return absl::InvalidArgumentError(absl::StrCat("cluster.", std::string(field), ": ", std::string(reason)));
}

absl::Status validate_timers(const Timers& t) {
  constexpr int64_t kHourNs = int64_t{3600} * 1000 * kMillisecondNs;
  for (const int64_t v : {t.report_interval_ns, t.dead_ns, t.lease_ns, t.margin_ns, t.confirm_ns, t.initial_silence_ns,
                          t.prepare_timeout_ns, t.handover_timeout_ns, t.relay_window_ns, t.preempt_delay_ns}) {
    if (v <= 0 || v > kHourNs) return invalid("timers", "every time is more than 0 and at most one hour");
  }
  if (t.report_interval_ns < 1 * kMillisecondNs) return invalid("timers.report_interval", "at least 1 ms");
  // One report may be lost on every interface without anybody being suspected for longer than an answer takes.
  if (t.dead_ns < 2 * t.report_interval_ns + t.margin_ns + 3 * t.report_gap_ns()) {
    return invalid("timers.dead", "at least 2.3 report intervals and the margin");
  }
  if (t.lease_ns > t.dead_ns - t.margin_ns) return invalid("timers.lease", "at most dead - margin");
  if (t.lease_ns <= t.report_interval_ns) return invalid("timers.lease", "more than the report interval");
  if (t.lease_ns > 30 * t.report_gap_ns()) return invalid("timers.lease", "at most three report intervals");
  return absl::OkStatus();
}

}  // namespace

// The lease stays below three report intervals: the ring of report times behind the promises covers that and no more.
Timers Timers::cluster_xl() {
  Timers t;
  t.report_interval_ns = 100 * kMillisecondNs;
  t.dead_ns = 700 * kMillisecondNs;
  t.lease_ns = 300 * kMillisecondNs;
  t.margin_ns = 50 * kMillisecondNs;
  t.confirm_ns = 80 * kMillisecondNs;
  t.initial_silence_ns = 5000 * kMillisecondNs;
  t.prepare_timeout_ns = 3000 * kMillisecondNs;
  t.handover_timeout_ns = 500 * kMillisecondNs;
  t.relay_window_ns = 1000 * kMillisecondNs;
  t.preempt_delay_ns = 5000 * kMillisecondNs;
  return t;
}

absl::Status validate(const ClusterConfig& config) {
  if (config.members.empty() || config.members.size() > kMembersMax) {
    return invalid("members", absl::StrCat("1 to ", int{kMembersMax}));
  }
  std::set<MemberId> ids;
  for (const MemberConfig& m : config.members) {
    if (m.id == kNoMember || m.id > kMembersMax) return invalid("members.id", absl::StrCat("1 to ", int{kMembersMax}));
    if (!ids.insert(m.id).second) return invalid("members.id", absl::StrCat(int{m.id}, " twice"));
  }
  if (!ids.contains(config.own_id)) return invalid("own_id", "not among the members");
  if (config.incarnation == 0) return invalid("incarnation", "a random number, not 0");
  if (config.interfaces.size() > kInterfacesMax) {
    return invalid("interfaces", absl::StrCat("at most ", int{kInterfacesMax}));
  }
  if (config.members.size() > 1 && config.interfaces.empty()) {
    return invalid("interfaces", "members need at least one interface to hear each other on");
  }
  return validate_timers(config.timers);
}

}  // namespace phalanx::cluster
