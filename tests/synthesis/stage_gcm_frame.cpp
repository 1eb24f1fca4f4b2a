// Stage: gcm_frame, the blocks beside the data (RFC 4106): counter block, additional data and GHASH's length block.
// Takes salt | SPI << 32, IV, sequence number, counter | whether sequence numbers are extended << 32, and the data's
// bytes. Gives the three blocks, two words each.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/gcm.hpp"
#include "hls/words.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_BEGIN
namespace {

inline void gcm_frame_words(uint64_t salt_spi, uint64_t iv, uint64_t sequence, uint64_t context, uint64_t data_bytes,
                            uint64_t& counter_hi, uint64_t& counter_lo, uint64_t& aad_hi, uint64_t& aad_lo,
                            uint64_t& length_hi, uint64_t& length_lo) {
  using namespace phalanx::hls;
  const bool esn = (context >> 32 & 1) != 0;
  const AesBlock counter = gcm_counter_block(word_u32(salt_spi, 0), iv, word_u32(context, 0));
  const AesBlock aad = gcm_esp_aad(word_u32(salt_spi, 32), sequence, esn);
  const AesBlock lengths = gcm_length_block(gcm_esp_aad_bytes(esn), word_u32(data_bytes, 0));
  counter_hi = counter.hi;
  counter_lo = counter.lo;
  aad_hi = aad.hi;
  aad_lo = aad.lo;
  length_hi = lengths.hi;
  length_lo = lengths.lo;
}

}  // namespace
PHALANX_STAGE_END

PHALANX_STAGE_TOP void stage_gcm_frame(uint64_t salt_spi, uint64_t iv, uint64_t sequence, uint64_t context,
                                       uint64_t data_bytes, uint64_t* counter_hi, uint64_t* counter_lo,
                                       uint64_t* aad_hi, uint64_t* aad_lo, uint64_t* length_hi, uint64_t* length_lo) {
#pragma HLS pipeline II = 1
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0, w5 = 0;
  gcm_frame_words(salt_spi, iv, sequence, context, data_bytes, w0, w1, w2, w3, w4, w5);
  *counter_hi = w0;
  *counter_lo = w1;
  *aad_hi = w2;
  *aad_lo = w3;
  *length_hi = w4;
  *length_lo = w5;
}

// One word of them, number `index` (0: counter_hi), for tools that take no outputs by pointer.
PHALANX_STAGE_TOP uint64_t stage_gcm_frame_word(uint64_t salt_spi, uint64_t iv, uint64_t sequence, uint64_t context,
                                                uint64_t data_bytes, uint64_t index) {
#pragma HLS pipeline II = 1
  using phalanx::hls::choose_word;
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0, w5 = 0;
  gcm_frame_words(salt_spi, iv, sequence, context, data_bytes, w0, w1, w2, w3, w4, w5);
  return choose_word(index >> 2, choose_word(index, w0, w1, w2, w3), choose_word(index, w4, w5, 0, 0), 0, 0);
}

#ifndef __SYNTHESIS__
#include <stdio.h>

struct Known {
  uint64_t in[5], out[6];
};

int main() {
  const Known cases[] = {
      // 32-bit sequence numbers
      {{0x1234cafebabeull, 0x1122334455667788ull, 7, 2, 0x3cull},
       {0xcafebabe11223344ull, 0x5566778800000002ull, 0x123400000007ull, 0, 0x40ull, 0x1e0ull}},
      // extended
      {{0x1234cafebabeull, 0x1122334455667788ull, 0x500000007ull, 0x100000001ull, 0x580ull},
       {0xcafebabe11223344ull, 0x5566778800000001ull, 0x123400000005ull, 0x700000000ull, 0x60ull, 0x2c00ull}},
  };
  for (const Known& k : cases) {
    uint64_t out[6];
    stage_gcm_frame(k.in[0], k.in[1], k.in[2], k.in[3], k.in[4], &out[0], &out[1], &out[2], &out[3], &out[4], &out[5]);
    for (unsigned i = 0; i < 6; ++i) {
      if (out[i] == k.out[i]) continue;
      printf("case %u, word %u: %016llx\n", (unsigned)(&k - cases), i, (unsigned long long)out[i]);
      return 1;
    }
  }
  return 0;
}
#endif
