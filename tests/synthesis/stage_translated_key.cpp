// Stage: translated_key, the key of a session's packets on the responder's side of NAT, which is its second place in
// the table. Takes words 0 to 4 (key) and 6 to 8 of the session and its long rewrite. Gives the key and whether the
// originator is its endpoint B.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/nat_circuit.hpp"
#include "hls/words.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_BEGIN
namespace {

inline void translated_key_words(uint64_t a_hi, uint64_t a_lo, uint64_t b_hi, uint64_t b_lo, uint64_t tail,
                                 uint64_t status, uint64_t rule, uint64_t nat, uint64_t source_hi, uint64_t source_lo,
                                 uint64_t destination_hi, uint64_t destination_lo, uint64_t& a_hi_out,
                                 uint64_t& a_lo_out, uint64_t& b_hi_out, uint64_t& b_lo_out, uint64_t& tail_out,
                                 uint64_t& from_b) {
  using namespace phalanx::hls;
  const Session session = keyed_session(key_from_words(a_hi, a_lo, b_hi, b_lo, tail), status, rule, nat);
  const WideNat wide = {source_hi, source_lo, destination_hi, destination_lo};
  const DirectedKey directed = translated_key_at_once(session, wide);
  a_hi_out = directed.key.a_hi;
  a_lo_out = directed.key.a_lo;
  b_hi_out = directed.key.b_hi;
  b_lo_out = directed.key.b_lo;
  tail_out = directed.key.tail;
  from_b = directed.from_b;
}

}  // namespace
PHALANX_STAGE_END

PHALANX_STAGE_TOP void stage_translated_key(uint64_t a_hi, uint64_t a_lo, uint64_t b_hi, uint64_t b_lo, uint64_t tail,
                                            uint64_t status, uint64_t rule, uint64_t nat, uint64_t source_hi,
                                            uint64_t source_lo, uint64_t destination_hi, uint64_t destination_lo,
                                            uint64_t* a_hi_out, uint64_t* a_lo_out, uint64_t* b_hi_out,
                                            uint64_t* b_lo_out, uint64_t* tail_out, uint64_t* from_b) {
#pragma HLS pipeline II = 1
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0, w5 = 0;
  translated_key_words(a_hi, a_lo, b_hi, b_lo, tail, status, rule, nat, source_hi, source_lo, destination_hi,
                       destination_lo, w0, w1, w2, w3, w4, w5);
  *a_hi_out = w0;
  *a_lo_out = w1;
  *b_hi_out = w2;
  *b_lo_out = w3;
  *tail_out = w4;
  *from_b = w5;
}

// One word of them, number `index` (0: a_hi_out), for tools that take no outputs by pointer.
PHALANX_STAGE_TOP uint64_t stage_translated_key_word(uint64_t a_hi, uint64_t a_lo, uint64_t b_hi, uint64_t b_lo,
                                                     uint64_t tail, uint64_t status, uint64_t rule, uint64_t nat,
                                                     uint64_t source_hi, uint64_t source_lo, uint64_t destination_hi,
                                                     uint64_t destination_lo, uint64_t index) {
#pragma HLS pipeline II = 1
  using phalanx::hls::choose_word;
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0, w5 = 0;
  translated_key_words(a_hi, a_lo, b_hi, b_lo, tail, status, rule, nat, source_hi, source_lo, destination_hi,
                       destination_lo, w0, w1, w2, w3, w4, w5);
  return choose_word(index >> 2, choose_word(index, w0, w1, w2, w3), choose_word(index, w4, w5, 0, 0), 0, 0);
}

#ifndef __SYNTHESIS__
#include <stdio.h>

struct Known {
  uint64_t in[12], out[6];
};

int main() {
  const Known cases[] = {
      // none: the same key
      {{0, 1, 0, 2, 0x3e801bb00000406ull, 0, 0, 0, 0, 0, 0, 0}, {0, 1, 0, 2, 0x3e801bb00000406ull, 0}},
      // the source to 9:4000: the ends change places
      {{0, 1, 0, 2, 0x3e801bb00000406ull, 0x20000000000ull, 0xfa000000000ull, 9, 0, 0, 0, 0},
       {0, 2, 0, 9, 0x1bb0fa000000406ull, 1}},
      // both, IPv6, opened by B
      {{0x20010db800000000ull, 1, 0x20010db800000000ull, 2, 0x35138800000611ull, 0xf0000000000ull,
        0x1f900fa000000000ull, 0, 0x20010db800000000ull, 3, 0x20010db800000000ull, 4},
       {0x20010db800000000ull, 3, 0x20010db800000000ull, 4, 0xfa01f9000000611ull, 0}},
  };
  for (const Known& k : cases) {
    uint64_t out[6];
    stage_translated_key(k.in[0], k.in[1], k.in[2], k.in[3], k.in[4], k.in[5], k.in[6], k.in[7], k.in[8], k.in[9],
                         k.in[10], k.in[11], &out[0], &out[1], &out[2], &out[3], &out[4], &out[5]);
    for (unsigned i = 0; i < 6; ++i) {
      if (out[i] == k.out[i]) continue;
      printf("case %u, word %u: %016llx\n", (unsigned)(&k - cases), i, (unsigned long long)out[i]);
      return 1;
    }
  }
  return 0;
}
#endif
