// Stage: digest, 64 bits over what delta sync replicates of a session. Takes words 0 to 12 of the session and its long
// rewrite.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/digest.hpp"
#include "hls/words.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_TOP uint64_t stage_digest(uint64_t a_hi, uint64_t a_lo, uint64_t b_hi, uint64_t b_lo, uint64_t tail,
                                        uint64_t order, uint64_t status, uint64_t rule, uint64_t nat,
                                        uint64_t originator_ends, uint64_t originator_window, uint64_t responder_ends,
                                        uint64_t responder_window, uint64_t source_hi, uint64_t source_lo,
                                        uint64_t destination_hi, uint64_t destination_lo) {
#pragma HLS pipeline II = 1
  using namespace phalanx::hls;
  Session session = keyed_session(key_from_words(a_hi, a_lo, b_hi, b_lo, tail), status, rule, nat);
  session.order = order;
  session.side[0] = side_from_words(originator_ends, originator_window);
  session.side[1] = side_from_words(responder_ends, responder_window);
  const WideNat wide = {source_hi, source_lo, destination_hi, destination_lo};
  return session_digest(session, wide);
}

#ifndef __SYNTHESIS__
#include <stdio.h>

struct Known {
  uint64_t in[17], out[1];
};

int main() {
  const Known cases[] = {
      // TCP, established, without NAT: neither times nor marks count
      {{0, 0xa000001ull, 0, 0xa000002ull, 0x3e801bb00000406ull, 0x3e8000003ull, 0x997701040000007bull,
        0x700080009000aull, 0xb0000000cull, 0xe0000000dull, 0x100000000full, 0x1200000011ull, 0x1400000013ull, 0x15ull,
        0x16ull, 0x17ull, 0x18ull},
       {0x688e80fa55420c08ull}},
      // deleted: key, order, state and who opened it
      {{0, 0xa000001ull, 0, 0xa000002ull, 0x3e801bb00000406ull, 0x3e8000003ull, 0x9900110e00000000ull,
        0x700080009000aull, 0xb0000000cull, 0xe0000000dull, 0x100000000full, 0x1200000011ull, 0x1400000013ull, 0x15ull,
        0x16ull, 0x17ull, 0x18ull},
       {0xb0097f9f637e2e25ull}},
      // UDP over IPv6 with wide NAT both ways
      {{0, 0xa000001ull, 0, 0xa000002ull, 0x3e801bb00000406ull, 0x3e8000003ull, 0xf0b00000000ull, 0x700080009000aull,
        0xb0000000cull, 0xe0000000dull, 0x100000000full, 0x1200000011ull, 0x1400000013ull, 0x15ull, 0x16ull, 0x17ull,
        0x18ull},
       {0x65a4f2dc3e1adf6full}},
  };
  for (const Known& k : cases) {
    const uint64_t out = stage_digest(k.in[0], k.in[1], k.in[2], k.in[3], k.in[4], k.in[5], k.in[6], k.in[7], k.in[8],
                                      k.in[9], k.in[10], k.in[11], k.in[12], k.in[13], k.in[14], k.in[15], k.in[16]);
    if (out == k.out[0]) continue;
    printf("case %u: %016llx\n", (unsigned)(&k - cases), (unsigned long long)out);
    return 1;
  }
  return 0;
}
#endif
