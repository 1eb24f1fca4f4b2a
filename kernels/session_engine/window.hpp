// A window: INSERTs, DELETEs and APPLYs in a row. They are carried out one after the other, each seeing what those
// before it did; but what they are about to need of memory is read ahead, for all of them at once, and what they wrote
// is written behind them (held_lines.hpp). What was not foreseen (an entry that has to move, a second candidate) is
// read when it is needed, as it would be without a window: reading ahead changes no result.
#ifndef PHALANX_KERNELS_SESSION_ENGINE_WINDOW_HPP
#define PHALANX_KERNELS_SESSION_ENGINE_WINDOW_HPP

#include "kernels/session_engine/change.hpp"

namespace phalanx {
namespace session_engine {

struct Window {
  uint32_t count;
  abi::Operation operation[kWindow];
  abi::Record record[kWindow];  // INSERT, APPLY
  bool stale[kWindow];          // the record is not the one that was sent with the operation
};

inline bool takes_record(abi::Opcode opcode) { return opcode == abi::Opcode::kInsert || opcode == abi::Opcode::kApply; }
inline bool in_window(abi::Opcode opcode) { return takes_record(opcode) || opcode == abi::Opcode::kDelete; }

// The record of the window's operation `i`, three lines at once.
inline void read_batch_record(const Line* records, Window& window, uint32_t i) {
  PHALANX_STEP(3);
  const uint32_t index = window.operation[i].record;
  const uint64_t at = record_line(index);
  const abi::RecordWords words = record_words((index & 1) != 0, records[at], records[at + 1], records[at + 2]);
  window.record[i] = record_of(words);
  window.stale[i] = abi::check_of(words) != window.operation[i].record_check;
}

// Operations from `operation`, which is the batch's `first`, on, as far as they belong into a window, and their
// records: the host's memory, which nobody changes. The first one's record comes beside the operations behind it.
inline void read_window(const abi::Operation& operation, const Line* operations, const Line* records, uint32_t first,
                        uint32_t end, Window& window) {
#pragma HLS inline off
  window.operation[0] = operation;
  window.count = 1;
  PHALANX_MEMORY_WAIT();
  window.stale[0] = false;
  if (takes_record(operation.opcode)) read_batch_record(records, window, 0);
  for (uint32_t i = 1; i < kWindow; ++i) {
#pragma HLS pipeline II = 2
    if (i >= end - first) break;
    PHALANX_STEP(2);
    const uint64_t at = operation_line(first + i);
    const Line low = operations[at];
    const Line high = operations[at + 1];
    const abi::Operation next = operation_of(operation_words(((first + i) & 1) != 0, low, high));
    if (!in_window(next.opcode)) break;
    window.operation[i] = next;
    window.count = i + 1;
  }
  if (window.count > 1) PHALANX_MEMORY_WAIT();
  for (uint32_t i = 1; i < kWindow; ++i) {
#pragma HLS pipeline II = 3
    if (i >= window.count) break;
    window.stale[i] = false;
    if (takes_record(window.operation[i].opcode)) read_batch_record(records, window, i);
  }
}

// Takes up the two buckets of `hash`, one read a port. II=1.
inline void hold_buckets(uint64_t hash, uint64_t buckets, Held& held, const Bucket* buckets_first,
                         const Bucket* buckets_second) {
  PHALANX_STEP(1);
  const uint32_t home = first_bucket(hash, buckets);
  const uint32_t other = second_bucket(hash, buckets);
  if (!holds_bucket(held, false, home)) hold_bucket(held.buckets[0], home, buckets_first[home], false);
  if (!holds_bucket(held, true, other)) hold_bucket(held.buckets[1], other, buckets_second[other], false);
}

// Takes up the record of the first entry that has the tag of `hash`, if there is one. II=1.
inline void hold_candidate(uint64_t hash, const abi::TableState& state, Held& held, const Bucket* buckets_first,
                           const Bucket* buckets_second, const Line* session_a, const Line* session_b) {
  PHALANX_STEP(1);
  const Bucket first = bucket_line(held, false, first_bucket(hash, state.buckets), buckets_first, buckets_second);
  const Bucket second = bucket_line(held, true, second_bucket(hash, state.buckets), buckets_first, buckets_second);
  const uint32_t mask = tag_matches(first, hash) | tag_matches(second, hash) << kWays;
  uint64_t entry = 0;
  for (uint32_t i = 2 * kWays; i > 0; --i) {
#pragma HLS unroll
    if ((mask >> (i - 1) & 1) != 0) entry = i <= kWays ? first.word[i - 1] : second.word[(i - 1) & (kWays - 1)];
  }
  const uint32_t slot = abi::entry_slot(entry);
  if (entry == 0 || slot >= state.used_end || find_held_record(held.records, slot) != kHeldRecords) return;
  hold_record(held.records, slot, session_a[slot], session_b[slot], false);
}

// The hashes under which a change will look: of its key, and of its translated key if that is known.
struct WindowKeys {
  uint64_t hash[kWindow][2];
  bool second[kWindow];
};

inline void hash_window(const Window& window, const abi::TableState& state, WindowKeys& keys) {
  PHALANX_STEP(kHashCycles);
  for (uint32_t i = 0; i < kWindow; ++i) {
#pragma HLS pipeline II = 1
    if (i >= window.count) break;
    PHALANX_STEP(1);
    const bool of_record = takes_record(window.operation[i].opcode);
    const hls::FlowKey key = of_record ? window.record[i].session.key : window.operation[i].packet.key;
    SecondKey second = {};
    if (of_record) second = second_key(window.record[i].session, window.record[i].wide);
    keys.hash[i][0] = hls::hash_key(key, state.hash_seed[0], state.hash_seed[1]);
    keys.hash[i][1] = hls::hash_key(second.key, state.hash_seed[0], state.hash_seed[1]);
    keys.second[i] = second.exists;
  }
}

// The buckets and then the records behind them. A session that is deleted by one of its keys leaves the index under the
// other one too: that is known when its record is there, and read then.
inline void hold_table(const Window& window, const WindowKeys& keys, const abi::TableState& state, Held& held,
                       const Bucket* buckets_first, const Bucket* buckets_second, const Line* session_a,
                       const Line* session_b) {
#pragma HLS inline off
  PHALANX_MEMORY_WAIT();
  for (uint32_t i = 0; i < 2 * kWindow; ++i) {
#pragma HLS pipeline II = 1
    if (i / 2 >= window.count) break;
    if (i % 2 == 1 && !keys.second[i / 2]) continue;
    hold_buckets(keys.hash[i / 2][i % 2], state.buckets, held, buckets_first, buckets_second);
  }
  for (uint32_t i = 0; i < 2 * kWindow; ++i) {
#pragma HLS pipeline II = 1
    if (i / 2 >= window.count) break;
    if (i % 2 == 1 && !keys.second[i / 2]) continue;
    hold_candidate(keys.hash[i / 2][i % 2], state, held, buckets_first, buckets_second, session_a, session_b);
  }
  if (held.records.count != 0) PHALANX_MEMORY_WAIT();
}

// What a window's new sessions will take from the stack of free slots.
inline void hold_free_slots(const abi::TableState& state, Held& held, const uint32_t* free_slot) {
#pragma HLS inline off
  HeldFreeSlots& top = held.free_slots;
  top.count = state.free_slots < kWindow ? static_cast<uint32_t>(state.free_slots) : kWindow;
  top.base = state.free_slots - top.count;
  if (top.count == 0) return;
  PHALANX_MEMORY_WAIT();
  PHALANX_STEP(kWindow / 16);  // 16 slots a line
  for (uint32_t i = 0; i < kWindow; ++i) {
#pragma HLS pipeline II = 1
    if (i < top.count) top.slot[i] = free_slot[top.base + i];
  }
}

inline Completion change_table(const abi::Operation& operation, const abi::Record& record, PHALANX_TABLE_PARAMETERS) {
  if (operation.opcode == abi::Opcode::kInsert) return insert(record, operation.packet, PHALANX_TABLE);
  if (operation.opcode == abi::Opcode::kApply) return apply(record, PHALANX_TABLE);
  return erase(operation.packet.key, PHALANX_TABLE);
}

// Carries out a window from `operation` on, which is the batch's `first` and belongs into it. Gives the number of
// operations.
inline uint32_t run_window(const abi::Operation& operation, const Line* operations, const Line* records, uint32_t first,
                           uint32_t end, Line* completions, PHALANX_TABLE_PARAMETERS) {
#pragma HLS inline off
  Window window;
  WindowKeys keys;
  read_window(operation, operations, records, first, end, window);
  held.open = true;
  hash_window(window, state, keys);
  hold_table(window, keys, state, held, buckets_first, buckets_second, session_a, session_b);
  hold_free_slots(state, held, free_slot);
  for (uint32_t i = 0; i < kWindow; ++i) {
    if (i >= window.count) break;
    PHALANX_STEP(1);
    // A record that did not come changes nothing; the driver gives up the card for it.
    state.impossible += window.stale[i] ? 1 : 0;
    completions[first + i] =
        completion_line(window.stale[i] ? completion_with(Result::kInvalid)
                                        : change_table(window.operation[i], window.record[i], PHALANX_TABLE));
  }
  write_back(held, buckets_first, buckets_second, session_a_out, session_b_out);
  return window.count;
}

}  // namespace session_engine
}  // namespace phalanx

#endif
