// A whole packed record as a circuit: encode() of delta_encode.hpp, as the kernel has it.
#ifndef PHALANX_HLS_DELTA_RECORD_HPP
#define PHALANX_HLS_DELTA_RECORD_HPP

#include "hls/delta_fields.hpp"
#include "hls/delta_pack.hpp"

namespace phalanx {
namespace hls {
namespace delta {

inline void set_piece(PieceSet& set, Piece piece, bool present, const Varint& v) {
  set.bytes[piece] = present ? v.bytes : 0;
  set.length[piece] = present ? v.length : 0;
}

inline void set_head(PieceSet& set, const HeadPieces& p) {
  set_piece(set, kHead, true, p.head);
  set_piece(set, kGeneration, true, p.generation);
  set_piece(set, kExtensions, true, p.extensions);
  set_piece(set, kVirtualSystem, true, p.virtual_system);
}

inline void set_endpoints(PieceSet& set, const EndpointPieces& p) {
  set_piece(set, kOriginatorHi, true, p.originator_hi);
  set_piece(set, kOriginatorLo, true, p.originator_lo);
  set_piece(set, kOriginator, true, p.originator);
  set_piece(set, kResponderHi, true, p.responder_hi);
  set_piece(set, kResponderLo, true, p.responder_lo);
  set_piece(set, kResponder, true, p.responder);
}

inline void set_nat(PieceSet& set, const NatPieces& p) {
  set_piece(set, kRule, true, p.rule);
  set_piece(set, kSourceHi, true, p.source_hi);
  set_piece(set, kSourceLo, true, p.source_lo);
  set_piece(set, kSource, true, p.source);
  set_piece(set, kDestinationHi, true, p.destination_hi);
  set_piece(set, kDestinationLo, true, p.destination_lo);
  set_piece(set, kDestination, true, p.destination);
}

inline void set_tcp(PieceSet& set, bool present, const TcpPieces& p) {
  set_piece(set, kProfile, present, p.profile);
  set_piece(set, kEnds, present, p.ends);
  set_piece(set, kWindow0, present, p.window0);
  set_piece(set, kWindow1, present, p.window1);
  set_piece(set, kAcked0, present, p.acked0);
  set_piece(set, kAcked1, present, p.acked1);
  set_piece(set, kMaxEnd0, present, p.max_end0);
  set_piece(set, kMaxEnd1, present, p.max_end1);
}

inline void set_counters(PieceSet& set, const CounterPieces& p) {
  set_piece(set, kAge, true, p.age);
  set_piece(set, kBytes0, true, p.bytes0);
  set_piece(set, kPackets0, true, p.packets0);
  set_piece(set, kBytes1, true, p.bytes1);
  set_piece(set, kPackets1, true, p.packets1);
}

// encode(): the same arguments, the same pieces.
inline PieceSet encode_at_once(const Session& s, const WideNat& wide, const Parts& parts, const Options& options,
                               Registers& registers, StateContext& state, DictionaryEntry& entry) {
  const Known known = known_of(s, parts, registers, state, entry);
  const uint8_t ext = extension_of(s, parts, known);
  PieceSet set = no_pieces();
  set_head(set, head_pieces(s, parts, known, state.generation, ext));
  set_endpoints(set, endpoint_pieces(parts, known));
  set_nat(set, nat_pieces(s, wide, parts.deleted, ext));
  set_tcp(set, parts.tcp, tcp_pieces(s, known.profile, state.window[0], state.window[1]));
  set_counters(set, counter_pieces(s, options.snapshot & !parts.deleted, options.now_ms));
  remember(s, parts, known, registers, entry);
  remember_state(s, parts, state);
  return set;
}

}  // namespace delta
}  // namespace hls
}  // namespace phalanx

#endif
