// Joins the pieces of a packed record (hls/delta_encode.hpp) to its bytes, and records to lines: trees of shifts, for
// hardware.
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

// Loops over words that every front end unrolls, for they are templates: kLeft words, the highest first.
template <uint32_t kLeft>
struct EachWord {
  // out = in << bits, a word's upper bits going into the next one.
  template <uint32_t kOut, uint32_t kWords>
  static void shift(const uint64_t (&in)[kWords], uint64_t (&out)[kOut], uint32_t bits) {
    const uint32_t i = kLeft - 1;
    const uint64_t low = i < kWords ? in[i < kWords ? i : 0] : 0;
    const uint64_t below = i != 0 && i - 1 < kWords ? in[i != 0 && i - 1 < kWords ? i - 1 : 0] : 0;
    out[i] = low << bits | (below >> 1) >> (63 - bits);
    EachWord<kLeft - 1>::template shift<kOut, kWords>(in, out, bits);
  }
  // Up by kStep words if `move`.
  template <uint32_t kOut, uint32_t kStep>
  static void move(uint64_t (&words)[kOut], bool move_them) {
    const uint32_t i = kLeft - 1;
    const uint64_t from = i >= kStep ? words[i >= kStep ? i - kStep : 0] : 0;
    words[i] = move_them ? from : words[i];
    EachWord<kLeft - 1>::template move<kOut, kStep>(words, move_them);
  }
  template <uint32_t kOut, uint32_t kWords>
  static void or_into(const uint64_t (&in)[kWords], uint64_t (&out)[kOut]) {
    out[kLeft - 1] |= in[kLeft - 1];
    EachWord<kLeft - 1>::template or_into<kOut, kWords>(in, out);
  }
};
template <>
struct EachWord<0> {
  template <uint32_t kOut, uint32_t kWords>
  static void shift(const uint64_t (&)[kWords], uint64_t (&)[kOut], uint32_t) {}
  template <uint32_t kOut, uint32_t kStep>
  static void move(uint64_t (&)[kOut], bool) {}
  template <uint32_t kOut, uint32_t kWords>
  static void or_into(const uint64_t (&)[kWords], uint64_t (&)[kOut]) {}
};

// Moves by kStep words, 2 * kStep and so on below kOut, as the bits of `words` say.
template <uint32_t kOut, uint32_t kStep, bool kMore>
struct MoveBits {
  static void run(uint64_t (&word)[kOut], uint32_t words) {
    EachWord<kOut>::template move<kOut, kStep>(word, (words & kStep) != 0);
    MoveBits<kOut, 2 * kStep, (2 * kStep < kOut)>::run(word, words);
  }
};
template <uint32_t kOut, uint32_t kStep>
struct MoveBits<kOut, kStep, false> {
  static void run(uint64_t (&)[kOut], uint32_t) {}
};

// The bytes of `x` moved up by `by` bytes, in kOut words: within words first, then by words, one selection for each bit
// of the distance.
template <uint32_t kOut, uint32_t kWords>
inline Bytes<kOut> moved(const Bytes<kWords>& x, uint32_t by) {
  Bytes<kOut> r;
  EachWord<kOut>::template shift<kOut, kWords>(x.word, r.word, (by & 7) * 8);
  MoveBits<kOut, 1, (1 < kOut)>::run(r.word, by / 8);
  r.length = x.length + by;
  return r;
}

// `low` and behind it `high`.
template <uint32_t kOut, uint32_t kWords>
inline Bytes<kOut> join(const Bytes<kWords>& low, const Bytes<kWords>& high) {
  Bytes<kOut> r = moved<kOut, kWords>(high, low.length);
  EachWord<(kWords < kOut ? kWords : kOut)>::template or_into<kOut, kWords>(low.word, r.word);
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

// What a line of eight words becomes by a part of a record: the line, and what lies beyond it, the next one's
// beginning.
struct LineStep {
  uint64_t line[8];   // the bytes begun and the part behind them, as far as they fit
  uint64_t begun[8];  // of the line that is not full: this one, or the next if it was
  uint32_t fill;      // bytes of it
  bool full;
};
const uint32_t kLineBytes = 64;

// place_part(), word by word.
template <uint32_t kLeft>
struct PlaceWord {
  static void run(const uint64_t (&begun)[8], const uint64_t (&placed)[16], LineStep& step) {
    const uint32_t w = kLeft - 1;
    step.line[w] = begun[w] | placed[w];
    step.begun[w] = step.full ? placed[8 + w] : step.line[w];
    PlaceWord<kLeft - 1>::run(begun, placed, step);
  }
};
template <>
struct PlaceWord<0> {
  static void run(const uint64_t (&)[8], const uint64_t (&)[16], LineStep&) {}
};

// Puts `part` behind the `at` < 64 bytes of `begun`, of which all others are 0. II=1 from part to part: the shift is
// feed-forward, `at` being known from the lengths before; `begun` goes through an OR and a selection.
inline LineStep place_part(const uint64_t (&begun)[8], const Bytes<8>& part, uint32_t at) {
  const Bytes<16> placed = moved<16, 8>(part, at);
  LineStep step;
  step.full = placed.length >= kLineBytes;
  step.fill = placed.length % kLineBytes;
  PlaceWord<8>::run(begun, placed.word, step);
  return step;
}

}  // namespace delta
}  // namespace hls
}  // namespace phalanx

#endif
