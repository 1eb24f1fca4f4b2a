// Which frames a data port takes from the kernel, decided by a classic BPF program before anything is copied.
#ifndef PHALANX_HOST_PORTS_ACCEPT_FILTER_HPP
#define PHALANX_HOST_PORTS_ACCEPT_FILTER_HPP

#include <linux/filter.h>

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host/packet/address.hpp"

namespace phalanx {

// 4 instructions a MAC and a jump of at most 255 instructions: 16 MACs and 16 magics make 2 + 64 + 64 + 2 = 132.
inline constexpr size_t kAcceptMacsMax = 16;
inline constexpr size_t kAcceptMagicsMax = 16;

// A frame is taken if any of these says so; the member's own unicast traffic then costs the worker nothing.
struct AcceptFilter {
  bool group = true;                          // broadcast and multicast destinations
  std::vector<MacAddress> destinations = {};  // the virtual MAC(s)
  std::vector<uint8_t> source_magics = {};    // sources 00:00:00:00:<magic>:*, from other members
};

// The program for `filter`; ResourceExhausted if it names more than the limits above.
absl::StatusOr<std::vector<sock_filter>> compile_accept_filter(const AcceptFilter& filter);

// Puts a program on a socket in place of the one before it, without a moment in between.
absl::Status attach_filter(int fd, const std::vector<sock_filter>& program);

}  // namespace phalanx

#endif
