// Stage: delta_known, what need not be said of a record since it was said before, and what the next records need not
// say. Takes the parts as delta_parts gives them, word 6 (status), the key's tail and word 8 (NAT addresses) of the
// session, the registers as hls/delta_words.hpp has them, the context (epoch | TCP flags of the record before in this
// state << 32 | its scales << 40) and the dictionary's entry. Gives what is known | extension byte << 8, the registers
// after this record, and the last word of the entry to write; its others are the responder's address.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/delta_words.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_BEGIN
namespace {

inline void delta_known_words(uint64_t originator_hi, uint64_t originator_lo, uint64_t responder_hi,
                              uint64_t responder_lo, uint64_t rest, uint64_t status, uint64_t tail, uint64_t nat,
                              uint64_t v6, uint64_t v4, uint64_t registers, uint64_t ports, uint64_t context,
                              uint64_t entry_hi, uint64_t entry_lo, uint64_t entry_rest, uint64_t& known_out,
                              uint64_t& v6_out, uint64_t& v4_out, uint64_t& registers_out, uint64_t& ports_out,
                              uint64_t& entry_out) {
  using namespace phalanx::hls;
  const delta::Parts parts = delta::parts_from_words(originator_hi, originator_lo, responder_hi, responder_lo, rest);
  const Session session = keyed_session(key_from_words(0, 0, 0, 0, tail), status, 0, nat);
  delta::Registers memory = delta::registers_from_words(v6, v4, registers, ports, word_u32(context, 0));
  const delta::StateContext state = {0, {0, 0}, word_u8(context, 32), word_u8(context, 40)};
  delta::DictionaryEntry entry = delta::entry_from_words(entry_hi, entry_lo, entry_rest);
  const delta::Known known = delta::known_of(session, parts, memory, state, entry);
  const uint8_t ext = delta::extension_of(session, parts, known);
  delta::remember(session, parts, known, memory, entry);
  known_out = delta::known_word(known, ext);
  v6_out = memory.originator_v6_hi;
  v4_out = delta::registers_v4(memory);
  registers_out = delta::registers_rest(memory);
  ports_out = memory.responder_ports;
  entry_out = static_cast<uint64_t>(entry.family) << 48 | word_of(entry.epoch, entry.port);
}

}  // namespace
PHALANX_STAGE_END

PHALANX_STAGE_TOP void stage_delta_known(uint64_t originator_hi, uint64_t originator_lo, uint64_t responder_hi,
                                         uint64_t responder_lo, uint64_t rest, uint64_t status, uint64_t tail,
                                         uint64_t nat, uint64_t v6, uint64_t v4, uint64_t registers, uint64_t ports,
                                         uint64_t context, uint64_t entry_hi, uint64_t entry_lo, uint64_t entry_rest,
                                         uint64_t* known_out, uint64_t* v6_out, uint64_t* v4_out,
                                         uint64_t* registers_out, uint64_t* ports_out, uint64_t* entry_out) {
#pragma HLS pipeline II = 1
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0, w5 = 0;
  delta_known_words(originator_hi, originator_lo, responder_hi, responder_lo, rest, status, tail, nat, v6, v4,
                    registers, ports, context, entry_hi, entry_lo, entry_rest, w0, w1, w2, w3, w4, w5);
  *known_out = w0;
  *v6_out = w1;
  *v4_out = w2;
  *registers_out = w3;
  *ports_out = w4;
  *entry_out = w5;
}

// One word of them, number `index` (0: known_out), for tools that take no outputs by pointer.
PHALANX_STAGE_TOP uint64_t stage_delta_known_word(uint64_t originator_hi, uint64_t originator_lo, uint64_t responder_hi,
                                                  uint64_t responder_lo, uint64_t rest, uint64_t status, uint64_t tail,
                                                  uint64_t nat, uint64_t v6, uint64_t v4, uint64_t registers,
                                                  uint64_t ports, uint64_t context, uint64_t entry_hi,
                                                  uint64_t entry_lo, uint64_t entry_rest, uint64_t index) {
#pragma HLS pipeline II = 1
  using phalanx::hls::choose_word;
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0, w5 = 0;
  delta_known_words(originator_hi, originator_lo, responder_hi, responder_lo, rest, status, tail, nat, v6, v4,
                    registers, ports, context, entry_hi, entry_lo, entry_rest, w0, w1, w2, w3, w4, w5);
  return choose_word(index >> 2, choose_word(index, w0, w1, w2, w3), choose_word(index, w4, w5, 0, 0), 0, 0);
}

#ifndef __SYNTHESIS__
#include <stdio.h>

struct Known {
  uint64_t in[16], out[6];
};

int main() {
  const Known cases[] = {
      // a container's first record: nothing is known
      {{0, 0xa000001ull, 0, 0xa000002ull, 0x4001701bb03e8ull, 0x1177000400000000ull, 0x3e801bb00000406ull, 0, 0, 0, 0,
        0, 1, 0, 0, 0},
       {0, 0, 0xa000001ull, 0x10100000000ull, 0x1bbull, 0x401bb00000001ull}},
      // once more: the originator's network, the responder and the profile are
      {{0, 0xa000001ull, 0, 0xa000002ull, 0x4001701bb03e8ull, 0x1177000400000000ull, 0x3e801bb00000406ull, 0, 0,
        0xa000001ull, 0x10100000000ull, 0x1bbull, 0x771100000001ull, 0, 0xa000002ull, 0x401bb00000001ull},
       {0xbull, 0, 0xa000001ull, 0x10100000000ull, 0x1bbull, 0x401bb00000001ull}},
      // the port of another responder, NAT as before both ways, picked up, virtual system 7
      {{0, 0xb000001ull, 0, 0xa000003ull, 0x4001701bb03e8ull, 0x860400000000ull, 0x3e801bb00070406ull, 0x10200000304ull,
        0, 0x3040a000001ull, 0xd0100000102ull, 0x1bbull, 0x771100000001ull, 0, 0xa000002ull, 0x401bb00000001ull},
       {0x7b34ull, 0, 0x3040b000001ull, 0xd0100000102ull, 0x1bbull, 0x401bb00000001ull}},
      // IPv6, wide NAT: addresses are not remembered
      {{0x20010db800000000ull, 2, 0x20010db800000000ull, 1, 0x1012700351388ull, 0xf0b00000000ull, 0x35138800000611ull,
        0x4dull, 0x20010db800000000ull, 0x500000000ull, 0x60000000000ull, 0, 3, 0x20010db800000000ull, 1,
        0x6003500000002ull},
       {0x701ull, 0x20010db800000000ull, 0x500000000ull, 0x60200000000ull, 0x350000ull, 0x6003500000003ull}},
  };
  for (const Known& k : cases) {
    uint64_t out[6];
    stage_delta_known(k.in[0], k.in[1], k.in[2], k.in[3], k.in[4], k.in[5], k.in[6], k.in[7], k.in[8], k.in[9],
                      k.in[10], k.in[11], k.in[12], k.in[13], k.in[14], k.in[15], &out[0], &out[1], &out[2], &out[3],
                      &out[4], &out[5]);
    for (unsigned i = 0; i < 6; ++i) {
      if (out[i] == k.out[i]) continue;
      printf("case %u, word %u: %016llx\n", (unsigned)(&k - cases), i, (unsigned long long)out[i]);
      return 1;
    }
  }
  return 0;
}
#endif
