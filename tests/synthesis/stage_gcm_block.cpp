// Stage: gcm_block, a block of data through counter mode (NIST SP 800-38D, section 6.5), perhaps the last, which is
// shorter. Takes the block, the key stream's, and how many bytes count (more than 16: all). Gives the block as GHASH
// takes it in when it is opened, and the result, what is beyond the length being 0 in both.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/gcm.hpp"
#include "hls/words.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_BEGIN
namespace {

inline void gcm_block_words(uint64_t hi, uint64_t lo, uint64_t stream_hi, uint64_t stream_lo, uint64_t bytes,
                            uint64_t& data_hi, uint64_t& data_lo, uint64_t& result_hi, uint64_t& result_lo) {
  using namespace phalanx::hls;
  const AesBlock data = gcm_mask_block({hi, lo}, word_u32(bytes, 0));
  const AesBlock result = gcm_mask_block(xor_blocks(data, {stream_hi, stream_lo}), word_u32(bytes, 0));
  data_hi = data.hi;
  data_lo = data.lo;
  result_hi = result.hi;
  result_lo = result.lo;
}

}  // namespace
PHALANX_STAGE_END

PHALANX_STAGE_TOP void stage_gcm_block(uint64_t hi, uint64_t lo, uint64_t stream_hi, uint64_t stream_lo, uint64_t bytes,
                                       uint64_t* data_hi, uint64_t* data_lo, uint64_t* result_hi, uint64_t* result_lo) {
#pragma HLS pipeline II = 1
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0;
  gcm_block_words(hi, lo, stream_hi, stream_lo, bytes, w0, w1, w2, w3);
  *data_hi = w0;
  *data_lo = w1;
  *result_hi = w2;
  *result_lo = w3;
}

// One word of them, number `index` (0: data_hi), for tools that take no outputs by pointer.
PHALANX_STAGE_TOP uint64_t stage_gcm_block_word(uint64_t hi, uint64_t lo, uint64_t stream_hi, uint64_t stream_lo,
                                                uint64_t bytes, uint64_t index) {
#pragma HLS pipeline II = 1
  using phalanx::hls::choose_word;
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0;
  gcm_block_words(hi, lo, stream_hi, stream_lo, bytes, w0, w1, w2, w3);
  return choose_word(index, w0, w1, w2, w3);
}

#ifndef __SYNTHESIS__
#include <stdio.h>

struct Known {
  uint64_t in[5], out[4];
};

int main() {
  const Known cases[] = {
      // 0 bytes
      {{0x1122334455667788ull, 0x99aabbccddeeff01ull, 0xf0f0f0f0f0f0f0full, 0xf0f0f0f0f0f0f0f0ull, 0}, {0, 0, 0, 0}},
      {{0x1122334455667788ull, 0x99aabbccddeeff01ull, 0xf0f0f0f0f0f0f0full, 0xf0f0f0f0f0f0f0f0ull, 1},
       {0x1100000000000000ull, 0, 0x1e00000000000000ull, 0}},
      {{0x1122334455667788ull, 0x99aabbccddeeff01ull, 0xf0f0f0f0f0f0f0full, 0xf0f0f0f0f0f0f0f0ull, 7},
       {0x1122334455667700ull, 0, 0x1e2d3c4b5a697800ull, 0}},
      {{0x1122334455667788ull, 0x99aabbccddeeff01ull, 0xf0f0f0f0f0f0f0full, 0xf0f0f0f0f0f0f0f0ull, 8},
       {0x1122334455667788ull, 0, 0x1e2d3c4b5a697887ull, 0}},
      {{0x1122334455667788ull, 0x99aabbccddeeff01ull, 0xf0f0f0f0f0f0f0full, 0xf0f0f0f0f0f0f0f0ull, 9},
       {0x1122334455667788ull, 0x9900000000000000ull, 0x1e2d3c4b5a697887ull, 0x6900000000000000ull}},
      {{0x1122334455667788ull, 0x99aabbccddeeff01ull, 0xf0f0f0f0f0f0f0full, 0xf0f0f0f0f0f0f0f0ull, 0xfull},
       {0x1122334455667788ull, 0x99aabbccddeeff00ull, 0x1e2d3c4b5a697887ull, 0x695a4b3c2d1e0f00ull}},
      {{0x1122334455667788ull, 0x99aabbccddeeff01ull, 0xf0f0f0f0f0f0f0full, 0xf0f0f0f0f0f0f0f0ull, 0x10ull},
       {0x1122334455667788ull, 0x99aabbccddeeff01ull, 0x1e2d3c4b5a697887ull, 0x695a4b3c2d1e0ff1ull}},
      {{0x1122334455667788ull, 0x99aabbccddeeff01ull, 0xf0f0f0f0f0f0f0full, 0xf0f0f0f0f0f0f0f0ull, 0x3e8ull},
       {0x1122334455667788ull, 0x99aabbccddeeff01ull, 0x1e2d3c4b5a697887ull, 0x695a4b3c2d1e0ff1ull}},
  };
  for (const Known& k : cases) {
    uint64_t out[4];
    stage_gcm_block(k.in[0], k.in[1], k.in[2], k.in[3], k.in[4], &out[0], &out[1], &out[2], &out[3]);
    for (unsigned i = 0; i < 4; ++i) {
      if (out[i] == k.out[i]) continue;
      printf("case %u, word %u: %016llx\n", (unsigned)(&k - cases), i, (unsigned long long)out[i]);
      return 1;
    }
  }
  return 0;
}
#endif
