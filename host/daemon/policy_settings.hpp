// Rules, NAT and timeouts of the configuration as the policy module's values.
#ifndef PHALANX_HOST_DAEMON_POLICY_SETTINGS_HPP
#define PHALANX_HOST_DAEMON_POLICY_SETTINGS_HPP

#include "absl/status/status.h"
#include "host/daemon/settings.hpp"

namespace phalanx::daemon {

// Sets settings.gateway.rules and .nat; ports and zones must be there. InvalidArgument names rule and field.
absl::Status set_policy(const v1::Config& config, Settings& settings);
hls::Timeouts make_timeouts(const v1::Timeouts& config);

}  // namespace phalanx::daemon

#endif
