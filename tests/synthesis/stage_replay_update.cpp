// Stage: replay_update_word, one of the replay window's words after an authentic packet.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/replay_window.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_TOP uint64_t stage_replay_update(uint64_t index, uint64_t word, uint64_t highest, uint64_t sequence) {
#pragma HLS pipeline II = 1
  return phalanx::hls::replay_update_word(static_cast<uint32_t>(index), word, highest, sequence);
}

#ifndef __SYNTHESIS__
#include <stdio.h>

int main() {
  struct Case {
    uint64_t index, word, highest, sequence, updated;
  } const cases[] = {
      {0, 0x1, 0, 5, 0x21},                        // its own bit; those between are cleared, they were none
      {0, 0xff, 0, 5, 0xe1},                       // 1 to 5 were of a lap before, then 5 is set
      {1, ~0ull, 10, 70, ~0ull << 7 | 1ull << 6},  // 64 to 70 are new, 70 is set
      {0, ~0ull, 10, 70, 0x7ff},                   // and 11 to 63 are cleared
      {2, 0x5, 10, 70, 0x5},                       // another word
      {0, 0x1, 70, 5, 0x21},                       // an old number clears nothing
      {3, ~0ull, 10, 5000, 0},                     // far ahead: everything is of a lap before
      {0, ~0ull, 1020, 1025, ~0ull << 2 | 2},      // round the ring: 1024 and 1025 are bits 0 and 1
  };
  for (const Case& c : cases) {
    const uint64_t updated = stage_replay_update(c.index, c.word, c.highest, c.sequence);
    if (updated == c.updated) continue;
    printf("case %u: %016llx\n", (unsigned)(&c - cases), (unsigned long long)updated);
    return 1;
  }
  return 0;
}
#endif
