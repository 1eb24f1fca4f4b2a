// TCP tracking as one circuit: track_tcp() with every case computed at once (see tcp_step.hpp).
#ifndef PHALANX_HLS_TCP_CIRCUIT_HPP
#define PHALANX_HLS_TCP_CIRCUIT_HPP

#include "hls/tcp_transition.hpp"

namespace phalanx {
namespace hls {

// What a segment does: `next` counts only if `reason` is kNone.
struct TcpOutcome {
  TcpView next;
  TrackReason reason;
  bool refused;    // `reason` is another than kNone; known before it
  bool changed;    // a replica must know
  bool alive;      // keeps the session alive
  bool exchanged;  // reopened by the responder: the sender is the originator now
};

// FINs of a segment that goes into the windows: advance_state(), on the bits of both sides.
inline void take_fins(TcpView& updated, const TcpNumbers& n, const TcpFacts& f, const TcpView& start) {
  const bool advances = f.plain & !f.closed;
  const bool acks_end = is_before(start.receiver.end, n.ack) | (start.receiver.end == n.ack);
  const bool acked = advances & ((updated.receiver_seen & kSideFin) != 0) & acks_end;
  updated.sender_seen = static_cast<uint8_t>(updated.sender_seen | choose8(advances & f.fin, kSideFin, 0));
  updated.receiver_seen = static_cast<uint8_t>(updated.receiver_seen | choose8(acked, kSideFinAcked, 0));
}

inline uint8_t state_by_sides(const TcpView& v, bool back) {
  const uint8_t both = v.sender_seen & v.receiver_seen;
  const uint8_t originator = choose8(back, v.receiver_seen, v.sender_seen);
  const uint8_t one = choose8((originator & kSideFin) != 0, kStateTcpFinWait, kStateTcpCloseWait);
  const uint8_t two = choose8((both & kSideFinAcked) != 0, kStateTcpTimeWait, kStateTcpClosing);
  return choose8((both & kSideFin) != 0, two, one);
}

// The sides of a segment that begins something or is repeated: everything that is not `updates`.
inline TcpView other_sides(const TcpView& v, const TcpView& start, const TcpNumbers& n, const TcpCase& c,
                           const TcpFacts& f) {
  const bool begins = c.opens | c.accepts | c.crosses;
  const bool widens = c.repeats | c.widens | c.acknowledges;
  const bool back_allows = c.accepts | (c.acknowledges & f.back);
  const bool allows = back_allows | (c.widens & f.received & !f.back);
  const uint32_t own_syn = n.after_syn + choose(c.accepts, v.receiver.max_window, 0);
  const uint32_t at_least_one = n.window | (n.window == 0 ? 1 : 0);
  const uint32_t from = choose(back_allows, n.allowed, v.sender.acked + 1 + n.window);
  const uint32_t allowed = serial_max(v.receiver.max_end, from);
  const uint32_t acked = choose(c.crosses, v.receiver.max_end - 1, n.ack);
  const bool acks = c.accepts | c.crosses | c.acknowledges | c.challenges;
  TcpView next = v;
  next.sender.end = choose(begins, n.end, choose(c.repeats, serial_max(v.sender.end, n.end), v.sender.end));
  next.sender.max_end = choose(begins, own_syn, choose(c.acknowledges, start.sender.max_end, v.sender.max_end));
  next.sender.max_window =
      choose(begins, at_least_one, choose(widens, larger(n.window, v.sender.max_window), v.sender.max_window));
  next.sender.acked = choose(c.opens, 0, choose(acks, acked, v.sender.acked));
  next.receiver.end = choose(c.opens, 0, v.receiver.end);
  next.receiver.max_end = choose(c.opens, 0, choose(allows, allowed, v.receiver.max_end));
  next.receiver.max_window = choose(c.opens, 0, v.receiver.max_window);
  next.receiver.acked = choose(c.opens, n.after_syn, choose(c.accepts | c.crosses, n.seq, v.receiver.acked));
  return next;
}

// Window scaling and flags of a SYN that begins something, as open_side() and open_with_syn() set them.
inline void begin_side(TcpView& next, const PacketMeta& syn, const TcpCase& c, bool exchanged) {
  const bool begins = c.opens | c.accepts | c.crosses;
  const bool offers = syn.window_scale != kNoWindowScale;
  const uint8_t limited = choose8(syn.window_scale > kWindowScaleMax, kWindowScaleMax, syn.window_scale);
  const uint8_t kept = kOriginatorIsB | kNatSource | kNatDestination | kNatWide | kDirty;
  const uint8_t seen = choose8(offers, kSideSyn | kSideScale, kSideSyn);
  const uint8_t turned = static_cast<uint8_t>(next.flags ^ choose8(exchanged, kOriginatorIsB, 0));
  next.sender_seen = choose8(begins, seen, next.sender_seen);
  next.sender_scale = choose8(begins, choose8(offers, limited, 0), next.sender_scale);
  next.receiver_seen = choose8(c.opens, 0, next.receiver_seen);
  next.receiver_scale = choose8(c.opens, 0, next.receiver_scale);
  next.flags = choose8(c.opens, turned & kept, next.flags);
}

// Whether a RST is where its receiver expects it: see track_reset().
inline bool reset_fits(const TcpView& v, const TcpNumbers& n, const TcpFacts& f, const TcpRanges& r) {
  const bool exact = (n.seq == v.receiver.acked) | (n.seq == v.sender.end);
  const bool unheard = v.sender.max_window == 0;
  return (unheard & f.ack & r.acks_receiver) | (!unheard & exact);
}

inline TcpOutcome tcp_outcome(const TcpView& v, const PacketMeta& packet, bool back, bool reopen_by_responder) {
  TcpFacts f = {};
  find_facts(v, packet, back, f);
  const bool anchoring = f.anchoring & f.plain;
  const bool may_adopt = anchoring & f.syn_sent;
  const bool acknowledges = f.both_sent & ((f.plain & !f.anchoring) | (f.syn & f.ack));
  const TcpAdoption adoption = adoption_of(v, may_adopt, back);
  const TcpView scaled = adopted_scale(v, adoption);
  const TcpNumbers n = numbers_of(v, packet, f, adoption);
  const bool ack_back = acknowledges & back;
  const TcpView adopted = adopted_start(scaled, n, f, may_adopt);
  const TcpView begun = acknowledging_start(adopted, n, acknowledges, ack_back);
  const TcpView start = acknowledged_start(begun, n, acknowledges, ack_back);
  TcpRanges r = {};
  find_ranges(v, n, back, r);
  TcpCase c = {};
  find_case(v, f, r, packet, step_check(begun, n, anchoring, acknowledges, ack_back), reopen_by_responder, c);
  TcpView updated = step_update(start, n, anchoring, back);
  take_fins(updated, n, f, start);
  const bool passed = passed_stride(start, updated);
  const uint8_t state = state_after(v, updated, f, c, state_by_sides(updated, back));
  const TcpView other = other_sides(v, start, n, c, f);
  const bool closes = f.reset & !f.time_wait & !f.closed;
  const bool begins = c.opens | c.accepts | c.crosses;
  const bool first_ack = c.acknowledges & (back | (v.sender.acked != n.ack));
  const bool window_change = c.windowed & (passed | (f.plain & (state != v.state)));
  const bool bad_reset = !reset_fits(v, n, f, r);
  const TrackReason reset_reason = bad_reset ? TrackReason::kTcpReset : TrackReason::kNone;
  const TrackReason reason = f.reset ? reset_reason : c.reason;
  TcpOutcome outcome = {};
  outcome.reason = f.invalid ? TrackReason::kTcpFlags : reason;
  outcome.refused = f.invalid | (f.reset & bad_reset) | (!f.reset & c.refused);
  outcome.exchanged = c.opens & back;
  outcome.changed = closes | begins | first_ack | window_change | c.adopts | c.completes |
                    (f.plain & f.both_sent & f.anchoring) | (f.plain & f.received & !back);
  outcome.alive = closes | f.syn | (f.plain & !c.challenges & !f.closed);
  outcome.next = v;
  outcome.next.sender = choose_side(c.updates, updated.sender, other.sender);
  outcome.next.receiver = choose_side(c.updates, updated.receiver, other.receiver);
  outcome.next.sender_seen = choose8(c.updates, updated.sender_seen, v.sender_seen);
  outcome.next.receiver_seen = choose8(c.updates, updated.receiver_seen, v.receiver_seen);
  outcome.next.sender_scale = choose8(c.updates, updated.sender_scale, v.sender_scale);
  outcome.next.receiver_scale = choose8(c.updates, updated.receiver_scale, v.receiver_scale);
  outcome.next.flags = choose8(c.updates, updated.flags, v.flags);
  outcome.next.state = state;
  begin_side(outcome.next, packet, c, outcome.exchanged);
  return outcome;
}

}  // namespace hls
}  // namespace phalanx

#endif
