// A session's packet and byte counters, 48 bits each, as the record packs them.
#ifndef PHALANX_HLS_COUNTERS_HPP
#define PHALANX_HLS_COUNTERS_HPP

#include "hls/session.hpp"

namespace phalanx {
namespace hls {

const uint64_t kBytesMask = (1ull << 48) - 1;

// Counts `segments` packets of `bytes` bytes together that go in `direction`. Both counters wrap on their own.
inline void count_packets(Session& session, uint8_t direction, uint32_t segments, uint32_t bytes) {
  const uint64_t traffic = session.traffic[direction];
  const uint32_t packets = session.packets[direction] + segments;
  const uint64_t carry = packets < segments ? 1ull << 48 : 0;
  session.packets[direction] = packets;
  session.traffic[direction] = ((traffic + bytes) & kBytesMask) | ((traffic & ~kBytesMask) + carry);
}

inline uint64_t bytes_counted(const Session& session, uint8_t direction) {
  return session.traffic[direction] & kBytesMask;
}
inline uint64_t packets_counted(const Session& session, uint8_t direction) {
  return session.traffic[direction] >> 48 << 32 | session.packets[direction];
}

}  // namespace hls
}  // namespace phalanx

#endif
