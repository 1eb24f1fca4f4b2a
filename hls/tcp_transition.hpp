// The cases of TCP tracking, side by side (see tcp_step.hpp): which of them a segment is, why it is refused, and what
// each field becomes.
#ifndef PHALANX_HLS_TCP_TRANSITION_HPP
#define PHALANX_HLS_TCP_TRANSITION_HPP

#include "hls/tcp_step.hpp"
#include "hls/tcp_track.hpp"

namespace phalanx {
namespace hls {

// Which case a segment is. What is neither refused nor any of these changes no side.
struct TcpCase {
  bool adopts;        // adopt_responder()
  bool challenges;    // a bare ACK to a SYN: segment_in_syn_sent()
  bool acknowledges;  // acknowledge_syn()
  bool opens;         // open_with_syn()
  bool accepts;       // accept_syn_ack()
  bool crosses;       // the other SYN of a simultaneous open
  bool repeats;       // the originator's SYN again
  bool widens;        // a SYN again, once both are known
  bool completes;     // the originator's SYN/ACK that ends a simultaneous open
  bool windowed;      // is held against the windows
  bool updates;       // is taken into the windows
  bool refused;       // `reason` is another than kNone; known before it
  TrackReason reason;
};

// Range checks of the handshake.
struct TcpRanges {
  bool acks_receiver;    // acknowledges the receiver's SYN, perhaps with its data
  bool acks_new;         // more than the sender has acknowledged
  bool acks_unsent;      // what the receiver has not sent
  bool acks_since;       // from what the sender has acknowledged to what the receiver has sent
  bool is_sender_syn;    // starts where the sender's SYN did
  bool before_end;       // starts before the sender's end
  bool is_last;          // ends where the sender's last segment did
  bool repeated;         // ends there, or less than kWindowSlack before
  bool fits_originator;  // a replica that knows the originator's SYN only may take the responder from it
};

inline void find_ranges(const TcpView& v, const TcpNumbers& n, bool back, TcpRanges& r) {
  r.acks_receiver = serial_within(n.ack, v.receiver.max_end, v.receiver.end);
  r.acks_new = is_before(v.sender.acked, n.ack);
  r.acks_unsent = is_before(v.receiver.end, n.ack);
  r.acks_since = serial_within(n.ack, v.sender.acked, v.receiver.end);
  r.is_sender_syn = n.after_syn == v.sender.max_end;
  r.before_end = is_before(n.seq, v.sender.end);
  r.is_last = n.end == v.sender.end;
  r.repeated = n.end + kWindowSlack - v.sender.end <= kWindowSlack;
  // A keepalive of the originator is one behind.
  const uint32_t number = choose(back, n.ack, n.after_syn);
  const uint32_t low = choose(back, v.receiver.max_end, v.sender.max_end);
  const uint32_t end = choose(back, v.receiver.end, v.sender.end);
  r.fits_originator = number - low <= end + choose(back, kAnchorSpan, kAnchorSpan + 1) - low;
}

// A segment without SYN or RST.
inline void plain_case(TcpCase& c, const TcpView& v, const TcpFacts& f, const TcpRanges& r, const PacketMeta& packet,
                       bool& bad_state, bool& bad_acknowledgement) {
  const bool unheard = choose(f.back, v.sender.max_window, v.receiver.max_window) == 0;
  const bool half_ack = f.both_sent & !f.anchoring;
  const bool bare = f.back & (packet.payload == 0) & !f.fin;
  c.adopts = f.plain & f.syn_sent & f.anchoring & r.fits_originator;
  c.challenges = f.plain & f.syn_sent & !c.adopts & bare;
  bad_state = f.plain & ((f.syn_sent & !c.adopts & !bare) | (f.closed & unheard));
  bad_acknowledgement = f.plain & ((half_ack & !r.acks_receiver) | (f.received & !f.back & !f.anchoring & !r.acks_new));
  c.windowed = f.plain & !(f.syn_sent & !c.adopts) & !(half_ack & !f.back);
}

inline void find_case(const TcpView& v, const TcpFacts& f, const TcpRanges& r, const PacketMeta& packet,
                      const TcpLimits& limits, bool reopen_by_responder, TcpCase& c) {
  const bool has_nat = (v.flags & (kNatSource | kNatDestination)) != 0;
  const bool ended = f.time_wait | f.closed;
  const bool synchronized = !(f.syn_sent | f.both_sent | f.received | ended);
  bool plain_state = false;
  bool plain_acknowledgement = false;
  plain_case(c, v, f, r, packet, plain_state, plain_acknowledgement);
  const bool bad_state = (f.syn_sent & !f.back & f.ack) | (f.received & !f.ack & !r.repeated) |
                         (ended & (f.ack | (f.back & (!reopen_by_responder | has_nat)))) |
                         (synchronized & (!f.ack | !r.is_last));
  const bool bad_sequence = (f.syn_sent & !f.back & !r.is_sender_syn & r.before_end) |
                            (f.both_sent & !r.is_sender_syn) | (f.received & f.ack & !f.back & !r.repeated) |
                            (f.time_wait & r.before_end);
  const bool bad_forth = !r.acks_new | r.acks_unsent;
  const bool bad_answer = (f.back & !r.acks_since) | (!f.back & bad_forth);
  const bool bad_acknowledgement =
      f.ack & (((f.syn_sent | f.both_sent) & !r.acks_receiver) | (f.received & bad_answer));
  c.acknowledges = f.both_sent & ((f.plain & !f.anchoring) | (f.syn & f.ack));
  c.opens = f.syn & ((f.syn_sent & !f.back & !r.is_sender_syn) | ended);
  c.accepts = f.syn & f.back & f.ack & (f.syn_sent | (f.received & !r.repeated));
  c.crosses = f.syn & f.back & !f.ack & f.syn_sent;
  c.repeats = f.syn & !f.back & f.syn_sent & r.is_sender_syn;
  c.widens = f.syn & !f.ack & (f.both_sent | f.received);
  c.completes = f.syn & f.ack & f.received & !f.back;
  c.updates = c.windowed | (f.syn & synchronized) | c.completes | (f.syn & f.ack & f.received & r.repeated);
  c.windowed = c.windowed | (f.syn & synchronized);
  const TrackReason by_window = window_reason(limits.bad_sequence ? 1 : 0, limits.bad_acknowledgement ? 1 : 0);
  const bool refused = (f.syn & (bad_state | bad_sequence | bad_acknowledgement)) | plain_state | plain_acknowledgement;
  c.refused = refused | (c.windowed & (limits.bad_sequence | limits.bad_acknowledgement));
  // The order in which they are said: state, sequence number, acknowledgement, windows.
  const TrackReason later = ((f.syn & bad_acknowledgement) | plain_acknowledgement) ? TrackReason::kTcpAcknowledge
                            : c.windowed                                            ? by_window
                                                                                    : TrackReason::kNone;
  const TrackReason sooner = (f.syn & bad_sequence) ? TrackReason::kTcpSequence : later;
  c.reason = ((f.syn & bad_state) | plain_state) ? TrackReason::kTcpState : sooner;
}

// After adopt_responder(), what both windows start from: the responder taken from the segment.
inline TcpView adopted_start(const TcpView& v, const TcpNumbers& n, const TcpFacts& f, bool may_adopt) {
  const uint32_t ends = choose(f.back, n.seq, n.ack);
  const TcpSide adopted = {ends, ends, 1, choose(f.back, n.ack, n.seq)};
  TcpView start = v;
  start.sender = choose_side(may_adopt & f.back, adopted, v.sender);
  start.receiver = choose_side(may_adopt & !f.back, adopted, v.receiver);
  start.sender.acked = choose(may_adopt & !f.back, ends, start.sender.acked);
  start.receiver.acked = choose(may_adopt & f.back, ends, start.receiver.acked);
  return start;
}

// After acknowledge_syn(), but for what follows from the scaled window: that is acknowledged_start().
inline TcpView acknowledging_start(const TcpView& v, const TcpNumbers& n, bool acknowledges, bool ack_back) {
  TcpView start = v;
  start.sender.max_end = v.sender.max_end + choose(ack_back, v.receiver.max_window, 0);
  start.sender.acked = choose(acknowledges, n.ack, v.sender.acked);
  return start;
}

inline TcpView acknowledged_start(const TcpView& v, const TcpNumbers& n, bool acknowledges, bool ack_back) {
  TcpView start = v;
  start.sender.max_window = choose(acknowledges, larger(n.window, v.sender.max_window), v.sender.max_window);
  start.receiver.max_end = choose(ack_back, serial_max(v.receiver.max_end, n.allowed), v.receiver.max_end);
  return start;
}

// adopt_responder(): the responder's window scale is unknown, the widest is assumed.
inline TcpView adopted_scale(const TcpView& v, const TcpAdoption& adoption) {
  const bool scaled = adoption.sender | adoption.receiver;
  TcpView next = v;
  next.sender_seen = static_cast<uint8_t>(v.sender_seen | choose8(adoption.sender, kSideScale, 0));
  next.receiver_seen = static_cast<uint8_t>(v.receiver_seen | choose8(adoption.receiver, kSideScale, 0));
  next.sender_scale = choose8(adoption.sender, kWindowScaleMax, v.sender_scale);
  next.receiver_scale = choose8(adoption.receiver, kWindowScaleMax, v.receiver_scale);
  next.flags = static_cast<uint8_t>(v.flags | choose8(scaled, kPickedUp, 0));
  return next;
}

// The state that a segment with its place in the windows leads to; FINs as advance_state() has them.
inline uint8_t state_after(const TcpView& v, const TcpView& updated, const TcpFacts& f, const TcpCase& c,
                           uint8_t fins) {
  const bool both_done = !is_before(v.receiver.acked, v.sender.max_end);
  const bool establishes = c.adopts | (f.plain & f.both_sent & f.anchoring) | (f.plain & f.received & !f.back) |
                           c.completes | (c.acknowledges & f.back & both_done);
  const bool receives = c.accepts | (c.acknowledges & f.back & !both_done);
  const bool closes = f.reset & !f.time_wait;
  const bool advances = f.plain & c.windowed & !f.closed & !f.time_wait;
  const bool any_fin = ((updated.sender_seen | updated.receiver_seen) & kSideFin) != 0;
  uint8_t state = choose8(establishes, kStateTcpEstablished, v.state);
  state = choose8(receives, kStateTcpSynReceived, state);
  state = choose8(c.crosses, kStateTcpSynSentBoth, state);
  state = choose8(c.opens, kStateTcpSynSent, state);
  state = choose8(closes, kStateTcpClosed, state);
  return choose8(advances & any_fin, fins, state);
}

}  // namespace hls
}  // namespace phalanx

#endif
