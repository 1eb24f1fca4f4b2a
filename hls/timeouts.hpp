// How long a session may be idle in each state before it ends.
#ifndef PHALANX_HLS_TIMEOUTS_HPP
#define PHALANX_HLS_TIMEOUTS_HPP

#include "hls/session.hpp"

namespace phalanx {
namespace hls {

// Milliseconds by state; at most 2^31 - 1, half the clock's range, so that ages compare as serial numbers.
struct Timeouts {
  uint32_t ms[kStates];
};

inline Timeouts default_timeouts() {
  Timeouts t = {{0}};
  t.ms[kStateTcpSynSent] = 30000;
  t.ms[kStateTcpSynSentBoth] = 30000;
  t.ms[kStateTcpSynReceived] = 30000;
  t.ms[kStateTcpEstablished] = 3600000;
  t.ms[kStateTcpFinWait] = 60000;
  t.ms[kStateTcpCloseWait] = 60000;
  t.ms[kStateTcpClosing] = 30000;
  t.ms[kStateTcpTimeWait] = 60000;
  t.ms[kStateTcpClosed] = 5000;
  t.ms[kStateUdpNew] = 30000;
  t.ms[kStateUdpStream] = 120000;
  t.ms[kStateIcmp] = 30000;
  t.ms[kStateOther] = 60000;
  return t;
}

// Whether a session in `state`, last seen at `last_seen` (never taken as earlier than `floor`), has timed out.
inline bool timed_out(const Timeouts& t, uint8_t state, uint32_t last_seen, uint32_t floor, uint32_t now) {
  const uint32_t since_seen = now - last_seen;
  const uint32_t since_floor = now - floor;
  const uint32_t idle = since_seen < since_floor ? since_seen : since_floor;
  return idle < 0x80000000u && idle >= t.ms[state];
}

}  // namespace hls
}  // namespace phalanx

#endif
