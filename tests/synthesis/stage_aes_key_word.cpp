// Stage: aes_key_word, a word of the key expansion (FIPS 197, section 5.2). Takes the word before it, the one a key's
// length before, and the round constant | its place is 0 << 32 | it is 4, of 8 << 33.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/aes.hpp"
#include "hls/words.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_TOP uint64_t stage_aes_key_word(uint64_t before, uint64_t back, uint64_t place) {
#pragma HLS pipeline II = 1
  using namespace phalanx::hls;
  return aes_key_word(word_u32(before, 0), word_u32(back, 0), word_u32(place, 0), (place >> 32 & 1) != 0,
                      (place >> 33 & 1) != 0);
}

#ifndef __SYNTHESIS__
#include <stdio.h>

struct Known {
  uint64_t in[3], out[1];
};

int main() {
  const Known cases[] = {
      // FIPS 197, appendix A.1: words 4, 5 and 8
      {{0x9cf4f3cull, 0x2b7e1516ull, 0x101000000ull}, {0xa0fafe17ull}},
      {{0xa0fafe17ull, 0x28aed2a6ull, 0x2000000ull}, {0x88542cb1ull}},
      {{0x2a6c7605ull, 0xa0fafe17ull, 0x102000000ull}, {0xf2c295f2ull}},
      // appendix A.3: words 8 and 12
      {{0x914dff4ull, 0x603deb10ull, 0x101000000ull}, {0x9ba35411ull}},
      {{0x2067fcdeull, 0x1f352c07ull, 0x202000000ull}, {0xa8b09c1aull}},
  };
  for (const Known& k : cases) {
    const uint64_t out = stage_aes_key_word(k.in[0], k.in[1], k.in[2]);
    if (out == k.out[0]) continue;
    printf("case %u: %016llx\n", (unsigned)(&k - cases), (unsigned long long)out);
    return 1;
  }
  return 0;
}
#endif
