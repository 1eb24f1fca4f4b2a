// Lines of the table that a window of changes holds on chip: read ahead of it, changed there, written behind it.
// Whoever reads or writes one of them goes through here, so that memory and chip never disagree about what a line says.
#ifndef PHALANX_KERNELS_SESSION_ENGINE_HELD_LINES_HPP
#define PHALANX_KERNELS_SESSION_ENGINE_HELD_LINES_HPP

#include "hls/dataflow.hpp"
#include "kernels/session_engine/sizes.hpp"
#include "kernels/session_engine/words.hpp"

namespace phalanx {
namespace session_engine {

// Buckets of one array, each at most once: places in registers, compared at once; lines in block RAM.
struct HeldBuckets {
  uint32_t at[kHeldBuckets];
  Line line[kHeldBuckets];
  bool changed[kHeldBuckets];
  uint32_t count;
};

// Records, both halves.
struct HeldRecords {
  uint32_t slot[kHeldRecords];
  Line a[kHeldRecords];
  Line b[kHeldRecords];
  bool changed[kHeldRecords];
  uint32_t count;
};

// The top of the stack of free slots: places [base, base + count) of free_slot[].
struct HeldFreeSlots {
  uint64_t base;
  uint32_t slot[kHeldFreeSlots];
  uint32_t count;
};

// All that is held. Outside of a window nothing is, and every access is one of memory.
struct Held {
  bool open;  // there is a window
  HeldBuckets buckets[2];
  HeldRecords records;
  HeldFreeSlots free_slots;
};

inline void hold_nothing(Held& held) {
  held.open = false;
  held.buckets[0].count = 0;
  held.buckets[1].count = 0;
  held.records.count = 0;
  held.free_slots.base = 0;
  held.free_slots.count = 0;
}

// The place of a bucket, kHeldBuckets if it is not held.
inline uint32_t find_held_bucket(const HeldBuckets& held, uint32_t at) {
  uint32_t place = kHeldBuckets;
  for (uint32_t i = 0; i < kHeldBuckets; ++i) {
#pragma HLS unroll
    if (i < held.count && held.at[i] == at) place = i;
  }
  return place;
}

inline uint32_t find_held_record(const HeldRecords& held, uint32_t slot) {
  uint32_t place = kHeldRecords;
  for (uint32_t i = 0; i < kHeldRecords; ++i) {
#pragma HLS unroll
    if (i < held.count && held.slot[i] == slot) place = i;
  }
  return place;
}

inline bool holds_bucket(const Held& held, bool second, uint32_t at) {
  return find_held_bucket(held.buckets[second ? 1 : 0], at) != kHeldBuckets;
}

// Takes a line up that is not held yet; without room it stays memory's alone.
inline void hold_bucket(HeldBuckets& held, uint32_t at, const Line& line, bool changed) {
  if (held.count >= kHeldBuckets) return;
  held.at[held.count] = at;
  held.line[held.count] = line;
  held.changed[held.count] = changed;
  ++held.count;
}
inline void hold_record(HeldRecords& held, uint32_t slot, const Line& a, const Line& b, bool changed) {
  if (held.count >= kHeldRecords) return;
  held.slot[held.count] = slot;
  held.a[held.count] = a;
  held.b[held.count] = b;
  held.changed[held.count] = changed;
  ++held.count;
}

// A bucket as it stands. Who reads one that is not held waits for memory: the caller says so, for it may read two at
// once.
inline Line bucket_line(const Held& held, bool second, uint32_t at, const Line* buckets_first,
                        const Line* buckets_second) {
  const HeldBuckets& all = held.buckets[second ? 1 : 0];
  const uint32_t place = find_held_bucket(all, at);
  if (place != kHeldBuckets) return all.line[place];
  return second ? buckets_second[at] : buckets_first[at];
}

// Held if it is or can be, else written to memory.
inline void put_bucket(Held& held, bool second, uint32_t at, const Line& line, Line* buckets_first,
                       Line* buckets_second) {
  HeldBuckets& all = held.buckets[second ? 1 : 0];
  const uint32_t place = find_held_bucket(all, at);
  if (place != kHeldBuckets) {
    all.line[place] = line;
    all.changed[place] = true;
  } else if (held.open && all.count < kHeldBuckets) {
    hold_bucket(all, at, line, true);
  } else if (second) {
    buckets_second[at] = line;
  } else {
    buckets_first[at] = line;
  }
}

inline void put_record(Held& held, uint32_t slot, const Line& a, const Line& b, Line* session_a_out,
                       Line* session_b_out) {
  HeldRecords& all = held.records;
  const uint32_t place = find_held_record(all, slot);
  if (place != kHeldRecords) {
    all.a[place] = a;
    all.b[place] = b;
    all.changed[place] = true;
  } else if (held.open && all.count < kHeldRecords) {
    hold_record(all, slot, a, b, true);
  } else {
    session_a_out[slot] = a;
    session_b_out[slot] = b;
  }
}

// The stack's place `at` is written, in memory and here: pushed places follow each other, so what is held stays a piece
// without gaps.
inline void put_free_slot(Held& held, uint64_t at, uint32_t slot, uint32_t* free_slot) {
  HeldFreeSlots& top = held.free_slots;
  free_slot[at] = slot;
  if (!held.open || at < top.base || at - top.base > top.count || at - top.base >= kHeldFreeSlots) return;
  const uint32_t place = static_cast<uint32_t>(at - top.base);
  top.slot[place] = slot;
  if (place == top.count) ++top.count;
}
inline bool holds_free_slot(const Held& held, uint64_t at) {
  return at >= held.free_slots.base && at - held.free_slots.base < held.free_slots.count;
}

// What was changed goes to memory, a line a cycle at each port, and nothing is held any more. What is read from memory
// after it comes after.
inline void write_back(Held& held, Line* buckets_first, Line* buckets_second, Line* session_a_out,
                       Line* session_b_out) {
#pragma HLS inline off
  HeldBuckets& first = held.buckets[0];
  HeldBuckets& second = held.buckets[1];
  for (uint32_t i = 0; i < kHeldRecords; ++i) {
#pragma HLS pipeline II = 1
    if (i >= held.records.count && i >= first.count && i >= second.count) break;
    PHALANX_STEP(1);
    if (i < first.count && first.changed[i]) buckets_first[first.at[i]] = first.line[i];
    if (i < second.count && second.changed[i]) buckets_second[second.at[i]] = second.line[i];
    if (i < held.records.count && held.records.changed[i]) {
      session_a_out[held.records.slot[i]] = held.records.a[i];
      session_b_out[held.records.slot[i]] = held.records.b[i];
    }
  }
  PHALANX_MEMORY_WAIT();  // until the last write is confirmed
  hold_nothing(held);
}
static_assert(kHeldRecords >= kHeldBuckets, "one loop writes all back");

}  // namespace session_engine
}  // namespace phalanx

#endif
