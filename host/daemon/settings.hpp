// What the daemon runs with: the configuration file turned into the plain values of the modules.
#ifndef PHALANX_HOST_DAEMON_SETTINGS_HPP
#define PHALANX_HOST_DAEMON_SETTINGS_HPP

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "host/gateway/control_side.hpp"
#include "host/gateway/gateway_config.hpp"
#include "host/gateway/sync_agent.hpp"
#include "phalanx/v1/config.pb.h"

namespace phalanx::daemon {

struct DeviceSettings {
  std::string name;    // as in the configuration
  std::string device;  // the kernel's
};

struct PeerSettings {
  cluster::MemberId id = 0;
  std::string name;
  IpAddress sync_address;
  std::string management_address;
};

struct Settings {
  v1::Config config;
  gateway::GatewayConfig gateway;
  gateway::SyncConfig sync;
  gateway::ControlConfig control;
  EngineConfig engine;
  std::vector<DeviceSettings> devices;  // by DeviceIndex; the sync network's is not among them
  std::vector<std::string> zones;       // by PortIndex
  std::string sync_device;
  IpAddress sync_address;
  uint16_t sync_port = 0;
  std::vector<PeerSettings> peers;
};

// The configuration as values that don't depend on the machine, all of it that can be checked without one. Secrets and
// incarnation are random. InvalidArgument names the field.
absl::StatusOr<Settings> make_settings(const v1::Config& config);
// Fills in what only the machine knows: MTUs and MAC addresses of devices. NotFound names the device that isn't there.
absl::Status complete_settings(Settings& settings);

}  // namespace phalanx::daemon

#endif
