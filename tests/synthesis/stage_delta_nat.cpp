// Stage: delta_nat, the rule and what NAT makes of the addresses. Takes words 7 (rule and ports) and 8 (addresses) of
// the session, its long rewrite, the parts' last word and what is known | extension byte << 8. Gives seven pieces'
// bytes, the first lowest, and their lengths, eight bits each.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/delta_words.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_BEGIN
namespace {

inline void delta_nat_words(uint64_t rule, uint64_t nat, uint64_t source_hi, uint64_t source_lo,
                            uint64_t destination_hi, uint64_t destination_lo, uint64_t rest, uint64_t known_word,
                            uint64_t& rule_out, uint64_t& source_hi_out, uint64_t& source_lo_out, uint64_t& source_out,
                            uint64_t& destination_hi_out, uint64_t& destination_lo_out, uint64_t& destination_out,
                            uint64_t& lengths) {
  using namespace phalanx::hls;
  const Session session = keyed_session(key_from_words(0, 0, 0, 0, 0), 0, rule, nat);
  const WideNat wide = {source_hi, source_lo, destination_hi, destination_lo};
  const delta::Parts parts = delta::parts_from_words(0, 0, 0, 0, rest);
  const delta::NatPieces p = delta::nat_pieces(session, wide, parts.deleted, word_u8(known_word, 8));
  rule_out = p.rule.bytes;
  source_hi_out = p.source_hi.bytes;
  source_lo_out = p.source_lo.bytes;
  source_out = p.source.bytes;
  destination_hi_out = p.destination_hi.bytes;
  destination_lo_out = p.destination_lo.bytes;
  destination_out = p.destination.bytes;
  lengths = delta::lengths_word(p.rule.length, p.source_hi.length, p.source_lo.length, p.source.length,
                                p.destination_hi.length, p.destination_lo.length, p.destination.length, 0);
}

}  // namespace
PHALANX_STAGE_END

PHALANX_STAGE_TOP void stage_delta_nat(uint64_t rule, uint64_t nat, uint64_t source_hi, uint64_t source_lo,
                                       uint64_t destination_hi, uint64_t destination_lo, uint64_t rest,
                                       uint64_t known_word, uint64_t* rule_out, uint64_t* source_hi_out,
                                       uint64_t* source_lo_out, uint64_t* source_out, uint64_t* destination_hi_out,
                                       uint64_t* destination_lo_out, uint64_t* destination_out, uint64_t* lengths) {
#pragma HLS pipeline II = 1
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0, w5 = 0, w6 = 0, w7 = 0;
  delta_nat_words(rule, nat, source_hi, source_lo, destination_hi, destination_lo, rest, known_word, w0, w1, w2, w3, w4,
                  w5, w6, w7);
  *rule_out = w0;
  *source_hi_out = w1;
  *source_lo_out = w2;
  *source_out = w3;
  *destination_hi_out = w4;
  *destination_lo_out = w5;
  *destination_out = w6;
  *lengths = w7;
}

// One word of them, number `index` (0: rule_out), for tools that take no outputs by pointer.
PHALANX_STAGE_TOP uint64_t stage_delta_nat_word(uint64_t rule, uint64_t nat, uint64_t source_hi, uint64_t source_lo,
                                                uint64_t destination_hi, uint64_t destination_lo, uint64_t rest,
                                                uint64_t known_word, uint64_t index) {
#pragma HLS pipeline II = 1
  using phalanx::hls::choose_word;
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0, w5 = 0, w6 = 0, w7 = 0;
  delta_nat_words(rule, nat, source_hi, source_lo, destination_hi, destination_lo, rest, known_word, w0, w1, w2, w3, w4,
                  w5, w6, w7);
  return choose_word(index >> 2, choose_word(index, w0, w1, w2, w3), choose_word(index, w4, w5, w6, w7), 0, 0);
}

#ifndef __SYNTHESIS__
#include <stdio.h>

struct Known {
  uint64_t in[8], out[8];
};

int main() {
  const Known cases[] = {
      // no NAT
      {{0xfa00000012cull, 0xc6336401ull, 1, 2, 3, 4, 0, 0}, {0x2acull, 0, 0, 0, 0, 0, 0, 2}},
      // to 198.51.100.1:4000 and, as before, the same destination, port 8080
      {{0x1f900fa000000005ull, 0xa000001c6336401ull, 1, 2, 3, 4, 0, 0x4300ull},
       {5, 0, 0, 0xa00f016433c6ull, 0, 0, 0x901full, 0x2000006000001ull}},
      // IPv6, the source
      {{0xfa000000005ull, 0, 0x20010db800000000ull, 1, 3, 4, 0, 0x500ull},
       {5, 0xb80d0120ull, 0x100000000000000ull, 0xa00full, 0, 0, 0, 0x2080801ull}},
      // IPv6, the destination
      {{0x1f90000000000005ull, 0, 3, 4, 0x20010db800000000ull, 1, 0, 0x600ull},
       {5, 0, 0, 0, 0xb80d0120ull, 0x100000000000000ull, 0x901full, 0x2080800000001ull}},
      // a deleted session has neither
      {{0xfa00000012cull, 0xc6336401ull, 1, 2, 3, 4, 0x2000000000000ull, 0x1000ull}, {0, 0, 0, 0, 0, 0, 0, 0}},
  };
  for (const Known& k : cases) {
    uint64_t out[8];
    stage_delta_nat(k.in[0], k.in[1], k.in[2], k.in[3], k.in[4], k.in[5], k.in[6], k.in[7], &out[0], &out[1], &out[2],
                    &out[3], &out[4], &out[5], &out[6], &out[7]);
    for (unsigned i = 0; i < 8; ++i) {
      if (out[i] == k.out[i]) continue;
      printf("case %u, word %u: %016llx\n", (unsigned)(&k - cases), i, (unsigned long long)out[i]);
      return 1;
    }
  }
  return 0;
}
#endif
