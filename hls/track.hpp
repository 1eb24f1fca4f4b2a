// What a packet does to a session: the one entry for every protocol. docs/sessions.md has the tables.
#ifndef PHALANX_HLS_TRACK_HPP
#define PHALANX_HLS_TRACK_HPP

#include "hls/track_types.hpp"

namespace phalanx {
namespace hls {

// Initialises `session` from its first packet, which is the originator's, and counts it. The caller has set key, rule,
// order, kOriginatorIsB and the NAT fields; everything else is set here. A refused packet leaves `session` as it was. A
// session that was opened is to be logged (`log` is set); `order` is left to the caller.
inline Track open_session(Session& session, const PacketMeta& first, uint32_t now_ms, const TrackConfig& config);

// Applies `packet`, which match_direction() has found to be the session's and to go in `direction`. A refused packet
// leaves `session` as it was. With `log` set, order and synced are new and the session must enter the change log.
inline Track track_packet(Session& session, const PacketMeta& packet, uint8_t direction, uint32_t now_ms,
                          const TrackConfig& config);

}  // namespace hls
}  // namespace phalanx

#endif
