// The data path of esp_crypto: packets as beats through AES in counter mode and GHASH, four blocks a cycle.
#ifndef PHALANX_KERNELS_ESP_CRYPTO_DATAPATH_HPP
#define PHALANX_KERNELS_ESP_CRYPTO_DATAPATH_HPP

#include "kernels/esp_crypto/types.hpp"

namespace phalanx {
namespace esp_crypto {

// The 16 bytes from byte `start` of two beats on.
inline hls::AesBlock block_at(const Beat& before, const Beat& beat, uint32_t start) {
  hls::AesBlock first = {0, 0};
  hls::AesBlock second = {0, 0};
  for (uint32_t i = 0; i < 2 * kLanes; ++i) {
#pragma HLS unroll
    const hls::AesBlock block = i < kLanes ? before.block[i % kLanes] : beat.block[i % kLanes];
    if (i == start / 16) first = block;
    if (i == start / 16 + 1) second = block;
  }
  return hls::xor_blocks(move_left(first, start % 16), move_right(second, 16 - start % 16));
}

// Lines to beats: a sealed packet's move by a block to make room for the header; an opened one's ICV goes to `icvs`.
// As in the stages behind it, one loop goes through all packets' beats, so that between packets no pipeline drains.
// II=1.
inline void frame(FrameContexts& contexts, Lines& lines, Beats& beats, Blocks& icvs) {
  FrameContext context = {};
  Beat before = zero_beat();
  uint32_t count = 0;
  uint32_t j = 0;
  for (;;) {
#pragma HLS pipeline II = 1
    PHALANX_STEP(1);
    if (j == count) {
      context = contexts.read();
      if (context.end) break;
      count = context.discard ? context.lines : packet_beats(context.data_bytes);
      before = zero_beat();
      j = 0;
    }
    const Beat in = j < context.lines ? beat_of(lines.read()) : zero_beat();
    Beat out = in;
    if (context.seal) {
      out.block[0] = j == 0 ? context.header : before.block[kLanes - 1];
      for (int lane = 1; lane < kLanes; ++lane) {
#pragma HLS unroll
        out.block[lane] = in.block[lane - 1];
      }
    }
    if (!context.discard) beats.write(out);
    if (!context.discard && !context.seal && j + 1 == count) {
      icvs.write(block_at(before, in, 16 + context.data_bytes + 128 - 64 * count));
    }
    before = in;
    ++j;
  }
}

// All rounds unrolled. 128-bit keys go past the last four full rounds.
inline hls::AesBlock encrypt_lane(hls::AesBlock block, const CryptContext& context) {
  hls::AesBlock s = hls::xor_blocks(block, {context.round_key[0], context.round_key[1]});
  for (uint32_t r = 1; r < hls::kAesRoundKeysMax - 1; ++r) {
#pragma HLS unroll
    if (r < context.rounds) s = hls::aes_round(s, {context.round_key[2 * r], context.round_key[2 * r + 1]});
  }
  const uint32_t last = 2 * context.rounds;
  return hls::aes_last_round(s, {context.round_key[last], context.round_key[last + 1]});
}

struct CryptedBeat {
  Beat result;
  Beat hash;
  hls::AesBlock tag_mask;  // of a packet's first beat
};

inline CryptedBeat crypt_beat(const CryptContext& context, uint32_t beat, const Beat& in) {
  CryptedBeat out;
  const uint32_t blocks = packet_blocks(context.data_bytes);
  for (uint32_t lane = 0; lane < kLanes; ++lane) {
#pragma HLS unroll
    const uint32_t index = kLanes * beat + lane;
    const hls::AesBlock key_stream = encrypt_lane(hls::gcm_counter_block(context.salt, context.iv, index + 1), context);
    if (lane == 0) out.tag_mask = key_stream;
    hls::AesBlock result = {0, 0};
    hls::AesBlock hash = {0, 0};
    if (index == 0) {
      result = in.block[lane];
      hash = context.aad;
    } else if (index + 1 < blocks) {
      const uint32_t bytes = context.data_bytes - 16 * (index - 1);
      const hls::AesBlock data = hls::gcm_mask_block(in.block[lane], bytes);
      result = hls::gcm_mask_block(hls::xor_blocks(data, key_stream), bytes);
      hash = context.seal ? result : data;
    } else if (index + 1 == blocks) {
      hash = hls::gcm_length_block(context.aad_bytes, context.data_bytes);
    }
    out.result.block[lane] = result;
    out.hash.block[lane] = hash;
  }
  return out;
}

// II=1, four lanes. The header's lane makes the tag's mask in a packet's first beat, so it costs no block of its own.
inline void crypt(CryptContexts& contexts, Beats& beats, HeldBeats& results, Beats& hashes, Blocks& tag_masks) {
  CryptContext context = {};
  uint32_t count = 0;
  uint32_t j = 0;
  for (;;) {
#pragma HLS pipeline II = 1
    PHALANX_STEP(1);
    if (j == count) {
      context = contexts.read();
      if (context.end) break;
      count = packet_beats(context.data_bytes);
      j = 0;
    }
    const CryptedBeat out = crypt_beat(context, j, beats.read());
    results.write(out.result);
    hashes.write(out.hash);
    if (j == 0) tag_masks.write(out.tag_mask);
    ++j;
  }
}

// Powers as SAs have them.
enum Power { kH1, kH2, kH3, kH4, kH8, kH16 };

// What GHASH remembers of the beats before, newest first.
struct HashState {
  Beat before;
  hls::AesBlock s[2];
  hls::AesBlock u[3];
  hls::AesBlock x[5];
};

// The blocks are moved to the end of the packet's beats, zeros before them: those do not change GHASH. Then
//   S[j] = B[4j] H^4 + B[4j+1] H^3 + B[4j+2] H^2 + B[4j+3] H     a beat by itself
//   U[j] = S[j] + S[j-1] H^4                                      of two beats
//   V[j] = U[j] + U[j-2] H^8                                      of four
//   X[j] = V[j] + X[j-4] H^16                                     of all
// so only the last product is in the loop, and it has four cycles: the dependence's distance.
inline void hash_beat(const HashContext& context, const Beat& in, HashState& state) {
  const uint32_t pad = (kLanes - context.blocks % kLanes) % kLanes;
  state.s[1] = state.s[0];
  state.s[0] = {0, 0};
  for (uint32_t lane = 0; lane < kLanes; ++lane) {
#pragma HLS unroll
    const hls::AesBlock block = lane < pad ? state.before.block[lane + kLanes - pad] : in.block[lane - pad];
    state.s[0] = hls::xor_blocks(state.s[0], hls::ghash_multiply(block, context.power[kH4 - lane]));
  }
  state.u[2] = state.u[1];
  state.u[1] = state.u[0];
  state.u[0] = hls::xor_blocks(state.s[0], hls::ghash_multiply(state.s[1], context.power[kH4]));
  for (int i = 4; i > 0; --i) {
#pragma HLS unroll
    state.x[i] = state.x[i - 1];
  }
  const hls::AesBlock v = hls::xor_blocks(state.u[0], hls::ghash_multiply(state.u[2], context.power[kH8]));
  state.x[0] = hls::xor_blocks(v, hls::ghash_multiply(state.x[4], context.power[kH16]));
  state.before = in;
}

// II=1.
inline void hash(HashContexts& contexts, Beats& hashes, Blocks& digests) {
  HashContext context = {};
  HashState state = {};
#pragma HLS array_partition variable = state.s complete
#pragma HLS array_partition variable = state.u complete
#pragma HLS array_partition variable = state.x complete
  uint32_t count = 0;
  uint32_t j = 0;
  for (;;) {
#pragma HLS pipeline II = 1
    PHALANX_STEP(1);
    if (j == count) {
      context = contexts.read();
      if (context.end) break;
      count = (context.blocks + kLanes - 1) / kLanes;
      state = {};
      j = 0;
    }
    hash_beat(context, hashes.read(), state);
    ++j;
    if (j == count) digests.write(state.x[0]);
  }
}

}  // namespace esp_crypto
}  // namespace phalanx

#endif
