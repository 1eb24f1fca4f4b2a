// Stage: aes_round, one round of the cipher on one block (FIPS 197, section 5.1), the key added. A block is two words,
// bytes 0 to 7 and 8 to 15, big-endian.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/aes.hpp"
#include "hls/words.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_BEGIN
namespace {

inline void aes_round_words(uint64_t hi, uint64_t lo, uint64_t key_hi, uint64_t key_lo, uint64_t& hi_out,
                            uint64_t& lo_out) {
  using namespace phalanx::hls;
  const AesBlock s = aes_round({hi, lo}, {key_hi, key_lo});
  hi_out = s.hi;
  lo_out = s.lo;
}

}  // namespace
PHALANX_STAGE_END

PHALANX_STAGE_TOP void stage_aes_round(uint64_t hi, uint64_t lo, uint64_t key_hi, uint64_t key_lo, uint64_t* hi_out,
                                       uint64_t* lo_out) {
#pragma HLS pipeline II = 1
  uint64_t w0 = 0, w1 = 0;
  aes_round_words(hi, lo, key_hi, key_lo, w0, w1);
  *hi_out = w0;
  *lo_out = w1;
}

// One word of them, number `index` (0: hi_out), for tools that take no outputs by pointer.
PHALANX_STAGE_TOP uint64_t stage_aes_round_word(uint64_t hi, uint64_t lo, uint64_t key_hi, uint64_t key_lo,
                                                uint64_t index) {
#pragma HLS pipeline II = 1
  using phalanx::hls::choose_word;
  uint64_t w0 = 0, w1 = 0;
  aes_round_words(hi, lo, key_hi, key_lo, w0, w1);
  return choose_word(index, w0, w1, 0, 0);
}

#ifndef __SYNTHESIS__
#include <stdio.h>

// FIPS 197, appendix B: the block at the start of rounds 1, 2 and 3, with the keys of rounds 1 and 2.
int main() {
  const uint64_t start[3][2] = {{0x193de3bea0f4e22bull, 0x9ac68d2ae9f84808ull},
                                {0xa49c7ff2689f352bull, 0x6b5bea43026a5049ull},
                                {0xaa8f5f0361dde3efull, 0x82d24ad26832469aull}};
  const uint64_t key[2][2] = {{0xa0fafe1788542cb1ull, 0x23a339392a6c7605ull},
                              {0xf2c295f27a96b943ull, 0x5935807a7359f67full}};
  for (unsigned round = 0; round < 2; ++round) {
    uint64_t hi = 0, lo = 0;
    stage_aes_round(start[round][0], start[round][1], key[round][0], key[round][1], &hi, &lo);
    if (hi == start[round + 1][0] && lo == start[round + 1][1]) continue;
    printf("round %u: %016llx %016llx\n", round + 1, (unsigned long long)hi, (unsigned long long)lo);
    return 1;
  }
  return 0;
}
#endif
