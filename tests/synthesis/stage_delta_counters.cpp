// Stage: delta_counters, what full sync adds: age and counters. Takes words 6 (last_seen) and 13 to 15 (counters) of
// the session, and now_ms | whether they are wanted << 32. Gives five pieces' bytes, the first lowest, and their
// lengths, eight bits each.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/delta_words.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_BEGIN
namespace {

inline void delta_counters_words(uint64_t status, uint64_t traffic0, uint64_t traffic1, uint64_t packets,
                                 uint64_t context, uint64_t& age, uint64_t& bytes0, uint64_t& packets0,
                                 uint64_t& bytes1, uint64_t& packets1, uint64_t& lengths) {
  using namespace phalanx::hls;
  const TcpSide none = {0, 0, 0, 0};
  const Session session = tracked_session(0, status, 0, none, none, traffic0, traffic1, packets);
  const delta::CounterPieces p = delta::counter_pieces(session, (context >> 32 & 1) != 0, word_u32(context, 0));
  age = p.age.bytes;
  bytes0 = p.bytes0.bytes;
  packets0 = p.packets0.bytes;
  bytes1 = p.bytes1.bytes;
  packets1 = p.packets1.bytes;
  lengths = delta::lengths_word(p.age.length, p.bytes0.length, p.packets0.length, p.bytes1.length, p.packets1.length, 0,
                                0, 0);
}

}  // namespace
PHALANX_STAGE_END

PHALANX_STAGE_TOP void stage_delta_counters(uint64_t status, uint64_t traffic0, uint64_t traffic1, uint64_t packets,
                                            uint64_t context, uint64_t* age, uint64_t* bytes0, uint64_t* packets0,
                                            uint64_t* bytes1, uint64_t* packets1, uint64_t* lengths) {
#pragma HLS pipeline II = 1
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0, w5 = 0;
  delta_counters_words(status, traffic0, traffic1, packets, context, w0, w1, w2, w3, w4, w5);
  *age = w0;
  *bytes0 = w1;
  *packets0 = w2;
  *bytes1 = w3;
  *packets1 = w4;
  *lengths = w5;
}

// One word of them, number `index` (0: age), for tools that take no outputs by pointer.
PHALANX_STAGE_TOP uint64_t stage_delta_counters_word(uint64_t status, uint64_t traffic0, uint64_t traffic1,
                                                     uint64_t packets, uint64_t context, uint64_t index) {
#pragma HLS pipeline II = 1
  using phalanx::hls::choose_word;
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0, w5 = 0;
  delta_counters_words(status, traffic0, traffic1, packets, context, w0, w1, w2, w3, w4, w5);
  return choose_word(index >> 2, choose_word(index, w0, w1, w2, w3), choose_word(index, w4, w5, 0, 0), 0, 0);
}

#ifndef __SYNTHESIS__
#include <stdio.h>

struct Known {
  uint64_t in[5], out[6];
};

int main() {
  const Known cases[] = {
      // 150 ms ago; the packets' upper bits are in the bytes' word
      {{0x64ull, 0x100000000012cull, 0x7full, 0x8000000001ull, 0x1000000faull},
       {0x196ull, 0x2acull, 0x1080808081ull, 0x7full, 0x180ull, 0x201050202ull}},
      // seen after now: as if now; greatest numbers
      {{0x65ull, 0xffffffffffffffffull, 0, 0xffffffffull, 0x100000064ull},
       {0, 0x3fffffffffffffull, 0x3fffffffffffffull, 0, 0, 0x101070701ull}},
      // not wanted
      {{0x64ull, 0x12cull, 0x12cull, 0x12cull, 0xfaull}, {0, 0, 0, 0, 0, 0}},
  };
  for (const Known& k : cases) {
    uint64_t out[6];
    stage_delta_counters(k.in[0], k.in[1], k.in[2], k.in[3], k.in[4], &out[0], &out[1], &out[2], &out[3], &out[4],
                         &out[5]);
    for (unsigned i = 0; i < 6; ++i) {
      if (out[i] == k.out[i]) continue;
      printf("case %u, word %u: %016llx\n", (unsigned)(&k - cases), i, (unsigned long long)out[i]);
      return 1;
    }
  }
  return 0;
}
#endif
