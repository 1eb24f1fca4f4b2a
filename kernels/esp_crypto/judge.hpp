// The last stages of esp_crypto: the tag, the replay window, and only then the packet's way out.
#ifndef PHALANX_KERNELS_ESP_CRYPTO_JUDGE_HPP
#define PHALANX_KERNELS_ESP_CRYPTO_JUDGE_HPP

#include "kernels/esp_crypto/types.hpp"

namespace phalanx {
namespace esp_crypto {

// SAs that the stretch used, for write_back.
struct Used {
  uint32_t count;
  uint32_t slot[kSaSlots];
};

// An authentic packet's number goes into the window; II=1 by itself, 16 words at once.
inline void note_sequence(SaState& state, uint64_t sequence) {
  for (uint32_t i = 0; i < hls::kReplayWords; ++i) {
#pragma HLS unroll
    state.window[i] = hls::replay_update_word(i, state.window[i], state.sequence, sequence);
  }
  if (sequence > state.sequence) state.sequence = sequence;
}

// OPEN: the window before the tag, and changed only after it (RFC 4303, section 3.4.3).
inline abi::EspStatus open_packet(SaState& state, const JudgeContext& context, bool authentic) {
  const uint64_t word = state.window[hls::replay_word_index(context.sequence)];
  const bool fresh = hls::replay_allowed(state.sequence, state.window_size, word, context.sequence);
  if (!fresh || !authentic) {
    ++state.refused;
    return fresh ? abi::EspStatus::kBadIcv : abi::EspStatus::kReplayed;
  }
  note_sequence(state, context.sequence);
  return abi::EspStatus::kDone;
}

inline Verdict judge_packet(const JudgeContext& context, SaState& state, hls::AesBlock tag, hls::AesBlock icv) {
  Verdict verdict = {};
  abi::EspStatus status = context.status;
  verdict.held = status == abi::EspStatus::kDone;
  if (verdict.held) {
    if (context.seal) {
      state.sequence = context.sequence;
    } else {
      status = open_packet(state, context, hls::gcm_tags_equal(tag, icv));
    }
    verdict.result.sequence = context.sequence;
  }
  verdict.release = status == abi::EspStatus::kDone;
  if (verdict.release) {
    ++state.packets;
    state.bytes += context.data_bytes;
    verdict.result.output_bytes = context.data_bytes + (context.seal ? abi::kEspOverheadBytes : 0);
  }
  verdict.result.status = status;
  verdict.seal = context.seal;
  verdict.tag = tag;
  verdict.data_bytes = context.data_bytes;
  verdict.output_line = context.output_line;
  return verdict;
}

// In the jobs' order, each seeing what the one before it did to the SA: two cycles a packet, which is the loop over the
// SA's state from read to write.
inline void judge(JudgeContexts& contexts, SaStates& fresh_states, Blocks& tag_masks, Blocks& digests, Blocks& icvs,
                  SaState* states, Used* used, Verdicts& verdicts) {
  used->count = 0;
  for (JudgeContext context = contexts.read(); !context.end; context = contexts.read()) {
#pragma HLS pipeline II = 2
#pragma HLS loop_tripcount min = 1 max = kStretchJobs
    PHALANX_STEP(2);
    if (context.fresh) {
      states[context.slot] = fresh_states.read();
      used->slot[used->count++] = context.slot;
    }
    const bool held = context.status == abi::EspStatus::kDone;
    hls::AesBlock tag = {0, 0};
    hls::AesBlock icv = {0, 0};
    if (held) tag = hls::xor_blocks(tag_masks.read(), digests.read());
    if (held && !context.seal) icv = icvs.read();
    // A job refused before its SA was looked up has no state that could change.
    SaState none = {};
    verdicts.write(judge_packet(context, held ? states[context.slot] : none, tag, icv));
  }
  Verdict end = {};
  end.end = true;
  verdicts.write(end);
}

// The ICV's part of a sealed packet's beat: it begins at byte `start` of the packet.
inline Beat with_icv(const Beat& in, uint32_t beat, uint32_t start, hls::AesBlock tag) {
  Beat out;
  for (uint32_t lane = 0; lane < kLanes; ++lane) {
#pragma HLS unroll
    const uint32_t index = kLanes * beat + lane;
    hls::AesBlock icv = {0, 0};
    if (index == start / 16) icv = move_right(tag, start % 16);
    if (index == start / 16 + 1) icv = move_left(tag, 16 - start % 16);
    out.block[lane] = hls::xor_blocks(in.block[lane], icv);
  }
  return out;
}

// Opened: the data without the header's block.
inline Beat without_header(const Beat& before, const Beat& beat) {
  return {{before.block[1], before.block[2], before.block[3], beat.block[0]}};
}

// Where a line is known not to be released, nothing is written. II=1; a packet takes as many cycles as it has beats,
// one more if its plaintext is as many lines.
inline void write_packets(Verdicts& verdicts, HeldBeats& held, abi::Line* output, abi::EspResult* results) {
  Verdict verdict = {};
  Beat before = zero_beat();
  uint32_t beats = 0, cycles = 0, lines = 0;
  uint32_t j = 0;
  uint32_t job = 0;
  for (;;) {
#pragma HLS pipeline II = 1
    PHALANX_STEP(1);
    if (j == cycles) {
      verdict = verdicts.read();
      if (verdict.end) break;
      beats = verdict.held ? packet_beats(verdict.data_bytes) : 0;
      lines = verdict.release ? lines_of(verdict.result.output_bytes) : 0;
      cycles = !verdict.held ? 1 : verdict.release && !verdict.seal && lines == beats ? beats + 1 : beats;
      results[job++] = verdict.result;
      before = zero_beat();
      j = 0;
    }
    const Beat in = j < beats ? held.read() : zero_beat();
    if (verdict.seal && j < lines) {
      output[verdict.output_line + j] = line_of(with_icv(in, j, 16 + verdict.data_bytes, verdict.tag));
    }
    if (!verdict.seal && j != 0 && j - 1 < lines) {
      output[verdict.output_line + j - 1] = line_of(without_header(before, in));
    }
    before = in;
    ++j;
  }
}

// Lines 0..2 of the SAs that the stretch used: three cycles each.
inline void write_back(const SaState* states, const Used& used, abi::Line* sa_table) {
  for (uint32_t i = 0; i < used.count; ++i) {
#pragma HLS loop_tripcount min = 1 max = kSaSlots
#pragma HLS pipeline II = 3
    PHALANX_STEP(3);
    const SaState& state = states[used.slot[i]];
    const uint64_t line = static_cast<uint64_t>(state.sa) * abi::kSaLines;
    abi::Line line0 = state.line0;
    line0.word[2] = state.sequence;
    line0.word[4] = state.packets;
    line0.word[5] = state.bytes;
    line0.word[6] = state.refused;
    sa_table[line] = line0;
    for (int l = 0; l < 2; ++l) {
      abi::Line window;
      for (int w = 0; w < 8; ++w) {
#pragma HLS unroll
        window.word[w] = state.window[8 * l + w];
      }
      sa_table[line + 1 + l] = window;
    }
  }
}

}  // namespace esp_crypto
}  // namespace phalanx

#endif
