// Which port a frame belongs to, which addresses are the gateway's own, and what is needed to send on a port.
#ifndef PHALANX_HOST_GATEWAY_PORT_MAP_HPP
#define PHALANX_HOST_GATEWAY_PORT_MAP_HPP

#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "host/gateway/gateway_config.hpp"

namespace phalanx::gateway {

class PortMap {
 public:
  explicit PortMap(std::vector<PortConfig> ports);

  size_t size() const { return ports_.size(); }
  const PortConfig& operator[](PortIndex port) const { return ports_[port]; }
  absl::Span<const PortConfig> ports() const { return ports_; }

  // The port of a frame that came in on `device` with `vlan` (or none); kNoPort if there is none.
  PortIndex find(DeviceIndex device, bool tagged, uint16_t vlan) const;
  // The port that has `address` as the gateway's own; kNoPort if it's nobody's.
  PortIndex owner(const IpAddress& address) const;
  // An address of the gateway on `port` to speak to `peer` from: one in the peer's network, else the first of its
  // family. Family 0 if the port has none.
  IpAddress source_for(PortIndex port, const IpAddress& peer) const;
  bool is_up(PortIndex port) const { return up_[port]; }
  // Gives the ports of `device`, whose link has changed.
  std::vector<PortIndex> set_link(DeviceIndex device, bool up);

 private:
  static uint32_t wire_key(DeviceIndex device, bool tagged, uint16_t vlan) {
    return static_cast<uint32_t>(device) << 16 | (tagged ? 0x8000u : 0u) | vlan;
  }
  std::vector<PortConfig> ports_;
  std::vector<bool> up_;
  absl::flat_hash_map<uint32_t, PortIndex> by_wire_;
  absl::flat_hash_map<IpAddress, PortIndex> by_address_;
};

}  // namespace phalanx::gateway

#endif
