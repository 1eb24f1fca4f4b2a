// Every case of TCP tracking at once: what tcp_track.hpp and tcp_handshake.hpp say case by case, as one body without
// branches, for hardware. All alternatives share one window check, one window update and one write-back, and every
// field is chosen at the end. tests/synthesis and property_hls hold the two against each other, bit for bit.
//
// Names: a segment goes from the sender to the receiver; the originator opened the session.
#ifndef PHALANX_HLS_TCP_STEP_HPP
#define PHALANX_HLS_TCP_STEP_HPP

#include "hls/counters.hpp"
#include "hls/tcp_window.hpp"
#include "hls/track_types.hpp"

namespace phalanx {
namespace hls {

inline uint32_t choose(bool yes, uint32_t x, uint32_t y) { return yes ? x : y; }
inline uint8_t choose8(bool yes, uint8_t x, uint8_t y) { return yes ? x : y; }
inline TcpSide choose_side(bool yes, const TcpSide& x, const TcpSide& y) {
  const TcpSide side = {choose(yes, x.end, y.end), choose(yes, x.max_end, y.max_end),
                        choose(yes, x.max_window, y.max_window), choose(yes, x.acked, y.acked)};
  return side;
}
inline bool is_before(uint32_t x, uint32_t y) { return serial_before(x, y) != 0; }
inline uint32_t larger(uint32_t x, uint32_t y) { return choose(x > y, x, y); }

// What TCP tracking reads and writes of a session, sides by who sends. `seen` and `scale` are the four bits that
// Session::tcp_flags and Session::scales have for each.
struct TcpView {
  TcpSide sender;
  TcpSide receiver;
  uint8_t sender_seen;
  uint8_t receiver_seen;
  uint8_t sender_scale;
  uint8_t receiver_scale;
  uint8_t state;
  uint8_t flags;
};

inline TcpView view_of(const Session& session, bool back) {
  const uint8_t seen0 = session.tcp_flags & 0x0f;
  const uint8_t seen1 = session.tcp_flags >> kSideBits;
  const uint8_t scale0 = session.scales >> 4;
  const uint8_t scale1 = session.scales & 0x0f;
  const TcpView view = {choose_side(back, session.side[1], session.side[0]),
                        choose_side(back, session.side[0], session.side[1]),
                        choose8(back, seen1, seen0),
                        choose8(back, seen0, seen1),
                        choose8(back, scale1, scale0),
                        choose8(back, scale0, scale1),
                        session.state,
                        session.flags};
  return view;
}

// Puts a view back; `back` as the session has its sides from now on.
inline void put_view(Session& session, const TcpView& view, bool back) {
  const uint8_t seen0 = choose8(back, view.receiver_seen, view.sender_seen);
  const uint8_t seen1 = choose8(back, view.sender_seen, view.receiver_seen);
  const uint8_t scale0 = choose8(back, view.receiver_scale, view.sender_scale);
  const uint8_t scale1 = choose8(back, view.sender_scale, view.receiver_scale);
  session.side[0] = choose_side(back, view.receiver, view.sender);
  session.side[1] = choose_side(back, view.sender, view.receiver);
  session.tcp_flags = static_cast<uint8_t>(seen1 << kSideBits | seen0);
  session.scales = static_cast<uint8_t>(scale0 << 4 | scale1);
  session.state = view.state;
  session.flags = view.flags;
}

// The segment and the session's state, as yes and no.
struct TcpFacts {
  bool back;  // goes from the responder to the originator
  bool syn;
  bool ack;
  bool fin;
  bool reset;
  bool plain;      // neither SYN nor RST
  bool anchoring;  // a side is to be re-anchored
  bool syn_sent;   // states
  bool both_sent;
  bool received;
  bool time_wait;
  bool closed;
  bool invalid;  // flags that RFC 9293 has no use for
};

// Sets facts, ranges and cases where they are: returned, a compiler would pack such structs of bits into words, and a
// bit that is known early would wait for the last one.
inline void find_facts(const TcpView& view, const PacketMeta& packet, bool back, TcpFacts& f) {
  f.back = back;
  f.syn = (packet.tcp_flags & kTcpSyn) != 0;
  f.ack = (packet.tcp_flags & kTcpAck) != 0;
  f.fin = (packet.tcp_flags & kTcpFin) != 0;
  f.reset = (packet.tcp_flags & kTcpRst) != 0;
  f.plain = (packet.tcp_flags & (kTcpSyn | kTcpRst)) == 0;
  f.anchoring = (view.flags & kReanchorMask) != 0;
  f.syn_sent = view.state == kStateTcpSynSent;
  f.both_sent = view.state == kStateTcpSynSentBoth;
  f.received = view.state == kStateTcpSynReceived;
  f.time_wait = view.state == kStateTcpTimeWait;
  f.closed = view.state == kStateTcpClosed;
  f.invalid = (f.syn & f.reset) | (f.fin & (f.syn | f.reset)) | (f.plain & !f.ack);
}

// Numbers that several cases use.
struct TcpNumbers {
  uint32_t seq;
  uint32_t after_syn;  // seq + 1
  uint32_t end;        // of the segment
  uint32_t ack;
  uint32_t window;   // scaled
  uint32_t allowed;  // what ack and window allow the receiver to send; a zero window lets one byte probe it
  uint32_t sender_widest;
  uint32_t receiver_widest;
};

// Whose window scale adopt_responder() assumes.
struct TcpAdoption {
  bool sender;
  bool receiver;
};

inline TcpAdoption adoption_of(const TcpView& v, bool may_adopt, bool back) {
  const bool scaled = may_adopt & ((choose8(back, v.receiver_seen, v.sender_seen) & kSideScale) != 0);
  const bool sender = scaled & back;
  const bool receiver = scaled & !back;
  const TcpAdoption adoption = {sender, receiver};
  return adoption;
}

// `x` scaled: by `scale` if both sides offered scaling, by the widest if that is assumed. Which it is, is known after
// the scale: so there is one shift, and the choice is last.
inline uint32_t scaled_window(uint32_t x, uint8_t scale, bool both, bool assumed) {
  const uint32_t shifted = x << scale;
  const uint32_t agreed = choose(both, shifted, x);
  return choose(assumed, x << kWindowScaleMax, agreed);
}

inline TcpNumbers numbers_of(const TcpView& view, const PacketMeta& packet, const TcpFacts& f,
                             const TcpAdoption& adoption) {
  const bool offered = (view.sender_seen & view.receiver_seen & kSideScale) != 0;
  const bool both = offered | adoption.sender | adoption.receiver;
  const uint32_t raw = packet.window;
  const uint32_t scaled = scaled_window(raw, view.sender_scale, both, adoption.sender);
  const uint32_t window = choose(f.syn, raw, scaled);
  const uint32_t at_least_one = window | (raw == 0 ? 1 : 0);
  const uint32_t length = packet.payload + ((f.syn | f.fin) ? 1 : 0);  // both: refused
  const TcpNumbers n = {packet.seq,
                        packet.seq + 1,
                        packet.seq + length,
                        packet.ack,
                        window,
                        packet.ack + at_least_one,
                        scaled_window(0xffffu, view.sender_scale, both, adoption.sender),
                        scaled_window(0xffffu, view.receiver_scale, both, adoption.receiver)};
  return n;
}

// What the four limits say.
struct TcpLimits {
  bool bad_sequence;
  bool bad_acknowledgement;
};

// serial_before(serial_max(x, y), z), known as soon as its three comparisons are.
inline bool max_is_before(uint32_t x, uint32_t y, uint32_t z) {
  const bool x_before = is_before(x, z);
  const bool y_before = is_before(y, z);
  return is_before(x, y) ? y_before : x_before;
}

// The four limits of check_window(), or those of check_anchoring() while a side is to be re-anchored, for what both
// windows start from: `v` before a SYN is acknowledged, which raises (`ack_back`) how far the receiver may send by what
// the segment itself allows, and (`acknowledges`) how large the sender's window was by what it has now. The scaled
// window is the last number to be known. So nothing is compared with a choice of it: limits are held against it and
// against what else they may be, side by side, and the answers are chosen.
inline TcpLimits step_check(const TcpView& v, const TcpNumbers& n, bool anchoring, bool acknowledges, bool ack_back) {
  const bool sender_fin = (v.sender_seen & kSideFin) != 0;
  const bool receiver_fin = (v.receiver_seen & kSideFin) != 0;
  const bool exact = (v.receiver_seen & (kSideSyn | kSideFin)) != 0;
  const uint32_t slack_end = n.end + kWindowSlack;
  const uint32_t slack_ack = n.ack + kWindowSlack;
  const uint32_t seq_high = choose(anchoring, v.sender.end + kAnchorSpan, v.sender.max_end);
  const bool old_by_window = is_before(slack_end, v.sender.end - v.receiver.max_window);
  const bool old_by_widest = is_before(slack_end, v.sender.end - n.receiver_widest);
  const bool old_sequence = anchoring ? old_by_widest : old_by_window;
  const bool beyond_fin = sender_fin & is_before(v.sender.end, n.end);
  const uint32_t anchor_highest = v.receiver.end + choose(receiver_fin, 0, kAnchorSpan);
  const bool above_anchor = is_before(anchor_highest, n.ack);
  const bool above_end = is_before(v.receiver.end, n.ack);
  const bool above_known = max_is_before(v.receiver.end, v.receiver.max_end, n.ack);
  const bool above_allowed = max_is_before(v.receiver.end, n.allowed, n.ack);
  const bool raised = ack_back & is_before(v.receiver.max_end, n.allowed);
  const bool above_highest = raised ? above_allowed : above_known;
  const bool above_window = exact ? above_end : above_highest;
  const bool old_by_known = is_before(slack_ack, v.sender.acked - v.sender.max_window);
  const bool old_by_new = is_before(slack_ack, v.sender.acked - n.window);
  const bool widened = acknowledges & (n.window > v.sender.max_window);
  const bool old_by_either = widened ? old_by_new : old_by_known;
  const bool old_by_anchor = is_before(slack_ack, v.receiver.end - n.sender_widest);
  const bool old_acknowledgement = anchoring ? old_by_anchor : old_by_either;
  const bool above = anchoring ? above_anchor : above_window;
  const bool bad_sequence = is_before(seq_high, n.seq) | old_sequence | beyond_fin;
  const bool bad_acknowledgement = above | old_acknowledgement;
  const TcpLimits limits = {bad_sequence, bad_acknowledgement};
  return limits;
}

// update_window(), or update_anchoring().
inline TcpView step_update(const TcpView& v, const TcpNumbers& n, bool anchoring, bool back) {
  const uint8_t bit = reanchor_bit(back ? 1 : 0);
  const bool anchors = anchoring & ((v.flags & bit) != 0);
  const TcpSegment segment = {n.seq, n.end, n.ack, n.window};
  const uint32_t anchored = serial_max(v.receiver.max_end, n.ack + anchored_window(segment, n.sender_widest));
  const uint32_t max_end = choose(anchors, anchored, v.receiver.max_end);
  TcpView next = v;
  next.sender.end = serial_max(v.sender.end, n.end);
  next.sender.acked = serial_max(v.sender.acked, n.ack);
  next.sender.max_window = larger(n.window, choose(anchoring, n.sender_widest, v.sender.max_window));
  next.receiver.end = serial_max(v.receiver.end, n.ack);
  next.receiver.max_end = serial_max(max_end, n.allowed);
  next.receiver.max_window = choose(anchoring, n.receiver_widest, v.receiver.max_window);
  next.flags = static_cast<uint8_t>(v.flags & ~choose8(anchors, bit, 0));
  next.sender_seen = static_cast<uint8_t>(v.sender_seen & ~choose8(anchors, kSideSyn, 0));
  return next;
}

// Whether an end has passed a multiple of 2^kLogStrideBits.
inline bool passed_stride(const TcpView& before, const TcpView& after) {
  return (((before.sender.end ^ after.sender.end) | (before.receiver.end ^ after.receiver.end)) >> kLogStrideBits) != 0;
}

}  // namespace hls
}  // namespace phalanx

#endif
