// What a TCP segment does to its session: states and windows.
#ifndef PHALANX_HLS_TCP_TRACK_HPP
#define PHALANX_HLS_TCP_TRACK_HPP

#include "hls/counters.hpp"
#include "hls/tcp_handshake.hpp"
#include "hls/tcp_window.hpp"
#include "hls/track_types.hpp"

namespace phalanx {
namespace hls {

const uint8_t kBothFin = kSideFin | kSideFin << kSideBits;
const uint8_t kBothFinAcked = kSideFinAcked | kSideFinAcked << kSideBits;

// SYN, SYN/ACK, RST, RST/ACK, ACK and FIN/ACK are what RFC 9293 has a use for; PSH, URG and ECN bits go with any.
inline bool valid_tcp_flags(uint8_t flags) {
  const bool fin = (flags & kTcpFin) != 0;
  const bool syn = (flags & kTcpSyn) != 0;
  const bool rst = (flags & kTcpRst) != 0;
  const bool ack = (flags & kTcpAck) != 0;
  return !(syn & rst) & !(fin & (syn | rst)) & (syn | rst | ack);
}

// The synchronized state by what has been seen of both FINs.
inline uint8_t state_by_fins(uint8_t tcp_flags) {
  if ((tcp_flags & kBothFin) == kBothFin) {
    return (tcp_flags & kBothFinAcked) == kBothFinAcked ? kStateTcpTimeWait : kStateTcpClosing;
  }
  if (tcp_flags & kSideFin) return kStateTcpFinWait;
  return (tcp_flags & kBothFin) ? kStateTcpCloseWait : kStateTcpEstablished;
}

// Ends every packet that passes: it is counted, and logged if a replica must know of it or has not heard for long.
inline Track pass_and_count(Session& session, const PacketMeta& packet, uint8_t direction, bool changed,
                            uint32_t now_ms, const TrackConfig& config) {
  count_packets(session, direction, packet.segments, packet.bytes);
  const uint16_t now_units = static_cast<uint16_t>(now_ms >> kSyncUnitShift);
  const bool due = static_cast<uint16_t>(now_units - session.synced) >= config.refresh_units;
  const bool log = changed | due;
  session.order = log ? next_version(session.order) : session.order;
  session.synced = log ? now_units : session.synced;
  return track_passed(log);
}

// The FINs of a segment that the windows have accepted, and the state that follows from them.
inline void advance_state(Session& session, const PacketMeta& packet, const TcpSegment& segment, uint8_t direction) {
  if (packet.tcp_flags & kTcpFin) {
    session.tcp_flags = static_cast<uint8_t>(session.tcp_flags | side_bit(kSideFin, direction));
  }
  if (!(session.tcp_flags & kBothFin)) return;
  const uint8_t other = direction ^ 1;
  const bool acked = (session.tcp_flags & side_bit(kSideFin, other)) && segment.ack == session.side[other].end;
  if (acked) session.tcp_flags = static_cast<uint8_t>(session.tcp_flags | side_bit(kSideFinAcked, other));
  if (session.state != kStateTcpTimeWait) session.state = state_by_fins(session.tcp_flags);
}

// A segment without SYN or RST of a session that is synchronized and anchored: the usual case.
inline Track track_synchronized(Session& session, const PacketMeta& packet, uint8_t direction, uint32_t now_ms,
                                const TrackConfig& config) {
  const TcpSegment segment = segment_of(session, packet, direction);
  const TrackReason reason = check_window(session, segment, direction);
  if (reason != TrackReason::kNone) return track_refused(reason);
  const uint8_t state = session.state;
  const bool passed = update_window(session, segment, direction);
  advance_state(session, packet, segment, direction);
  session.last_seen = now_ms;
  return pass_and_count(session, packet, direction, passed | (session.state != state), now_ms, config);
}

// A replica that knows the originator's SYN only, and a segment of the established connection that it missed: the
// responder is taken from the segment. Its window scale is unknown, so the widest that may be in force is assumed.
inline void adopt_responder(Session& session, const PacketMeta& packet, uint8_t direction) {
  const uint32_t end = direction ? packet.seq : packet.ack;
  const uint32_t acked = direction ? packet.ack : packet.seq;
  const TcpSide responder = {end, end, 1, acked};
  session.side[1] = responder;
  session.side[0].acked = end;
  if (session.tcp_flags & kSideScale) {
    session.tcp_flags = static_cast<uint8_t>(session.tcp_flags | kSideScale << kSideBits);
    session.scales = static_cast<uint8_t>((session.scales & 0xf0) | kWindowScaleMax);
    session.flags = static_cast<uint8_t>(session.flags | kPickedUp);
  }
  session.state = kStateTcpEstablished;
}

// A segment without SYN or RST while only the originator's SYN is known. A bare ACK of the responder is an old
// connection's challenge (RFC 9293, section 3.5.1): the originator may answer it with a RST at that acknowledgement.
inline Handshake segment_in_syn_sent(Session& session, const PacketMeta& packet, uint8_t direction, bool anchoring) {
  const TcpSide& originator = session.side[0];
  const uint32_t number = direction ? packet.ack : packet.seq;
  const uint32_t low = originator.max_end - (direction ? 0 : 1);  // a keepalive is one behind
  if (anchoring && serial_within(number, low, originator.end + kAnchorSpan)) {
    adopt_responder(session, packet, direction);
    return handshake(TrackReason::kNone, true);
  }
  if (direction == 0 || packet.payload != 0 || (packet.tcp_flags & kTcpFin)) {
    return handshake(TrackReason::kTcpState, false);
  }
  session.side[1].acked = packet.ack;
  return handshake(TrackReason::kNone, false);
}

// What must hold in its state before a segment without SYN or RST is held against the windows.
inline Handshake segment_by_state(Session& session, const PacketMeta& packet, uint8_t direction, bool anchoring) {
  switch (session.state) {
    case kStateTcpSynSent:
      return segment_in_syn_sent(session, packet, direction, anchoring);
    case kStateTcpSynSentBoth:
      if (!anchoring) return acknowledge_syn(session, segment_of(session, packet, direction), direction);
      session.state = kStateTcpEstablished;
      return handshake(TrackReason::kNone, true);
    case kStateTcpSynReceived: {
      const bool answers_syn = serial_before(session.side[0].acked, packet.ack) != 0;
      if (direction == 1) return handshake(TrackReason::kNone, false);
      if (!anchoring && !answers_syn) return handshake(TrackReason::kTcpAcknowledge, false);
      session.state = kStateTcpEstablished;
      return handshake(TrackReason::kNone, true);
    }
    case kStateTcpClosed: {
      const bool unheard = session.side[1].max_window == 0;
      return handshake(unheard ? TrackReason::kTcpState : TrackReason::kNone, false);
    }
    default:
      return handshake(TrackReason::kNone, false);
  }
}

// A segment without SYN or RST in any other case: during the handshake, after a reset, or while a side is to be
// re-anchored. Works on a copy, since a refused segment must change nothing.
inline Track track_unsteady(Session& session, const PacketMeta& packet, uint8_t direction, uint32_t now_ms,
                            const TrackConfig& config) {
  Session next = session;
  const bool anchoring = (session.flags & kReanchorMask) != 0;
  const Handshake by_state = segment_by_state(next, packet, direction, anchoring);
  if (by_state.reason != TrackReason::kNone) return track_refused(by_state.reason);
  bool changed = by_state.changed;
  const bool half_open = next.state == kStateTcpSynSent || next.state == kStateTcpSynSentBoth;
  if (!half_open) {
    const TcpSegment segment = segment_of(next, packet, direction);
    const TrackReason reason =
        anchoring ? check_anchoring(next, segment, direction) : check_window(next, segment, direction);
    if (reason != TrackReason::kNone) return track_refused(reason);
    const bool passed =
        anchoring ? update_anchoring(next, segment, direction) : update_window(next, segment, direction);
    if (next.state != kStateTcpClosed) advance_state(next, packet, segment, direction);
    changed = changed | passed | (next.state != session.state);
  }
  // A challenge and what follows a reset keep no session alive.
  const bool alive = next.state != kStateTcpSynSent && next.state != kStateTcpClosed;
  next.last_seen = alive ? now_ms : session.last_seen;
  session = next;
  return pass_and_count(session, packet, direction, changed, now_ms, config);
}

// RST must be exactly where its receiver expects the next segment (RFC 5961, section 3.2), as far as seen from here: at
// what the receiver last acknowledged, or at the end of what was sent. From a side not heard yet, it must acknowledge
// the SYN.
inline Track track_reset(Session& session, const PacketMeta& packet, uint8_t direction, uint32_t now_ms,
                         const TrackConfig& config) {
  const TcpSide& sender = session.side[direction];
  const TcpSide& receiver = session.side[direction ^ 1];
  const bool answers_syn =
      (packet.tcp_flags & kTcpAck) != 0 && serial_within(packet.ack, receiver.max_end, receiver.end);
  const bool exact = packet.seq == receiver.acked || packet.seq == sender.end;
  const bool valid = sender.max_window == 0 ? answers_syn : exact;
  if (!valid) return track_refused(TrackReason::kTcpReset);
  // TIME-WAIT is not cut short (RFC 1337), and a reset does not keep a session alive.
  const bool closes = session.state != kStateTcpTimeWait && session.state != kStateTcpClosed;
  session.state = closes ? kStateTcpClosed : session.state;
  session.last_seen = closes ? now_ms : session.last_seen;
  return pass_and_count(session, packet, direction, closes, now_ms, config);
}

inline Handshake syn_by_state(Session& session, const PacketMeta& packet, uint8_t direction,
                              const TrackConfig& config) {
  switch (session.state) {
    case kStateTcpSynSent:
      return syn_in_syn_sent(session, packet, direction);
    case kStateTcpSynSentBoth:
      return syn_in_syn_sent_both(session, packet, direction);
    case kStateTcpSynReceived:
      return syn_in_syn_received(session, packet, direction);
    case kStateTcpTimeWait:
    case kStateTcpClosed:
      return syn_when_ended(session, packet, direction, config.reopen_by_responder);
    default:
      return syn_when_synchronized(session, packet, direction);
  }
}

inline Track track_syn(Session& session, const PacketMeta& packet, uint8_t direction, uint32_t now_ms,
                       const TrackConfig& config) {
  const uint8_t originator_before = session.flags & kOriginatorIsB;
  const Handshake h = syn_by_state(session, packet, direction, config);
  if (h.reason != TrackReason::kNone) return track_refused(h.reason);
  const uint8_t exchanged = originator_before ^ (session.flags & kOriginatorIsB);
  session.last_seen = now_ms;
  return pass_and_count(session, packet, direction ^ exchanged, h.changed, now_ms, config);
}

// Applies a segment that goes in `direction` to a session in one of the TCP states.
inline Track track_tcp(Session& session, const PacketMeta& packet, uint8_t direction, uint32_t now_ms,
                       const TrackConfig& config) {
  const bool plain = (packet.tcp_flags & (kTcpSyn | kTcpRst | kTcpAck)) == kTcpAck;
  const bool synchronized = session.state >= kStateTcpEstablished && session.state <= kStateTcpTimeWait;
  if (plain & synchronized & !(session.flags & kReanchorMask)) {
    return track_synchronized(session, packet, direction, now_ms, config);
  }
  if (!valid_tcp_flags(packet.tcp_flags)) return track_refused(TrackReason::kTcpFlags);
  if (packet.tcp_flags & kTcpRst) return track_reset(session, packet, direction, now_ms, config);
  if (packet.tcp_flags & kTcpSyn) return track_syn(session, packet, direction, now_ms, config);
  return track_unsteady(session, packet, direction, now_ms, config);
}

// Takes up a connection in midstream from a segment of its originator. No window scale is known: the widest is assumed.
// The responder is anchored by its first segment, which must fit what this one acknowledges.
inline void pick_up(Session& session, const PacketMeta& first) {
  const uint8_t kept = kOriginatorIsB | kNatSource | kNatDestination | kNatWide | kDirty;
  session.flags = static_cast<uint8_t>((session.flags & kept) | kPickedUp | kReanchorResponder);
  session.scales = kWindowScaleMax << 4 | kWindowScaleMax;
  session.tcp_flags = kSideScale | kSideScale << kSideBits;
  session.state = kStateTcpEstablished;
  const TcpSegment segment = segment_of(session, first, 0);
  const uint32_t widest = widest_window(session, 0);
  const TcpSide originator = {segment.end, segment.end, widest, segment.ack};
  const TcpSide responder = {segment.ack, segment.ack + anchored_window(segment, widest), widest, segment.seq};
  session.side[0] = originator;
  session.side[1] = responder;
  advance_state(session, first, segment, 0);
}

// Opens a session with a TCP segment; see open_session().
inline TrackReason open_tcp(Session& session, const PacketMeta& first, const TrackConfig& config) {
  const uint8_t kinds = kTcpSyn | kTcpAck | kTcpRst;
  if (!valid_tcp_flags(first.tcp_flags)) return TrackReason::kTcpFlags;
  if ((first.tcp_flags & kinds) == kTcpSyn) {
    open_with_syn(session, first);
    return TrackReason::kNone;
  }
  if (!config.tcp_pickup || (first.tcp_flags & kinds) != kTcpAck) return TrackReason::kTcpNotSyn;
  pick_up(session, first);
  return TrackReason::kNone;
}

}  // namespace hls
}  // namespace phalanx

#endif
