// The flow key: what a packet and its replies have in common, as five 64-bit words.
//
// A key is canonical: endpoint A is the smaller (address, port) pair of the two, so both directions of a flow without
// NAT have one key and one table entry; `PacketMeta::from_b` tells which way a packet goes. Synthesizable C++14.
#ifndef PHALANX_HLS_FLOW_KEY_HPP
#define PHALANX_HLS_FLOW_KEY_HPP

#include <stdint.h>

namespace phalanx {
namespace hls {

// Addresses are numbers in host order: an IPv6 address is (hi, lo); an IPv4 address is (0, address).
// tail = port A << 48 | port B << 32 | virtual system << 16 | family << 8 | protocol, family being 4 or 6.
// ICMP and ICMPv6 echo: the identifier is the port of the side that sends the requests, 0 is the port of the other
// side.
struct FlowKey {
  uint64_t a_hi;
  uint64_t a_lo;
  uint64_t b_hi;
  uint64_t b_lo;
  uint64_t tail;
};

inline uint16_t port_a(const FlowKey& key) { return static_cast<uint16_t>(key.tail >> 48); }
inline uint16_t port_b(const FlowKey& key) { return static_cast<uint16_t>(key.tail >> 32); }
inline uint16_t virtual_system(const FlowKey& key) { return static_cast<uint16_t>(key.tail >> 16); }
inline uint8_t family(const FlowKey& key) { return static_cast<uint8_t>(key.tail >> 8); }
inline uint8_t protocol(const FlowKey& key) { return static_cast<uint8_t>(key.tail); }

inline bool same_key(const FlowKey& x, const FlowKey& y) {
  return ((x.a_hi ^ y.a_hi) | (x.a_lo ^ y.a_lo) | (x.b_hi ^ y.b_hi) | (x.b_lo ^ y.b_lo) | (x.tail ^ y.tail)) == 0;
}

// One side of a flow as a packet shows it.
struct Endpoint {
  uint64_t hi;
  uint64_t lo;
  uint16_t port;
};

inline bool endpoint_less(const Endpoint& x, const Endpoint& y) {
  // All comparisons side by side: a chain of branches would be mispredicted, and deeper in hardware.
  const bool lo_less = (x.lo < y.lo) | ((x.lo == y.lo) & (x.port < y.port));
  return (x.hi < y.hi) | ((x.hi == y.hi) & lo_less);
}

// `x` if `yes`, else `y`, field by field: no pointer is chosen, so that nothing has to lie in memory.
inline Endpoint choose_endpoint(bool yes, const Endpoint& x, const Endpoint& y) {
  const uint64_t hi = yes ? x.hi : y.hi;
  const uint64_t lo = yes ? x.lo : y.lo;
  const uint16_t port = yes ? x.port : y.port;
  const Endpoint e = {hi, lo, port};
  return e;
}

// A key and where its packet's source ended up in it.
struct DirectedKey {
  FlowKey key;
  uint8_t from_b;  // 1: the source is endpoint B
};

inline DirectedKey make_key(const Endpoint& source, const Endpoint& destination, uint8_t protocol, uint8_t family,
                            uint16_t virtual_system) {
  const bool swap = endpoint_less(destination, source);
  const Endpoint a = choose_endpoint(swap, destination, source);
  const Endpoint b = choose_endpoint(swap, source, destination);
  const uint64_t tail = static_cast<uint64_t>(a.port) << 48 | static_cast<uint64_t>(b.port) << 32 |
                        static_cast<uint64_t>(virtual_system) << 16 | static_cast<uint64_t>(family) << 8 | protocol;
  const FlowKey key = {a.hi, a.lo, b.hi, b.lo, tail};
  const DirectedKey directed = {key, static_cast<uint8_t>(swap ? 1 : 0)};
  return directed;
}

inline Endpoint endpoint_a(const FlowKey& key) {
  const Endpoint e = {key.a_hi, key.a_lo, port_a(key)};
  return e;
}
inline Endpoint endpoint_b(const FlowKey& key) {
  const Endpoint e = {key.b_hi, key.b_lo, port_b(key)};
  return e;
}

}  // namespace hls
}  // namespace phalanx

#endif
