// Stage: the number of a packet from its low half, and whether the replay window lets it in.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/replay_window.hpp"
PHALANX_STAGE_END

// `word`: the window's word of the packet's number.
PHALANX_STAGE_TOP uint64_t stage_replay_check(uint64_t highest, uint64_t window_size, uint64_t word, uint64_t low) {
#pragma HLS pipeline II = 1
  const uint32_t size = static_cast<uint32_t>(window_size);
  const uint64_t sequence = phalanx::hls::infer_sequence(highest, size, static_cast<uint32_t>(low));
  return phalanx::hls::replay_allowed(highest, size, word, sequence) ? 1 : 0;
}

#ifndef __SYNTHESIS__
#include <stdio.h>

// A window of 64 below 2^32 + 10, of which that number alone has been seen (RFC 4303, appendix A).
int main() {
  const uint64_t highest = (1ull << 32) + 10, seen = 1ull << 10;
  struct Case {
    uint64_t word, low, allowed;
  } const cases[] = {
      {seen, 10, 0},               // again
      {seen, 11, 1},               // the next
      {seen, 9, 1},                // one before, not seen
      {0, 0xffffffff, 1},          // in the window, from the subspace before
      {0, 0xffffffcb, 1},          // the window's last, 63 behind
      {0, 0xffffffca, 1},          // is taken for one of this subspace, far ahead
      {1ull << 63, 0xffffffff, 0}  // in the window and seen
  };
  for (const Case& c : cases) {
    if (stage_replay_check(highest, 64, c.word, c.low) == c.allowed) continue;
    printf("case %u\n", (unsigned)(&c - cases));
    return 1;
  }
  if (stage_replay_check(1000, 64, 0, 936) != 1) return 1;  // behind the window: taken for one of the next subspace
  return stage_replay_check(10, 64, 0, 0) == 0 ? 0 : 1;     // number 0 is none
}
#endif
