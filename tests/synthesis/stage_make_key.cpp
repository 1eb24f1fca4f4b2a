// make_key(): the canonical key of a packet's two ends. `rest` is source port << 48 | destination port << 32 | virtual
// system << 16 | family << 8 | protocol. Writes the key, and 1 to from_b if the source became endpoint B.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/flow_key.hpp"
#include "hls/words.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_BEGIN
namespace {

inline void make_key_words(uint64_t source_hi, uint64_t source_lo, uint64_t destination_hi, uint64_t destination_lo,
                           uint64_t rest, uint64_t& a_hi, uint64_t& a_lo, uint64_t& b_hi, uint64_t& b_lo,
                           uint64_t& tail, uint64_t& from_b) {
  using namespace phalanx::hls;
  const Endpoint source = {source_hi, source_lo, word_u16(rest, 48)};
  const Endpoint destination = {destination_hi, destination_lo, word_u16(rest, 32)};
  const DirectedKey key = make_key(source, destination, word_u8(rest, 0), word_u8(rest, 8), word_u16(rest, 16));
  a_hi = key.key.a_hi;
  a_lo = key.key.a_lo;
  b_hi = key.key.b_hi;
  b_lo = key.key.b_lo;
  tail = key.key.tail;
  from_b = key.from_b;
}

}  // namespace
PHALANX_STAGE_END

PHALANX_STAGE_TOP void stage_make_key(uint64_t source_hi, uint64_t source_lo, uint64_t destination_hi,
                                      uint64_t destination_lo, uint64_t rest, uint64_t* a_hi, uint64_t* a_lo,
                                      uint64_t* b_hi, uint64_t* b_lo, uint64_t* tail, uint64_t* from_b) {
#pragma HLS pipeline II = 1
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0, w5 = 0;
  make_key_words(source_hi, source_lo, destination_hi, destination_lo, rest, w0, w1, w2, w3, w4, w5);
  *a_hi = w0;
  *a_lo = w1;
  *b_hi = w2;
  *b_lo = w3;
  *tail = w4;
  *from_b = w5;
}

// One word of them, number `index` (0: a_hi), for tools that take no outputs by pointer.
PHALANX_STAGE_TOP uint64_t stage_make_key_word(uint64_t source_hi, uint64_t source_lo, uint64_t destination_hi,
                                               uint64_t destination_lo, uint64_t rest, uint64_t index) {
#pragma HLS pipeline II = 1
  using phalanx::hls::choose_word;
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0, w5 = 0;
  make_key_words(source_hi, source_lo, destination_hi, destination_lo, rest, w0, w1, w2, w3, w4, w5);
  return choose_word(index >> 2, choose_word(index, w0, w1, w2, w3), choose_word(index, w4, w5, 0, 0), 0, 0);
}

#ifndef __SYNTHESIS__
#include <stdio.h>

// 10.0.0.1:1234 to 10.0.0.2:80 over TCP in virtual system 7, and its reply: one key.
int main() {
  const uint64_t client = 0x0a000001, server = 0x0a000002, tcp = 7 << 16 | 4 << 8 | 6;
  uint64_t forth[6], back[6];
  stage_make_key(0, client, 0, server, 1234ull << 48 | 80ull << 32 | tcp, &forth[0], &forth[1], &forth[2], &forth[3],
                 &forth[4], &forth[5]);
  stage_make_key(0, server, 0, client, 80ull << 48 | 1234ull << 32 | tcp, &back[0], &back[1], &back[2], &back[3],
                 &back[4], &back[5]);
  const uint64_t known[5] = {0, client, 0, server, 1234ull << 48 | 80ull << 32 | tcp};
  for (unsigned i = 0; i < 5; ++i) {
    if (forth[i] == known[i] && back[i] == known[i]) continue;
    printf("word %u of the key\n", i);
    return 1;
  }
  return forth[5] == 0 && back[5] == 1 ? 0 : 1;
}
#endif
