// Stage: replay_update_word, one of the replay window's words after an authentic packet.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/replay_window.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_TOP uint64_t stage_replay_update(uint64_t index, uint64_t word, uint64_t highest, uint64_t sequence) {
#pragma HLS pipeline II = 1
  return phalanx::hls::replay_update_word(static_cast<uint32_t>(index), word, highest, sequence);
}
