// Keys, matching and rewrites of sessions with and without NAT.
#include "hls/nat.hpp"

#include "gtest/gtest.h"

namespace phalanx::hls {
namespace {

constexpr Endpoint kClient = {0, 0x0a000005, 40000};
constexpr Endpoint kServer = {0, 0x08080808, 443};
constexpr Endpoint kOutside = {0, 0xc0000201, 61000};  // what the client looks like outside
constexpr Endpoint kInside = {0, 0x0a010101, 8443};    // where the virtual address leads

struct NatCase {
  const char* name;
  uint8_t flags;
  Endpoint client_outside;
  Endpoint server_inside;
};

const NatCase kCases[] = {
    {"no NAT", 0, kClient, kServer},
    {"source", kNatSource, kOutside, kServer},
    {"destination", kNatDestination, kClient, kInside},
    {"both", kNatSource | kNatDestination, kOutside, kInside},
    {"wide source", kNatSource | kNatWide, {1, 2, 61000}, kServer},
    {"wide destination", kNatDestination | kNatWide, kClient, {3, 4, 8443}},
    {"wide both", kNatSource | kNatDestination | kNatWide, {1, 2, 61000}, {3, 4, 8443}},
    {"source to itself", kNatSource, kClient, kServer},
};

Session session_of(const NatCase& c) {
  Session session = {};
  const DirectedKey directed = make_key(kClient, kServer, kProtocolTcp, 4, 7);
  session.key = directed.key;
  session.flags = static_cast<uint8_t>(c.flags | directed.from_b);
  session.nat_source = (c.flags & kNatWide) ? 99 : static_cast<uint32_t>(c.client_outside.lo);
  session.nat_source_port = c.client_outside.port;
  session.nat_destination = static_cast<uint32_t>(c.server_inside.lo);
  session.nat_destination_port = c.server_inside.port;
  return session;
}

WideNat wide_of(const NatCase& c) {
  return {c.client_outside.hi, c.client_outside.lo, c.server_inside.hi, c.server_inside.lo};
}

PacketMeta packet_between(const Endpoint& source, const Endpoint& destination, uint8_t kind = kPacketTcp) {
  PacketMeta packet = {};
  const DirectedKey directed = make_key(source, destination, kProtocolTcp, 4, 7);
  packet.key = directed.key;
  packet.from_b = directed.from_b;
  packet.kind = kind;
  return packet;
}

struct Addresses {
  Endpoint source;
  Endpoint destination;
};

Addresses apply(const Rewrite& r, Addresses a) {
  if (r.source) a.source = {r.source_hi, r.source_lo, r.source_port};
  if (r.destination) a.destination = {r.destination_hi, r.destination_lo, r.destination_port};
  return a;
}

bool same(const Endpoint& x, const Endpoint& y) { return x.hi == y.hi && x.lo == y.lo && x.port == y.port; }

TEST(Nat, PacketsLeaveAsTheOtherSideKnowsThem) {
  for (const NatCase& c : kCases) {
    SCOPED_TRACE(c.name);
    const Session session = session_of(c);
    const Addresses out = apply(rewrite_for(session, wide_of(c), 0), {kClient, kServer});
    EXPECT_TRUE(same(out.source, c.client_outside));
    EXPECT_TRUE(same(out.destination, c.server_inside));
    const Addresses back = apply(rewrite_for(session, wide_of(c), 1), {c.server_inside, c.client_outside});
    EXPECT_TRUE(same(back.source, kServer));
    EXPECT_TRUE(same(back.destination, kClient));
  }
}

TEST(Nat, OnlyWhatNatChangesIsFlagged) {
  const Rewrite source = rewrite_for(session_of(kCases[1]), wide_of(kCases[1]), 0);
  EXPECT_EQ(source.source, 1);
  EXPECT_EQ(source.destination, 0);
  const Rewrite source_back = rewrite_for(session_of(kCases[1]), wide_of(kCases[1]), 1);
  EXPECT_EQ(source_back.source, 0);
  EXPECT_EQ(source_back.destination, 1);
  const Rewrite none = rewrite_for(session_of(kCases[0]), wide_of(kCases[0]), 0);
  EXPECT_EQ(none.source | none.destination, 0);
}

TEST(Nat, PacketsMatchOnTheSideTheyComeFrom) {
  for (const NatCase& c : kCases) {
    SCOPED_TRACE(c.name);
    const Session session = session_of(c);
    const Match out = match_direction(session, wide_of(c), packet_between(kClient, kServer));
    EXPECT_TRUE(out.matched);
    EXPECT_EQ(out.direction, 0);
    const Match back = match_direction(session, wide_of(c), packet_between(c.server_inside, c.client_outside));
    EXPECT_TRUE(back.matched);
    EXPECT_EQ(back.direction, 1);
  }
}

TEST(Nat, WithNatTheOtherDirectionOfAKeyIsNoMatch) {
  for (const NatCase& c : kCases) {
    if (c.flags == 0 || (same(c.client_outside, kClient) && same(c.server_inside, kServer))) continue;
    SCOPED_TRACE(c.name);
    const Session session = session_of(c);
    EXPECT_FALSE(match_direction(session, wide_of(c), packet_between(kServer, kClient)).matched);
    EXPECT_FALSE(match_direction(session, wide_of(c), packet_between(c.client_outside, c.server_inside)).matched);
  }
}

TEST(Nat, OtherPortsAndVirtualSystemsAreNoMatch) {
  const Session session = session_of(kCases[3]);
  PacketMeta other_port = packet_between({kClient.hi, kClient.lo, 40001}, kServer);
  EXPECT_FALSE(match_direction(session, wide_of(kCases[3]), other_port).matched);
  PacketMeta other_system = packet_between(kClient, kServer);
  other_system.key.tail ^= 1ull << 16;
  EXPECT_FALSE(match_direction(session, wide_of(kCases[3]), other_system).matched);
}

// A router outside complains about the client's packet as it left us, one inside about the server's.
TEST(Nat, IcmpErrorsMatchWhatTheyQuoteAndRestoreIt) {
  for (const NatCase& c : kCases) {
    SCOPED_TRACE(c.name);
    const Session session = session_of(c);
    const PacketMeta outside = packet_between(c.client_outside, c.server_inside, kPacketIcmpError);
    const Match to_client = match_direction(session, wide_of(c), outside);
    EXPECT_TRUE(to_client.matched);
    EXPECT_EQ(to_client.direction, 1);
    const Addresses quoted =
        apply(rewrite_for_error(session, wide_of(c), to_client.direction), {c.client_outside, c.server_inside});
    EXPECT_TRUE(same(quoted.source, kClient));
    EXPECT_TRUE(same(quoted.destination, kServer));

    const PacketMeta inside = packet_between(kServer, kClient, kPacketIcmpError);
    const Match to_server = match_direction(session, wide_of(c), inside);
    EXPECT_TRUE(to_server.matched);
    EXPECT_EQ(to_server.direction, 0);
    const Addresses restored = apply(rewrite_for_error(session, wide_of(c), to_server.direction), {kServer, kClient});
    EXPECT_TRUE(same(restored.source, c.server_inside));
    EXPECT_TRUE(same(restored.destination, c.client_outside));
  }
}

TEST(Nat, KeysTellWhereTheOriginatorIs) {
  for (const NatCase& c : kCases) {
    SCOPED_TRACE(c.name);
    const Session session = session_of(c);
    const DirectedKey original = original_key(session);
    EXPECT_TRUE(same_key(original.key, session.key));
    EXPECT_TRUE(same(original.from_b ? endpoint_b(original.key) : endpoint_a(original.key), kClient));
    const DirectedKey translated = translated_key(session, wide_of(c));
    EXPECT_TRUE(same(translated.from_b ? endpoint_b(translated.key) : endpoint_a(translated.key), c.client_outside));
    EXPECT_EQ(virtual_system(translated.key), 7);
    EXPECT_EQ(family(translated.key), 4);
    EXPECT_EQ(protocol(translated.key), kProtocolTcp);
  }
}

}  // namespace
}  // namespace phalanx::hls
