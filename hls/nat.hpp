// NAT: a session's two keys, which packets are its own, and what they leave as.
//
// The originator addresses the responder by the key's addresses (with destination NAT: the virtual address). With
// kNatSource the other side sees nat_source:nat_source_port instead of the originator; with kNatDestination the packets
// really go to nat_destination:nat_destination_port. For ICMP echo the "port" is the identifier, which belongs to the
// requester; the responder's port is 0 and nat_destination_port is 0 too. Protocols without ports have 0 everywhere.
#ifndef PHALANX_HLS_NAT_HPP
#define PHALANX_HLS_NAT_HPP

#include "hls/rewrite.hpp"
#include "hls/session.hpp"

namespace phalanx {
namespace hls {

const uint8_t kNatMask = kNatSource | kNatDestination;

inline uint8_t originator_from_b(const Session& session) { return session.flags & kOriginatorIsB; }

// The two ends as the originator's side knows them.
inline Endpoint originator_endpoint(const Session& session) {
  return originator_from_b(session) ? endpoint_b(session.key) : endpoint_a(session.key);
}
inline Endpoint responder_endpoint(const Session& session) {
  return originator_from_b(session) ? endpoint_a(session.key) : endpoint_b(session.key);
}

// The originator as the responder's side knows it. `wide` is read only with kNatWide.
inline Endpoint translated_originator(const Session& session, const WideNat& wide) {
  if (!(session.flags & kNatSource)) return originator_endpoint(session);
  const bool is_wide = (session.flags & kNatWide) != 0;
  const Endpoint e = {is_wide ? wide.source_hi : 0, is_wide ? wide.source_lo : session.nat_source,
                      session.nat_source_port};
  return e;
}

// The responder as its own side knows it.
inline Endpoint translated_responder(const Session& session, const WideNat& wide) {
  if (!(session.flags & kNatDestination)) return responder_endpoint(session);
  const bool is_wide = (session.flags & kNatWide) != 0;
  const Endpoint e = {is_wide ? wide.destination_hi : 0, is_wide ? wide.destination_lo : session.nat_destination,
                      session.nat_destination_port};
  return e;
}

// The key of the session's packets on the originator's side; from_b is that of packets the originator sends.
inline DirectedKey original_key(const Session& session) {
  const DirectedKey directed = {session.key, originator_from_b(session)};
  return directed;
}

// The key of the session's packets on the responder's side; from_b is that of packets the originator sent. Equal to
// original_key() without NAT.
inline DirectedKey translated_key(const Session& session, const WideNat& wide) {
  return make_key(translated_originator(session, wide), translated_responder(session, wide), protocol(session.key),
                  family(session.key), virtual_system(session.key));
}

struct Match {
  bool matched;
  uint8_t direction;  // 0: travels from the originator's side to the responder's, 1: back
};

// Whether `packet` belongs to `session`, and which way it goes.
//
// With NAT, packets of direction 0 arrive with the original key and those of direction 1 with the translated one;
// anything else is no match, even if one of the keys is equal. An ICMP error carries key and from_b of the packet it
// quotes, as that packet was when it left here, and travels against it: it is matched like a packet of the quoted one's
// receiver, and `direction` is the way the error itself goes.
inline Match match_direction(const Session& session, const WideNat& wide, const PacketMeta& packet) {
  const uint8_t from_b = packet.from_b ^ static_cast<uint8_t>(packet.kind == kPacketIcmpError ? 1 : 0);
  const bool original = same_key(session.key, packet.key);
  const uint8_t direction = from_b ^ originator_from_b(session);
  if (!(session.flags & kNatMask)) {
    const Match match = {original, direction};
    return match;
  }
  if (original && direction == 0) {
    const Match match = {true, 0};
    return match;
  }
  const DirectedKey translated = translated_key(session, wide);
  const Match match = {same_key(translated.key, packet.key) && from_b != translated.from_b, 1};
  return match;
}

// What the addresses and ports of a packet that goes in `direction` become. No ICMP errors: see rewrite_for_error().
inline Rewrite rewrite_for(const Session& session, const WideNat& wide, uint8_t direction) {
  const uint8_t originator_changes = (session.flags & kNatSource) ? 1 : 0;
  const uint8_t responder_changes = (session.flags & kNatDestination) ? 1 : 0;
  const Endpoint originator = direction ? originator_endpoint(session) : translated_originator(session, wide);
  const Endpoint responder = direction ? responder_endpoint(session) : translated_responder(session, wide);
  const Endpoint source = direction ? responder : originator;
  const Endpoint destination = direction ? originator : responder;
  const Rewrite rewrite = {source.hi,
                           source.lo,
                           destination.hi,
                           destination.lo,
                           source.port,
                           destination.port,
                           direction ? responder_changes : originator_changes,
                           direction ? originator_changes : responder_changes,
                           {0, 0}};
  return rewrite;
}

// For an ICMP error that goes in `direction`: what source and destination of the packet it *quotes* become. The quoted
// packet went the other way, so this is rewrite_for() with the two exchanged. The error's own destination becomes the
// quoted packet's new source; its own source, a router on the way, is rewritten only if it is the quoted destination.
inline Rewrite rewrite_for_error(const Session& session, const WideNat& wide, uint8_t direction) {
  const Rewrite r = rewrite_for(session, wide, direction);
  const Rewrite quoted = {r.destination_hi, r.destination_lo, r.source_hi, r.source_lo, r.destination_port,
                          r.source_port,    r.destination,    r.source,    {0, 0}};
  return quoted;
}

}  // namespace hls
}  // namespace phalanx

#endif
