// Stage: gcm_tags_equal, whether two tags of two words each are the same. Returns 0 or 1.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/gcm.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_TOP uint64_t stage_gcm_tags_equal(uint64_t a_hi, uint64_t a_lo, uint64_t b_hi, uint64_t b_lo) {
#pragma HLS pipeline II = 1
  using namespace phalanx::hls;
  return gcm_tags_equal({a_hi, a_lo}, {b_hi, b_lo}) ? 1 : 0;
}

#ifndef __SYNTHESIS__
#include <stdio.h>

struct Known {
  uint64_t in[4], out[1];
};

int main() {
  const Known cases[] = {
      {{1, 2, 1, 2}, {1}},
      {{1, 2, 2, 1}, {0}},
      {{0x8000000000000000ull, 2, 0, 2}, {0}},
      {{1, 2, 1, 3}, {0}},
  };
  for (const Known& k : cases) {
    const uint64_t out = stage_gcm_tags_equal(k.in[0], k.in[1], k.in[2], k.in[3]);
    if (out == k.out[0]) continue;
    printf("case %u: %016llx\n", (unsigned)(&k - cases), (unsigned long long)out);
    return 1;
  }
  return 0;
}
#endif
