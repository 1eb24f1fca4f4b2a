// Stage: infer_sequence, the 64-bit number of an ESP packet that carries the low 32 bits of it (RFC 4303, appendix
// A2.2). Takes the highest number authenticated, the window's size and the low bits.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/replay_window.hpp"
#include "hls/words.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_TOP uint64_t stage_infer_sequence(uint64_t highest, uint64_t window_size, uint64_t low) {
#pragma HLS pipeline II = 1
  using namespace phalanx::hls;
  return infer_sequence(highest, word_u32(window_size, 0), word_u32(low, 0));
}

#ifndef __SYNTHESIS__
#include <stdio.h>

struct Known {
  uint64_t in[3], out[1];
};

int main() {
  const Known cases[] = {
      // the window lies in one subspace: beyond it, in it, and below it, which can only be the next subspace
      {{0x100000500ull, 0x40ull, 0x501ull}, {0x100000501ull}},
      {{0x100000500ull, 0x40ull, 0x4c1ull}, {0x1000004c1ull}},
      {{0x100000500ull, 0x40ull, 0x4c0ull}, {0x2000004c0ull}},
      // it begins in the subspace before
      {{0x100000010ull, 0x40ull, 0xfffffff0ull}, {0xfffffff0ull}},
      {{0x100000010ull, 0x40ull, 0xffffffd1ull}, {0xffffffd1ull}},
      {{0x100000010ull, 0x40ull, 0xffffffd0ull}, {0x1ffffffd0ull}},
      {{0x100000010ull, 0x40ull, 5}, {0x100000005ull}},
      // without a check the window is 1024
      {{0x100000400ull, 0, 1}, {0x100000001ull}},
      {{0x100000401ull, 0, 1}, {0x200000001ull}},
  };
  for (const Known& k : cases) {
    const uint64_t out = stage_infer_sequence(k.in[0], k.in[1], k.in[2]);
    if (out == k.out[0]) continue;
    printf("case %u: %016llx\n", (unsigned)(&k - cases), (unsigned long long)out);
    return 1;
  }
  return 0;
}
#endif
