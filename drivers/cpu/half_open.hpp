// Which sessions count as half-open.
#ifndef PHALANX_DRIVERS_CPU_HALF_OPEN_HPP
#define PHALANX_DRIVERS_CPU_HALF_OPEN_HPP

#include <cstdint>

#include "hls/session.hpp"

namespace phalanx {

// 1 for a TCP session whose handshake isn't over, what a SYN flood makes; else 0.
inline uint64_t half_open(uint8_t state) {
  return state >= hls::kStateTcpSynSent && state <= hls::kStateTcpSynReceived ? 1 : 0;
}

}  // namespace phalanx

#endif
