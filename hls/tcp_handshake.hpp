// How TCP sessions begin: SYN, SYN/ACK, simultaneous open, and reopening of a session that has ended.
#ifndef PHALANX_HLS_TCP_HANDSHAKE_HPP
#define PHALANX_HLS_TCP_HANDSHAKE_HPP

#include "hls/tcp_window.hpp"
#include "hls/track_types.hpp"

namespace phalanx {
namespace hls {

// What a handshake segment did: whether it passes, and whether it changed what a replica must know.
struct Handshake {
  TrackReason reason;
  bool changed;
};

inline Handshake handshake(TrackReason reason, bool changed) {
  const Handshake h = {reason, changed};
  return h;
}

// Makes `session` that of the originator's `syn`. Until the responder is heard, side[1].acked is the acknowledgement
// that the originator may be reset at: that of its SYN.
inline void open_with_syn(Session& session, const PacketMeta& syn) {
  const TcpSide unknown = {0, 0, 0, syn.seq + 1};
  const uint8_t kept = kOriginatorIsB | kNatSource | kNatDestination | kNatWide | kDirty;
  session.flags = session.flags & kept;
  session.scales = 0;
  session.tcp_flags = 0;
  session.side[1] = unknown;
  open_side(session, syn, 0);
  session.side[0].acked = 0;
  session.state = kStateTcpSynSent;
}

// Both SYNs are known, and side[1] has acknowledged side[0]'s: the windows that the two have given each other are in
// force.
inline void open_windows(Session& session, uint32_t ack, uint32_t window) {
  session.side[0].max_end = serial_max(session.side[0].max_end, ack + window + (window == 0 ? 1 : 0));
  session.side[1].max_end += session.side[0].max_window;
}

// A repeated SYN may advertise a larger window than the first, which perhaps never arrived.
inline void widen_side(TcpSide& side, const PacketMeta& syn) {
  side.max_window = syn.window > side.max_window ? syn.window : side.max_window;
}

// The responder's first SYN/ACK, or one with another ISN. side[0].acked becomes the responder's ISN: nothing
// acknowledged yet.
inline void accept_syn_ack(Session& session, const PacketMeta& packet) {
  open_side(session, packet, 1);
  session.side[1].acked = packet.ack;
  session.side[0].acked = packet.seq;
  open_windows(session, packet.ack, packet.window);
  session.state = kStateTcpSynReceived;
}

// A SYN while only the originator's is known.
inline Handshake syn_in_syn_sent(Session& session, const PacketMeta& packet, uint8_t direction) {
  const TcpSide& originator = session.side[0];
  const bool has_ack = (packet.tcp_flags & kTcpAck) != 0;
  if (direction == 0) {
    if (has_ack) return handshake(TrackReason::kTcpState, false);
    if (packet.seq + 1 == originator.max_end) {  // repeated, perhaps without its data (RFC 7413)
      session.side[0].end = serial_max(originator.end, packet.seq + 1 + packet.payload);
      widen_side(session.side[0], packet);
      return handshake(TrackReason::kNone, false);
    }
    if (serial_before(packet.seq, originator.end)) return handshake(TrackReason::kTcpSequence, false);
    open_with_syn(session, packet);  // the originator has started anew
    return handshake(TrackReason::kNone, true);
  }
  if (has_ack) {
    if (!serial_within(packet.ack, originator.max_end, originator.end)) {
      return handshake(TrackReason::kTcpAcknowledge, false);
    }
    accept_syn_ack(session, packet);
    return handshake(TrackReason::kNone, true);
  }
  open_side(session, packet, 1);
  session.side[1].acked = originator.max_end - 1;
  session.side[0].acked = packet.seq;
  session.state = kStateTcpSynSentBoth;
  return handshake(TrackReason::kNone, true);
}

// A SYN/ACK or ACK of a simultaneous open (RFC 9293, figure 8): each side's SYN must be acknowledged, in either order.
inline Handshake acknowledge_syn(Session& session, const TcpSegment& segment, uint8_t direction) {
  const TcpSide& receiver = session.side[direction ^ 1];
  if (!serial_within(segment.ack, receiver.max_end, receiver.end)) {
    return handshake(TrackReason::kTcpAcknowledge, false);
  }
  const bool other_done = !serial_before(session.side[0].acked, session.side[1].max_end);
  const bool repeated = session.side[direction].acked == segment.ack;
  session.side[direction].acked = segment.ack;
  if (segment.window > session.side[direction].max_window) session.side[direction].max_window = segment.window;
  if (direction == 0) return handshake(TrackReason::kNone, !repeated);
  open_windows(session, segment.ack, segment.window);
  session.state = other_done ? kStateTcpEstablished : kStateTcpSynReceived;
  return handshake(TrackReason::kNone, true);
}

inline Handshake syn_in_syn_sent_both(Session& session, const PacketMeta& packet, uint8_t direction) {
  if (packet.seq + 1 != session.side[direction].max_end) return handshake(TrackReason::kTcpSequence, false);
  if (!(packet.tcp_flags & kTcpAck)) {
    widen_side(session.side[direction], packet);
    return handshake(TrackReason::kNone, false);
  }
  return acknowledge_syn(session, segment_of(session, packet, direction), direction);
}

// A SYN once both are known: a repetition passes, and as long as the originator has not answered it, the responder may
// choose another ISN (SYN cookies do, RFC 4987).
inline Handshake syn_in_syn_received(Session& session, const PacketMeta& packet, uint8_t direction) {
  const TcpSide& sender = session.side[direction];
  const TcpSide& receiver = session.side[direction ^ 1];
  const uint32_t end = packet.seq + 1 + packet.payload;
  const bool repeated = serial_within(end, sender.end - kWindowSlack, sender.end);
  if (!(packet.tcp_flags & kTcpAck)) {
    if (!repeated) return handshake(TrackReason::kTcpState, false);
    TcpSide& other = session.side[direction ^ 1];
    widen_side(session.side[direction], packet);
    if (direction == 0) other.max_end = serial_max(other.max_end, sender.acked + 1 + packet.window);
    return handshake(TrackReason::kNone, false);
  }
  const TcpSegment segment = segment_of(session, packet, direction);
  if (direction == 0) {  // of a simultaneous open
    if (!repeated) return handshake(TrackReason::kTcpSequence, false);
    if (!serial_before(sender.acked, packet.ack) || serial_before(receiver.end, packet.ack)) {
      return handshake(TrackReason::kTcpAcknowledge, false);
    }
    update_window(session, segment, direction);
    session.state = kStateTcpEstablished;
    return handshake(TrackReason::kNone, true);
  }
  if (!serial_within(packet.ack, sender.acked, receiver.end)) return handshake(TrackReason::kTcpAcknowledge, false);
  if (repeated) {
    update_window(session, segment, direction);
    return handshake(TrackReason::kNone, false);
  }
  accept_syn_ack(session, packet);
  return handshake(TrackReason::kNone, true);
}

// A SYN in a synchronized state is refused, unless it is the very SYN/ACK whose acknowledgement got lost behind us.
inline Handshake syn_when_synchronized(Session& session, const PacketMeta& packet, uint8_t direction) {
  const bool is_last_sent = packet.seq + 1 + packet.payload == session.side[direction].end;
  const bool has_ack = (packet.tcp_flags & kTcpAck) != 0;
  if (!has_ack || !is_last_sent) return handshake(TrackReason::kTcpState, false);
  const TcpSegment segment = segment_of(session, packet, direction);
  const TrackReason reason = check_window(session, segment, direction);
  if (reason != TrackReason::kNone) return handshake(reason, false);
  return handshake(TrackReason::kNone, update_window(session, segment, direction));
}

// A SYN to a session that has ended opens it again in place: after TIME-WAIT with a higher sequence number (RFC 9293,
// section 3.6.1), after a reset with any. The former responder may, with roles exchanged, only if the configuration
// says so and there is no NAT, whose rewrite knows one originator.
inline Handshake syn_when_ended(Session& session, const PacketMeta& packet, uint8_t direction, bool by_responder) {
  const uint8_t nat = kNatSource | kNatDestination;
  if (packet.tcp_flags & kTcpAck) return handshake(TrackReason::kTcpState, false);
  if (direction == 1 && (!by_responder || (session.flags & nat))) return handshake(TrackReason::kTcpState, false);
  if (session.state == kStateTcpTimeWait && serial_before(packet.seq, session.side[direction].end)) {
    return handshake(TrackReason::kTcpSequence, false);
  }
  if (direction == 1) {
    const uint64_t traffic = session.traffic[0];
    const uint32_t packets = session.packets[0];
    session.flags = session.flags ^ kOriginatorIsB;
    session.traffic[0] = session.traffic[1];
    session.packets[0] = session.packets[1];
    session.traffic[1] = traffic;
    session.packets[1] = packets;
  }
  open_with_syn(session, packet);
  return handshake(TrackReason::kNone, true);
}

}  // namespace hls
}  // namespace phalanx

#endif
