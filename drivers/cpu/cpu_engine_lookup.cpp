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

// The pipeline of every lookup. Keys go through it in blocks; each stage works on the block that entered some steps
// before, by when what that one asked for has come:
//   at once: hash, ask for the primary bucket
//   kTagsAfter: compare tags, ask for the record, or for the alternate bucket if only that may have the key
//   kRestAfter: compare tags there; ask for the rest of each record, whose page is known by now
//   kFinishAfter: finish(i, hash, guess), in order
// The index doesn't change meanwhile. Requests in blocks of four keep several page walks going at once and still mix
// with the work of finish(), which they overlap; fewer or more, nearer or farther were slower at every size of table
// measured.
template <size_t kRecordLines, typename Finish>
void CpuEngine::pipeline(const hls::FlowKey* const* keys, size_t count, Finish&& finish) const {
  constexpr size_t kBlock = 4;
  constexpr size_t kHashed = 2 * kBlock;  // keys hashed together, as many as the hash has lanes
  constexpr size_t kTagsAfter = 2, kRestAfter = 3, kFinishAfter = 4;
  std::array<uint64_t, kGroup> hashes;
  std::array<uint32_t, kGroup> guesses;
  std::array<bool, kGroup> elsewhere;
  const auto ask_for_line = [&](uint32_t guess, size_t line) {
    if (guess == kNone) return;
    __builtin_prefetch(reinterpret_cast<const char*>(store_.address(guess & ~kTranslated)) + 64 * line, 1, 3);
  };
  const size_t blocks = (count + kBlock - 1) / kBlock;
  for (size_t step = 0; step < blocks + kFinishAfter; ++step) {
    // Calls stage(i) for the keys of the block that entered `ago` steps ago.
    const auto for_block = [&](size_t ago, auto&& stage) __attribute__((always_inline)) {
      if (step - ago >= blocks) return;  // not yet, or no more
      const size_t begin = (step - ago) * kBlock, end = std::min(begin + kBlock, count);
      for (size_t i = begin; i < end; ++i) stage(i);
    };
    const size_t entered = step * kBlock;
    if (entered % kHashed == 0 && entered < count) {
      hash_keys_(keys + entered, std::min(kHashed, count - entered), config_.hash_seed, hashes.data() + entered);
    }
    for_block(0, [&](size_t i) { index_.prefetch(hashes[i]); });
    for_block(kTagsAfter, [&](size_t i) {
      guesses[i] = index_.guess(hashes[i], elsewhere[i]);
      ask_for_line(guesses[i], 0);
    });
    for_block(kRestAfter, [&](size_t i) {
      if (elsewhere[i]) [[unlikely]] {
        guesses[i] = index_.guess_elsewhere(hashes[i]);
        ask_for_line(guesses[i], 0);
      }
      if (kRecordLines == 2) ask_for_line(guesses[i], 1);
    });
    for_block(kFinishAfter, [&](size_t i) { finish(i, hashes[i], guesses[i]); });
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
