// Well-formed frames of every kind, from a seed: where fuzzing and properties start.
#ifndef PHALANX_TESTS_FUZZ_PACKET_CORPUS_HPP
#define PHALANX_TESTS_FUZZ_PACKET_CORPUS_HPP

#include <cstdint>
#include <random>
#include <vector>

#include "host/packet/packet_builder.hpp"

namespace phalanx::test {

using Random = std::mt19937_64;

inline uint32_t below(Random& random, uint32_t bound) { return static_cast<uint32_t>(random() % bound); }
inline uint16_t random16(Random& random) { return static_cast<uint16_t>(random()); }

// An address that hosts have, of 2^16 or more.
inline IpAddress random_address(Random& random, bool six) {
  if (six) return IpAddress::v6(0x20010db8'00000000 | below(random, 1u << 16), random() | 1);
  return IpAddress::v4(0x0a000000 | below(random, 1u << 24));
}

enum class Shape : uint8_t { kTcp, kUdp, kEchoRequest, kEchoReply, kError, kOther, kFragment, kNeighbour, kCount };

inline PacketBuilder random_addressed(Random& random, bool six) {
  PacketBuilder builder;
  const IpAddress source = random_address(random, six);
  IpAddress destination = random_address(random, six);
  if (destination == source) destination.lo ^= 2;
  builder.ip(source, destination)
      .ttl(static_cast<uint8_t>(2 + below(random, 254)))
      .dscp(static_cast<uint8_t>(below(random, 64)));
  if (below(random, 4) == 0) builder.vlan(static_cast<uint16_t>(1 + below(random, 4094)));
  return builder;
}

inline void add_options(Random& random, bool six, PacketBuilder& builder) {
  if (six) {
    if (below(random, 4) == 0) builder.extension(kProtocolHopByHop, std::vector<uint8_t>(6 + 8 * below(random, 3)));
    if (below(random, 4) == 0) builder.extension(kProtocolDestinationOptions, std::vector<uint8_t>(6));
    if (below(random, 8) == 0) builder.extension(kProtocolAh, std::vector<uint8_t>(22));
  } else if (below(random, 4) == 0) {
    builder.ip_options(std::vector<uint8_t>{0x94, 4, 0, 0, 1, 1, 7, 3, 4});
  }
}

inline void add_transport(Random& random, Shape shape, PacketBuilder& builder) {
  const uint16_t a = random16(random);
  const uint16_t b = random16(random);
  switch (shape) {
    case Shape::kTcp:
      builder.tcp(a, b, static_cast<uint8_t>(1u << below(random, 5)), static_cast<uint32_t>(random()),
                  static_cast<uint32_t>(random()));
      if (below(random, 2) == 0) builder.tcp_options(std::vector<uint8_t>{2, 4, 5, 180, 1, 3, 3, 7});
      break;
    case Shape::kEchoRequest:
    case Shape::kEchoReply:
      builder.echo(shape == Shape::kEchoRequest, a, b);
      break;
    case Shape::kOther:
      builder.protocol(static_cast<uint8_t>(100 + below(random, 30)));
      break;
    default:
      builder.udp(a, b);
      break;
  }
  builder.payload_size(8 + below(random, 200));
}

// A frame of `shape` that parse() takes.
inline PacketBuilder random_builder(Random& random, Shape shape) {
  const bool six = below(random, 2) == 1;
  PacketBuilder builder = random_addressed(random, six);
  switch (shape) {
    case Shape::kFragment: {
      add_transport(random, static_cast<Shape>(below(random, 4)), builder);
      builder.payload_size(200);
      const uint32_t at = below(random, 3) * 48;
      builder.fragment(static_cast<uint32_t>(random()), static_cast<uint16_t>(at), true).cut(at, at + 48);
      break;
    }
    case Shape::kError: {
      const IpAddress to = random_address(random, six);
      const IpAddress router = random_address(random, six);
      PacketBuilder quoted = random_addressed(random, six).ip(to, router);
      add_options(random, six, quoted);
      add_transport(random, static_cast<Shape>(below(random, 4)), quoted);
      IpAddress from = router;
      from.lo ^= 4;
      if (from == to) from.lo ^= 8;
      builder.ip(from, to).icmp(six ? kIcmpV6TimeExceeded : kIcmpTimeExceeded, 0).payload(quoted.build_ip());
      break;
    }
    case Shape::kNeighbour:
      builder.ip(random_address(random, true), random_address(random, true)).ttl(255);
      builder.icmp(static_cast<uint8_t>(133 + below(random, 5)), 0).payload_size(24);
      break;
    default:
      add_options(random, six, builder);
      add_transport(random, shape, builder);
      if (shape == Shape::kTcp && below(random, 4) == 0) builder.partial_checksum(below(random, 2) == 0 ? 0 : 50);
      if (shape == Shape::kUdp && !six && below(random, 4) == 0) builder.zero_checksum();
      break;
  }
  if (below(random, 4) == 0) builder.padding(below(random, 9));
  return builder;
}

inline std::vector<uint8_t> random_frame(Random& random, Shape shape) { return random_builder(random, shape).build(); }
inline Shape random_shape(Random& random) {
  return static_cast<Shape>(below(random, static_cast<uint32_t>(Shape::kCount)));
}

}  // namespace phalanx::test

#endif
