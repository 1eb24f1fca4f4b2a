// LOOKUP and the bare bulk lookup: bursts whose cache misses overlap.
#include <algorithm>
#include <array>
#include <bit>
#include <cassert>

#include "drivers/cpu/cpu_engine.hpp"
#include "drivers/cpu/half_open.hpp"
#include "hls/nat.hpp"
#include "hls/track.hpp"

namespace phalanx {
namespace {

using abi::Result;

constexpr hls::WideNat kNoWide = {0, 0, 0, 0};

}  // namespace

const hls::WideNat& CpuEngine::wide_of(const hls::Session& session) const {
  return (session.flags & hls::kNatWide) == 0 ? kNoWide : store_.wide(session.nat_source);
}

// Whether the session of an index entry has `key` as what the entry says.
bool CpuEngine::holds(uint32_t entry, const hls::FlowKey& key) const {
  const hls::Session& session = store_[entry & ~kTranslated];
  if ((entry & kTranslated) == 0) return hls::same_key(session.key, key);
  return hls::same_key(hls::translated_key(session, wide_of(session)).key, key);
}

uint32_t CpuEngine::find_entry(const hls::FlowKey& key, uint64_t hash) const {
  return index_.find(hash, [&](uint32_t entry) { return holds(entry, key); });
}

// Asks for line `line` of the record of an index entry.
inline void CpuEngine::prefetch_record(uint32_t entry, size_t line) const {
  if (entry == kNone) return;
  __builtin_prefetch(reinterpret_cast<const char*>(store_.address(entry & ~kTranslated)) + 64 * line, 1, 3);
}

// Hashes keys [begin, end), at most as many as the hash has lanes, and asks for their primary buckets.
inline void CpuEngine::enter(const hls::FlowKey* const* keys, size_t begin, size_t end, Burst& burst) const {
  hash_keys_(keys + begin, end - begin, config_.hash_seed, burst.hashes.data() + begin);
  for (size_t i = begin; i < end; ++i) index_.prefetch(burst.hashes[i]);
}

// Compares tags in the primary bucket: asks for the record, or for the alternate bucket if only that may have the key.
inline void CpuEngine::guess(size_t i, Burst& burst) const {
  burst.guesses[i] = index_.guess(burst.hashes[i], burst.elsewhere[i]);
  prefetch_record(burst.guesses[i], 0);
}

// Compares tags in the alternate bucket, where the primary one said so.
inline void CpuEngine::guess_elsewhere(size_t i, Burst& burst) const {
  if (!burst.elsewhere[i]) [[likely]]
    return;
  burst.guesses[i] = index_.guess_elsewhere(burst.hashes[i]);
  prefetch_record(burst.guesses[i], 0);
}

// The pipeline of every lookup: for each key in order finish(i, hash, guess), by when the record has come. The index
// doesn't change meanwhile. Which shape is the faster depends on how long the memory takes, that is on the table's
// size; both were measured against others of their kind with tests/bench/engine.
template <size_t kRecordLines, typename Finish>
void CpuEngine::pipeline(const hls::FlowKey* const* keys, size_t count, Finish&& finish) const {
  if (large_) {
    pipeline_by_stages<kRecordLines>(keys, count, finish);
  } else {
    pipeline_by_blocks<kRecordLines>(keys, count, finish);
  }
}

// For tables within reach of TLB and caches. Keys enter in blocks of four, and each step works on the blocks that
// entered some steps before: requests mix with finish()'s work and overlap it. A record's second line is asked for when
// its page is known.
template <size_t kRecordLines, typename Finish>
void CpuEngine::pipeline_by_blocks(const hls::FlowKey* const* keys, size_t count, Finish&& finish) const {
  constexpr size_t kBlock = 4;
  constexpr size_t kTagsAfter = 2, kRestAfter = 3, kFinishAfter = 4;  // steps
  Burst burst;
  const size_t blocks = (count + kBlock - 1) / kBlock;
  for (size_t step = 0; step < blocks + kFinishAfter; ++step) {
    const auto for_block = [&](size_t ago, auto&& stage) __attribute__((always_inline)) {
      if (step - ago >= blocks) return;  // not yet, or no more
      const size_t begin = (step - ago) * kBlock, end = std::min(begin + kBlock, count);
      for (size_t i = begin; i < end; ++i) stage(i);
    };
    const size_t begin = step * kBlock;
    if (begin % kHashLanes == 0 && begin < count) {
      hash_keys_(keys + begin, std::min(kHashLanes, count - begin), config_.hash_seed, burst.hashes.data() + begin);
    }
    for_block(0, [&](size_t i) { index_.prefetch(burst.hashes[i]); });
    for_block(kTagsAfter, [&](size_t i) { guess(i, burst); });
    for_block(kRestAfter, [&](size_t i) {
      guess_elsewhere(i, burst);
      if (kRecordLines == 2) prefetch_record(burst.guesses[i], 1);
    });
    for_block(kFinishAfter, [&](size_t i) { finish(i, burst.hashes[i], burst.guesses[i]); });
  }
}

// For tables where every access walks page tables that are not in the caches either: all keys go through each stage
// before the next, which keeps as many walks going as the core can.
template <size_t kRecordLines, typename Finish>
void CpuEngine::pipeline_by_stages(const hls::FlowKey* const* keys, size_t count, Finish&& finish) const {
  constexpr size_t kRestAhead = 8;  // keys whose record's second line is on its way
  Burst burst;
  for (size_t begin = 0; begin < count; begin += kHashLanes)
    enter(keys, begin, std::min(begin + kHashLanes, count), burst);
  for (size_t i = 0; i < count; ++i) guess(i, burst);
  for (size_t i = 0; i < count; ++i) guess_elsewhere(i, burst);
  for (size_t i = 0; kRecordLines == 2 && i < std::min(kRestAhead, count); ++i) prefetch_record(burst.guesses[i], 1);
  for (size_t i = 0; i < count; ++i) {
    if (kRecordLines == 2 && i + kRestAhead < count) prefetch_record(burst.guesses[i + kRestAhead], 1);
    finish(i, burst.hashes[i], burst.guesses[i]);
  }
}

// Lookups [begin, end) of a batch, at most kGroup. Packets are applied in order, so that one session's see each other.
void CpuEngine::look_up(const Batch& batch, size_t begin, size_t end) {
  std::array<const hls::FlowKey*, kGroup> keys;
  for (size_t i = begin; i < end; ++i) keys[i - begin] = &batch.operations[i].packet.key;
  pipeline<2>(keys.data(), end - begin, [&](size_t i, uint64_t hash, uint32_t guess) {
    look_up_one(batch.operations[begin + i], hash, guess, batch.completions[begin + i]);
  });
}

[[gnu::flatten]] void CpuEngine::look_up_one(const abi::Operation& operation, uint64_t hash, uint32_t guess,
                                             abi::Completion& completion) {
  completion = {};
  if (guess != kNone) [[likely]] {
    const uint32_t slot = guess & ~kTranslated;
    const hls::Match match = hls::match_direction(store_[slot], wide_of(store_[slot]), operation.packet);
    if (match.matched) [[likely]]
      return complete_match(operation, slot, match.direction, completion);
  }
  const uint32_t entry = find_entry(operation.packet.key, hash);
  if (entry != kNone) {
    const uint32_t slot = entry & ~kTranslated;
    const hls::Match match = hls::match_direction(store_[slot], wide_of(store_[slot]), operation.packet);
    if (match.matched) return complete_match(operation, slot, match.direction, completion);
  }
  completion.result = Result::kMiss;
}

void CpuEngine::complete_match(const abi::Operation& operation, uint32_t slot, uint8_t direction,
                               abi::Completion& completion) {
  hls::Session& session = store_[slot];
  const uint64_t was_half_open = half_open(session.state);
  hls::reanchor_if_older(session, age_floor_ms_);
  const hls::Track track = hls::track_packet(session, operation.packet, direction, now_ms_, track_config_);
  counters_.half_open += half_open(session.state) - was_half_open;
  if (track.log) store_.log_change(slot);
  describe(track, slot, operation.packet, direction, completion);
}

// What became of `packet`, which goes in `direction`, at the session in `slot`.
void CpuEngine::describe(const hls::Track& track, uint32_t slot, const hls::PacketMeta& packet, uint8_t direction,
                         abi::Completion& completion) const {
  const hls::Session& session = store_[slot];
  completion.result = track.pass ? Result::kDone : Result::kDrop;
  completion.reason = track.reason;
  completion.direction = direction;
  completion.state = session.state;
  completion.slot = slot;
  completion.rule = session.rule;
  completion.changed = track.log ? 1 : 0;
  if ((session.flags & hls::kNatMask) == 0 || !track.pass) return;
  const bool error = packet.kind == hls::kPacketIcmpError;
  const hls::WideNat& wide = wide_of(session);
  completion.rewrite =
      error ? hls::rewrite_for_error(session, wide, direction) : hls::rewrite_for(session, wide, direction);
  completion.rewritten = 1;
}

void CpuEngine::find_bulk(absl::Span<const hls::FlowKey* const> keys, absl::Span<uint32_t> slots) const {
  assert(slots.size() >= keys.size());
  for (size_t first = 0; first < keys.size(); first += kGroup) {
    const hls::FlowKey* const* key = keys.data() + first;
    uint32_t* slot = slots.data() + first;
    pipeline<1>(key, std::min(kGroup, keys.size() - first), [&](size_t i, uint64_t hash, uint32_t guess) {
      uint32_t entry = guess;
      if (guess == kNone || !holds(guess, *key[i])) [[unlikely]]
        entry = find_entry(*key[i], hash);
      slot[i] = entry == kNone ? kNone : entry & ~kTranslated;
    });
  }
}

}  // namespace phalanx
