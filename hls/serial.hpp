// Serial number arithmetic (RFC 1982) on 32-bit sequence numbers: right while the numbers compared are less than 2^31
// apart.
#ifndef PHALANX_HLS_SERIAL_HPP
#define PHALANX_HLS_SERIAL_HPP

#include <stdint.h>

namespace phalanx {
namespace hls {

// 1 if x comes before y, else 0: a bit, so that several comparisons can be joined without branches.
inline uint32_t serial_before(uint32_t x, uint32_t y) { return (x - y) >> 31; }
inline uint32_t serial_max(uint32_t x, uint32_t y) { return serial_before(x, y) ? y : x; }

// low <= x <= high
inline bool serial_within(uint32_t x, uint32_t low, uint32_t high) { return x - low <= high - low; }

}  // namespace hls
}  // namespace phalanx

#endif
