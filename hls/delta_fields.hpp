// The packed record's fields beside TCP's as a circuit: what put_head(), put_endpoints(), put_nat() and put_counters()
// of delta_encode.hpp say by branches, with every alternative computed at once. Same bytes; what a piece's bytes hold
// beyond its length is 0, so that pieces can be joined by an OR.
#ifndef PHALANX_HLS_DELTA_FIELDS_HPP
#define PHALANX_HLS_DELTA_FIELDS_HPP

#include "hls/delta_circuit.hpp"

namespace phalanx {
namespace hls {
namespace delta {

// `bytes`, `length` of them, if `present`.
inline Varint piece_if(bool present, uint64_t bytes, uint32_t length) {
  const Varint piece = {present ? bytes : 0, present ? length : 0};
  return piece;
}

// The pieces kHead to kVirtualSystem.
struct HeadPieces {
  Varint head;
  Varint generation;
  Varint extensions;
  Varint virtual_system;
};

// put_head(). Of the session it reads order, state and the key's tail; `generation` is the state's context's.
inline HeadPieces head_pieces(const Session& s, const Parts& p, const Known& k, uint64_t generation, uint8_t ext) {
  const ResponderMode unknown = k.port ? ResponderMode::kSamePort : ResponderMode::kFull;
  const ResponderMode mode = k.responder ? ResponderMode::kIndexed : unknown;
  const uint32_t first = static_cast<uint32_t>(p.cls) << 6 | (p.v6 ? kV6 : 0u) |
                         (k.originator ? kOriginatorShared : 0u) | static_cast<uint32_t>(mode) << 2 |
                         (ext != 0 ? kExtension : 0u) | (k.profile ? kSameProfile : 0u);
  const uint32_t version = static_cast<uint32_t>(s.order & kVersionMask);
  const bool escaped = version >= kVersionEscape;
  const uint32_t second = static_cast<uint32_t>(s.state) << 4 | (escaped ? kVersionEscape : version);
  const Varint beyond = varint_if(escaped, (version - kVersionEscape) & kVersionMask);
  const bool other = p.cls == ProtocolClass::kOther;
  const uint64_t number = other ? protocol(s.key) : 0;
  const uint64_t change = zigzag_generation(s.order >> kVersionBits, generation);
  const HeadPieces pieces = {{beyond.bytes << 16 | second << 8 | first, 2 + beyond.length},
                             varint_at_once(change),
                             {ext != 0 ? number << 8 | ext : number, (ext != 0 ? 1u : 0u) + (other ? 1u : 0u)},
                             varint_if((ext & kExtVirtualSystem) != 0, virtual_system(s.key))};
  return pieces;
}

// The pieces kOriginatorHi to kResponder.
struct EndpointPieces {
  Varint originator_hi;
  Varint originator_lo;
  Varint originator;
  Varint responder_hi;
  Varint responder_lo;
  Varint responder;
};

// put_endpoints().
inline EndpointPieces endpoint_pieces(const Parts& p, const Known& k) {
  const Endpoint& o = p.originator;
  const Endpoint& r = p.responder;
  const uint64_t o_port = big16(o.port);
  const uint64_t shared = o_port << 16 | big16(static_cast<uint16_t>(o.lo));
  const uint64_t whole = o_port << 32 | big32(static_cast<uint32_t>(o.lo));
  const uint64_t v4_originator = k.originator ? shared : whole;
  const uint32_t v4_originator_bytes = k.originator ? 4 : 6;
  const bool said = !k.responder;
  const bool port_said = !k.port & (p.cls != ProtocolClass::kEcho);  // an echo's responder has no port
  const uint64_t r_port = port_said ? big16(r.port) : 0;
  const uint32_t port_bytes = port_said ? 2 : 0;
  const uint64_t v4_responder = r_port << 32 | big32(static_cast<uint32_t>(r.lo));
  const uint64_t responder = p.v6 ? r_port : v4_responder;
  const uint32_t responder_bytes = p.v6 ? port_bytes : 4 + port_bytes;
  const EndpointPieces pieces = {piece_if(p.v6 & !k.originator, big64(o.hi), 8),
                                 piece_if(p.v6, big64(o.lo), 8),
                                 {p.v6 ? o_port : v4_originator, p.v6 ? 2 : v4_originator_bytes},
                                 piece_if(p.v6 & said, big64(r.hi), 8),
                                 piece_if(p.v6 & said, big64(r.lo), 8),
                                 {said ? responder : p.index, said ? responder_bytes : 1}};
  return pieces;
}

// The pieces kRule to kDestination.
struct NatPieces {
  Varint rule;
  Varint source_hi;
  Varint source_lo;
  Varint source;
  Varint destination_hi;
  Varint destination_lo;
  Varint destination;
};

// One side's rewrite: port, and the IPv4 address before it if it is to be said.
inline Varint nat_piece(bool present, bool address, uint32_t number, uint16_t port) {
  const uint64_t short_piece = big16(port);
  const uint64_t long_piece = short_piece << 32 | big32(number);
  return piece_if(present, address ? long_piece : short_piece, address ? 6 : 2);
}

// put_nat() and the rule before it. Of the session it reads rule and NAT.
inline NatPieces nat_pieces(const Session& s, const WideNat& wide, bool deleted, uint8_t ext) {
  const bool source = (ext & kExtNatSource) != 0;
  const bool destination = (ext & kExtNatDestination) != 0;
  const bool is_wide = (ext & kExtNatWide) != 0;
  const bool source_address = !is_wide & ((ext & kExtSameNatSource) == 0);
  const bool destination_address = !is_wide & ((ext & kExtSameNatDestination) == 0);
  const NatPieces pieces = {varint_if(!deleted, s.rule),
                            piece_if(source & is_wide, big64(wide.source_hi), 8),
                            piece_if(source & is_wide, big64(wide.source_lo), 8),
                            nat_piece(source, source_address, s.nat_source, s.nat_source_port),
                            piece_if(destination & is_wide, big64(wide.destination_hi), 8),
                            piece_if(destination & is_wide, big64(wide.destination_lo), 8),
                            nat_piece(destination, destination_address, s.nat_destination, s.nat_destination_port)};
  return pieces;
}

// The pieces kAge to kPackets1.
struct CounterPieces {
  Varint age;
  Varint bytes0;
  Varint packets0;
  Varint bytes1;
  Varint packets1;
};

// put_counters(), if `present`. Of the session it reads last_seen and the counters.
inline CounterPieces counter_pieces(const Session& s, bool present, uint32_t now_ms) {
  const uint32_t age = now_ms - s.last_seen;
  const uint64_t mask = 0xffffffffffffull;
  const CounterPieces pieces = {
      varint_if(present, age >> 31 != 0 ? 0 : age),  // not seen in the future
      varint_if(present, s.traffic[0] & mask), varint_if(present, s.traffic[0] >> 48 << 32 | s.packets[0]),
      varint_if(present, s.traffic[1] & mask), varint_if(present, s.traffic[1] >> 48 << 32 | s.packets[1])};
  return pieces;
}

}  // namespace delta
}  // namespace hls
}  // namespace phalanx

#endif
