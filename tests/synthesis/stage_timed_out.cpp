// Stage: timed_out, whether a session has been idle for too long. Takes the timeouts of states 0 to 15 in ms, two a
// word (there is no 15), word 6 of the session (last_seen, state), and age floor | now << 32. Returns 0 or 1.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/timeouts.hpp"
#include "hls/words.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_TOP uint64_t stage_timed_out(uint64_t timeouts0, uint64_t timeouts1, uint64_t timeouts2,
                                           uint64_t timeouts3, uint64_t timeouts4, uint64_t timeouts5,
                                           uint64_t timeouts6, uint64_t timeouts7, uint64_t status, uint64_t times) {
#pragma HLS pipeline II = 1
  using namespace phalanx::hls;
  const Timeouts timeouts = {{word_u32(timeouts0, 0), word_u32(timeouts0, 32), word_u32(timeouts1, 0),
                              word_u32(timeouts1, 32), word_u32(timeouts2, 0), word_u32(timeouts2, 32),
                              word_u32(timeouts3, 0), word_u32(timeouts3, 32), word_u32(timeouts4, 0),
                              word_u32(timeouts4, 32), word_u32(timeouts5, 0), word_u32(timeouts5, 32),
                              word_u32(timeouts6, 0), word_u32(timeouts6, 32), word_u32(timeouts7, 0)}};
  Session session = {};
  set_session_status(session, status);
  const bool out =
      timed_out_at_once(timeouts, session.state, session.last_seen, word_u32(times, 0), word_u32(times, 32));
  return out ? 1 : 0;
}

#ifndef __SYNTHESIS__
#include <stdio.h>

struct Known {
  uint64_t in[10], out[1];
};

int main() {
  const Known cases[] = {
      // state 4, 4 s
      {{0x3e800000000ull, 0xbb8000007d0ull, 0x138800000fa0ull, 0x1b5800001770ull, 0x232800001f40ull, 0x2af800002710ull,
        0x32c800002ee0ull, 0x3a98000036b0ull, 0x400000064ull, 0x100300000000ull},
       {0}},
      {{0x3e800000000ull, 0xbb8000007d0ull, 0x138800000fa0ull, 0x1b5800001770ull, 0x232800001f40ull, 0x2af800002710ull,
        0x32c800002ee0ull, 0x3a98000036b0ull, 0x400000064ull, 0x100400000000ull},
       {1}},
      // nothing counts as seen before the floor
      {{0x3e800000000ull, 0xbb8000007d0ull, 0x138800000fa0ull, 0x1b5800001770ull, 0x232800001f40ull, 0x2af800002710ull,
        0x32c800002ee0ull, 0x3a98000036b0ull, 0x400000064ull, 0x100400000065ull},
       {0}},
      // each state has its own
      {{0x3e800000000ull, 0xbb8000007d0ull, 0x138800000fa0ull, 0x1b5800001770ull, 0x232800001f40ull, 0x2af800002710ull,
        0x32c800002ee0ull, 0x3a98000036b0ull, 0xb00000000ull, 0x2af700000000ull},
       {0}},
      {{0x3e800000000ull, 0xbb8000007d0ull, 0x138800000fa0ull, 0x1b5800001770ull, 0x232800001f40ull, 0x2af800002710ull,
        0x32c800002ee0ull, 0x3a98000036b0ull, 0xb00000000ull, 0x2af800000000ull},
       {1}},
      {{0x3e800000000ull, 0xbb8000007d0ull, 0x138800000fa0ull, 0x1b5800001770ull, 0x232800001f40ull, 0x2af800002710ull,
        0x32c800002ee0ull, 0x3a98000036b0ull, 0xe00000000ull, 0x36b000000000ull},
       {1}},
      {{0x3e800000000ull, 0xbb8000007d0ull, 0x138800000fa0ull, 0x1b5800001770ull, 0x232800001f40ull, 0x2af800002710ull,
        0x32c800002ee0ull, 0x3a98000036b0ull, 0xe00000000ull, 0x36af00000000ull},
       {0}},
      {{0x3e800000000ull, 0xbb8000007d0ull, 0x138800000fa0ull, 0x1b5800001770ull, 0x232800001f40ull, 0x2af800002710ull,
        0x32c800002ee0ull, 0x3a98000036b0ull, 0x100000000ull, 0x3e800000000ull},
       {1}},
      // time wraps
      {{0x3e800000000ull, 0xbb8000007d0ull, 0x138800000fa0ull, 0x1b5800001770ull, 0x232800001f40ull, 0x2af800002710ull,
        0x32c800002ee0ull, 0x3a98000036b0ull, 0x2ffffff00ull, 0x6d0fffff000ull},
       {1}},
      {{0x3e800000000ull, 0xbb8000007d0ull, 0x138800000fa0ull, 0x1b5800001770ull, 0x232800001f40ull, 0x2af800002710ull,
        0x32c800002ee0ull, 0x3a98000036b0ull, 0x2ffffff00ull, 0x6cffffff000ull},
       {0}},
      // seen after now
      {{0x3e800000000ull, 0xbb8000007d0ull, 0x138800000fa0ull, 0x1b5800001770ull, 0x232800001f40ull, 0x2af800002710ull,
        0x32c800002ee0ull, 0x3a98000036b0ull, 0x100001388ull, 0xfa000001388ull},
       {0}},
  };
  for (const Known& k : cases) {
    const uint64_t out =
        stage_timed_out(k.in[0], k.in[1], k.in[2], k.in[3], k.in[4], k.in[5], k.in[6], k.in[7], k.in[8], k.in[9]);
    if (out == k.out[0]) continue;
    printf("case %u: %016llx\n", (unsigned)(&k - cases), (unsigned long long)out);
    return 1;
  }
  return 0;
}
#endif
