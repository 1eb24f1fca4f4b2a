// Stage: delta_head, the fields before the endpoints. Takes order, status and the key's tail of the session, the parts'
// last word, what is known | extension byte << 8, and the generation before in this state. Gives four pieces' bytes,
// the first lowest, and their lengths, eight bits each.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/delta_words.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_BEGIN
namespace {

inline void delta_head_words(uint64_t order, uint64_t status, uint64_t tail, uint64_t rest, uint64_t known_word,
                             uint64_t generation_before, uint64_t& head, uint64_t& generation, uint64_t& extensions,
                             uint64_t& virtual_system, uint64_t& lengths) {
  using namespace phalanx::hls;
  Session session = keyed_session(key_from_words(0, 0, 0, 0, tail), status, 0, 0);
  session.order = order;
  const delta::Parts parts = delta::parts_from_words(0, 0, 0, 0, rest);
  const delta::Known known = delta::known_from_word(known_word);
  const delta::HeadPieces p = delta::head_pieces(session, parts, known, generation_before, word_u8(known_word, 8));
  head = p.head.bytes;
  generation = p.generation.bytes;
  extensions = p.extensions.bytes;
  virtual_system = p.virtual_system.bytes;
  lengths =
      delta::lengths_word(p.head.length, p.generation.length, p.extensions.length, p.virtual_system.length, 0, 0, 0, 0);
}

}  // namespace
PHALANX_STAGE_END

PHALANX_STAGE_TOP void stage_delta_head(uint64_t order, uint64_t status, uint64_t tail, uint64_t rest,
                                        uint64_t known_word, uint64_t generation_before, uint64_t* head,
                                        uint64_t* generation, uint64_t* extensions, uint64_t* virtual_system,
                                        uint64_t* lengths) {
#pragma HLS pipeline II = 1
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0;
  delta_head_words(order, status, tail, rest, known_word, generation_before, w0, w1, w2, w3, w4);
  *head = w0;
  *generation = w1;
  *extensions = w2;
  *virtual_system = w3;
  *lengths = w4;
}

// One word of them, number `index` (0: head), for tools that take no outputs by pointer.
PHALANX_STAGE_TOP uint64_t stage_delta_head_word(uint64_t order, uint64_t status, uint64_t tail, uint64_t rest,
                                                 uint64_t known_word, uint64_t generation_before, uint64_t index) {
#pragma HLS pipeline II = 1
  using phalanx::hls::choose_word;
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0;
  delta_head_words(order, status, tail, rest, known_word, generation_before, w0, w1, w2, w3, w4);
  return choose_word(index >> 2, choose_word(index, w0, w1, w2, w3), choose_word(index, w4, 0, 0, 0), 0, 0);
}

#ifndef __SYNTHESIS__
#include <stdio.h>

struct Known {
  uint64_t in[6], out[5];
};

int main() {
  const Known cases[] = {
      // TCP over IPv4, nothing known, version 3, the next generation
      {{0x3e8000003ull, 0x400000000ull, 0x3e801bb00000406ull, 0x4001701bb03e8ull, 0, 0x3e7ull},
       {0x4300ull, 2, 0, 0, 0x102ull}},
      // a deleted session of protocol 47 over IPv6, ends known, version 200, virtual system 300, the generation before
      {{0x50000c8ull, 0xe00000000ull, 0x12c062full, 0x3030000000000ull, 0x1003ull, 6},
       {0x1b9effaull, 1, 0x2f10ull, 0x2acull, 0x2020104ull}},
      // the same port, the same profile, source NAT; generations wrap after 40 bits
      {{0xeull, 0x400000000ull, 0x3e801bb00000406ull, 0x4001701bb03e8ull, 0x210cull, 0xffffffffffull},
       {0x4e07ull, 2, 0x21ull, 0, 0x10102ull}},
  };
  for (const Known& k : cases) {
    uint64_t out[5];
    stage_delta_head(k.in[0], k.in[1], k.in[2], k.in[3], k.in[4], k.in[5], &out[0], &out[1], &out[2], &out[3], &out[4]);
    for (unsigned i = 0; i < 5; ++i) {
      if (out[i] == k.out[i]) continue;
      printf("case %u, word %u: %016llx\n", (unsigned)(&k - cases), i, (unsigned long long)out[i]);
      return 1;
    }
  }
  return 0;
}
#endif
