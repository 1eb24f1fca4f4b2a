// What changes which sessions there are, one operation after the other: INSERT, DELETE, APPLY, AGE. Order of the
// checks, slots and change log are the CPU engine's.
#ifndef PHALANX_KERNELS_SESSION_ENGINE_CHANGE_HPP
#define PHALANX_KERNELS_SESSION_ENGINE_CHANGE_HPP

#include "hls/apply.hpp"
#include "hls/timeouts.hpp"
#include "hls/track_circuit.hpp"
#include "kernels/session_engine/describe.hpp"
#include "kernels/session_engine/index.hpp"

namespace phalanx {
namespace session_engine {

// A session that has a key of the one to be installed.
struct Conflicts {
  uint32_t slot[2];  // kNone: none
  Stored stored[2];
  bool yield;  // one of them is of the same generation or a later one: the record is stale
};

inline void count_unlinked(uint8_t session_state, abi::TableState& state) {
  if (state.sessions != 0) --state.sessions;
  if (state.half_open >= half_open(session_state)) state.half_open -= half_open(session_state);
}

// Takes a session out of the index.
inline void unlink_session(uint32_t slot, const Stored& stored, abi::TableState& state, Held& held,
                           Bucket* buckets_first, Bucket* buckets_second) {
  const SecondKey second = second_key(stored.session, stored.wide);
  erase_entry(hash_of(stored.session.key, state), slot, false, state, held, buckets_first, buckets_second);
  if (second.exists) erase_entry(hash_of(second.key, state), slot, true, state, held, buckets_first, buckets_second);
  count_unlinked(stored.session.state, state);
}

// The session is over and the change log says so; the slot waits for the log to be read.
inline void end_session(uint32_t slot, Stored& stored, PHALANX_TABLE_PARAMETERS) {
#pragma HLS inline off
  (void)session_a, (void)session_b, (void)wide, (void)free_slot;
  unlink_session(slot, stored, state, held, buckets_first, buckets_second);
  stored.session.state = hls::kStateDeleted;
  stored.session.order = hls::next_version(stored.session.order);
  log_change(slot, stored.session, state, change_log);
  write_record(slot, stored.session, held, session_a_out, session_b_out);
}

// The session goes without a word in the change log.
inline void remove_session(uint32_t slot, Stored& stored, PHALANX_TABLE_PARAMETERS) {
#pragma HLS inline off
  (void)session_a, (void)session_b, (void)wide, (void)change_log;
  unlink_session(slot, stored, state, held, buckets_first, buckets_second);
  release_slot(slot, stored.session, state, held, session_a_out, session_b_out, free_slot);
}

// A slot for a new session with its entries in the index, kNone and nothing changed if there is no room. The record is
// written by the caller.
inline uint32_t allocate(const Session& session, const WideNat& wide_nat, uint64_t hash, abi::TableState& state,
                         Held& held, Bucket* buckets_first, Bucket* buckets_second, const uint32_t* free_slot) {
#pragma HLS inline off
  const uint32_t slot = next_slot(state, held, free_slot);
  if (slot == kNone) return kNone;
  const SecondKey second = second_key(session, wide_nat);
  if (!insert_entry(hash, slot, false, state, held, buckets_first, buckets_second)) return kNone;
  if (second.exists &&
      !insert_entry(hash_of(second.key, state), slot, true, state, held, buckets_first, buckets_second)) {
    erase_entry(hash, slot, false, state, held, buckets_first, buckets_second);
    return kNone;
  }
  take_slot(slot, state);
  ++state.sessions;
  state.half_open += half_open(session.state);
  return slot;
}

inline Completion insert(const abi::Record& record, const hls::PacketMeta& packet, PHALANX_TABLE_PARAMETERS) {
#pragma HLS inline off
  Stored stored = {record.session, record.wide};
  Session& session = stored.session;
  session.flags &= hls::kOriginatorIsB | hls::kNatMask | hls::kNatWide;
  session.state = hls::kStateFree;
  const bool from_originator =
      hls::same_key(packet.key, session.key) && packet.from_b == hls::originator_from_b(session);
  if (!well_formed(session) || !from_originator) return completion_with(Result::kInvalid);
  const uint64_t hash = hash_of(session.key, state);
  const SecondKey second = second_key(session, stored.wide);
  bool exists = find(session.key, hash, PHALANX_TABLE).exists;
  if (!exists && second.exists) exists = find(second.key, hash_of(second.key, state), PHALANX_TABLE).exists;
  if (exists) {
    ++state.refused_exists;
    return completion_with(Result::kExists);
  }
  const uint32_t now_ms = static_cast<uint32_t>(state.now_ms);
  PHALANX_STEP(kDecideCycles);
  const hls::Track track = hls::open_session_at_once(session, packet, now_ms, track_config(state));
  if (!track.pass) {
    Completion completion = completion_with(Result::kDrop);
    completion.reason = track.reason;
    return completion;
  }
  if (half_open(session.state) != 0 && state.half_open >= state.half_open_max) {
    ++state.refused_half_open;
    return completion_with(Result::kHalfOpen);
  }
  if (generation_of(session) == 0) session.order = (state.generation + 1) << hls::kVersionBits;
  const uint32_t slot = allocate(session, stored.wide, hash, state, held, buckets_first, buckets_second, free_slot);
  if (slot == kNone) {
    ++state.refused_full;
    return completion_with(Result::kFull);
  }
  if (generation_of(session) > state.generation) state.generation = generation_of(session);
  ++state.inserted;
  if (track.log) log_change(slot, session, state, change_log);
  write_stored(slot, stored, held, session_a_out, session_b_out, wide);
  return describe(track, slot, session, stored.wide, packet, 0);
}

inline Completion erase(const hls::FlowKey& key, PHALANX_TABLE_PARAMETERS) {
#pragma HLS inline off
  Found found = find(key, hash_of(key, state), PHALANX_TABLE);
  if (!found.exists) return completion_with(Result::kMiss);
  end_session(found.slot, found.stored, PHALANX_TABLE);
  ++state.deleted;
  Completion completion = completion_with(Result::kDone);
  completion.state = hls::kStateDeleted;
  completion.slot = found.slot;
  completion.rule = found.stored.session.rule;
  completion.changed = 1;
  return completion;
}

// The other sessions than `own` that have a key of `session`.
inline Conflicts find_conflicts(const Session& session, const WideNat& wide_nat, uint32_t own,
                                PHALANX_TABLE_PARAMETERS) {
#pragma HLS inline off
  Conflicts conflicts = {};
  const SecondKey second = second_key(session, wide_nat);
  for (uint32_t i = 0; i < 2; ++i) {
    conflicts.slot[i] = kNone;
    if (i == 1 && !second.exists) continue;
    const hls::FlowKey key = i == 0 ? session.key : second.key;
    const Found found = find(key, hash_of(key, state), PHALANX_TABLE);
    if (!found.exists || found.slot == own) continue;
    conflicts.slot[i] = found.slot;
    conflicts.stored[i] = found.stored;
    if (generation_of(found.stored.session) >= generation_of(session)) conflicts.yield = true;
  }
  if (conflicts.slot[1] == conflicts.slot[0]) conflicts.slot[1] = kNone;
  return conflicts;
}

inline void remove_conflicts(Conflicts& conflicts, PHALANX_TABLE_PARAMETERS) {
  for (uint32_t i = 0; i < 2; ++i) {
    if (conflicts.slot[i] == kNone) continue;
    remove_session(conflicts.slot[i], conflicts.stored[i], PHALANX_TABLE);
    ++state.deleted;
  }
}

// Puts in a session whose key isn't an original key here. Room is made sure of before any conflicting session goes.
inline Result install(Stored& stored, uint32_t& slot, PHALANX_TABLE_PARAMETERS) {
#pragma HLS inline off
  Conflicts conflicts = find_conflicts(stored.session, stored.wide, kNone, PHALANX_TABLE);
  if (conflicts.yield) return Result::kStale;
  slot = allocate(stored.session, stored.wide, hash_of(stored.session.key, state), state, held, buckets_first,
                  buckets_second, free_slot);
  if (slot == kNone) return Result::kFull;
  write_stored(slot, stored, held, session_a_out, session_b_out, wide);
  remove_conflicts(conflicts, PHALANX_TABLE);
  return Result::kDone;
}

// Writes `stored` over the session of the same key in `slot`. Only the translated key's entry may have to change; what
// can fail comes first.
inline Result replace(uint32_t slot, const Stored& old, Stored& stored, PHALANX_TABLE_PARAMETERS) {
#pragma HLS inline off
  const SecondKey old_second = second_key(old.session, old.wide);
  const SecondKey new_second = second_key(stored.session, stored.wide);
  const bool same_second =
      old_second.exists == new_second.exists && (!old_second.exists || hls::same_key(old_second.key, new_second.key));
  Conflicts conflicts = {{kNone, kNone}, {}, false};
  if (!same_second) conflicts = find_conflicts(stored.session, stored.wide, slot, PHALANX_TABLE);
  if (conflicts.yield) return Result::kStale;
  if (!same_second && new_second.exists &&
      !insert_entry(hash_of(new_second.key, state), slot, true, state, held, buckets_first, buckets_second)) {
    return Result::kFull;
  }
  if (!same_second && old_second.exists) {
    erase_entry(hash_of(old_second.key, state), slot, true, state, held, buckets_first, buckets_second);
  }
  state.half_open += half_open(stored.session.state) - half_open(old.session.state);
  write_stored(slot, stored, held, session_a_out, session_b_out, wide);
  remove_conflicts(conflicts, PHALANX_TABLE);
  return Result::kDone;
}

inline Completion apply(const abi::Record& record, PHALANX_TABLE_PARAMETERS) {
#pragma HLS inline off
  const uint8_t given = record.session.state;
  const bool ended = given == hls::kStateDeleted || given == hls::kStateFree;
  if (!ended && !well_formed(record.session)) return completion_with(Result::kInvalid);
  if (generation_of(record.session) > state.generation) state.generation = generation_of(record.session);
  Found found = find(record.session.key, hash_of(record.session.key, state), PHALANX_TABLE);
  const bool exists = found.exists && !found.translated;
  PHALANX_STEP(kDecideCycles);
  const hls::ApplyDecision decision =
      hls::decide_apply(exists, found.stored.session, record.session, static_cast<uint32_t>(state.now_ms));
  Stored stored = {decision.session, record.wide};
  uint32_t slot = exists ? found.slot : kNone;
  Result result = Result::kInvalid;
  switch (decision.action) {
    case hls::ApplyAction::kInvalid:
      break;
    case hls::ApplyAction::kStale:
      result = Result::kStale;
      break;
    case hls::ApplyAction::kAbsent:
      result = Result::kMiss;
      break;
    case hls::ApplyAction::kRemove:
      remove_session(slot, found.stored, PHALANX_TABLE);
      result = Result::kDone;
      break;
    case hls::ApplyAction::kInstall:
      result = exists ? replace(slot, found.stored, stored, PHALANX_TABLE) : install(stored, slot, PHALANX_TABLE);
      break;
  }
  Completion completion = completion_with(result);
  state.stale += result == Result::kStale ? 1 : 0;
  state.refused_full += result == Result::kFull ? 1 : 0;
  if (result != Result::kDone) return completion;
  ++state.applied;
  completion.state = ended ? hls::kStateDeleted : given;
  completion.slot = slot;
  completion.rule = record.session.rule;
  return completion;
}

// Looks at the records of slots [at, end), one a cycle, for those that have timed out. Gives the slot after the last
// one looked at: it stops when `timed_out` is full.
inline uint64_t find_timed_out(uint64_t at, uint64_t end, abi::TableState& state, const Line* session_a,
                               uint32_t* timed_out, uint32_t& count) {
#pragma HLS inline off
  hls::Timeouts timeouts = {};
  for (uint32_t i = 0; i < hls::kStates; ++i) timeouts.ms[i] = state.timeout_ms[i];
  PHALANX_MEMORY_WAIT();
  uint64_t slot = at;
  count = 0;
  for (uint64_t i = at; i < end && count < kAgeChunk; ++i) {
#pragma HLS pipeline II = 1
    PHALANX_STEP(1);
    Session seen = {};
    hls::set_session_status(seen, session_a[i].word[6]);
    slot = i + 1;
    if (seen.state >= hls::kStates) ++state.impossible;
    if (!linked(seen.state)) continue;
    if (!hls::timed_out_at_once(timeouts, seen.state, seen.last_seen, static_cast<uint32_t>(state.age_floor_ms),
                                static_cast<uint32_t>(state.now_ms))) {
      continue;
    }
    timed_out[count++] = static_cast<uint32_t>(i);
  }
  return slot;
}

// Ends what has timed out among `count` slots from `first` on. To end a session changes no other's age, so they are
// found in chunks and then ended, in the order of their slots.
inline Completion age(uint64_t first, uint64_t count, PHALANX_TABLE_PARAMETERS) {
#pragma HLS inline off
  if (first > state.slots) return completion_with(Result::kInvalid);
  uint64_t end = first;
  if (first < state.used_end) end = count > state.used_end - first ? state.used_end : first + count;
  Completion completion = completion_with(Result::kDone);
  uint32_t timed_out[kAgeChunk];
  for (uint64_t at = first; at < end;) {
    uint32_t found = 0;
    at = find_timed_out(at, end, state, session_a, timed_out, found);
    for (uint32_t i = 0; i < kAgeChunk; ++i) {
      if (i >= found) break;
      Stored stored = read_record(timed_out[i], held, session_a, session_b, wide);
      end_session(timed_out[i], stored, PHALANX_TABLE);
      ++state.aged;
      ++completion.count;
    }
  }
  completion.changed = completion.count != 0 ? 1 : 0;
  completion.next = end >= state.used_end ? 0 : end;
  return completion;
}

}  // namespace session_engine
}  // namespace phalanx

#endif
