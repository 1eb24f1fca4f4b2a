// same_key(): whether two flow keys are equal. Returns 0 or 1.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/flow_key.hpp"
#include "hls/words.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_TOP uint64_t stage_same_key(uint64_t a_hi, uint64_t a_lo, uint64_t b_hi, uint64_t b_lo, uint64_t tail,
                                          uint64_t other_a_hi, uint64_t other_a_lo, uint64_t other_b_hi,
                                          uint64_t other_b_lo, uint64_t other_tail) {
#pragma HLS pipeline II = 1
  using namespace phalanx::hls;
  const FlowKey key = key_from_words(a_hi, a_lo, b_hi, b_lo, tail);
  return same_key(key, key_from_words(other_a_hi, other_a_lo, other_b_hi, other_b_lo, other_tail)) ? 1 : 0;
}

#ifndef __SYNTHESIS__
#include <stdio.h>

// Equal keys, and keys that differ in one bit, at each place.
int main() {
  if (stage_same_key(1, 2, 3, 4, 5, 1, 2, 3, 4, 5) != 1) return 1;
  for (unsigned bit = 0; bit < 64; ++bit) {
    const uint64_t b = 1ull << bit;
    if (stage_same_key(1, 2, 3, 4, 5, 1 ^ b, 2, 3, 4, 5) != 0 ||
        stage_same_key(1, 2, 3, 4, 5, 1, 2 ^ b, 3, 4, 5) != 0 ||
        stage_same_key(1, 2, 3, 4, 5, 1, 2, 3 ^ b, 4, 5) != 0 ||
        stage_same_key(1, 2, 3, 4, 5, 1, 2, 3, 4 ^ b, 5) != 0 ||
        stage_same_key(1, 2, 3, 4, 5, 1, 2, 3, 4, 5 ^ b) != 0) {
      printf("bit %u is not compared\n", bit);
      return 1;
    }
  }
  return 0;
}
#endif
