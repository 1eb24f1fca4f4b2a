// What a Linux network interface is like now, and its offloads.
#ifndef PHALANX_HOST_PORTS_INTERFACE_HPP
#define PHALANX_HOST_PORTS_INTERFACE_HPP

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host/packet/address.hpp"

namespace phalanx {

struct InterfaceInfo {
  int index = 0;
  MacAddress mac = {};
  uint32_t mtu = 0;      // bytes of IP
  bool up = false;       // set up by the administrator
  bool carrier = false;  // and the link is there
};

// In the caller's network namespace; NotFound if there is none of that name.
absl::StatusOr<InterfaceInfo> query_interface(const std::string& name);

// Switches GRO, GSO and TSO on, as far as the driver can, so that TCP crosses the member in frames of up to 64 KB. An
// offload the driver refuses is named in the (Unavailable) status; the port works without it, slower.
absl::Status ensure_offloads(const std::string& name);

}  // namespace phalanx

#endif
