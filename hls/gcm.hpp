// AES-GCM (NIST SP 800-38D) as ESP uses it (RFC 4106): the blocks beside the data, and what an SA has ready of its key.
#ifndef PHALANX_HLS_GCM_HPP
#define PHALANX_HLS_GCM_HPP

#include "hls/aes.hpp"
#include "hls/ghash.hpp"

namespace phalanx {
namespace hls {

// Counter block: nonce = salt | IV (RFC 4106, section 4), then the counter. 1 is the tag's, the data begins with 2.
inline AesBlock gcm_counter_block(uint32_t salt, uint64_t iv, uint32_t counter) {
  return {static_cast<uint64_t>(salt) << 32 | iv >> 32, iv << 32 | counter};
}

// Additional authenticated data (RFC 4106, section 5), padded to a block: 12 bytes with extended sequence numbers,
// else 8.
inline AesBlock gcm_esp_aad(uint32_t spi, uint64_t sequence, bool esn) {
  const uint64_t high = esn ? sequence >> 32 : sequence & 0xffffffff;
  return {static_cast<uint64_t>(spi) << 32 | high, esn ? sequence << 32 : 0};
}
inline uint32_t gcm_esp_aad_bytes(bool esn) { return esn ? 12 : 8; }

// GHASH's last block.
inline AesBlock gcm_length_block(uint32_t aad_bytes, uint32_t data_bytes) {
  return {static_cast<uint64_t>(aad_bytes) * 8, static_cast<uint64_t>(data_bytes) * 8};
}

// The first `bytes` bytes of the block, 0..16 (more: all of it); the rest 0.
inline AesBlock gcm_mask_block(AesBlock block, uint32_t bytes) {
  const uint64_t part = ~(~0ull >> (8 * (bytes & 7)));  // the word that is neither whole nor empty
  const uint64_t lo_part = bytes < 8 ? 0 : part;
  const uint64_t hi_mask = bytes < 8 ? part : ~0ull;
  const uint64_t lo_mask = bytes < 16 ? lo_part : ~0ull;
  return {block.hi & hi_mask, block.lo & lo_mask};
}

// In the same time whatever the tags are.
inline bool gcm_tags_equal(AesBlock a, AesBlock b) { return ((a.hi ^ b.hi) | (a.lo ^ b.lo)) == 0; }

// Powers of the GHASH key that four blocks a cycle need (kernels/esp_crypto/ghash_stage.hpp says how).
const int kGcmPowers = 6;
const int kGcmPowerExponents[kGcmPowers] = {1, 2, 3, 4, 8, 16};

// From round keys (aes_expand_key) to the powers, hi then lo each. Not pipelined: done once an SA.
inline void gcm_powers(const uint64_t* round_key, uint32_t key_bytes, uint64_t* power) {
  const AesBlock h = aes_encrypt({0, 0}, round_key, aes_rounds(key_bytes));
  AesBlock raised = h;
  int next = 0;
  for (int exponent = 1; exponent <= kGcmPowerExponents[kGcmPowers - 1]; ++exponent) {
    if (exponent == kGcmPowerExponents[next]) {
      power[2 * next] = raised.hi;
      power[2 * next + 1] = raised.lo;
      ++next;
    }
    raised = ghash_multiply(raised, h);
  }
}

}  // namespace hls
}  // namespace phalanx

#endif
