// What changes which sessions there are: INSERT, DELETE and APPLY.
#include <algorithm>
#include <cassert>

#include "drivers/cpu/cpu_engine.hpp"
#include "drivers/cpu/half_open.hpp"
#include "hls/apply.hpp"
#include "hls/nat.hpp"
#include "hls/track.hpp"

namespace phalanx {
namespace {

using abi::Result;

// What of a record's flags is the inserter's to say.
constexpr uint8_t kInsertFlags = hls::kOriginatorIsB | hls::kNatMask | hls::kNatWide;

// A long rewrite goes with IPv6 NAT and with nothing else.
bool well_formed(const hls::Session& session) {
  const bool wide = (session.flags & hls::kNatWide) != 0;
  const bool needs_wide = (session.flags & hls::kNatMask) != 0 && hls::family(session.key) == 6;
  return wide == needs_wide && session.state < hls::kStates;
}

// The key of the responder's side, if it is another than the originator's: then the session has two index entries.
struct SecondKey {
  bool exists;
  hls::FlowKey key;
};

SecondKey second_key(const hls::Session& session, const hls::WideNat& wide) {
  if ((session.flags & hls::kNatMask) == 0) return {false, {}};
  const hls::FlowKey key = hls::translated_key(session, wide).key;
  return {!hls::same_key(key, session.key), key};
}

uint64_t generation_of(const hls::Session& session) { return session.order >> hls::kVersionBits; }

}  // namespace

void CpuEngine::insert(const abi::Record& record, const hls::PacketMeta& packet, uint64_t hash,
                       abi::Completion& completion) {
  hls::Session session = record.session;
  session.flags &= kInsertFlags;
  session.state = hls::kStateFree;
  const bool from_originator =
      hls::same_key(packet.key, session.key) && packet.from_b == hls::originator_from_b(session);
  if (!well_formed(session) || !from_originator) return;  // kInvalid
  const SecondKey second = second_key(session, record.wide);
  if (find_entry(session.key, hash) != kNone ||
      (second.exists && find_entry(second.key, this->hash(second.key)) != kNone)) {
    completion.result = Result::kExists;
    ++counters_.refused_exists;
    return;
  }
  const hls::Track track = hls::open_session(session, packet, now_ms_, track_config_);
  if (!track.pass) {
    completion.result = Result::kDrop;
    completion.reason = track.reason;
    return;
  }
  if (half_open(session.state) != 0 && counters_.half_open >= config_.half_open_max) {
    completion.result = Result::kHalfOpen;
    ++counters_.refused_half_open;
    return;
  }
  if (generation_of(session) == 0) session.order = (generation_ + 1) << hls::kVersionBits;
  const uint32_t slot = allocate(session, record.wide, hash);
  if (slot == kNone) {
    completion.result = Result::kFull;
    ++counters_.refused_full;
    return;
  }
  generation_ = std::max(generation_, generation_of(session));
  ++counters_.inserted;
  if (track.log) store_.log_change(slot);
  describe(track, slot, packet, 0, completion);
}

void CpuEngine::erase(const hls::FlowKey& key, uint64_t hash, abi::Completion& completion) {
  const uint32_t entry = find_entry(key, hash);
  if (entry == kNone) {
    completion.result = Result::kMiss;
    return;
  }
  const uint32_t slot = entry & ~kTranslated;
  end_session(slot);
  ++counters_.deleted;
  completion.result = Result::kDone;
  completion.state = hls::kStateDeleted;
  completion.slot = slot;
  completion.rule = store_[slot].rule;
  completion.changed = 1;
}

void CpuEngine::apply(const abi::Record& record, uint64_t hash, abi::Completion& completion) {
  const uint8_t state = record.session.state;
  const bool ended = state == hls::kStateDeleted || state == hls::kStateFree;
  if (!ended && !well_formed(record.session)) return;  // kInvalid
  generation_ = std::max(generation_, generation_of(record.session));
  const uint32_t entry = find_entry(record.session.key, hash);
  const bool exists = entry != kNone && (entry & kTranslated) == 0;
  uint32_t slot = exists ? entry : kNone;
  const hls::Session absent = {};
  const hls::ApplyDecision decision =
      hls::decide_apply(exists, exists ? store_[slot] : absent, record.session, now_ms_);
  switch (decision.action) {
    case hls::ApplyAction::kInvalid:
      return;
    case hls::ApplyAction::kStale:
      completion.result = Result::kStale;
      break;
    case hls::ApplyAction::kAbsent:
      completion.result = Result::kMiss;
      break;
    case hls::ApplyAction::kRemove:
      remove_session(slot);
      completion.result = Result::kDone;
      break;
    case hls::ApplyAction::kInstall:
      completion.result =
          exists ? replace(slot, decision.session, record.wide) : install(decision.session, record.wide, hash, slot);
      break;
  }
  counters_.stale += completion.result == Result::kStale ? 1 : 0;
  counters_.refused_full += completion.result == Result::kFull ? 1 : 0;
  if (completion.result != Result::kDone) return;
  ++counters_.applied;
  completion.state = ended ? hls::kStateDeleted : state;
  completion.slot = slot;
  completion.rule = record.session.rule;
}

// Puts in a session whose key isn't an original key here. Room is made sure of before any conflicting session goes.
Result CpuEngine::install(const hls::Session& session, const hls::WideNat& wide, uint64_t hash, uint32_t& slot) {
  Conflicts conflicts;
  if (!find_conflicts(session, wide, hash, kNone, conflicts)) return Result::kStale;
  slot = allocate(session, wide, hash);
  if (slot == kNone) return Result::kFull;
  remove_conflicts(conflicts);
  return Result::kDone;
}

// Writes `session` over the one of the same key in `slot`. Only the translated key's entry and the long rewrite may
// have to change; what can fail comes first.
Result CpuEngine::replace(uint32_t slot, const hls::Session& session, const hls::WideNat& wide) {
  const hls::Session old = store_[slot];
  const SecondKey old_second = second_key(old, wide_of(old));
  const SecondKey new_second = second_key(session, wide);
  const bool same_second =
      old_second.exists == new_second.exists && (!old_second.exists || hls::same_key(old_second.key, new_second.key));
  Conflicts conflicts;
  if (!same_second && !find_conflicts(session, wide, hash(session.key), slot, conflicts)) return Result::kStale;

  const bool was_wide = (old.flags & hls::kNatWide) != 0;
  const bool is_wide = (session.flags & hls::kNatWide) != 0;
  uint32_t wide_index = was_wide ? old.nat_source : kNone;
  if (is_wide && !was_wide) {
    wide_index = store_.allocate_wide(wide);
    assert(wide_index != kNone && "there are as many long rewrites as slots");
  }
  if (!same_second && new_second.exists && !index_.insert(hash(new_second.key), slot | kTranslated)) {
    if (is_wide && !was_wide) store_.release_wide(wide_index);
    return Result::kFull;
  }
  if (!same_second && old_second.exists) index_.erase(hash(old_second.key), slot | kTranslated);
  if (was_wide && !is_wide) store_.release_wide(wide_index);
  counters_.half_open += half_open(session.state) - half_open(old.state);
  hls::Session& record = store_[slot];
  record = session;
  if (is_wide) {
    store_.set_wide(wide_index, wide);
    record.nat_source = wide_index;
  }
  remove_conflicts(conflicts);
  return Result::kDone;
}

// The other sessions that have a key of `session`. False if one of them is of the same generation or a later one.
bool CpuEngine::find_conflicts(const hls::Session& session, const hls::WideNat& wide, uint64_t hash, uint32_t own,
                               Conflicts& conflicts) const {
  const SecondKey second = second_key(session, wide);
  const uint32_t entries[2] = {find_entry(session.key, hash),
                               second.exists ? find_entry(second.key, this->hash(second.key)) : kNone};
  for (int i = 0; i < 2; ++i) {
    if (entries[i] == kNone || (entries[i] & ~kTranslated) == own) continue;
    conflicts.slot[i] = entries[i] & ~kTranslated;
    if (generation_of(store_[conflicts.slot[i]]) >= generation_of(session)) return false;
  }
  if (conflicts.slot[1] == conflicts.slot[0]) conflicts.slot[1] = kNone;
  return true;
}

void CpuEngine::remove_conflicts(const Conflicts& conflicts) {
  for (const uint32_t slot : conflicts.slot) {
    if (slot == kNone) continue;
    remove_session(slot);
    ++counters_.deleted;
  }
}

// A slot for `session`, with its entries in the index; kNone, and nothing changed, if there is no room.
uint32_t CpuEngine::allocate(const hls::Session& session, const hls::WideNat& wide, uint64_t hash) {
  const uint32_t slot = store_.allocate();
  if (slot == kNone) return kNone;
  hls::Session& record = store_[slot];
  record = session;
  assert((record.flags & hls::kDirty) == 0);
  if ((session.flags & hls::kNatWide) != 0) {
    record.nat_source = store_.allocate_wide(wide);
    assert(record.nat_source != kNone && "there are as many long rewrites as slots");
  }
  if (!index_.insert(hash, slot)) {
    release(slot);
    return kNone;
  }
  const SecondKey second = second_key(session, wide);
  if (second.exists && !index_.insert(this->hash(second.key), slot | kTranslated)) {
    index_.erase(hash, slot);
    release(slot);
    return kNone;
  }
  ++counters_.sessions;
  counters_.half_open += half_open(session.state);
  return slot;
}

void CpuEngine::unlink(uint32_t slot) {
  const hls::Session& session = store_[slot];
  const SecondKey second = second_key(session, wide_of(session));
  index_.erase(hash(session.key), slot);
  if (second.exists) index_.erase(hash(second.key), slot | kTranslated);
  --counters_.sessions;
  counters_.half_open -= half_open(session.state);
}

// The session is over and the change log says so; the slot waits for the log to be read.
void CpuEngine::end_session(uint32_t slot) {
  unlink(slot);
  hls::Session& session = store_[slot];
  session.state = hls::kStateDeleted;
  session.order = hls::next_version(session.order);
  store_.log_change(slot);
}

// The session goes without a word in the change log.
void CpuEngine::remove_session(uint32_t slot) {
  unlink(slot);
  release(slot);
}

void CpuEngine::release(uint32_t slot) {
  if ((store_[slot].flags & hls::kNatWide) != 0) store_.release_wide(store_[slot].nat_source);
  store_.release(slot);
}

}  // namespace phalanx
