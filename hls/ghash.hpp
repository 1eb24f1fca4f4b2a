// GHASH's multiplication (NIST SP 800-38D, section 6.3), by Karatsuba down to 16 bits, fully unrolled.
#ifndef PHALANX_HLS_GHASH_HPP
#define PHALANX_HLS_GHASH_HPP

#include "hls/aes.hpp"

namespace phalanx {
namespace hls {

// What bit `at` of `b` adds to the carry-less product: a choice, no arithmetic.
inline uint32_t carryless_term(uint32_t a, uint32_t b, unsigned at) { return (b >> at & 1) != 0 ? a << at : 0; }

inline uint32_t carryless_terms(uint32_t a, uint32_t b, unsigned at) {
  return (carryless_term(a, b, at) ^ carryless_term(a, b, at + 1)) ^
         (carryless_term(a, b, at + 2) ^ carryless_term(a, b, at + 3));
}

// Carry-less products. No loop: some front ends unroll late or not at all.
inline uint32_t carryless16(uint32_t a, uint32_t b) {
  return (carryless_terms(a, b, 0) ^ carryless_terms(a, b, 4)) ^ (carryless_terms(a, b, 8) ^ carryless_terms(a, b, 12));
}

inline uint64_t carryless32(uint32_t a, uint32_t b) {
  const uint64_t low = carryless16(a & 0xffff, b & 0xffff);
  const uint64_t high = carryless16(a >> 16, b >> 16);
  const uint64_t middle = carryless16((a ^ a >> 16) & 0xffff, (b ^ b >> 16) & 0xffff) ^ low ^ high;
  return low ^ middle << 16 ^ high << 32;
}

inline AesBlock carryless64(uint64_t a, uint64_t b) {
  const uint32_t a_low = static_cast<uint32_t>(a), a_high = static_cast<uint32_t>(a >> 32);
  const uint32_t b_low = static_cast<uint32_t>(b), b_high = static_cast<uint32_t>(b >> 32);
  const uint64_t low = carryless32(a_low, b_low);
  const uint64_t high = carryless32(a_high, b_high);
  const uint64_t middle = carryless32(a_low ^ a_high, b_low ^ b_high) ^ low ^ high;
  return {high ^ middle >> 32, low ^ middle << 32};
}

// The product in GCM's field: the highest bit of `hi` is the coefficient of x^0. 27 products of 16 bits; II=1.
inline AesBlock ghash_multiply(AesBlock a, AesBlock b) {
  const AesBlock low = carryless64(a.lo, b.lo);
  const AesBlock high = carryless64(a.hi, b.hi);
  const AesBlock cross = carryless64(a.hi ^ a.lo, b.hi ^ b.lo);
  const AesBlock middle = xor_blocks(cross, xor_blocks(low, high));
  const uint64_t p3 = high.hi, p2 = high.lo ^ middle.hi, p1 = low.hi ^ middle.lo, p0 = low.lo;
  // The reflected product of two 128-bit numbers has 255 bits: one to the left, so that x^0 is the highest of 256.
  const uint64_t z3 = p3 << 1 | p2 >> 63, z2 = p2 << 1 | p1 >> 63, z0 = p0 << 1;
  // x^128 = x^7 + x^2 + x + 1. What the shifts push out of z0's place comes in again one word higher.
  const uint64_t z1 = (p1 << 1 | p0 >> 63) ^ z0 << 63 ^ z0 << 62 ^ z0 << 57;
  return {z3 ^ z1 ^ z1 >> 1 ^ z1 >> 2 ^ z1 >> 7,
          z2 ^ z0 ^ z0 >> 1 ^ z0 >> 2 ^ z0 >> 7 ^ z1 << 63 ^ z1 << 62 ^ z1 << 57};
}

}  // namespace hls
}  // namespace phalanx

#endif
