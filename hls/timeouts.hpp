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

// For how long nothing has been seen; `floor`: nothing counts as seen before.
inline uint32_t idle_ms(uint32_t last_seen, uint32_t floor, uint32_t now) {
  const uint32_t since_seen = now - last_seen;
  const uint32_t since_floor = now - floor;
  return since_seen < since_floor ? since_seen : since_floor;
}

// Whether a session in `state`, last seen at `last_seen` (never taken as earlier than `floor`), has timed out.
inline bool timed_out(const Timeouts& t, uint8_t state, uint32_t last_seen, uint32_t floor, uint32_t now) {
  const uint32_t idle = idle_ms(last_seen, floor, now);
  return idle < 0x80000000u && idle >= t.ms[state];
}

inline uint32_t choose_timeout(uint32_t index, uint32_t ms0, uint32_t ms1, uint32_t ms2, uint32_t ms3) {
  const bool odd = (index & 1) != 0;
  const uint32_t low = odd ? ms1 : ms0;
  const uint32_t high = odd ? ms3 : ms2;
  return (index & 2) != 0 ? high : low;
}

// The timeout of `state` < kStates by one choice for each bit of it, so that nothing is indexed.
inline uint32_t timeout_at_once(const Timeouts& t, uint8_t state) {
  static_assert(kStates == 15, "four choices");
  const uint32_t from0 = choose_timeout(state, t.ms[0], t.ms[1], t.ms[2], t.ms[3]);
  const uint32_t from4 = choose_timeout(state, t.ms[4], t.ms[5], t.ms[6], t.ms[7]);
  const uint32_t from8 = choose_timeout(state, t.ms[8], t.ms[9], t.ms[10], t.ms[11]);
  const uint32_t from12 = choose_timeout(state, t.ms[12], t.ms[13], t.ms[14], 0);
  return choose_timeout(static_cast<uint32_t>(state) >> 2, from0, from4, from8, from12);
}

// timed_out(), for hardware.
inline bool timed_out_at_once(const Timeouts& t, uint8_t state, uint32_t last_seen, uint32_t floor, uint32_t now) {
  const uint32_t idle = idle_ms(last_seen, floor, now);
  return (idle >> 31 == 0) & (idle >= timeout_at_once(t, state));
}

}  // namespace hls
}  // namespace phalanx

#endif
