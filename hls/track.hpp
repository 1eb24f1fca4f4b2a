// What a packet does to a session: the one entry for every protocol. docs/sessions.md has the tables.
#ifndef PHALANX_HLS_TRACK_HPP
#define PHALANX_HLS_TRACK_HPP

#include "hls/tcp_track.hpp"
#include "hls/track_types.hpp"

namespace phalanx {
namespace hls {

inline bool is_tcp_state(uint8_t state) { return state >= kStateTcpSynSent && state <= kStateTcpClosed; }

// Initialises `session` from its first packet, which is the originator's, and counts it. The caller has set key, rule,
// order, kOriginatorIsB and the NAT fields; everything else is set here. A refused packet leaves `session` as it was. A
// session that was opened is to be logged (`log` is set); `order` is left to the caller.
inline Track open_session(Session& session, const PacketMeta& first, uint32_t now_ms, const TrackConfig& config) {
  Session next = session;
  const TcpSide no_side = {0, 0, 0, 0};
  const uint8_t kept = kOriginatorIsB | kNatSource | kNatDestination | kNatWide | kDirty;
  next.flags = session.flags & kept;
  next.scales = 0;
  next.tcp_flags = 0;
  for (unsigned i = 0; i < 2; ++i) {
    next.side[i] = no_side;
    next.traffic[i] = 0;
    next.packets[i] = 0;
  }
  switch (first.kind) {
    case kPacketTcp: {
      const TrackReason reason = open_tcp(next, first, config);
      if (reason != TrackReason::kNone) return track_refused(reason);
      break;
    }
    case kPacketUdp:
      next.state = kStateUdpNew;
      break;
    case kPacketEchoRequest:
      next.state = kStateIcmp;
      break;
    case kPacketOther:
      next.state = kStateOther;
      break;
    default:  // a reply that nobody asked for, an error about nothing
      return track_refused(TrackReason::kIcmpState);
  }
  next.last_seen = now_ms;
  next.synced = static_cast<uint16_t>(now_ms >> kSyncUnitShift);
  count_packets(next, 0, first.segments, first.bytes);
  session = next;
  return track_passed(true);
}

// An ICMP error about one of the session's packets: passes if that packet can have been sent (for TCP: its sequence
// number was, RFC 5927 section 4.1). Changes nothing, keeps nothing alive, is counted nowhere.
inline Track track_icmp_error(const Session& session, const PacketMeta& packet, uint8_t direction) {
  if (!is_tcp_state(session.state)) return track_passed(false);
  const uint8_t quoted = direction ^ 1;  // the error goes to the quoted packet's sender
  const TcpSide& sender = session.side[quoted];
  const TcpSide& receiver = session.side[direction];
  const bool anchoring = (session.flags & kReanchorMask) != 0;
  const uint32_t ahead = anchoring ? kAnchorSpan : 0;
  const uint32_t window = anchoring ? widest_window(session, direction) : receiver.max_window;
  const bool sent =
      sender.max_window != 0 && serial_within(packet.seq, sender.end - window - kWindowSlack, sender.end + ahead);
  return sent ? track_passed(false) : track_refused(TrackReason::kTcpSequence);
}

// A datagram: one way only, or a stream once the responder has answered.
inline Track track_udp(Session& session, const PacketMeta& packet, uint8_t direction, uint32_t now_ms,
                       const TrackConfig& config) {
  const bool answered = direction == 1 && session.state == kStateUdpNew;
  session.state = answered ? kStateUdpStream : session.state;
  session.last_seen = now_ms;
  return pass_and_count(session, packet, direction, answered, now_ms, config);
}

// Requests come from the originator, replies from the responder.
inline Track track_echo(Session& session, const PacketMeta& packet, uint8_t direction, uint32_t now_ms,
                        const TrackConfig& config) {
  const uint8_t expected = direction ? kPacketEchoReply : kPacketEchoRequest;
  if (packet.kind != expected) return track_refused(TrackReason::kIcmpState);
  session.last_seen = now_ms;
  return pass_and_count(session, packet, direction, false, now_ms, config);
}

// Before track_packet(): a session that was last seen before this member took over at `taken_over_ms` may have been
// decided by another member meanwhile, also one that this member itself had decided earlier and holds no replica of;
// its windows may lag as a replica's do, so both sides are to be re-anchored.
inline void reanchor_if_older(Session& session, uint32_t taken_over_ms) {
  if (!serial_before(session.last_seen, taken_over_ms) || !is_tcp_state(session.state)) return;
  session.flags |= kReanchorMask;
}

// Applies `packet`, which match_direction() has found to be the session's and to go in `direction`. A refused packet
// leaves `session` as it was. With `log` set, order and synced are new and the session must enter the change log.
inline Track track_packet(Session& session, const PacketMeta& packet, uint8_t direction, uint32_t now_ms,
                          const TrackConfig& config) {
  if (packet.kind == kPacketIcmpError) return track_icmp_error(session, packet, direction);
  if (is_tcp_state(session.state)) {
    if (packet.kind != kPacketTcp) return track_refused(TrackReason::kTcpState);
    return track_tcp(session, packet, direction, now_ms, config);
  }
  switch (session.state) {
    case kStateUdpNew:
    case kStateUdpStream:
      return track_udp(session, packet, direction, now_ms, config);
    case kStateIcmp:
      return track_echo(session, packet, direction, now_ms, config);
    case kStateOther:
      session.last_seen = now_ms;
      return pass_and_count(session, packet, direction, false, now_ms, config);
    default:  // free or deleted: the caller must not have found it
      return track_refused(TrackReason::kTcpState);
  }
}

}  // namespace hls
}  // namespace phalanx

#endif
