// What a member's data plane is made of, as plain values: the daemon fills it from the configuration file, the
// simulation and tests by hand.
#ifndef PHALANX_HOST_GATEWAY_GATEWAY_CONFIG_HPP
#define PHALANX_HOST_GATEWAY_GATEWAY_CONFIG_HPP

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "drivers/accelerator.hpp"
#include "host/packet/address.hpp"
#include "host/policy/nat.hpp"
#include "host/policy/rule_table.hpp"

namespace phalanx::gateway {

// A kernel interface, or what stands for one. Frames come in and go out by device.
using DeviceIndex = uint16_t;

struct InterfaceAddress {
  IpAddress address;
  uint8_t prefix_length = 0;
};

// A port: a device, or one 802.1Q network of it.
struct PortConfig {
  std::string name;
  DeviceIndex device = 0;
  std::optional<uint16_t> vlan;
  MacAddress virtual_mac{};
  uint32_t mtu = 1500;                      // bytes of IP
  std::vector<InterfaceAddress> addresses;  // the cluster's, which move with the active member
};

struct GatewayConfig {
  uint8_t member = 1;             // own id, from 1
  uint8_t members_max = 8;        // the cluster's bound, for the leases of port blocks
  std::vector<PortConfig> ports;  // by PortIndex
  std::shared_ptr<const policy::RuleTable> rules;
  std::shared_ptr<const policy::NatTable> nat;
  hls::Timeouts timeouts = hls::default_timeouts();
  uint64_t seed[2] = {0, 0};  // secret, random at start: ports of hide NAT
};

}  // namespace phalanx::gateway

#endif
