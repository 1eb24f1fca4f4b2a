// Stage: delta_join, one of the joins that make pieces a record (pack() of hls/delta_pack.hpp): up to 64 bytes and
// behind them up to 64 others. Takes eight words each, what lies beyond the length being 0, and the lengths (the first
// low, the other << 32). Gives sixteen words and their length.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/delta_pack.hpp"
#include "hls/words.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_BEGIN
namespace {

inline void delta_join_words(uint64_t low0, uint64_t low1, uint64_t low2, uint64_t low3, uint64_t low4, uint64_t low5,
                             uint64_t low6, uint64_t low7, uint64_t high0, uint64_t high1, uint64_t high2,
                             uint64_t high3, uint64_t high4, uint64_t high5, uint64_t high6, uint64_t high7,
                             uint64_t lengths, uint64_t& joined0, uint64_t& joined1, uint64_t& joined2,
                             uint64_t& joined3, uint64_t& joined4, uint64_t& joined5, uint64_t& joined6,
                             uint64_t& joined7, uint64_t& joined8, uint64_t& joined9, uint64_t& joined10,
                             uint64_t& joined11, uint64_t& joined12, uint64_t& joined13, uint64_t& joined14,
                             uint64_t& joined15, uint64_t& length) {
  using namespace phalanx::hls;
  const delta::Bytes<8> low = {{low0, low1, low2, low3, low4, low5, low6, low7}, word_u32(lengths, 0) & 127};
  const delta::Bytes<8> high = {{high0, high1, high2, high3, high4, high5, high6, high7}, word_u32(lengths, 32) & 127};
  const delta::Bytes<16> both = delta::join<16, 8>(low, high);
  joined0 = both.word[0];
  joined1 = both.word[1];
  joined2 = both.word[2];
  joined3 = both.word[3];
  joined4 = both.word[4];
  joined5 = both.word[5];
  joined6 = both.word[6];
  joined7 = both.word[7];
  joined8 = both.word[8];
  joined9 = both.word[9];
  joined10 = both.word[10];
  joined11 = both.word[11];
  joined12 = both.word[12];
  joined13 = both.word[13];
  joined14 = both.word[14];
  joined15 = both.word[15];
  length = both.length;
}

}  // namespace
PHALANX_STAGE_END

PHALANX_STAGE_TOP void stage_delta_join(uint64_t low0, uint64_t low1, uint64_t low2, uint64_t low3, uint64_t low4,
                                        uint64_t low5, uint64_t low6, uint64_t low7, uint64_t high0, uint64_t high1,
                                        uint64_t high2, uint64_t high3, uint64_t high4, uint64_t high5, uint64_t high6,
                                        uint64_t high7, uint64_t lengths, uint64_t* joined0, uint64_t* joined1,
                                        uint64_t* joined2, uint64_t* joined3, uint64_t* joined4, uint64_t* joined5,
                                        uint64_t* joined6, uint64_t* joined7, uint64_t* joined8, uint64_t* joined9,
                                        uint64_t* joined10, uint64_t* joined11, uint64_t* joined12, uint64_t* joined13,
                                        uint64_t* joined14, uint64_t* joined15, uint64_t* length) {
#pragma HLS pipeline II = 1
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0, w5 = 0, w6 = 0, w7 = 0, w8 = 0, w9 = 0, w10 = 0, w11 = 0, w12 = 0,
           w13 = 0, w14 = 0, w15 = 0, w16 = 0;
  delta_join_words(low0, low1, low2, low3, low4, low5, low6, low7, high0, high1, high2, high3, high4, high5, high6,
                   high7, lengths, w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15, w16);
  *joined0 = w0;
  *joined1 = w1;
  *joined2 = w2;
  *joined3 = w3;
  *joined4 = w4;
  *joined5 = w5;
  *joined6 = w6;
  *joined7 = w7;
  *joined8 = w8;
  *joined9 = w9;
  *joined10 = w10;
  *joined11 = w11;
  *joined12 = w12;
  *joined13 = w13;
  *joined14 = w14;
  *joined15 = w15;
  *length = w16;
}

// One word of them, number `index` (0: joined0), for tools that take no outputs by pointer.
PHALANX_STAGE_TOP uint64_t stage_delta_join_word(uint64_t low0, uint64_t low1, uint64_t low2, uint64_t low3,
                                                 uint64_t low4, uint64_t low5, uint64_t low6, uint64_t low7,
                                                 uint64_t high0, uint64_t high1, uint64_t high2, uint64_t high3,
                                                 uint64_t high4, uint64_t high5, uint64_t high6, uint64_t high7,
                                                 uint64_t lengths, uint64_t index) {
#pragma HLS pipeline II = 1
  using phalanx::hls::choose_word;
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0, w5 = 0, w6 = 0, w7 = 0, w8 = 0, w9 = 0, w10 = 0, w11 = 0, w12 = 0,
           w13 = 0, w14 = 0, w15 = 0, w16 = 0;
  delta_join_words(low0, low1, low2, low3, low4, low5, low6, low7, high0, high1, high2, high3, high4, high5, high6,
                   high7, lengths, w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15, w16);
  return choose_word(index >> 4,
                     choose_word(index >> 2, choose_word(index, w0, w1, w2, w3), choose_word(index, w4, w5, w6, w7),
                                 choose_word(index, w8, w9, w10, w11), choose_word(index, w12, w13, w14, w15)),
                     choose_word(index >> 2, choose_word(index, w16, 0, 0, 0), 0, 0, 0), 0, 0);
}

#ifndef __SYNTHESIS__
#include <stdio.h>

struct Known {
  uint64_t in[17], out[17];
};

int main() {
  const Known cases[] = {
      // 9 bytes and 64
      {{0x807060504030201ull, 9, 0, 0, 0, 0, 0, 0, 0x1111111111111111ull, 0x2222222222222222ull, 0x3333333333333333ull,
        0x4444444444444444ull, 0x5555555555555555ull, 0x6666666666666666ull, 0x7777777777777777ull,
        0x8888888888888888ull, 0x4000000009ull},
       {0x807060504030201ull, 0x1111111111111109ull, 0x2222222222222211ull, 0x3333333333333322ull,
        0x4444444444444433ull, 0x5555555555555544ull, 0x6666666666666655ull, 0x7777777777777766ull,
        0x8888888888888877ull, 0x88ull, 0, 0, 0, 0, 0, 0, 0x49ull}},
      // none and 8
      {{0, 0, 0, 0, 0, 0, 0, 0, 0x1111111111111111ull, 0, 0, 0, 0, 0, 0, 0, 0x800000000ull},
       {0x1111111111111111ull, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8}},
      // 64 and 61
      {{0x102030405060708ull, 0x102030405060709ull, 0x10203040506070aull, 0x10203040506070bull, 0x10203040506070cull,
        0x10203040506070dull, 0x10203040506070eull, 0x10203040506070full, 0x1111111111111111ull, 0x2222222222222222ull,
        0x3333333333333333ull, 0x4444444444444444ull, 0x5555555555555555ull, 0x6666666666666666ull,
        0x7777777777777777ull, 0x8888888888ull, 0x3d00000040ull},
       {0x102030405060708ull, 0x102030405060709ull, 0x10203040506070aull, 0x10203040506070bull, 0x10203040506070cull,
        0x10203040506070dull, 0x10203040506070eull, 0x10203040506070full, 0x1111111111111111ull, 0x2222222222222222ull,
        0x3333333333333333ull, 0x4444444444444444ull, 0x5555555555555555ull, 0x6666666666666666ull,
        0x7777777777777777ull, 0x8888888888ull, 0x7dull}},
      // 47 and 3
      {{0x102030405060708ull, 0x102030405060709ull, 0x10203040506070aull, 0x10203040506070bull, 0x10203040506070cull,
        0x203040506070dull, 0, 0, 0xabcdefull, 0, 0, 0, 0, 0, 0, 0, 0x30000002full},
       {0x102030405060708ull, 0x102030405060709ull, 0x10203040506070aull, 0x10203040506070bull, 0x10203040506070cull,
        0xef0203040506070dull, 0xabcdull, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x32ull}},
  };
  for (const Known& k : cases) {
    uint64_t out[17];
    stage_delta_join(k.in[0], k.in[1], k.in[2], k.in[3], k.in[4], k.in[5], k.in[6], k.in[7], k.in[8], k.in[9], k.in[10],
                     k.in[11], k.in[12], k.in[13], k.in[14], k.in[15], k.in[16], &out[0], &out[1], &out[2], &out[3],
                     &out[4], &out[5], &out[6], &out[7], &out[8], &out[9], &out[10], &out[11], &out[12], &out[13],
                     &out[14], &out[15], &out[16]);
    for (unsigned i = 0; i < 17; ++i) {
      if (out[i] == k.out[i]) continue;
      printf("case %u, word %u: %016llx\n", (unsigned)(&k - cases), i, (unsigned long long)out[i]);
      return 1;
    }
  }
  return 0;
}
#endif
