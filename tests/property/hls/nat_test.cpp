// NAT on random sessions: what leaves comes back as it was, and is recognized on either side.
#include "hls/nat.hpp"

#include "rapidcheck/gtest.h"

namespace phalanx::hls {
namespace {

Endpoint any_endpoint(bool v6) {
  const uint64_t hi = v6 ? *rc::gen::arbitrary<uint64_t>() : 0;
  const uint64_t lo = v6 ? *rc::gen::arbitrary<uint64_t>() : *rc::gen::arbitrary<uint32_t>();
  return {hi, lo, *rc::gen::arbitrary<uint16_t>()};
}

bool same(const Endpoint& x, const Endpoint& y) { return x.hi == y.hi && x.lo == y.lo && x.port == y.port; }

struct Flow {
  Session session;
  WideNat wide;
  Endpoint client, server, client_outside, server_inside;
};

Flow any_flow() {
  Flow flow = {};
  const bool v6 = *rc::gen::arbitrary<bool>();
  const uint8_t nat = static_cast<uint8_t>(*rc::gen::inRange(0, 4) * kNatSource);
  flow.client = any_endpoint(v6);
  flow.server = any_endpoint(v6);
  flow.client_outside = (nat & kNatSource) ? any_endpoint(v6) : flow.client;
  flow.server_inside = (nat & kNatDestination) ? any_endpoint(v6) : flow.server;
  const DirectedKey key = make_key(flow.client, flow.server, kProtocolUdp, v6 ? 6 : 4, 3);
  Session& s = flow.session;
  s.key = key.key;
  s.flags = static_cast<uint8_t>(nat | key.from_b | (v6 && nat ? kNatWide : 0));
  s.nat_source = v6 ? 0 : static_cast<uint32_t>(flow.client_outside.lo);
  s.nat_destination = v6 ? 0 : static_cast<uint32_t>(flow.server_inside.lo);
  s.nat_source_port = flow.client_outside.port;
  s.nat_destination_port = flow.server_inside.port;
  flow.wide = {flow.client_outside.hi, flow.client_outside.lo, flow.server_inside.hi, flow.server_inside.lo};
  return flow;
}

PacketMeta packet_of(const Flow& flow, const Endpoint& source, const Endpoint& destination, uint8_t kind) {
  PacketMeta packet = {};
  const DirectedKey key = make_key(source, destination, kProtocolUdp, family(flow.session.key), 3);
  packet.key = key.key;
  packet.from_b = key.from_b;
  packet.kind = kind;
  return packet;
}

struct Pair {
  Endpoint source, destination;
};

Pair rewritten(const Rewrite& r, Pair p) {
  if (r.source) p.source = {r.source_hi, r.source_lo, r.source_port};
  if (r.destination) p.destination = {r.destination_hi, r.destination_lo, r.destination_port};
  return p;
}

RC_GTEST_PROP(NatProperty, WhatLeavesComesBackAsItWas, ()) {
  const Flow flow = any_flow();
  const Pair sent = {flow.client, flow.server};
  const Pair outside = rewritten(rewrite_for(flow.session, flow.wide, 0), sent);
  RC_ASSERT(same(outside.source, flow.client_outside) && same(outside.destination, flow.server_inside));
  const Pair reply = {outside.destination, outside.source};
  const Pair back = rewritten(rewrite_for(flow.session, flow.wide, 1), reply);
  RC_ASSERT(same(back.source, flow.server) && same(back.destination, flow.client));
  // An error about the packet that left quotes it, and is turned into one about the packet that was sent.
  const Pair quoted = rewritten(rewrite_for_error(flow.session, flow.wide, 1), outside);
  RC_ASSERT(same(quoted.source, sent.source) && same(quoted.destination, sent.destination));
}

RC_GTEST_PROP(NatProperty, MatchingAgreesWithRewriting, ()) {
  const Flow flow = any_flow();
  RC_PRE(!same(flow.client, flow.server) && !same(flow.client_outside, flow.server_inside));
  const Pair outside = rewritten(rewrite_for(flow.session, flow.wide, 0), {flow.client, flow.server});
  const Match there = match_direction(flow.session, flow.wide, packet_of(flow, flow.client, flow.server, kPacketUdp));
  RC_ASSERT(there.matched && there.direction == 0);
  const Match back =
      match_direction(flow.session, flow.wide, packet_of(flow, outside.destination, outside.source, kPacketUdp));
  RC_ASSERT(back.matched && back.direction == 1);
  const Match error =
      match_direction(flow.session, flow.wide, packet_of(flow, outside.source, outside.destination, kPacketIcmpError));
  RC_ASSERT(error.matched && error.direction == 1);
  const Endpoint stranger = {1ull << 63, 12345, 1};
  RC_ASSERT(!match_direction(flow.session, flow.wide, packet_of(flow, stranger, flow.server, kPacketUdp)).matched);
}

}  // namespace
}  // namespace phalanx::hls
