// Stage: delta_parts, what a session is for the encoder before anything that was sent is looked at. Takes words 0 to 4
// (key) and 6 (status) of the session. Gives both ends' addresses, and ports, dictionary index, class and kind as
// parts_rest() of hls/delta_words.hpp has them.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/delta_words.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_BEGIN
namespace {

inline void delta_parts_words(uint64_t a_hi, uint64_t a_lo, uint64_t b_hi, uint64_t b_lo, uint64_t tail,
                              uint64_t status, uint64_t& originator_hi, uint64_t& originator_lo, uint64_t& responder_hi,
                              uint64_t& responder_lo, uint64_t& rest) {
  using namespace phalanx::hls;
  const Session session = keyed_session(key_from_words(a_hi, a_lo, b_hi, b_lo, tail), status, 0, 0);
  const delta::Parts parts = delta::parts_of(session);
  originator_hi = parts.originator.hi;
  originator_lo = parts.originator.lo;
  responder_hi = parts.responder.hi;
  responder_lo = parts.responder.lo;
  rest = delta::parts_rest(parts);
}

}  // namespace
PHALANX_STAGE_END

PHALANX_STAGE_TOP void stage_delta_parts(uint64_t a_hi, uint64_t a_lo, uint64_t b_hi, uint64_t b_lo, uint64_t tail,
                                         uint64_t status, uint64_t* originator_hi, uint64_t* originator_lo,
                                         uint64_t* responder_hi, uint64_t* responder_lo, uint64_t* rest) {
#pragma HLS pipeline II = 1
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0;
  delta_parts_words(a_hi, a_lo, b_hi, b_lo, tail, status, w0, w1, w2, w3, w4);
  *originator_hi = w0;
  *originator_lo = w1;
  *responder_hi = w2;
  *responder_lo = w3;
  *rest = w4;
}

// One word of them, number `index` (0: originator_hi), for tools that take no outputs by pointer.
PHALANX_STAGE_TOP uint64_t stage_delta_parts_word(uint64_t a_hi, uint64_t a_lo, uint64_t b_hi, uint64_t b_lo,
                                                  uint64_t tail, uint64_t status, uint64_t index) {
#pragma HLS pipeline II = 1
  using phalanx::hls::choose_word;
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0;
  delta_parts_words(a_hi, a_lo, b_hi, b_lo, tail, status, w0, w1, w2, w3, w4);
  return choose_word(index >> 2, choose_word(index, w0, w1, w2, w3), choose_word(index, w4, 0, 0, 0), 0, 0);
}

#ifndef __SYNTHESIS__
#include <stdio.h>

struct Known {
  uint64_t in[6], out[5];
};

int main() {
  const Known cases[] = {
      // TCP over IPv4, established
      {{0, 0xa000001ull, 0, 0xa000002ull, 0x3e801bb00000406ull, 0x400000000ull},
       {0, 0xa000001ull, 0, 0xa000002ull, 0x4001701bb03e8ull}},
      // a deleted session of UDP over IPv6, opened by endpoint B
      {{0x20010db800000000ull, 1, 0x20010db800000000ull, 2, 0x35138800000611ull, 0x10e00000000ull},
       {0x20010db800000000ull, 2, 0x20010db800000000ull, 1, 0x3012700351388ull}},
      // an echo: the responder has no port
      {{0, 1, 0, 2, 0x9000000000401ull, 0xc00000000ull}, {0, 1, 0, 2, 0x20200000009ull}},
      // TCP in a state of none of its own is of the class other
      {{0, 1, 0, 2, 0x9000000000406ull, 0xd00000000ull}, {0, 1, 0, 2, 0x30200000009ull}},
  };
  for (const Known& k : cases) {
    uint64_t out[5];
    stage_delta_parts(k.in[0], k.in[1], k.in[2], k.in[3], k.in[4], k.in[5], &out[0], &out[1], &out[2], &out[3],
                      &out[4]);
    for (unsigned i = 0; i < 5; ++i) {
      if (out[i] == k.out[i]) continue;
      printf("case %u, word %u: %016llx\n", (unsigned)(&k - cases), i, (unsigned long long)out[i]);
      return 1;
    }
  }
  return 0;
}
#endif
