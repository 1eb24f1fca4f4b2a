// The member's state as messages of the management services.
#ifndef PHALANX_HOST_DAEMON_VIEWS_HPP
#define PHALANX_HOST_DAEMON_VIEWS_HPP

#include "absl/status/statusor.h"
#include "host/daemon/settings.hpp"
#include "host/gateway/control_side.hpp"
#include "host/gateway/data_side.hpp"
#include "host/session/session_view.hpp"
#include "phalanx/v1/cluster.pb.h"
#include "phalanx/v1/session.pb.h"
#include "phalanx/v1/system.pb.h"

namespace phalanx::daemon {

inline constexpr char kVersion[] = "0.1.0";

v1::MemberState view_of(cluster::MemberState state);
// The control side's part of the status; `now_ns` of the member's clock.
v1::ClusterStatus cluster_view(const Settings& settings, const gateway::ControlSide& control, int64_t now_ns);
// The data side's.
v1::SyncStatus sync_view(const Settings& settings, gateway::DataSide& data);
v1::Session session_view(const Settings& settings, const abi::Record& record, uint32_t now_ms);
// InvalidArgument names the field.
absl::StatusOr<session::SessionFilter> filter_of(const Settings& settings, const v1::SessionFilter& filter);

void add_data_counters(gateway::DataSide& data, const policy::RuleTable& rules, v1::Counters& out);
void add_control_counters(const gateway::ControlSide& control, v1::Counters& out);
void add_counter(v1::Counters& out, const std::string& name, v1::CounterKind kind, uint64_t value,
                 std::string_view help);

}  // namespace phalanx::daemon

#endif
