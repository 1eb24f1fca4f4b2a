// Stage: ghash_multiply, a product in GCM's field (NIST SP 800-38D, section 6.3). A block is two words, bytes 0 to 7
// and 8 to 15, big-endian.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/ghash.hpp"
#include "hls/words.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_BEGIN
namespace {

inline void ghash_multiply_words(uint64_t a_hi, uint64_t a_lo, uint64_t b_hi, uint64_t b_lo, uint64_t& hi_out,
                                 uint64_t& lo_out) {
  using namespace phalanx::hls;
  const AesBlock product = ghash_multiply({a_hi, a_lo}, {b_hi, b_lo});
  hi_out = product.hi;
  lo_out = product.lo;
}

}  // namespace
PHALANX_STAGE_END

PHALANX_STAGE_TOP void stage_ghash_multiply(uint64_t a_hi, uint64_t a_lo, uint64_t b_hi, uint64_t b_lo,
                                            uint64_t* hi_out, uint64_t* lo_out) {
#pragma HLS pipeline II = 1
  uint64_t w0 = 0, w1 = 0;
  ghash_multiply_words(a_hi, a_lo, b_hi, b_lo, w0, w1);
  *hi_out = w0;
  *lo_out = w1;
}

// One word of them, number `index` (0: hi_out), for tools that take no outputs by pointer.
PHALANX_STAGE_TOP uint64_t stage_ghash_multiply_word(uint64_t a_hi, uint64_t a_lo, uint64_t b_hi, uint64_t b_lo,
                                                     uint64_t index) {
#pragma HLS pipeline II = 1
  using phalanx::hls::choose_word;
  uint64_t w0 = 0, w1 = 0;
  ghash_multiply_words(a_hi, a_lo, b_hi, b_lo, w0, w1);
  return choose_word(index, w0, w1, 0, 0);
}

#ifndef __SYNTHESIS__
#include <stdio.h>

// McGrew and Viega, "The Galois/Counter Mode of Operation", test case 2: the hash key, and what GHASH is after the
// block of ciphertext and after the lengths.
int main() {
  const uint64_t h[2] = {0x66e94bd4ef8a2c3bull, 0x884cfa59ca342b2eull};
  const uint64_t ciphertext[2] = {0x0388dace60b6a392ull, 0xf328c2b971b2fe78ull};
  const uint64_t known[2][2] = {{0x5e2ec74691706288ull, 0x2c85b0685353deb7ull},
                                {0xf38cbb1ad69223dcull, 0xc3457ae5b6b0f885ull}};
  uint64_t hi = ciphertext[0], lo = ciphertext[1];
  for (unsigned step = 0; step < 2; ++step) {
    stage_ghash_multiply(hi, lo, h[0], h[1], &hi, &lo);
    if (hi != known[step][0] || lo != known[step][1]) {
      printf("step %u: %016llx %016llx\n", step, (unsigned long long)hi, (unsigned long long)lo);
      return 1;
    }
    lo ^= 128;  // the lengths: no additional data, 128 bits of ciphertext
  }
  return 0;
}
#endif
