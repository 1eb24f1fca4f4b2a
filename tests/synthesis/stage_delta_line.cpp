// Stage: delta_line, records to lines of 64 bytes: what is begun, and a part of a record behind it. Takes eight words
// of the line begun, eight of the part, and the part's length | the bytes begun << 8; what lies beyond either is 0.
// Gives the line, the line that is begun now, and how many bytes that has | whether the first is full << 8.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/delta_pack.hpp"
#include "hls/words.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_BEGIN
namespace {

inline void delta_line_words(uint64_t begun0, uint64_t begun1, uint64_t begun2, uint64_t begun3, uint64_t begun4,
                             uint64_t begun5, uint64_t begun6, uint64_t begun7, uint64_t part0, uint64_t part1,
                             uint64_t part2, uint64_t part3, uint64_t part4, uint64_t part5, uint64_t part6,
                             uint64_t part7, uint64_t lengths, uint64_t& line0, uint64_t& line1, uint64_t& line2,
                             uint64_t& line3, uint64_t& line4, uint64_t& line5, uint64_t& line6, uint64_t& line7,
                             uint64_t& next0, uint64_t& next1, uint64_t& next2, uint64_t& next3, uint64_t& next4,
                             uint64_t& next5, uint64_t& next6, uint64_t& next7, uint64_t& fill) {
  using namespace phalanx::hls;
  const uint64_t begun[8] = {begun0, begun1, begun2, begun3, begun4, begun5, begun6, begun7};
  const delta::Bytes<8> part = {{part0, part1, part2, part3, part4, part5, part6, part7}, word_u32(lengths, 0) & 127};
  const delta::LineStep step = delta::place_part(begun, part, word_u32(lengths, 8) & 63);
  line0 = step.line[0];
  line1 = step.line[1];
  line2 = step.line[2];
  line3 = step.line[3];
  line4 = step.line[4];
  line5 = step.line[5];
  line6 = step.line[6];
  line7 = step.line[7];
  next0 = step.begun[0];
  next1 = step.begun[1];
  next2 = step.begun[2];
  next3 = step.begun[3];
  next4 = step.begun[4];
  next5 = step.begun[5];
  next6 = step.begun[6];
  next7 = step.begun[7];
  fill = step.fill | (step.full ? 1u << 8 : 0u);
}

}  // namespace
PHALANX_STAGE_END

PHALANX_STAGE_TOP void stage_delta_line(uint64_t begun0, uint64_t begun1, uint64_t begun2, uint64_t begun3,
                                        uint64_t begun4, uint64_t begun5, uint64_t begun6, uint64_t begun7,
                                        uint64_t part0, uint64_t part1, uint64_t part2, uint64_t part3, uint64_t part4,
                                        uint64_t part5, uint64_t part6, uint64_t part7, uint64_t lengths,
                                        uint64_t* line0, uint64_t* line1, uint64_t* line2, uint64_t* line3,
                                        uint64_t* line4, uint64_t* line5, uint64_t* line6, uint64_t* line7,
                                        uint64_t* next0, uint64_t* next1, uint64_t* next2, uint64_t* next3,
                                        uint64_t* next4, uint64_t* next5, uint64_t* next6, uint64_t* next7,
                                        uint64_t* fill) {
#pragma HLS pipeline II = 1
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0, w5 = 0, w6 = 0, w7 = 0, w8 = 0, w9 = 0, w10 = 0, w11 = 0, w12 = 0,
           w13 = 0, w14 = 0, w15 = 0, w16 = 0;
  delta_line_words(begun0, begun1, begun2, begun3, begun4, begun5, begun6, begun7, part0, part1, part2, part3, part4,
                   part5, part6, part7, lengths, w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15,
                   w16);
  *line0 = w0;
  *line1 = w1;
  *line2 = w2;
  *line3 = w3;
  *line4 = w4;
  *line5 = w5;
  *line6 = w6;
  *line7 = w7;
  *next0 = w8;
  *next1 = w9;
  *next2 = w10;
  *next3 = w11;
  *next4 = w12;
  *next5 = w13;
  *next6 = w14;
  *next7 = w15;
  *fill = w16;
}

// One word of them, number `index` (0: line0), for tools that take no outputs by pointer.
PHALANX_STAGE_TOP uint64_t stage_delta_line_word(uint64_t begun0, uint64_t begun1, uint64_t begun2, uint64_t begun3,
                                                 uint64_t begun4, uint64_t begun5, uint64_t begun6, uint64_t begun7,
                                                 uint64_t part0, uint64_t part1, uint64_t part2, uint64_t part3,
                                                 uint64_t part4, uint64_t part5, uint64_t part6, uint64_t part7,
                                                 uint64_t lengths, uint64_t index) {
#pragma HLS pipeline II = 1
  using phalanx::hls::choose_word;
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0, w5 = 0, w6 = 0, w7 = 0, w8 = 0, w9 = 0, w10 = 0, w11 = 0, w12 = 0,
           w13 = 0, w14 = 0, w15 = 0, w16 = 0;
  delta_line_words(begun0, begun1, begun2, begun3, begun4, begun5, begun6, begun7, part0, part1, part2, part3, part4,
                   part5, part6, part7, lengths, w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15,
                   w16);
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
      // 9 bytes and 21 do not fill it
      {{0x807060504030201ull, 9, 0, 0, 0, 0, 0, 0, 0x1111111111111111ull, 0x2222222222222222ull, 0x3333333333ull, 0, 0,
        0, 0, 0, 0x915ull},
       {0x807060504030201ull, 0x1111111111111109ull, 0x2222222222222211ull, 0x333333333322ull, 0, 0, 0, 0,
        0x807060504030201ull, 0x1111111111111109ull, 0x2222222222222211ull, 0x333333333322ull, 0, 0, 0, 0, 0x1eull}},
      // 60 and 64
      {{0x102030405060708ull, 0x102030405060709ull, 0x10203040506070aull, 0x10203040506070bull, 0x10203040506070cull,
        0x10203040506070dull, 0x10203040506070eull, 0x506070full, 0x1111111111111111ull, 0x2222222222222222ull,
        0x3333333333333333ull, 0x4444444444444444ull, 0x5555555555555555ull, 0x6666666666666666ull,
        0x7777777777777777ull, 0x8888888888888888ull, 0x3c40ull},
       {0x102030405060708ull, 0x102030405060709ull, 0x10203040506070aull, 0x10203040506070bull, 0x10203040506070cull,
        0x10203040506070dull, 0x10203040506070eull, 0x111111110506070full, 0x2222222211111111ull, 0x3333333322222222ull,
        0x4444444433333333ull, 0x5555555544444444ull, 0x6666666655555555ull, 0x7777777766666666ull,
        0x8888888877777777ull, 0x88888888ull, 0x13cull}},
      // exactly full
      {{0x102030405060708ull, 0x102030405060709ull, 0x10203040506070aull, 0x10203040506070bull, 0x10203040506070cull, 0,
        0, 0, 0x1111111111111111ull, 0x2222222222222222ull, 0x3333333333333333ull, 0, 0, 0, 0, 0, 0x2818ull},
       {0x102030405060708ull, 0x102030405060709ull, 0x10203040506070aull, 0x10203040506070bull, 0x10203040506070cull,
        0x1111111111111111ull, 0x2222222222222222ull, 0x3333333333333333ull, 0, 0, 0, 0, 0, 0, 0, 0, 0x100ull}},
      // a record without bytes
      {{0x807060504030201ull, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x900ull},
       {0x807060504030201ull, 9, 0, 0, 0, 0, 0, 0, 0x807060504030201ull, 9, 0, 0, 0, 0, 0, 0, 9}},
  };
  for (const Known& k : cases) {
    uint64_t out[17];
    stage_delta_line(k.in[0], k.in[1], k.in[2], k.in[3], k.in[4], k.in[5], k.in[6], k.in[7], k.in[8], k.in[9], k.in[10],
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
