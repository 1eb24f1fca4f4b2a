// First pass of EXTRACT: slots off the change log, and their dirty marks cleared in memory.
//
// Only when this pass has returned are the records read (give_records.hpp). So a change between the two sets the mark
// anew and logs the slot again: a change is never lost, at worst it is given twice.
#ifndef PHALANX_KERNELS_STATE_DELTA_TAKE_CHANGES_HPP
#define PHALANX_KERNELS_STATE_DELTA_TAKE_CHANGES_HPP

#include "hls/dataflow.hpp"
#include "hls/stream.hpp"
#include "hls/words.hpp"
#include "kernels/abi/line.hpp"

namespace phalanx {
namespace state_delta {

using abi::Line;

// Slots that go through the kernel together: the passes' start and end, some 300 cycles, cost a seventh of a cycle a
// slot; 8 KiB of block RAM.
const uint32_t kBlockSlots = 2048;
// In place of a slot that cannot be: nothing is read, nothing is given.
const uint32_t kNoSlot = 0xffffffff;

// Word 6 of a session: state at bit 32, flags at bit 40.
const uint32_t kStatusWord = 6;
const uint64_t kDirtyBit = static_cast<uint64_t>(hls::kDirty) << 40;
const uint64_t kStateAndFlags = 0xffffull << 32;
inline uint8_t state_of(const Line& session_a) { return hls::word_u8(session_a.word[kStatusWord], 32); }
inline bool linked(uint8_t state) {
  return state != hls::kStateFree && state != hls::kStateDeleted && state < hls::kStates;
}

// `count` places of the ring from `head` on. II=1, a burst.
inline void read_log(const uint32_t* change_log, uint64_t slots, uint64_t head, uint32_t count,
                     hls::Stream<uint32_t, 16>& out) {
  uint64_t at = head;
  for (uint32_t i = 0; i < count; ++i) {
#pragma HLS pipeline II = 1
    PHALANX_STEP(1);
    out.write(change_log[at]);
    at = at + 1 == slots ? 0 : at + 1;
  }
}

// Clears each slot's mark. A slot is in the log at most once, so no iteration touches another one's line. What the log
// names and the table denies (no such slot, no mark, no such state) is counted in `impossible`; it is passed on only if
// it is a session, which may be given twice without harm, while a slot freed twice would belong to two.
inline void clear_marks(Line* session_a, uint64_t used_end, uint32_t count, hls::Stream<uint32_t, 16>& in,
                        uint32_t* taken, uint64_t& impossible) {
  uint64_t found = 0;
  for (uint32_t i = 0; i < count; ++i) {
#pragma HLS pipeline II = 1
#pragma HLS dependence variable = session_a inter false
    PHALANX_STEP(1);
    const uint32_t slot = in.read();
    const bool inside = slot < used_end;
    Line line = {{0}};
    if (inside) {
      PHALANX_MEMORY_READ();
      line = session_a[slot];
    }
    const uint8_t state = state_of(line);
    const bool dirty = (line.word[kStatusWord] & kDirtyBit) != 0;
    const uint64_t cleared = state == hls::kStateFree ? kStateAndFlags : kDirtyBit;
    if (inside && dirty) {
      line.word[kStatusWord] &= ~cleared;
      session_a[slot] = line;
    }
    const bool sound = dirty && state < hls::kStates;
    taken[i] = inside && (sound || linked(state)) ? slot : kNoSlot;
    found += sound ? 0 : 1;
  }
  impossible += found;
}

// Takes `count` <= kBlockSlots changes, the oldest first, into `taken`.
inline void take_changes(Line* session_a, const uint32_t* change_log, uint64_t slots, uint64_t used_end, uint64_t head,
                         uint32_t count, uint32_t* taken, uint64_t& impossible) {
#pragma HLS dataflow
  hls::Stream<uint32_t, 16> logged;
  PHALANX_DATAFLOW_BEGIN
  PHALANX_STAGE(read_log(change_log, slots, head, count, logged));
  PHALANX_STAGE(clear_marks(session_a, used_end, count, logged, taken, impossible));
  PHALANX_DATAFLOW_END
}

}  // namespace state_delta
}  // namespace phalanx

#endif
