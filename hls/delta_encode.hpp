// Writes a session as the packed record of delta and full sync (docs/protocol-sync.md), by branches, as the host's
// encoder does. hls/delta_record.hpp is the same as a circuit, for the kernel; what is known of the records before and
// what is remembered of this one is written here for both.
//
// encode() gives every field as a piece: at most 8 bytes, first byte lowest, and its length, 0 if absent; in the order
// of the wire. What becomes of them is the sink's business: the host appends them.
//
// As a pipeline: II=1. Nothing is carried from one record to the next but `registers`, of which each field is one
// selection away from the record's own values, and two memories that the caller owns, each read and written once a
// record at an address that depends on the record alone. Their new values do not depend on the old ones.
#ifndef PHALANX_HLS_DELTA_ENCODE_HPP
#define PHALANX_HLS_DELTA_ENCODE_HPP

#include "hls/delta_piece.hpp"
#include "hls/nat.hpp"

namespace phalanx {
namespace hls {
namespace delta {

// What a session is for the encoder, before anything that was sent is looked at: enough to address the memories.
struct Parts {
  Endpoint originator;
  Endpoint responder;
  uint32_t index;  // of the responder's dictionary entry; the state's context is that of Session::state
  ProtocolClass cls;
  bool v6;
  bool deleted;
  bool tcp;
};

// `s` has a canonical key and a state below kStates.
inline Parts parts_of(const Session& s) {
  // Who opened it is as good as random: exchanged by masks, so that a CPU has no branch to guess.
  const uint64_t swap = (s.flags & kOriginatorIsB) != 0 ? ~0ull : 0;
  const uint64_t hi = (s.key.a_hi ^ s.key.b_hi) & swap;
  const uint64_t lo = (s.key.a_lo ^ s.key.b_lo) & swap;
  const uint16_t port = static_cast<uint16_t>((port_a(s.key) ^ port_b(s.key)) & swap);
  Parts p;
  p.originator.hi = s.key.a_hi ^ hi;
  p.originator.lo = s.key.a_lo ^ lo;
  p.originator.port = port_a(s.key) ^ port;
  p.responder.hi = s.key.b_hi ^ hi;
  p.responder.lo = s.key.b_lo ^ lo;
  p.responder.port = port_b(s.key) ^ port;
  p.index = dictionary_index(p.responder.hi, p.responder.lo, p.responder.port);
  p.v6 = family(s.key) == 6;
  p.cls = protocol_class(protocol(s.key), p.v6 ? 6 : 4, s.state, p.responder.port);
  p.deleted = s.state == kStateDeleted;
  p.tcp = has_tcp_fields(s.state);
  return p;
}

// What need not be said of a record, since it is as in one before.
struct Known {
  bool originator;  // its upper bits
  bool responder;   // by index
  bool port;        // the responder's
  bool profile;
  bool nat_source;
  bool nat_destination;
};

inline Known known_of(const Session& s, const Parts& p, const Registers& r, const StateContext& state,
                      const DictionaryEntry& entry) {
  const bool shared_v6 = r.has_originator_v6 & (r.originator_v6_hi == p.originator.hi);
  const bool shared_v4 =
      r.has_originator_v4 & (((r.originator_v4 ^ static_cast<uint32_t>(p.originator.lo)) >> 16) == 0);
  const bool wide = (s.flags & kNatWide) != 0;
  Known k;
  k.originator = p.v6 ? shared_v6 : shared_v4;
  k.responder = ((entry.hi ^ p.responder.hi) | (entry.lo ^ p.responder.lo) | (entry.epoch ^ r.epoch) |
                 static_cast<uint32_t>(entry.port ^ p.responder.port) |
                 static_cast<uint32_t>(entry.family ^ (p.v6 ? 6 : 4))) == 0;
  const bool port_said = has_responder_port(r, p.cls);
  const bool same_port = responder_port(r, p.cls) == p.responder.port;
  k.port = !k.responder & (p.cls != ProtocolClass::kEcho) & port_said & same_port;
  k.profile = p.tcp & (s.tcp_flags == state.tcp_flags) & (s.scales == state.scales);
  k.nat_source = !wide & r.has_nat_source & (r.nat_source == s.nat_source);
  k.nat_destination = !wide & r.has_nat_destination & (r.nat_destination == s.nat_destination);
  return k;
}

inline uint8_t extension_of(const Session& s, const Parts& p, const Known& k) {
  const uint32_t system = virtual_system(s.key) != 0 ? kExtVirtualSystem : 0u;
  const bool source = (s.flags & kNatSource) != 0;
  const bool destination = (s.flags & kNatDestination) != 0;
  const uint32_t live = ((s.flags & kNatWide) != 0 ? kExtNatWide : 0u) |
                        ((s.flags & kPickedUp) != 0 ? kExtPickedUp : 0u) | (source ? kExtNatSource : 0u) |
                        (destination ? kExtNatDestination : 0u) | ((source & k.nat_source) ? kExtSameNatSource : 0u) |
                        ((destination & k.nat_destination) ? kExtSameNatDestination : 0u);
  return static_cast<uint8_t>((p.deleted ? 0 : live) | system);
}

// What the next records may leave out. `entry` becomes what it is already if the responder was known by it.
inline void remember(const Session& s, const Parts& p, const Known& k, Registers& r, DictionaryEntry& entry) {
  const bool narrow = !p.deleted & ((s.flags & kNatWide) == 0);
  const bool source = narrow & ((s.flags & kNatSource) != 0);
  const bool destination = narrow & ((s.flags & kNatDestination) != 0);
  const bool says_port = !k.responder & (p.cls != ProtocolClass::kEcho);
  Registers said = r;
  set_responder_port(said, p.cls, p.responder.port);
  r.originator_v6_hi = p.v6 ? p.originator.hi : r.originator_v6_hi;
  r.originator_v4 = p.v6 ? r.originator_v4 : static_cast<uint32_t>(p.originator.lo);
  r.nat_source = source ? s.nat_source : r.nat_source;
  r.nat_destination = destination ? s.nat_destination : r.nat_destination;
  r.responder_ports = says_port ? said.responder_ports : r.responder_ports;
  r.has_responder_ports = says_port ? said.has_responder_ports : r.has_responder_ports;
  r.has_originator_v6 = r.has_originator_v6 | p.v6;
  r.has_originator_v4 = r.has_originator_v4 | !p.v6;
  r.has_nat_source = r.has_nat_source | source;
  r.has_nat_destination = r.has_nat_destination | destination;
  entry.hi = p.responder.hi;
  entry.lo = p.responder.lo;
  entry.epoch = r.epoch;
  entry.port = p.responder.port;
  entry.family = p.v6 ? 6 : 4;
}

inline void remember_state(const Session& s, const Parts& p, StateContext& state) {
  state.generation = s.order >> kVersionBits;
  if (!p.tcp) return;
  state.tcp_flags = s.tcp_flags;
  state.scales = s.scales;
  state.window[0] = s.side[0].max_window;
  state.window[1] = s.side[1].max_window;
}

// Everything before the endpoints.
template <typename Sink>
inline void put_head(Sink& sink, const Session& s, const Parts& p, const Known& k, const StateContext& state,
                     uint8_t ext) {
  const ResponderMode mode =
      k.responder ? ResponderMode::kIndexed : (k.port ? ResponderMode::kSamePort : ResponderMode::kFull);
  const uint32_t first = static_cast<uint32_t>(p.cls) << 6 | (p.v6 ? kV6 : 0u) |
                         (k.originator ? kOriginatorShared : 0u) | static_cast<uint32_t>(mode) << 2 |
                         (ext != 0 ? kExtension : 0u) | (k.profile ? kSameProfile : 0u);
  const uint32_t version = static_cast<uint32_t>(s.order & kVersionMask);
  const bool escaped = version >= kVersionEscape;
  const uint32_t second = static_cast<uint32_t>(s.state) << 4 | (escaped ? kVersionEscape : version);
  const Varint beyond = varint(escaped ? version - kVersionEscape : 0);
  sink.put(kHead, beyond.bytes << 16 | second << 8 | first, escaped ? 2 + beyond.length : 2);
  put_varint(sink, kGeneration, zigzag(generation_delta(s.order >> kVersionBits, state.generation)));
  const bool other = p.cls == ProtocolClass::kOther;
  const uint32_t ext_bytes = ext != 0 ? 1 : 0;
  const uint64_t number = other ? protocol(s.key) : 0;
  if (ext_bytes != 0 || other) sink.put(kExtensions, number << (8 * ext_bytes) | ext, ext_bytes + (other ? 1 : 0));
  if (ext & kExtVirtualSystem) put_varint(sink, kVirtualSystem, virtual_system(s.key));
}

template <typename Sink>
inline void put_endpoints(Sink& sink, const Parts& p, const Known& k) {
  const Endpoint& o = p.originator;
  const Endpoint& r = p.responder;
  const uint32_t o_v4 = static_cast<uint32_t>(o.lo);
  const uint64_t o_port = big16(o.port);
  if (p.v6) {
    if (!k.originator) sink.put(kOriginatorHi, big64(o.hi), 8);
    sink.put(kOriginatorLo, big64(o.lo), 8);
    sink.put(kOriginator, o_port, 2);
  } else if (k.originator) {
    sink.put(kOriginator, o_port << 16 | big16(static_cast<uint16_t>(o_v4)), 4);
  } else {
    sink.put(kOriginator, o_port << 32 | big32(o_v4), 6);
  }
  if (k.responder) {
    sink.put(kResponder, p.index, 1);
    return;
  }
  const uint32_t port_bytes = k.port || p.cls == ProtocolClass::kEcho ? 0 : 2;  // an echo's responder has no port
  if (p.v6) {
    sink.put(kResponderHi, big64(r.hi), 8);
    sink.put(kResponderLo, big64(r.lo), 8);
    sink.put(kResponder, big16(r.port), port_bytes);
  } else {
    sink.put(kResponder, big16(r.port) << 32 | big32(static_cast<uint32_t>(r.lo)), 4 + port_bytes);
  }
}

template <typename Sink>
inline void put_nat(Sink& sink, const Session& s, const WideNat& wide, uint8_t ext) {
  const bool is_wide = (ext & kExtNatWide) != 0;
  const uint64_t source_port = big16(s.nat_source_port);
  const uint64_t destination_port = big16(s.nat_destination_port);
  if (ext & kExtNatSource) {
    const bool address = !is_wide && !(ext & kExtSameNatSource);
    if (is_wide) sink.put(kSourceHi, big64(wide.source_hi), 8);
    if (is_wide) sink.put(kSourceLo, big64(wide.source_lo), 8);
    sink.put(kSource, address ? source_port << 32 | big32(s.nat_source) : source_port, address ? 6 : 2);
  }
  if (ext & kExtNatDestination) {
    const bool address = !is_wide && !(ext & kExtSameNatDestination);
    if (is_wide) sink.put(kDestinationHi, big64(wide.destination_hi), 8);
    if (is_wide) sink.put(kDestinationLo, big64(wide.destination_lo), 8);
    sink.put(kDestination, address ? destination_port << 32 | big32(s.nat_destination) : destination_port,
             address ? 6 : 2);
  }
}

template <typename Sink>
inline void put_tcp(Sink& sink, const Session& s, const Known& k, const StateContext& state) {
  const TcpSide& o = s.side[0];
  const TcpSide& r = s.side[1];
  const uint32_t acked0 = TcpPrediction::originator_acked(s);
  const uint32_t acked1 = TcpPrediction::responder_acked(s);
  const uint32_t max_end0 = TcpPrediction::originator_max_end(s);
  const uint32_t max_end1 = TcpPrediction::responder_max_end(s);
  const uint32_t bits = (o.end != 0 ? kTcpEnd0 : 0u) | (r.end != 0 ? kTcpEnd1 : 0u) |
                        (o.max_window != state.window[0] ? kTcpWindow0 : 0u) |
                        (r.max_window != state.window[1] ? kTcpWindow1 : 0u) | (o.acked != acked0 ? kTcpAcked0 : 0u) |
                        (r.acked != acked1 ? kTcpAcked1 : 0u) | (o.max_end != max_end0 ? kTcpMaxEnd0 : 0u) |
                        (r.max_end != max_end1 ? kTcpMaxEnd1 : 0u);
  const uint64_t profile = static_cast<uint64_t>(bits) << 16 | static_cast<uint32_t>(s.scales) << 8 | s.tcp_flags;
  sink.put(kProfile, k.profile ? bits : profile, k.profile ? 1 : 3);
  const uint32_t end0_bytes = bits & kTcpEnd0 ? 4 : 0;  // an absent end is 0
  sink.put(kEnds, big32(r.end) << (8 * end0_bytes) | big32(o.end), end0_bytes + (bits & kTcpEnd1 ? 4 : 0));
  if (bits & kTcpWindow0) put_varint(sink, kWindow0, pack_window(o.max_window));
  if (bits & kTcpWindow1) put_varint(sink, kWindow1, pack_window(r.max_window));
  if (bits & kTcpAcked0) put_varint(sink, kAcked0, zigzag32(o.acked, acked0));
  if (bits & kTcpAcked1) put_varint(sink, kAcked1, zigzag32(r.acked, acked1));
  if (bits & kTcpMaxEnd0) put_varint(sink, kMaxEnd0, zigzag32(o.max_end, max_end0));
  if (bits & kTcpMaxEnd1) put_varint(sink, kMaxEnd1, zigzag32(r.max_end, max_end1));
}

template <typename Sink>
inline void put_counters(Sink& sink, const Session& s, uint32_t now_ms) {
  const uint32_t age = now_ms - s.last_seen;
  const uint64_t mask = 0xffffffffffffull;
  put_varint(sink, kAge, age < 0x80000000u ? age : 0);  // a session cannot have been seen in the future
  put_varint(sink, kBytes0, s.traffic[0] & mask);
  put_varint(sink, kPackets0, s.traffic[0] >> 48 << 32 | s.packets[0]);
  put_varint(sink, kBytes1, s.traffic[1] & mask);
  put_varint(sink, kPackets1, s.traffic[1] >> 48 << 32 | s.packets[1]);
}

// Gives the pieces of `s` to sink.put(Piece piece, uint64_t bytes, uint32_t length), in their order; absent ones not at
// all or with length 0. `state` is the context of s.state and `entry` the dictionary entry at parts.index: as the
// caller's memories have them, and then what to write back. `wide` is read with kNatWide only.
template <typename Sink>
inline void encode(const Session& s, const WideNat& wide, const Parts& parts, const Options& options,
                   Registers& registers, StateContext& state, DictionaryEntry& entry, Sink& sink) {
  const Known known = known_of(s, parts, registers, state, entry);
  const uint8_t ext = extension_of(s, parts, known);
  remember(s, parts, known, registers, entry);
  put_head(sink, s, parts, known, state, ext);
  put_endpoints(sink, parts, known);
  if (!parts.deleted) {
    put_varint(sink, kRule, s.rule);
    if (ext & (kExtNatSource | kExtNatDestination)) put_nat(sink, s, wide, ext);
    if (parts.tcp) put_tcp(sink, s, known, state);
    if (options.snapshot) put_counters(sink, s, options.now_ms);
  }
  remember_state(s, parts, state);
}

}  // namespace delta
}  // namespace hls
}  // namespace phalanx

#endif
