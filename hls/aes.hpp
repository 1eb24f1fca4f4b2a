// AES (FIPS 197) without a table: the S-box is a Boolean circuit, evaluated for as many bytes at a time as bits fit a
// word. In hardware all slicing is wires.
//
// The circuit: a byte of GF(2^8) is mapped to the tower GF((2^4)^2), with GF(2^4) = GF(2)[x] / x^4 + x + 1 and then
// y^2 + y + (x^3 + x), inverted there, and mapped back together with the affine part of the S-box. Of all towers and
// maps with this GF(2^4) the one whose two matrices have the fewest ones.
#ifndef PHALANX_HLS_AES_HPP
#define PHALANX_HLS_AES_HPP

#include <stdint.h>

namespace phalanx {
namespace hls {

// 16 bytes: hi is bytes 0..7, big-endian, lo is bytes 8..15.
struct AesBlock {
  uint64_t hi;
  uint64_t lo;
};

inline AesBlock xor_blocks(AesBlock a, AesBlock b) { return {a.hi ^ b.hi, a.lo ^ b.lo}; }

// Up to 64 bytes: bN has bit N of each of them.
struct SlicedBytes {
  uint64_t b0, b1, b2, b3, b4, b5, b6, b7;
};

// Up to 64 elements of GF(2^4).
struct SlicedNibbles {
  uint64_t b0, b1, b2, b3;
};

inline SlicedNibbles nibble_multiply(SlicedNibbles x, SlicedNibbles y) {
  const uint64_t x4 = (x.b1 & y.b3) ^ (x.b2 & y.b2) ^ (x.b3 & y.b1);  // terms in x^4 = x + 1, and so on
  const uint64_t x5 = (x.b2 & y.b3) ^ (x.b3 & y.b2);
  const uint64_t x6 = x.b3 & y.b3;
  return {(x.b0 & y.b0) ^ x4, (x.b0 & y.b1) ^ (x.b1 & y.b0) ^ x4 ^ x5,
          (x.b0 & y.b2) ^ (x.b1 & y.b1) ^ (x.b2 & y.b0) ^ x5 ^ x6,
          (x.b0 & y.b3) ^ (x.b1 & y.b2) ^ (x.b2 & y.b1) ^ (x.b3 & y.b0) ^ x6};
}

// 0 has no inverse, and gives 0.
inline SlicedNibbles nibble_invert(SlicedNibbles x) {
  const uint64_t x01 = x.b0 & x.b1, x02 = x.b0 & x.b2, x12 = x.b1 & x.b2, x03 = x.b0 & x.b3, x13 = x.b1 & x.b3;
  const uint64_t x123 = x12 & x.b3;
  return {x.b0 ^ x.b1 ^ x.b2 ^ x02 ^ x12 ^ (x01 & x.b2) ^ x.b3 ^ x123, x01 ^ x02 ^ x12 ^ x.b3 ^ x13 ^ (x01 & x.b3),
          x01 ^ x.b2 ^ x02 ^ x.b3 ^ x03 ^ (x02 & x.b3), x.b1 ^ x.b2 ^ x.b3 ^ x03 ^ x13 ^ (x.b2 & x.b3) ^ x123};
}

// The S-box (FIPS 197, section 5.1.1) of every byte.
inline SlicedBytes sub_bytes(SlicedBytes s) {
  const uint64_t s57 = s.b5 ^ s.b7, s25 = s.b2 ^ s.b5, s67 = s.b6 ^ s.b7;
  const SlicedNibbles low = {s.b0 ^ s.b2 ^ s57, s25 ^ s67, s.b2, s.b3 ^ s.b4};
  const SlicedNibbles high = {s.b1 ^ s57, s.b2 ^ s.b3, s.b1 ^ s.b4 ^ s67, s57};
  const SlicedNibbles sum = {low.b0 ^ high.b0, low.b1 ^ high.b1, low.b2 ^ high.b2, low.b3 ^ high.b3};
  const SlicedNibbles product = nibble_multiply(sum, low);
  // The norm: high^2 (x^3 + x) + high low + low^2.
  const uint64_t h01 = high.b0 ^ high.b1;
  const SlicedNibbles norm = {product.b0 ^ high.b2 ^ high.b3, product.b1 ^ h01, product.b2 ^ high.b1 ^ high.b2,
                              product.b3 ^ h01 ^ high.b2};
  const SlicedNibbles inverse = nibble_invert(norm);
  const SlicedNibbles l = nibble_multiply(sum, inverse);
  const SlicedNibbles h = nibble_multiply(high, inverse);
  const uint64_t l23 = l.b2 ^ l.b3, l01 = l.b0 ^ l.b1, h12 = h.b1 ^ h.b2;
  return {~(l01 ^ l23 ^ h.b1 ^ h.b3), ~(l01 ^ h.b0),        l.b0 ^ l23 ^ h12 ^ h.b3, l01 ^ l23 ^ h.b2,
          l.b0 ^ l.b3 ^ h.b0,         ~(l.b1 ^ l.b2 ^ h12), ~(h.b0 ^ h12),           l.b1 ^ l23};
}

// Bit `bit` of each of a word's 8 bytes, in the lowest bit of that byte.
inline uint64_t byte_bits(uint64_t word, unsigned bit) { return word >> bit & 0x0101010101010101ull; }

inline AesBlock sub_block(AesBlock s) {
  const SlicedBytes in = {byte_bits(s.hi, 0) | byte_bits(s.lo, 0) << 1, byte_bits(s.hi, 1) | byte_bits(s.lo, 1) << 1,
                          byte_bits(s.hi, 2) | byte_bits(s.lo, 2) << 1, byte_bits(s.hi, 3) | byte_bits(s.lo, 3) << 1,
                          byte_bits(s.hi, 4) | byte_bits(s.lo, 4) << 1, byte_bits(s.hi, 5) | byte_bits(s.lo, 5) << 1,
                          byte_bits(s.hi, 6) | byte_bits(s.lo, 6) << 1, byte_bits(s.hi, 7) | byte_bits(s.lo, 7) << 1};
  const SlicedBytes o = sub_bytes(in);
  return {byte_bits(o.b0, 0) | byte_bits(o.b1, 0) << 1 | byte_bits(o.b2, 0) << 2 | byte_bits(o.b3, 0) << 3 |
              byte_bits(o.b4, 0) << 4 | byte_bits(o.b5, 0) << 5 | byte_bits(o.b6, 0) << 6 | byte_bits(o.b7, 0) << 7,
          byte_bits(o.b0, 1) | byte_bits(o.b1, 1) << 1 | byte_bits(o.b2, 1) << 2 | byte_bits(o.b3, 1) << 3 |
              byte_bits(o.b4, 1) << 4 | byte_bits(o.b5, 1) << 5 | byte_bits(o.b6, 1) << 6 | byte_bits(o.b7, 1) << 7};
}

// The state's columns are 32-bit halves of the words; row 0 is the top byte of each.
inline AesBlock shift_rows(AesBlock s) {
  const uint64_t row0 = 0xff000000ff000000ull, row1 = row0 >> 8, row2 = row0 >> 16, row3 = row0 >> 24;
  const uint64_t columns12 = s.hi << 32 | s.lo >> 32;
  const uint64_t columns30 = s.lo << 32 | s.hi >> 32;
  return {(s.hi & row0) | (columns12 & row1) | (s.lo & row2) | (columns30 & row3),
          (s.lo & row0) | (columns30 & row1) | (s.hi & row2) | (columns12 & row3)};
}

// Of two columns.
inline uint64_t mix_columns(uint64_t a) {
  const uint64_t next = (a & 0x00ffffff00ffffffull) << 8 | (a >> 24 & 0x000000ff000000ffull);  // each row's next one
  const uint64_t sum = a ^ next;
  const uint64_t over = byte_bits(sum, 7);
  const uint64_t twice = (sum & 0x7f7f7f7f7f7f7f7full) << 1 ^ over ^ over << 1 ^ over << 3 ^ over << 4;
  return twice ^ next ^ ((sum & 0x0000ffff0000ffffull) << 16 | (sum >> 16 & 0x0000ffff0000ffffull));
}

// A round and the last round of the cipher (FIPS 197, section 5.1): II=1, 16 S-boxes.
inline AesBlock aes_round(AesBlock state, AesBlock key) {
  const AesBlock s = shift_rows(sub_block(state));
  return {mix_columns(s.hi) ^ key.hi, mix_columns(s.lo) ^ key.lo};
}
inline AesBlock aes_last_round(AesBlock state, AesBlock key) { return xor_blocks(shift_rows(sub_block(state)), key); }

const int kAesRoundKeysMax = 15;  // of 256-bit keys; 128-bit keys have 11

inline int aes_rounds(uint32_t key_bytes) { return key_bytes == 32 ? 14 : 10; }

// One block. `round_key`: aes_rounds + 1 keys, each hi then lo. For known answers and SA installation: the kernel has
// its rounds unrolled.
inline AesBlock aes_encrypt(AesBlock block, const uint64_t* round_key, int rounds) {
  AesBlock s = xor_blocks(block, {round_key[0], round_key[1]});
  for (int r = 1; r < kAesRoundKeysMax; ++r) {
    if (r > rounds) break;
    const AesBlock key = {round_key[2 * r], round_key[2 * r + 1]};
    s = r == rounds ? aes_last_round(s, key) : aes_round(s, key);
  }
  return s;
}

// A word of the key expansion (FIPS 197, section 5.2) from the one before it and the one a key's length before.
// `first`: its place in the key's length is 0; `middle`: it is 4, of 8. `constant` counts for the first only.
inline uint32_t aes_key_word(uint32_t before, uint32_t back, uint32_t constant, bool first, bool middle) {
  const uint32_t turned = first ? before << 8 | before >> 24 : before;
  const uint32_t substituted = static_cast<uint32_t>(sub_block({0, turned}).lo);
  const uint32_t t = (first | middle) ? substituted : turned;
  return back ^ t ^ (first ? constant : 0);
}

// Key expansion (FIPS 197, section 5.2) of 4 or 8 big-endian words into kAesRoundKeysMax round keys, hi then lo; those
// that a 128-bit key does not have are 0. Not pipelined: done once an SA.
inline void aes_expand_key(const uint32_t* key, uint32_t key_bytes, uint64_t* round_key) {
  uint32_t word[4 * kAesRoundKeysMax];
  const int key_words = key_bytes == 32 ? 8 : 4;
  const int words = 4 * (aes_rounds(key_bytes) + 1);
  uint32_t constant = 0x01000000;
  for (int i = 0; i < 4 * kAesRoundKeysMax; ++i) {
    word[i] = 0;
    if (i < key_words) word[i] = key[i];
    if (i < key_words || i >= words) continue;
    const int place = i & (key_words - 1);
    word[i] = aes_key_word(word[i - 1], word[i - key_words], constant, place == 0, key_words == 8 && place == 4);
    if (place == 0) constant = constant << 1 ^ ((constant >> 31) * 0x1b000000u);
  }
  for (int i = 0; i < 2 * kAesRoundKeysMax; ++i) {
    round_key[i] = static_cast<uint64_t>(word[2 * i]) << 32 | word[2 * i + 1];
  }
}

}  // namespace hls
}  // namespace phalanx

#endif
