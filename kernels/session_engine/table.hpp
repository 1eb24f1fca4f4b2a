// The table as session_engine's changing operations see it, one access after the other: slots, records, change log.
#ifndef PHALANX_KERNELS_SESSION_ENGINE_TABLE_HPP
#define PHALANX_KERNELS_SESSION_ENGINE_TABLE_HPP

#include "hls/dataflow.hpp"
#include "hls/hash.hpp"
#include "hls/nat_circuit.hpp"
#include "kernels/session_engine/held_lines.hpp"
#include "kernels/session_engine/sizes.hpp"
#include "kernels/session_engine/words.hpp"

// A table's memory ports and what is held of them, as parameters of a function and as what it hands on. Pointers in a
// struct are beyond HLS tools.
#define PHALANX_TABLE_PARAMETERS                                                                                      \
  abi::TableState &state, Held &held, abi::Bucket *buckets_first, abi::Bucket *buckets_second, const Line *session_a, \
      const Line *session_b, Line *session_a_out, Line *session_b_out, WideNat *wide, uint32_t *change_log,           \
      uint32_t *free_slot
#define PHALANX_TABLE                                                                                               \
  state, held, buckets_first, buckets_second, session_a, session_b, session_a_out, session_b_out, wide, change_log, \
      free_slot

namespace phalanx {
namespace session_engine {

const uint32_t kNone = 0xffffffff;

// A session and its long rewrite, zero if it has none.
struct Stored {
  Session session;
  WideNat wide;
};

// 1 for a TCP session whose handshake isn't over.
inline uint64_t half_open(uint8_t state) {
  return state >= hls::kStateTcpSynSent && state <= hls::kStateTcpSynReceived ? 1 : 0;
}
// Whether a state is that of a session that can be found; false also for a damaged one.
inline bool linked(uint8_t state) { return state > hls::kStateFree && state < hls::kStateDeleted; }
// A long rewrite goes with IPv6 NAT and with nothing else.
inline bool well_formed(const Session& session) {
  const bool is_wide = (session.flags & hls::kNatWide) != 0;
  const bool needs_wide = (session.flags & hls::kNatMask) != 0 && hls::family(session.key) == 6;
  return is_wide == needs_wide && session.state < hls::kStates;
}
inline uint64_t generation_of(const Session& session) { return session.order >> hls::kVersionBits; }

inline uint64_t hash_of(const hls::FlowKey& key, const abi::TableState& state) {
  PHALANX_STEP(kHashCycles);
  return hls::hash_key(key, state.hash_seed[0], state.hash_seed[1]);
}

// The key of the responder's side, if it is another than the originator's: then the session has two entries.
struct SecondKey {
  bool exists;
  hls::FlowKey key;
};
inline SecondKey second_key(const Session& session, const WideNat& wide) {
  SecondKey second = {};
  if ((session.flags & hls::kNatMask) == 0) return second;
  second.key = hls::translated_key_at_once(session, wide).key;
  second.exists = !hls::same_key(second.key, session.key);
  return second;
}

// Reads a record, both halves and the long rewrite at once unless it is held. The slot lies below used_end.
inline Stored read_record(uint32_t slot, const Held& held, const Line* session_a, const Line* session_b,
                          const WideNat* wide) {
#pragma HLS inline off
  const uint32_t place = find_held_record(held.records, slot);
  const bool is_held = place != kHeldRecords;
  const Line a = is_held ? held.records.a[place] : session_a[slot];
  const Line b = is_held ? held.records.b[place] : session_b[slot];
  const WideNat long_rewrite = wide[slot];
  const WideNat none = {};
  Stored stored = {};
  stored.session = session_of(a, b);
  if (!is_held || (stored.session.flags & hls::kNatWide) != 0) PHALANX_MEMORY_WAIT();
  stored.wide = (stored.session.flags & hls::kNatWide) != 0 ? long_rewrite : none;
  return stored;
}

// Writes a record's halves. Not inlined: a function's writes are confirmed when it ends, so that a read of the same
// record through the other ports comes after.
inline void write_record(uint32_t slot, const Session& session, Held& held, Line* session_a_out, Line* session_b_out) {
#pragma HLS inline off
  PHALANX_STEP(1);
  put_record(held, slot, first_line(session), second_line(session), session_a_out, session_b_out);
}

// Writes a new or replaced record, and its long rewrite if it has one.
inline void write_stored(uint32_t slot, Stored& stored, Held& held, Line* session_a_out, Line* session_b_out,
                         WideNat* wide) {
  if ((stored.session.flags & hls::kNatWide) != 0) {
    stored.session.nat_source = slot;
    wide[slot] = stored.wide;
  }
  write_record(slot, stored.session, held, session_a_out, session_b_out);
}

// Enters a slot into the change log unless the record says that it is there.
inline void log_change(uint32_t slot, Session& session, abi::TableState& state, uint32_t* change_log) {
  if ((session.flags & hls::kDirty) != 0) return;
  if (state.logged >= state.slots) {
    ++state.log_overflow;
    return;
  }
  session.flags |= hls::kDirty;
  const uint64_t place = state.log_head + state.logged;
  change_log[place >= state.slots ? place - state.slots : place] = slot;
  ++state.logged;
}

// The slot that the next session gets, kNone if there is none: the last freed, else the first never used.
// take_slot() takes it.
inline uint32_t next_slot(abi::TableState& state, const Held& held, const uint32_t* free_slot) {
  if (state.free_slots != 0) {
    const uint64_t at = state.free_slots - 1;
    const bool is_held = holds_free_slot(held, at);
    if (!is_held) PHALANX_MEMORY_WAIT();
    const uint32_t slot = is_held ? held.free_slots.slot[at - held.free_slots.base] : free_slot[at];
    if (slot < state.used_end) return slot;
    ++state.impossible;
    --state.free_slots;
  }
  return state.used_end < state.slots ? static_cast<uint32_t>(state.used_end) : kNone;
}
inline void take_slot(uint32_t slot, abi::TableState& state) {
  if (slot == state.used_end) {
    ++state.used_end;
  } else {
    --state.free_slots;
  }
}

// Frees a session's slot. One that the change log has becomes free when state_delta's EXTRACT comes to it.
inline void release_slot(uint32_t slot, Session& session, abi::TableState& state, Held& held, Line* session_a_out,
                         Line* session_b_out, uint32_t* free_slot) {
  session.state = hls::kStateFree;
  const bool dirty = (session.flags & hls::kDirty) != 0;
  if (!dirty) session.flags = 0;
  write_record(slot, session, held, session_a_out, session_b_out);
  if (dirty) return;
  if (state.free_slots >= state.used_end) {
    ++state.impossible;
    return;
  }
  put_free_slot(held, state.free_slots++, slot, free_slot);
}

}  // namespace session_engine
}  // namespace phalanx

#endif
