// Stage: aes_round, one round of the cipher on one block.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/aes.hpp"
PHALANX_STAGE_END

// Gives the word of the result that `low` says.
PHALANX_STAGE_TOP uint64_t stage_aes_round(uint64_t hi, uint64_t lo, uint64_t key_hi, uint64_t key_lo, uint64_t low) {
#pragma HLS pipeline II = 1
  const phalanx::hls::AesBlock s = phalanx::hls::aes_round({hi, lo}, {key_hi, key_lo});
  return (low & 1) != 0 ? s.lo : s.hi;
}
