// Stage: reanchor, before tracking: a session of TCP that was last seen before this member took over may have moved on
// elsewhere, and both its sides are marked. Takes word 6 (status) of the session and when this member took over;
// returns word 6.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/track_circuit.hpp"
#include "hls/words.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_TOP uint64_t stage_reanchor(uint64_t status, uint64_t taken_over) {
#pragma HLS pipeline II = 1
  using namespace phalanx::hls;
  Session session = {};
  set_session_status(session, status);
  reanchor_if_older(session, word_u32(taken_over, 0));
  return session_status(session);
}

#ifndef __SYNTHESIS__
#include <stdio.h>

struct Known {
  uint64_t in[2], out[1];
};

int main() {
  const Known cases[] = {
      // established, seen before
      {{0x400000064ull, 0x65ull}, {0x600400000064ull}},
      // seen since
      {{0x400000065ull, 0x65ull}, {0x400000065ull}},
      // no TCP
      {{0xb00000064ull, 0x65ull}, {0xb00000064ull}},
      // other flags stay; time wraps
      {{0x12009109ffffffffull, 5}, {0x1200f109ffffffffull}},
  };
  for (const Known& k : cases) {
    const uint64_t out = stage_reanchor(k.in[0], k.in[1]);
    if (out == k.out[0]) continue;
    printf("case %u: %016llx\n", (unsigned)(&k - cases), (unsigned long long)out);
    return 1;
  }
  return 0;
}
#endif
