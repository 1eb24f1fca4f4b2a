// Stage: the number of a packet from its low half, and whether the replay window lets it in.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/replay_window.hpp"
PHALANX_STAGE_END

// `word`: the window's word of the packet's number.
PHALANX_STAGE_TOP uint64_t stage_replay_check(uint64_t highest, uint64_t window_size, uint64_t word, uint64_t low) {
#pragma HLS pipeline II = 1
  const uint32_t size = static_cast<uint32_t>(window_size);
  const uint64_t sequence = phalanx::hls::infer_sequence(highest, size, static_cast<uint32_t>(low));
  return phalanx::hls::replay_allowed(highest, size, word, sequence) ? 1 : 0;
}
