// Joins the pieces of a packed record (hls/delta_encode.hpp) to its bytes: a tree of shifts, for hardware.
#ifndef PHALANX_HLS_DELTA_PACK_HPP
#define PHALANX_HLS_DELTA_PACK_HPP

#include "hls/delta_encode.hpp"

namespace phalanx {
namespace hls {
namespace delta {

// The sink that keeps pieces apart. All zero at first.
struct PieceSet {
  uint64_t bytes[32];
  uint32_t length[32];

  // Bytes of `value` beyond `count` are cut.
  void put(Piece piece, uint64_t value, uint32_t count) {
    bytes[piece] = count == 8 ? value : value & ((1ull << (8 * count)) - 1);
    length[piece] = count;
  }
};
static_assert(kPieces <= 32, "five levels of joins");

inline PieceSet no_pieces() {
  const PieceSet none = {{0}, {0}};
  return none;
}

// Some bytes, the first lowest; those from `length` on are zero.
template <uint32_t kWords>
struct Bytes {
  uint64_t word[kWords];
  uint32_t length;
};

// The bytes of `x` moved up by `by` < 8 * kMoveWords + 8 bytes, in kOut words: within words first, then by words, one
// selection for each bit of the distance.
template <uint32_t kOut, uint32_t kWords>
inline Bytes<kOut> moved(const Bytes<kWords>& x, uint32_t by) {
  Bytes<kOut> r;
  const uint32_t bits = (by & 7) * 8;
  for (uint32_t i = 0; i < kOut; ++i) {
    const uint64_t low = i < kWords ? x.word[i < kWords ? i : 0] : 0;
    const uint64_t below = i != 0 && i - 1 < kWords ? x.word[i != 0 && i - 1 < kWords ? i - 1 : 0] : 0;
    r.word[i] = low << bits | (below >> 1) >> (63 - bits);
  }
  for (uint32_t step = 1; step < kOut; step *= 2) {
    const bool move = (by / 8 & step) != 0;
    for (uint32_t j = 0; j < kOut; ++j) {
      const uint32_t i = kOut - 1 - j;
      const uint64_t from = i >= step ? r.word[i >= step ? i - step : 0] : 0;
      r.word[i] = move ? from : r.word[i];
    }
  }
  r.length = x.length + by;
  return r;
}

// `low` and behind it `high`.
template <uint32_t kOut, uint32_t kWords>
inline Bytes<kOut> join(const Bytes<kWords>& low, const Bytes<kWords>& high) {
  Bytes<kOut> r = moved<kOut, kWords>(high, low.length);
  for (uint32_t i = 0; i < kWords && i < kOut; ++i) {
    r.word[i] |= low.word[i];
  }
  return r;
}

template <uint32_t kOut, uint32_t kWords, uint32_t kCount>
inline void join_pairs(const Bytes<kWords> (&in)[2 * kCount], Bytes<kOut> (&out)[kCount]) {
  for (uint32_t i = 0; i < kCount; ++i) {
    out[i] = join<kOut, kWords>(in[2 * i], in[2 * i + 1]);
  }
}

// The record's bytes, at most kRecordBytes: five levels of joins, each two to three selections deep, and so five to
// eight pipeline stages at 300 MHz; II=1. Some 20 k LUTs are expected.
typedef Bytes<kRecordWords> PackedRecord;
inline PackedRecord pack(const PieceSet& pieces) {
  Bytes<1> one[32];
  for (uint32_t i = 0; i < 32; ++i) {
    one[i].word[0] = pieces.bytes[i];
    one[i].length = pieces.length[i];
  }
  Bytes<2> two[16];
  Bytes<4> four[8];
  Bytes<8> eight[4];
  Bytes<16> sixteen[2];
  join_pairs<2, 1, 16>(one, two);
  join_pairs<4, 2, 8>(two, four);
  join_pairs<8, 4, 4>(four, eight);
  join_pairs<16, 8, 2>(eight, sixteen);
  return join<kRecordWords, 16>(sixteen[0], sixteen[1]);
}

}  // namespace delta
}  // namespace hls
}  // namespace phalanx

#endif
