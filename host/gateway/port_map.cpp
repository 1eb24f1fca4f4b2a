#include "host/gateway/port_map.hpp"

#include <cassert>
#include <utility>

namespace phalanx::gateway {

PortMap::PortMap(std::vector<PortConfig> ports) : ports_(std::move(ports)), up_(ports_.size(), true) {
  assert(ports_.size() <= kPortsMax);
  const auto count = static_cast<PortIndex>(ports_.size());
  for (PortIndex port = 0; port < count; ++port) {
    const PortConfig& config = ports_[port];
    by_wire_[wire_key(config.device, config.vlan.has_value(), config.vlan.value_or(0))] = port;
    for (const InterfaceAddress& own : config.addresses) by_address_.emplace(own.address, port);
  }
}

PortIndex PortMap::find(DeviceIndex device, bool tagged, uint16_t vlan) const {
  const auto it = by_wire_.find(wire_key(device, tagged, vlan));
  return it == by_wire_.end() ? kNoPort : it->second;
}

PortIndex PortMap::owner(const IpAddress& address) const {
  const auto it = by_address_.find(address);
  return it == by_address_.end() ? kNoPort : it->second;
}

IpAddress PortMap::source_for(PortIndex port, const IpAddress& peer) const {
  IpAddress first;
  for (const InterfaceAddress& own : ports_[port].addresses) {
    if (own.address.family != peer.family) continue;
    if (Prefix{own.address, own.prefix_length}.contains(peer)) return own.address;
    if (first.family == 0) first = own.address;
  }
  return first;
}

std::vector<PortIndex> PortMap::set_link(DeviceIndex device, bool up) {
  std::vector<PortIndex> changed;
  const auto count = static_cast<PortIndex>(ports_.size());
  for (PortIndex port = 0; port < count; ++port) {
    if (ports_[port].device != device || up_[port] == up) continue;
    up_[port] = up;
    changed.push_back(port);
  }
  return changed;
}

}  // namespace phalanx::gateway
