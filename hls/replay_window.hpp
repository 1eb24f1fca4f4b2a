// ESP's replay window and extended sequence numbers (RFC 4303, section 3.4.3 and appendix A). The window is a ring of
// 1024 bits in 16 words: a sequence number's bit is its rest by 1024.
#ifndef PHALANX_HLS_REPLAY_WINDOW_HPP
#define PHALANX_HLS_REPLAY_WINDOW_HPP

#include <stdint.h>

namespace phalanx {
namespace hls {

const uint32_t kReplayWindowMax = 1024;
const uint32_t kReplayWords = kReplayWindowMax / 64;

// The window by which high bits are inferred: an SA without replay check takes the largest.
inline uint32_t inference_window(uint32_t window_size) { return window_size == 0 ? kReplayWindowMax : window_size; }

// The 64-bit number of a packet that carries `low` (appendix A2.2), `highest` being the highest authenticated.
// Grows with `highest`, apart from wrapping at both ends: a number before 0 or past 2^64, which replay_allowed refuses
// in the first case and which no counter reaches in the second.
inline uint64_t infer_sequence(uint64_t highest, uint32_t window_size, uint32_t low) {
  const uint32_t top_low = static_cast<uint32_t>(highest);
  const uint32_t top_high = static_cast<uint32_t>(highest >> 32);
  const uint32_t reach = inference_window(window_size) - 1;
  const uint32_t bottom = top_low - reach;  // wraps when the window lies over the border of two subspaces
  const bool in_or_after = low >= bottom;
  const uint32_t high =
      top_low >= reach ? (in_or_after ? top_high : top_high + 1) : (in_or_after ? top_high - 1 : top_high);
  return static_cast<uint64_t>(high) << 32 | low;
}

inline uint32_t replay_word_index(uint64_t sequence) { return static_cast<uint32_t>(sequence / 64 % kReplayWords); }
inline uint64_t replay_bit(uint64_t sequence) { return 1ull << (sequence % 64); }

// May a packet with this number be taken? `word`: the window's at replay_word_index. window_size 0: any. But a
// number 2^63 and more ahead was inferred to lie before 0: there is none such.
inline bool replay_allowed(uint64_t highest, uint32_t window_size, uint64_t word, uint64_t sequence) {
  const uint64_t ahead = sequence - highest;
  const bool is_beyond = sequence > highest;
  const bool is_new = is_beyond & (ahead >> 63 == 0);
  const bool seen = (word & replay_bit(sequence)) != 0;
  const bool in_window = (sequence <= highest) & (highest - sequence < window_size);
  const bool unseen = in_window & !seen;
  const bool is_unchecked = (window_size == 0) & !is_beyond;
  return is_unchecked | ((sequence != 0) & (is_new | unseen));
}

inline uint64_t low_ones(uint32_t count) {
  const uint64_t ones = ~(~0ull << (count & 63));
  return count >= 64 ? ~0ull : ones;
}

// Bits of word `index` that stand for numbers after `highest` up to and with `sequence`: what is in them is of a
// lap before.
inline uint64_t replay_lap_mask(uint32_t index, uint64_t highest, uint64_t sequence) {
  const uint64_t distance = sequence - highest;
  const uint32_t steps = static_cast<uint32_t>(distance);
  const uint32_t first = static_cast<uint32_t>((64 * index - (highest + 1)) % kReplayWindowMax);  // bit 0's step
  const uint32_t restart = kReplayWindowMax - first;  // the bit whose step is 0 again, if it is in this word
  const uint64_t from_first = low_ones(steps - first);
  const uint64_t from_restart = low_ones(restart + steps) & ~low_ones(restart);
  const uint64_t ahead = first < steps ? from_first : 0;
  const uint64_t again = restart < 64 ? from_restart : 0;
  const uint64_t part = ahead | again;
  const uint64_t lap = distance >= kReplayWindowMax ? ~0ull : part;
  return sequence > highest ? lap : 0;
}

// Word `index` of the window after an authentic packet.
inline uint64_t replay_update_word(uint32_t index, uint64_t word, uint64_t highest, uint64_t sequence) {
  const uint64_t kept = word & ~replay_lap_mask(index, highest, sequence);
  const uint64_t taken = kept | replay_bit(sequence);
  return index == replay_word_index(sequence) ? taken : kept;
}

}  // namespace hls
}  // namespace phalanx

#endif
