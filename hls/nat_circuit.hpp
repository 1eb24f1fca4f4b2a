// NAT as one circuit: match_direction(), rewrite_for() and rewrite_for_error() of nat.hpp with every alternative
// computed at once and no branch. Same arguments, same results. The CPU takes nat.hpp, which skips what does not apply.
#ifndef PHALANX_HLS_NAT_CIRCUIT_HPP
#define PHALANX_HLS_NAT_CIRCUIT_HPP

#include "hls/nat.hpp"

namespace phalanx {
namespace hls {

// The session's two ends, as each side knows them.
struct NatEnds {
  Endpoint originator;
  Endpoint responder;
  Endpoint translated_originator;
  Endpoint translated_responder;
};

inline NatEnds nat_ends(const Session& session, const WideNat& wide) {
  const bool originator_is_b = (session.flags & kOriginatorIsB) != 0;
  const bool is_wide = (session.flags & kNatWide) != 0;
  const Endpoint a = endpoint_a(session.key);
  const Endpoint b = endpoint_b(session.key);
  const uint64_t source_lo = is_wide ? wide.source_lo : session.nat_source;
  const uint64_t destination_lo = is_wide ? wide.destination_lo : session.nat_destination;
  const Endpoint source = {is_wide ? wide.source_hi : 0, source_lo, session.nat_source_port};
  const Endpoint destination = {is_wide ? wide.destination_hi : 0, destination_lo, session.nat_destination_port};
  const Endpoint originator = choose_endpoint(originator_is_b, b, a);
  const Endpoint responder = choose_endpoint(originator_is_b, a, b);
  const NatEnds ends = {originator, responder, choose_endpoint((session.flags & kNatSource) != 0, source, originator),
                        choose_endpoint((session.flags & kNatDestination) != 0, destination, responder)};
  return ends;
}

// translated_key().
inline DirectedKey translated_key_at_once(const Session& session, const WideNat& wide) {
  const NatEnds ends = nat_ends(session, wide);
  return make_key(ends.translated_originator, ends.translated_responder, protocol(session.key), family(session.key),
                  virtual_system(session.key));
}

inline bool same_endpoint(const Endpoint& x, const Endpoint& y) {
  const uint64_t ports = static_cast<uint64_t>(x.port ^ y.port);
  return ((x.hi ^ y.hi) | (x.lo ^ y.lo) | ports) == 0;
}

// match_direction(). Whether the packet has the translated key is told without making that key, which would have to
// wait for the order of its ends: the ends are compared with the packet's in both orders, beside the order itself.
inline Match match_direction_at_once(const Session& session, const WideNat& wide, const PacketMeta& packet) {
  const NatEnds ends = nat_ends(session, wide);
  const Endpoint packet_a = endpoint_a(packet.key);
  const Endpoint packet_b = endpoint_b(packet.key);
  const bool from_b = ((packet.from_b & 1) ^ (packet.kind == kPacketIcmpError ? 1 : 0)) != 0;
  const bool original = same_key(session.key, packet.key);
  const bool back = from_b != ((session.flags & kOriginatorIsB) != 0);
  const bool has_nat = (session.flags & kNatMask) != 0;
  const bool swapped = endpoint_less(ends.translated_responder, ends.translated_originator);
  const uint64_t same_rest = (session.key.tail ^ packet.key.tail) & 0xffffffffu;
  const bool straight_a = same_endpoint(ends.translated_originator, packet_a);
  const bool straight_b = same_endpoint(ends.translated_responder, packet_b);
  const bool swapped_a = same_endpoint(ends.translated_responder, packet_a);
  const bool swapped_b = same_endpoint(ends.translated_originator, packet_b);
  const bool same_ends = (swapped & swapped_a & swapped_b) | (!swapped & straight_a & straight_b);
  const bool translated = (same_rest == 0) & same_ends & (from_b != swapped);
  const bool forth = original & !back;
  const bool nat_back = has_nat & !forth;
  const bool matched = (has_nat & (forth | translated)) | (!has_nat & original);
  const Match match = {matched, static_cast<uint8_t>((nat_back | (!has_nat & back)) ? 1 : 0)};
  return match;
}

// rewrite_for(), or with `quoted` rewrite_for_error().
inline Rewrite rewrite_at_once(const Session& session, const WideNat& wide, uint8_t direction, bool quoted) {
  const NatEnds ends = nat_ends(session, wide);
  const bool back = direction != 0;
  const bool turned = back != quoted;  // the source is the responder's side
  const Endpoint originator = choose_endpoint(back, ends.originator, ends.translated_originator);
  const Endpoint responder = choose_endpoint(back, ends.responder, ends.translated_responder);
  const Endpoint source = choose_endpoint(turned, responder, originator);
  const Endpoint destination = choose_endpoint(turned, originator, responder);
  const uint8_t originator_changes = (session.flags & kNatSource) ? 1 : 0;
  const uint8_t responder_changes = (session.flags & kNatDestination) ? 1 : 0;
  const uint8_t source_changes = turned ? responder_changes : originator_changes;
  const uint8_t destination_changes = turned ? originator_changes : responder_changes;
  const Rewrite rewrite = {source.hi,        source.lo,      destination.hi,      destination.lo, source.port,
                           destination.port, source_changes, destination_changes, {0, 0}};
  return rewrite;
}

}  // namespace hls
}  // namespace phalanx

#endif
