// Stage: delta_encode, the TCP fields of a packed record: what differs from what the receiver would expect. Takes words
// 6 and 9 to 12 of the session, and of the record before in this state its windows (the originator's low, the
// responder's high) and whether its profile was the same. Gives eight pieces' bytes, the first lowest, and their
// lengths, eight bits each.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/delta_circuit.hpp"
#include "hls/words.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_BEGIN
namespace {

inline void delta_encode_words(uint64_t status, uint64_t originator_ends, uint64_t originator_window,
                               uint64_t responder_ends, uint64_t responder_window, uint64_t windows,
                               uint64_t known_profile, uint64_t& profile, uint64_t& ends, uint64_t& window0,
                               uint64_t& window1, uint64_t& acked0, uint64_t& acked1, uint64_t& max_end0,
                               uint64_t& max_end1, uint64_t& lengths) {
  using namespace phalanx::hls;
  const Session session = tracked_session(0, status, 0, side_from_words(originator_ends, originator_window),
                                          side_from_words(responder_ends, responder_window), 0, 0, 0);
  const delta::TcpPieces p =
      delta::tcp_pieces(session, (known_profile & 1) != 0, word_u32(windows, 0), word_u32(windows, 32));
  profile = p.profile.bytes;
  ends = p.ends.bytes;
  window0 = p.window0.bytes;
  window1 = p.window1.bytes;
  acked0 = p.acked0.bytes;
  acked1 = p.acked1.bytes;
  max_end0 = p.max_end0.bytes;
  max_end1 = p.max_end1.bytes;
  lengths = word_of(p.profile.length | p.ends.length << 8 | p.window0.length << 16 | p.window1.length << 24,
                    p.acked0.length | p.acked1.length << 8 | p.max_end0.length << 16 | p.max_end1.length << 24);
}

}  // namespace
PHALANX_STAGE_END

PHALANX_STAGE_TOP void stage_delta_encode(uint64_t status, uint64_t originator_ends, uint64_t originator_window,
                                          uint64_t responder_ends, uint64_t responder_window, uint64_t windows,
                                          uint64_t known_profile, uint64_t* profile, uint64_t* ends, uint64_t* window0,
                                          uint64_t* window1, uint64_t* acked0, uint64_t* acked1, uint64_t* max_end0,
                                          uint64_t* max_end1, uint64_t* lengths) {
#pragma HLS pipeline II = 1
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0, w5 = 0, w6 = 0, w7 = 0, w8 = 0;
  delta_encode_words(status, originator_ends, originator_window, responder_ends, responder_window, windows,
                     known_profile, w0, w1, w2, w3, w4, w5, w6, w7, w8);
  *profile = w0;
  *ends = w1;
  *window0 = w2;
  *window1 = w3;
  *acked0 = w4;
  *acked1 = w5;
  *max_end0 = w6;
  *max_end1 = w7;
  *lengths = w8;
}

// One word of them, number `index` (0: profile), for tools that take no outputs by pointer.
PHALANX_STAGE_TOP uint64_t stage_delta_encode_word(uint64_t status, uint64_t originator_ends,
                                                   uint64_t originator_window, uint64_t responder_ends,
                                                   uint64_t responder_window, uint64_t windows, uint64_t known_profile,
                                                   uint64_t index) {
#pragma HLS pipeline II = 1
  using phalanx::hls::choose_word;
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0, w5 = 0, w6 = 0, w7 = 0, w8 = 0;
  delta_encode_words(status, originator_ends, originator_window, responder_ends, responder_window, windows,
                     known_profile, w0, w1, w2, w3, w4, w5, w6, w7, w8);
  return choose_word(index >> 2, choose_word(index, w0, w1, w2, w3), choose_word(index, w4, w5, w6, w7),
                     choose_word(index, w8, 0, 0, 0), 0);
}

#ifndef __SYNTHESIS__
#include <stdio.h>

struct Known {
  uint64_t in[7], out[9];
};

int main() {
  const Known cases[] = {
      // Established, everything as predicted: TCP bits say that both ends follow, and they do, big-endian.
      {{0x1100000400000000ull, 0x00005000000003e8ull, 0x0000138800001000ull, 0x0000238800001388ull,
        0x000003e800004c18ull, (0x4c18ull << 32) | 0x1000, 1},
       {0x03, 0x88130000e8030000ull, 0, 0, 0, 0, 0, 0, 0x0801}},
      // The originator's window has become 1000, and it has acknowledged one byte less than was sent.
      {{0x1100000400000000ull, 0x00005000000003e8ull, 0x00001387000003e8ull, 0x0000176f00001388ull,
        0x000003e800004c18ull, (0x4c18ull << 32) | 0x1000, 0},
       {0x170011, 0x88130000e8030000ull, 0x0fd3, 0, 0x01, 0, 0, 0, 0x0000000100020803ull}},
  };
  for (const Known& k : cases) {
    uint64_t out[9];
    stage_delta_encode(k.in[0], k.in[1], k.in[2], k.in[3], k.in[4], k.in[5], k.in[6], &out[0], &out[1], &out[2],
                       &out[3], &out[4], &out[5], &out[6], &out[7], &out[8]);
    for (unsigned i = 0; i < 9; ++i) {
      if (out[i] == k.out[i]) continue;
      printf("case %u, word %u: %016llx\n", (unsigned)(&k - cases), i, (unsigned long long)out[i]);
      return 1;
    }
  }
  return 0;
}
#endif
