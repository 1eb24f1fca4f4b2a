// Stage: aes_last_round, the cipher's last round on one block (FIPS 197, section 5.1), the key added: no MixColumns. A
// block is two words, bytes 0 to 7 and 8 to 15, big-endian.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/aes.hpp"
#include "hls/words.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_BEGIN
namespace {

inline void aes_last_round_words(uint64_t hi, uint64_t lo, uint64_t key_hi, uint64_t key_lo, uint64_t& hi_out,
                                 uint64_t& lo_out) {
  using namespace phalanx::hls;
  const AesBlock s = aes_last_round({hi, lo}, {key_hi, key_lo});
  hi_out = s.hi;
  lo_out = s.lo;
}

}  // namespace
PHALANX_STAGE_END

PHALANX_STAGE_TOP void stage_aes_last_round(uint64_t hi, uint64_t lo, uint64_t key_hi, uint64_t key_lo,
                                            uint64_t* hi_out, uint64_t* lo_out) {
#pragma HLS pipeline II = 1
  uint64_t w0 = 0, w1 = 0;
  aes_last_round_words(hi, lo, key_hi, key_lo, w0, w1);
  *hi_out = w0;
  *lo_out = w1;
}

// One word of them, number `index` (0: hi_out), for tools that take no outputs by pointer.
PHALANX_STAGE_TOP uint64_t stage_aes_last_round_word(uint64_t hi, uint64_t lo, uint64_t key_hi, uint64_t key_lo,
                                                     uint64_t index) {
#pragma HLS pipeline II = 1
  using phalanx::hls::choose_word;
  uint64_t w0 = 0, w1 = 0;
  aes_last_round_words(hi, lo, key_hi, key_lo, w0, w1);
  return choose_word(index, w0, w1, 0, 0);
}

#ifndef __SYNTHESIS__
#include <stdio.h>

struct Known {
  uint64_t in[4], out[2];
};

int main() {
  const Known cases[] = {
      // FIPS 197, appendix B, round 10
      {{0xeb40f21e592e3884ull, 0x8ba113e71bc342d2ull, 0xd014f9a8c9ee2589ull, 0xe13f0cc8b6630ca6ull},
       {0x3925841d02dc09fbull, 0xdc118597196a0b32ull}},
  };
  for (const Known& k : cases) {
    uint64_t out[2];
    stage_aes_last_round(k.in[0], k.in[1], k.in[2], k.in[3], &out[0], &out[1]);
    for (unsigned i = 0; i < 2; ++i) {
      if (out[i] == k.out[i]) continue;
      printf("case %u, word %u: %016llx\n", (unsigned)(&k - cases), i, (unsigned long long)out[i]);
      return 1;
    }
  }
  return 0;
}
#endif
