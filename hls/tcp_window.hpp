// TCP windows as a gateway between the two ends sees them (Guido van Rooij, "Real Stateful TCP Packet Filtering"), and
// how a member that has taken a session over finds its place in them. Pure functions; docs/sessions.md derives the
// limits.
#ifndef PHALANX_HLS_TCP_WINDOW_HPP
#define PHALANX_HLS_TCP_WINDOW_HPP

#include "hls/serial.hpp"
#include "hls/session.hpp"
#include "hls/track_reason.hpp"

namespace phalanx {
namespace hls {

// How far behind its window a segment or acknowledgement may lie: reordering, and one GSO frame (65535 bytes of
// payload) that a sender let overshoot the window. Old data does no harm: its receiver answers it and drops it.
const uint32_t kWindowSlack = 66000;
// How far ahead of a replica's `end` the first packets after a takeover may be: 2^28 between two log entries, and as
// much again for delta sync in flight and what was sent but never tracked.
const uint32_t kAnchorSpan = 1u << 29;
// What an anchored side can have allowed at most: RFC 7323's largest window, 2^30, less two GSO frames and
// kWindowSlack, so that a limit above and one below stay within 2^31 of each other.
const uint32_t kAnchorWindowMax = (1u << 30) - (1u << 18);
// A session is logged whenever a side's `end` passes a multiple of 2^28.
const unsigned kLogStrideBits = 28;

const uint8_t kReanchorMask = kReanchorOriginator | kReanchorResponder;
const uint8_t kSideBits = 4;         // Session::tcp_flags has four bits a side
const uint8_t kWindowScaleMax = 14;  // RFC 7323, section 2.3

// A kSide... bit of the side that sends in `direction`, at its place in Session::tcp_flags.
inline uint8_t side_bit(uint8_t bit, uint8_t direction) { return static_cast<uint8_t>(bit << (direction * kSideBits)); }
inline uint8_t reanchor_bit(uint8_t direction) { return direction ? kReanchorResponder : kReanchorOriginator; }

// By how much the windows of the side that sends in `direction` are shifted: RFC 7323 wants the offer of both.
inline uint8_t window_shift(const Session& session, uint8_t direction) {
  const uint8_t offered = kSideScale | kSideScale << kSideBits;
  const uint8_t shift = direction ? session.scales & 0x0f : session.scales >> 4;
  return (session.tcp_flags & offered) == offered ? shift : 0;
}

// The largest window that side can advertise.
inline uint32_t widest_window(const Session& session, uint8_t direction) {
  return 0xffffu << window_shift(session, direction);
}

struct TcpSegment {
  uint32_t seq;
  uint32_t end;  // seq + payload + SYN + FIN
  uint32_t ack;
  uint32_t window;  // scaled
};

inline TcpSegment segment_of(const Session& session, const PacketMeta& packet, uint8_t direction) {
  const uint32_t syn = (packet.tcp_flags & kTcpSyn) ? 1 : 0;
  const uint32_t fin = packet.tcp_flags & kTcpFin;
  const uint32_t shift = syn ? 0 : window_shift(session, direction);
  const TcpSegment segment = {packet.seq, packet.seq + packet.payload + syn + fin, packet.ack,
                              static_cast<uint32_t>(packet.window) << shift};
  return segment;
}

// The highest acknowledgement of what the side `receiver` (which sends against `direction`) has sent. Where its SYN or
// FIN was seen that is `end`; after a takeover or pickup `end` may lag, and the bound is what its peer has allowed it.
inline uint32_t highest_ack(const Session& session, uint8_t direction) {
  const TcpSide& receiver = session.side[direction ^ 1];
  const bool exact = (session.tcp_flags & side_bit(kSideSyn | kSideFin, direction ^ 1)) != 0;
  return exact ? receiver.end : serial_max(receiver.end, receiver.max_end);
}

inline TrackReason window_reason(uint32_t bad_sequence, uint32_t bad_acknowledgement) {
  return bad_sequence          ? TrackReason::kTcpSequence
         : bad_acknowledgement ? TrackReason::kTcpAcknowledge
                               : TrackReason::kNone;
}

// Whether a side that has sent FIN sends beyond it.
inline uint32_t beyond_fin(const Session& session, const TcpSegment& segment, uint8_t direction) {
  const bool fin = (session.tcp_flags & side_bit(kSideFin, direction)) != 0;
  return (fin ? 1 : 0) & serial_before(session.side[direction].end, segment.end);
}

// The four limits. Above: a segment starts within what the receiver has allowed, and acknowledges what was sent. Below:
// neither is older than a window (RFC 5961, section 5.2) and kWindowSlack.
inline TrackReason check_window(const Session& session, const TcpSegment& segment, uint8_t direction) {
  const TcpSide& sender = session.side[direction];
  const TcpSide& receiver = session.side[direction ^ 1];
  const uint32_t bad_sequence = serial_before(sender.max_end, segment.seq) |
                                serial_before(segment.end, sender.end - receiver.max_window - kWindowSlack) |
                                beyond_fin(session, segment, direction);
  const uint32_t bad_acknowledgement = serial_before(highest_ack(session, direction), segment.ack) |
                                       serial_before(segment.ack, sender.acked - sender.max_window - kWindowSlack);
  return window_reason(bad_sequence, bad_acknowledgement);
}

// Takes an accepted segment into both windows. Gives whether an end has passed a multiple of 2^kLogStrideBits.
inline bool update_window(Session& session, const TcpSegment& segment, uint8_t direction) {
  TcpSide& sender = session.side[direction];
  TcpSide& receiver = session.side[direction ^ 1];
  const uint32_t end = serial_max(sender.end, segment.end);
  const uint32_t other_end = serial_max(receiver.end, segment.ack);  // ahead of `end` only where that lags
  const uint32_t passed = ((sender.end ^ end) | (receiver.end ^ other_end)) >> kLogStrideBits;
  // A zero window still lets one byte probe it (RFC 9293, section 3.8.6.1).
  const uint32_t allowed = segment.ack + segment.window + (segment.window == 0 ? 1 : 0);
  sender.end = end;
  receiver.end = other_end;
  sender.acked = serial_max(sender.acked, segment.ack);
  sender.max_window = segment.window > sender.max_window ? segment.window : sender.max_window;
  receiver.max_end = serial_max(receiver.max_end, allowed);
  return passed != 0;
}

// check_window() while a side is still to be re-anchored: `end` may lag by kAnchorSpan, windows may have grown since.
inline TrackReason check_anchoring(const Session& session, const TcpSegment& segment, uint8_t direction) {
  const TcpSide& sender = session.side[direction];
  const TcpSide& receiver = session.side[direction ^ 1];
  const uint32_t behind = widest_window(session, direction ^ 1) + kWindowSlack;
  const uint32_t ack_behind = widest_window(session, direction) + kWindowSlack;
  const bool receiver_fin = (session.tcp_flags & side_bit(kSideFin, direction ^ 1)) != 0;
  const uint32_t ack_ahead = receiver.end + (receiver_fin ? 0 : kAnchorSpan);
  const uint32_t bad_sequence = serial_before(sender.end + kAnchorSpan, segment.seq) |
                                serial_before(segment.end, sender.end - behind) |
                                beyond_fin(session, segment, direction);
  const uint32_t bad_acknowledgement =
      serial_before(ack_ahead, segment.ack) | serial_before(segment.ack, receiver.end - ack_behind);
  return window_reason(bad_sequence, bad_acknowledgement);
}

// How far beyond its acknowledgement a side that is anchored by `segment` may have allowed its peer to send: one window
// more than the segment says, in case a later one was tracked by the member before.
inline uint32_t anchored_window(const TcpSegment& segment, uint32_t widest) {
  const uint32_t allowed = segment.window + widest + 1;
  return allowed < kAnchorWindowMax ? allowed : kAnchorWindowMax;
}

// update_window() while a side is still to be re-anchored; the sender is afterwards.
inline bool update_anchoring(Session& session, const TcpSegment& segment, uint8_t direction) {
  const uint8_t bit = reanchor_bit(direction);
  const uint32_t widest = widest_window(session, direction);
  session.side[0].max_window = widest_window(session, 0);
  session.side[1].max_window = widest_window(session, 1);
  if (session.flags & bit) {
    TcpSide& receiver = session.side[direction ^ 1];
    receiver.max_end = serial_max(receiver.max_end, segment.ack + anchored_window(segment, widest));
    session.flags = static_cast<uint8_t>(session.flags & ~bit);
    session.tcp_flags = static_cast<uint8_t>(session.tcp_flags & ~side_bit(kSideSyn, direction));
  }
  return update_window(session, segment, direction);
}

// Sets the side that sends in `direction` from its SYN: max_end is the SYN's own until the other side's window is
// known.
inline void open_side(Session& session, const PacketMeta& syn, uint8_t direction) {
  TcpSide& side = session.side[direction];
  const bool scaled = syn.window_scale != kNoWindowScale;
  const uint8_t scale = !scaled ? 0 : syn.window_scale > kWindowScaleMax ? kWindowScaleMax : syn.window_scale;
  const unsigned scale_at = direction ? 0 : 4;
  side.end = syn.seq + 1 + syn.payload;
  side.max_end = syn.seq + 1;
  side.max_window = syn.window ? syn.window : 1;
  session.scales = static_cast<uint8_t>((session.scales & (0xf0 >> scale_at)) | scale << scale_at);
  const uint8_t seen = static_cast<uint8_t>(kSideSyn | (scaled ? kSideScale : 0));
  session.tcp_flags =
      static_cast<uint8_t>((session.tcp_flags & ~side_bit(0x0f, direction)) | side_bit(seen, direction));
}

}  // namespace hls
}  // namespace phalanx

#endif
