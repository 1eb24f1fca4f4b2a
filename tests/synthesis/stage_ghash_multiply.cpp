// Stage: ghash_multiply, a product in GCM's field.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/ghash.hpp"
PHALANX_STAGE_END

// Gives the word of the product that `low` says.
PHALANX_STAGE_TOP uint64_t stage_ghash_multiply(uint64_t a_hi, uint64_t a_lo, uint64_t b_hi, uint64_t b_lo,
                                                uint64_t low) {
#pragma HLS pipeline II = 1
  const phalanx::hls::AesBlock product = phalanx::hls::ghash_multiply({a_hi, a_lo}, {b_hi, b_lo});
  return (low & 1) != 0 ? product.lo : product.hi;
}
