// What of the table's state the state delta kernel uses, and whether it can be true.
#ifndef PHALANX_KERNELS_STATE_DELTA_TABLE_STATE_HPP
#define PHALANX_KERNELS_STATE_DELTA_TABLE_STATE_HPP

#include <stddef.h>

#include "kernels/abi/operation.hpp"
#include "kernels/abi/table.hpp"

namespace phalanx {
namespace state_delta {

using abi::Line;

// The lines of abi::TableState that are read: everything before the stash.
const uint32_t kStateLines = offsetof(abi::TableState, stash) / sizeof(Line);
static_assert(offsetof(abi::TableState, stash) % sizeof(Line) == 0, "whole lines");
const uint64_t kSlotsMax = 1ull << 30;

struct StateImage {
  Line line[kStateLines];
};

// A member of TableState as a word of its lines; the places are constants.
#define PHALANX_STATE_WORD(image, member)                      \
  (image)                                                      \
      .line[offsetof(::phalanx::abi::TableState, member) / 64] \
      .word[offsetof(::phalanx::abi::TableState, member) % 64 / 8]

inline void load_state(const Line* state, StateImage& image) {
  for (uint32_t i = 0; i < kStateLines; ++i) {
#pragma HLS pipeline II = 1
    image.line[i] = state[i];
  }
}

// Configuration goes back as it came.
inline void store_state(const StateImage& image, Line* state) {
  for (uint32_t i = 0; i < kStateLines; ++i) {
#pragma HLS pipeline II = 1
    state[i] = image.line[i];
  }
}

// kTableErrorNone if every index that follows from the state lies within the table.
inline uint64_t check_state(const StateImage& image) {
  const uint64_t slots = PHALANX_STATE_WORD(image, slots);
  const uint64_t used_end = PHALANX_STATE_WORD(image, used_end);
  if (PHALANX_STATE_WORD(image, abi_version) != abi::kAbiVersion) return abi::kTableErrorAbi;
  const bool fits = slots != 0 && slots <= kSlotsMax && used_end <= slots &&
                    PHALANX_STATE_WORD(image, free_slots) <= used_end && PHALANX_STATE_WORD(image, log_head) < slots &&
                    PHALANX_STATE_WORD(image, logged) <= slots;
  return fits ? abi::kTableErrorNone : abi::kTableErrorForm;
}

// The later of the run's time and the latest seen: engine time wraps, and does not go back.
inline uint32_t later_time(uint64_t seen, uint32_t now_ms) {
  const uint32_t before = static_cast<uint32_t>(seen);
  return ((now_ms - before) & 0x80000000u) == 0 ? now_ms : before;
}

}  // namespace state_delta
}  // namespace phalanx

#endif
