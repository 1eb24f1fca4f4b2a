// Stage: delta_endpoints, who talks to whom. Takes the parts as delta_parts gives them and what is known. Gives six
// pieces' bytes, the first lowest, and their lengths, eight bits each.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/delta_words.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_BEGIN
namespace {

inline void delta_endpoints_words(uint64_t originator_hi, uint64_t originator_lo, uint64_t responder_hi,
                                  uint64_t responder_lo, uint64_t rest, uint64_t known_word,
                                  uint64_t& originator_hi_out, uint64_t& originator_lo_out, uint64_t& originator_out,
                                  uint64_t& responder_hi_out, uint64_t& responder_lo_out, uint64_t& responder_out,
                                  uint64_t& lengths) {
  using namespace phalanx::hls;
  const delta::Parts parts = delta::parts_from_words(originator_hi, originator_lo, responder_hi, responder_lo, rest);
  const delta::EndpointPieces p = delta::endpoint_pieces(parts, delta::known_from_word(known_word));
  originator_hi_out = p.originator_hi.bytes;
  originator_lo_out = p.originator_lo.bytes;
  originator_out = p.originator.bytes;
  responder_hi_out = p.responder_hi.bytes;
  responder_lo_out = p.responder_lo.bytes;
  responder_out = p.responder.bytes;
  lengths = delta::lengths_word(p.originator_hi.length, p.originator_lo.length, p.originator.length,
                                p.responder_hi.length, p.responder_lo.length, p.responder.length, 0, 0);
}

}  // namespace
PHALANX_STAGE_END

PHALANX_STAGE_TOP void stage_delta_endpoints(uint64_t originator_hi, uint64_t originator_lo, uint64_t responder_hi,
                                             uint64_t responder_lo, uint64_t rest, uint64_t known_word,
                                             uint64_t* originator_hi_out, uint64_t* originator_lo_out,
                                             uint64_t* originator_out, uint64_t* responder_hi_out,
                                             uint64_t* responder_lo_out, uint64_t* responder_out, uint64_t* lengths) {
#pragma HLS pipeline II = 1
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0, w5 = 0, w6 = 0;
  delta_endpoints_words(originator_hi, originator_lo, responder_hi, responder_lo, rest, known_word, w0, w1, w2, w3, w4,
                        w5, w6);
  *originator_hi_out = w0;
  *originator_lo_out = w1;
  *originator_out = w2;
  *responder_hi_out = w3;
  *responder_lo_out = w4;
  *responder_out = w5;
  *lengths = w6;
}

// One word of them, number `index` (0: originator_hi_out), for tools that take no outputs by pointer.
PHALANX_STAGE_TOP uint64_t stage_delta_endpoints_word(uint64_t originator_hi, uint64_t originator_lo,
                                                      uint64_t responder_hi, uint64_t responder_lo, uint64_t rest,
                                                      uint64_t known_word, uint64_t index) {
#pragma HLS pipeline II = 1
  using phalanx::hls::choose_word;
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0, w5 = 0, w6 = 0;
  delta_endpoints_words(originator_hi, originator_lo, responder_hi, responder_lo, rest, known_word, w0, w1, w2, w3, w4,
                        w5, w6);
  return choose_word(index >> 2, choose_word(index, w0, w1, w2, w3), choose_word(index, w4, w5, w6, 0), 0, 0);
}

#ifndef __SYNTHESIS__
#include <stdio.h>

struct Known {
  uint64_t in[6], out[7];
};

int main() {
  const Known cases[] = {
      // 10.0.0.1:1000 to 10.0.0.2:443, nothing known
      {{0, 0xa000001ull, 0, 0xa000002ull, 0x4001701bb03e8ull, 0},
       {0, 0, 0xe8030100000aull, 0, 0, 0xbb010200000aull, 0x60000060000ull}},
      // all known
      {{0, 0xa000001ull, 0, 0xa000002ull, 0x4001701bb03e8ull, 3},
       {0, 0, 0xe8030100ull, 0, 0, 0x17ull, 0x10000040000ull}},
      // the port is known
      {{0, 0xa000001ull, 0, 0xa000002ull, 0x4001701bb03e8ull, 4},
       {0, 0, 0xe8030100000aull, 0, 0, 0x200000aull, 0x40000060000ull}},
      // [2001:db8::2]:5000 to [2001:db8::1]:53, the originator's network and the port known
      {{0x20010db800000000ull, 2, 0x20010db800000000ull, 1, 0x3012700351388ull, 5},
       {0, 0x200000000000000ull, 0x8813ull, 0xb80d0120ull, 0x100000000000000ull, 0, 0x808020800ull}},
      // nothing known
      {{0x20010db800000000ull, 2, 0x20010db800000000ull, 1, 0x3012700351388ull, 0},
       {0xb80d0120ull, 0x200000000000000ull, 0x8813ull, 0xb80d0120ull, 0x100000000000000ull, 0x3500ull,
        0x20808020808ull}},
      // an echo of IPv4
      {{0, 0xa000001ull, 0, 0xa000002ull, 0x20000000009ull, 0},
       {0, 0, 0x9000100000aull, 0, 0, 0x200000aull, 0x40000060000ull}},
  };
  for (const Known& k : cases) {
    uint64_t out[7];
    stage_delta_endpoints(k.in[0], k.in[1], k.in[2], k.in[3], k.in[4], k.in[5], &out[0], &out[1], &out[2], &out[3],
                          &out[4], &out[5], &out[6]);
    for (unsigned i = 0; i < 7; ++i) {
      if (out[i] == k.out[i]) continue;
      printf("case %u, word %u: %016llx\n", (unsigned)(&k - cases), i, (unsigned long long)out[i]);
      return 1;
    }
  }
  return 0;
}
#endif
