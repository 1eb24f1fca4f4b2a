// The keyed hash of a flow key.
#ifndef PHALANX_HLS_HASH_HPP
#define PHALANX_HLS_HASH_HPP

#include "hls/flow_key.hpp"

namespace phalanx {
namespace hls {

// SipHash's four words of state (Aumasson and Bernstein, "SipHash: a fast short-input PRF").
struct SipState {
  uint64_t v0;
  uint64_t v1;
  uint64_t v2;
  uint64_t v3;
};

inline uint64_t rotate_left(uint64_t x, unsigned bits) { return x << bits | x >> (64 - bits); }

inline SipState sip_round(SipState s) {
  s.v0 += s.v1;
  s.v2 += s.v3;
  s.v1 = rotate_left(s.v1, 13) ^ s.v0;
  s.v3 = rotate_left(s.v3, 16) ^ s.v2;
  s.v0 = rotate_left(s.v0, 32);
  s.v2 += s.v1;
  s.v0 += s.v3;
  s.v1 = rotate_left(s.v1, 17) ^ s.v2;
  s.v3 = rotate_left(s.v3, 21) ^ s.v0;
  s.v2 = rotate_left(s.v2, 32);
  return s;
}

inline SipState sip_absorb(SipState s, uint64_t word) {
  s.v3 ^= word;
  s = sip_round(s);
  s.v0 ^= word;
  return s;
}

inline SipState sip_begin(uint64_t seed0, uint64_t seed1) {
  const SipState s = {seed0 ^ 0x736f6d6570736575ull, seed1 ^ 0x646f72616e646f6dull, seed0 ^ 0x6c7967656e657261ull,
                      seed1 ^ 0x7465646279746573ull};
  return s;
}

inline uint64_t sip_end(SipState s) {
  s.v2 ^= 0xff;
  s = sip_round(sip_round(sip_round(s)));
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

// SipHash-1-3 of the key's five words under a secret 128-bit seed, so that nobody outside can choose keys that collide.
// Every input is 40 bytes long: SipHash's last block, which tells lengths apart, would be the same for all and is left
// out.
inline uint64_t hash_key(const FlowKey& key, uint64_t seed0, uint64_t seed1) {
  SipState s = sip_begin(seed0, seed1);
  s = sip_absorb(s, key.a_hi);
  s = sip_absorb(s, key.a_lo);
  s = sip_absorb(s, key.b_hi);
  s = sip_absorb(s, key.b_lo);
  s = sip_absorb(s, key.tail);
  return sip_end(s);
}

}  // namespace hls
}  // namespace phalanx

#endif
