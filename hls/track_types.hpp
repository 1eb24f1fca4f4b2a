// What tracking is told and what it answers.
#ifndef PHALANX_HLS_TRACK_TYPES_HPP
#define PHALANX_HLS_TRACK_TYPES_HPP

#include "hls/session.hpp"
#include "hls/track_reason.hpp"

namespace phalanx {
namespace hls {

// Session::synced counts units of 2^7 = 128 ms of engine time.
const uint32_t kSyncUnitShift = 7;

struct TrackConfig {
  bool tcp_pickup;           // a TCP session may begin with a packet in midstream
  bool reopen_by_responder;  // a SYN of the former responder may reopen an ended session without NAT, roles exchanged
  uint16_t refresh_units;    // a session that sees packets is logged at least this often, in units of 128 ms
};

// Refresh every 78 * 128 ms = 9.98 s. Reopening by the responder is off: the rule let the originator in, not the
// responder.
inline TrackConfig default_track_config() {
  const TrackConfig config = {false, false, 78};
  return config;
}

struct Track {
  bool pass;
  TrackReason reason;  // why not; kNone if it passes
  bool log;            // the session must enter the change log
};

inline Track track_refused(TrackReason reason) {
  const Track track = {false, reason, false};
  return track;
}
inline Track track_passed(bool log) {
  const Track track = {true, TrackReason::kNone, log};
  return track;
}

}  // namespace hls
}  // namespace phalanx

#endif
