// Tracking as one circuit: what track.hpp says, with every protocol and every case computed at once and no branch, so
// that it pipelines at II=1 as it stands. Same arguments, same results, bit for bit. The CPU, which would rather skip
// what does not apply, takes track.hpp.
#ifndef PHALANX_HLS_TRACK_CIRCUIT_HPP
#define PHALANX_HLS_TRACK_CIRCUIT_HPP

#include "hls/tcp_circuit.hpp"
#include "hls/track.hpp"

namespace phalanx {
namespace hls {

inline uint64_t choose64(bool yes, uint64_t x, uint64_t y) { return yes ? x : y; }

// What a packet does beside TCP's own fields.
struct Effect {
  TrackReason reason;
  bool refused;  // `reason` is another than kNone; known before it
  bool counted;
  bool changed;    // a replica must know
  bool alive;      // the packet keeps the session alive
  bool exchanged;  // originator and responder have changed places
};

// count_packets() and what pass_and_count() logs, if the packet passes and counts.
inline Track settle(Session& session, const Effect& effect, const PacketMeta& packet, bool back, uint32_t now_ms,
                    const TrackConfig& config) {
  const bool pass = !effect.refused;
  const bool counts = pass & effect.counted;
  const bool swaps = pass & effect.exchanged;
  const uint64_t traffic = choose64(back, session.traffic[1], session.traffic[0]);
  const uint32_t packets = choose(back, session.packets[1], session.packets[0]);
  const uint32_t sum = packets + packet.segments;
  const uint64_t carry = sum < packets ? 1 : 0;
  const uint64_t counted = ((traffic + packet.bytes) & kBytesMask) | ((traffic >> 48) + carry) << 48;
  const uint64_t other_traffic = choose64(back, session.traffic[0], session.traffic[1]);
  const uint32_t other_packets = choose(back, session.packets[0], session.packets[1]);
  const uint64_t own_traffic = choose64(counts, counted, traffic);
  const uint32_t own_packets = choose(counts, sum, packets);
  const bool at1 = back & !swaps;
  session.traffic[0] = choose64(at1, other_traffic, own_traffic);
  session.traffic[1] = choose64(at1, own_traffic, other_traffic);
  session.packets[0] = choose(at1, other_packets, own_packets);
  session.packets[1] = choose(at1, own_packets, other_packets);
  const uint16_t now_units = static_cast<uint16_t>(now_ms >> kSyncUnitShift);
  const bool due = static_cast<uint16_t>(now_units - session.synced) >= config.refresh_units;
  const bool log = counts & (effect.changed | due);
  session.order = choose64(log, next_version(session.order), session.order);
  session.synced = log ? now_units : session.synced;
  session.last_seen = choose(counts & effect.alive, now_ms, session.last_seen);
  const Track track = {pass, effect.reason, log};
  return track;
}

// track_tcp().
inline Track track_tcp_at_once(Session& session, const PacketMeta& packet, uint8_t direction, uint32_t now_ms,
                               const TrackConfig& config) {
  const bool back = direction != 0;
  const TcpOutcome o = tcp_outcome(view_of(session, back), packet, back, config.reopen_by_responder);
  const bool pass = !o.refused;
  Session next = session;
  put_view(next, o.next, back & !o.exchanged);
  session.side[0] = choose_side(pass, next.side[0], session.side[0]);
  session.side[1] = choose_side(pass, next.side[1], session.side[1]);
  session.tcp_flags = choose8(pass, next.tcp_flags, session.tcp_flags);
  session.scales = choose8(pass, next.scales, session.scales);
  session.state = choose8(pass, next.state, session.state);
  session.flags = choose8(pass, next.flags, session.flags);
  const Effect effect = {o.reason, o.refused, true, o.changed, o.alive, o.exchanged};
  return settle(session, effect, packet, back, now_ms, config);
}

// track_icmp_error()'s answer for a session of TCP: whether the packet it quotes can have been sent.
inline bool quotes_sent(const TcpView& v, const PacketMeta& packet) {
  const bool anchoring = (v.flags & kReanchorMask) != 0;
  const bool scaled = (v.sender_seen & v.receiver_seen & kSideScale) != 0;
  const uint32_t widest = 0xffffu << choose(scaled, v.sender_scale, 0);
  const uint32_t behind = choose(anchoring, widest, v.sender.max_window) + kWindowSlack;
  const uint32_t span = behind + choose(anchoring, kAnchorSpan, 0);
  const uint32_t from_low = packet.seq - v.receiver.end + behind;
  return (v.receiver.max_window != 0) & (from_low <= span);
}

// What a packet of no TCP does to a session of no TCP; `state` is what the session's becomes.
inline void find_datagram_effect(const Session& session, const PacketMeta& packet, bool back, uint8_t& state,
                                 Effect& effect) {
  const bool udp = (session.state == kStateUdpNew) | (session.state == kStateUdpStream);
  const bool echo = session.state == kStateIcmp;
  const bool known = udp | echo | (session.state == kStateOther);
  const bool answered = back & (session.state == kStateUdpNew);
  const bool expected = packet.kind == (back ? kPacketEchoReply : kPacketEchoRequest);
  const TrackReason by_echo = (echo & !expected) ? TrackReason::kIcmpState : TrackReason::kNone;
  state = choose8(answered, kStateUdpStream, session.state);
  effect.reason = known ? by_echo : TrackReason::kTcpState;
  effect.refused = (!known) | (echo & !expected);
  effect.counted = true;
  effect.changed = answered;
  effect.alive = true;
  effect.exchanged = false;
}

// track_packet().
inline Track track_packet_at_once(Session& session, const PacketMeta& packet, uint8_t direction, uint32_t now_ms,
                                  const TrackConfig& config) {
  const bool back = direction != 0;
  const bool error = packet.kind == kPacketIcmpError;
  const bool tcp_state = (session.state >= kStateTcpSynSent) & (session.state <= kStateTcpClosed);
  const bool tcp = tcp_state & (packet.kind == kPacketTcp);
  const TcpView view = view_of(session, back);
  const TcpOutcome o = tcp_outcome(view, packet, back, config.reopen_by_responder);
  uint8_t datagram_state = 0;
  Effect datagram = {};
  find_datagram_effect(session, packet, back, datagram_state, datagram);
  const bool bad_error = tcp_state & !quotes_sent(view, packet);
  const TrackReason by_error = bad_error ? TrackReason::kTcpSequence : TrackReason::kNone;
  const TrackReason by_tcp = tcp ? o.reason : TrackReason::kTcpState;
  const TrackReason by_state = tcp_state ? by_tcp : datagram.reason;
  const TrackReason reason = error ? by_error : by_state;
  const bool bad_packet = (tcp_state & (!tcp | o.refused)) | (!tcp_state & datagram.refused);
  const bool refused = (error & bad_error) | (!error & bad_packet);
  const bool takes = tcp & !error & !o.refused;
  const bool exchanged = takes & o.exchanged;
  const Effect effect = {reason,   refused, !error, tcp ? o.changed : datagram.changed, tcp ? o.alive : datagram.alive,
                         exchanged};
  Session next = session;
  put_view(next, o.next, back & !o.exchanged);
  const bool datagram_passes = !tcp_state & !error & !datagram.refused;
  session.side[0] = choose_side(takes, next.side[0], session.side[0]);
  session.side[1] = choose_side(takes, next.side[1], session.side[1]);
  session.tcp_flags = choose8(takes, next.tcp_flags, session.tcp_flags);
  session.scales = choose8(takes, next.scales, session.scales);
  session.flags = choose8(takes, next.flags, session.flags);
  session.state = choose8(takes, next.state, choose8(datagram_passes, datagram_state, session.state));
  return settle(session, effect, packet, back, now_ms, config);
}

// What pick_up() or open_with_syn() makes of the first segment: the originator is its sender.
inline TcpView opened_view(const Session& session, const PacketMeta& first, bool picks_up) {
  const uint8_t kept = kOriginatorIsB | kNatSource | kNatDestination | kNatWide | kDirty;
  const bool offers = first.window_scale != kNoWindowScale;
  const uint8_t limited = choose8(first.window_scale > kWindowScaleMax, kWindowScaleMax, first.window_scale);
  const bool fin = (first.tcp_flags & kTcpFin) != 0;
  const uint32_t window = static_cast<uint32_t>(first.window) << choose(picks_up, kWindowScaleMax, 0);
  const uint32_t end = first.seq + first.payload + ((fin | !picks_up) ? 1 : 0);
  const uint32_t widest = 0xffffu << kWindowScaleMax;
  const TcpSegment segment = {first.seq, end, first.ack, window};
  const TcpSide syn = {end, first.seq + 1, window | (window == 0 ? 1 : 0), 0};
  const TcpSide unknown = {0, 0, 0, first.seq + 1};
  const TcpSide sender = {end, end, widest, first.ack};
  const TcpSide receiver = {first.ack, first.ack + anchored_window(segment, widest), widest, first.seq};
  const uint8_t syn_seen = choose8(offers, kSideSyn | kSideScale, kSideSyn);
  const uint8_t seen = choose8(fin, kSideScale | kSideFin, kSideScale);
  const uint8_t picked_up = choose8(picks_up, kPickedUp | kReanchorResponder, 0);
  TcpView view = {};
  view.sender = choose_side(picks_up, sender, syn);
  view.receiver = choose_side(picks_up, receiver, unknown);
  view.sender_seen = choose8(picks_up, seen, syn_seen);
  view.receiver_seen = choose8(picks_up, kSideScale, 0);
  view.sender_scale = choose8(picks_up, kWindowScaleMax, choose8(offers, limited, 0));
  view.receiver_scale = choose8(picks_up, kWindowScaleMax, 0);
  view.state = choose8(picks_up, choose8(fin, kStateTcpFinWait, kStateTcpEstablished), kStateTcpSynSent);
  view.flags = static_cast<uint8_t>((session.flags & kept) | picked_up);
  return view;
}

// open_session().
inline Track open_session_at_once(Session& session, const PacketMeta& first, uint32_t now_ms,
                                  const TrackConfig& config) {
  const uint8_t kept = kOriginatorIsB | kNatSource | kNatDestination | kNatWide | kDirty;
  const uint8_t combination = first.tcp_flags & (kTcpSyn | kTcpAck | kTcpRst);
  const bool tcp = first.kind == kPacketTcp;
  const bool udp = first.kind == kPacketUdp;
  const bool echo = first.kind == kPacketEchoRequest;
  const bool other = first.kind == kPacketOther;
  const bool picks_up = combination == kTcpAck;
  const bool starts = (combination == kTcpSyn) | (config.tcp_pickup & picks_up);
  const TrackReason by_start = starts ? TrackReason::kNone : TrackReason::kTcpNotSyn;
  const TrackReason by_flags = valid_tcp_flags(first.tcp_flags) ? by_start : TrackReason::kTcpFlags;
  const TrackReason by_kind = (udp | echo | other) ? TrackReason::kNone : TrackReason::kIcmpState;
  const TrackReason reason = tcp ? by_flags : by_kind;
  const bool pass = reason == TrackReason::kNone;
  const bool takes = tcp & pass;
  const TcpSide none = {0, 0, 0, 0};
  const TcpView view = opened_view(session, first, picks_up);
  const uint8_t datagram = choose8(udp, kStateUdpNew, choose8(echo, kStateIcmp, kStateOther));
  const uint8_t flags = choose8(takes, view.flags, session.flags & kept);
  const uint8_t seen = static_cast<uint8_t>(view.receiver_seen << kSideBits | view.sender_seen);
  const uint8_t scales = static_cast<uint8_t>(view.sender_scale << 4 | view.receiver_scale);
  session.side[0] = choose_side(pass, choose_side(tcp, view.sender, none), session.side[0]);
  session.side[1] = choose_side(pass, choose_side(tcp, view.receiver, none), session.side[1]);
  session.tcp_flags = choose8(pass, choose8(tcp, seen, 0), session.tcp_flags);
  session.scales = choose8(pass, choose8(tcp, scales, 0), session.scales);
  session.state = choose8(pass, choose8(tcp, view.state, datagram), session.state);
  session.flags = choose8(pass, flags, session.flags);
  session.traffic[0] = choose64(pass, first.bytes, session.traffic[0]);
  session.traffic[1] = choose64(pass, 0, session.traffic[1]);
  session.packets[0] = choose(pass, first.segments, session.packets[0]);
  session.packets[1] = choose(pass, 0, session.packets[1]);
  session.last_seen = choose(pass, now_ms, session.last_seen);
  session.synced = pass ? static_cast<uint16_t>(now_ms >> kSyncUnitShift) : session.synced;
  const Track track = {pass, reason, pass};
  return track;
}

}  // namespace hls
}  // namespace phalanx

#endif
