// hash_key(): SipHash-1-3 of a flow key under the seed. Returns the hash.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/hash.hpp"
#include "hls/words.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_TOP uint64_t stage_hash_key(uint64_t a_hi, uint64_t a_lo, uint64_t b_hi, uint64_t b_lo, uint64_t tail,
                                          uint64_t seed0, uint64_t seed1) {
#pragma HLS pipeline II = 1
  using namespace phalanx::hls;
  return hash_key(key_from_words(a_hi, a_lo, b_hi, b_lo, tail), seed0, seed1);
}

#ifndef __SYNTHESIS__
#include <stdio.h>

// Values of an independent implementation: check.py has it, and compares more of them.
int main() {
  const uint64_t known[][8] = {
      {0x706050403020100ull, 0xf0e0d0c0b0a0908ull, 0x1716151413121110ull, 0x1f1e1d1c1b1a1918ull, 0x2726252423222120ull,
       0x706050403020100ull, 0xf0e0d0c0b0a0908ull, 0x626b57547b108392ull},
      {0x0ull, 0x0ull, 0x0ull, 0x0ull, 0x0ull, 0x0ull, 0x0ull, 0xd575ad340de44d9eull},
      {0xffffffffffffffffull, 0xffffffffffffffffull, 0xffffffffffffffffull, 0xffffffffffffffffull,
       0xffffffffffffffffull, 0x706050403020100ull, 0xf0e0d0c0b0a0908ull, 0x45385d340540e662ull},
  };
  for (const auto& k : known) {
    const uint64_t hash = stage_hash_key(k[0], k[1], k[2], k[3], k[4], k[5], k[6]);
    if (hash == k[7]) continue;
    printf("hash %016llx, not %016llx\n", (unsigned long long)hash, (unsigned long long)k[7]);
    return 1;
  }
  return 0;
}
#endif
