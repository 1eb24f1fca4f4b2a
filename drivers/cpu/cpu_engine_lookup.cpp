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

// The pipeline of every lookup. Keys go through it in blocks of eight, as the hash takes them; each stage works on the
// block that entered some blocks before, by when what that one asked for has come:
//   0: hash, ask for the primary bucket
//   2: compare tags, ask for the record, or for the alternate bucket if only that may have the key
//   3: compare tags there, ask for the record
//   5: finish(i, hash, guess), in order
// The index doesn't change meanwhile. Distances are measured: more put more lines in flight than the core has buffers
// for.
template <size_t kRecordLines, typename Finish>
void CpuEngine::pipeline(const hls::FlowKey* const* keys, size_t count, Finish&& finish) const {
  constexpr size_t kBlock = 8;
  constexpr size_t kTagsAfter = 2, kElsewhereAfter = 3, kFinishAfter = 5;
  std::array<uint64_t, kGroup> hashes;
  std::array<uint32_t, kGroup> guesses;
  std::array<uint8_t, kGroup / kBlock> elsewhere;  // bit i: the block's key i
  const auto ask_for_record = [&](uint32_t guess) {
    if (guess == kNone) return;
    const char* line = reinterpret_cast<const char*>(store_.address(guess & ~kTranslated));
    __builtin_prefetch(line, 1, 3);
    if (kRecordLines == 2) __builtin_prefetch(line + 64, 1, 3);
  };
  const size_t blocks = (count + kBlock - 1) / kBlock;
  for (size_t step = 0; step < blocks + kFinishAfter; ++step) {
    if (step < blocks) {
      const size_t begin = step * kBlock, end = std::min(begin + kBlock, count);
      hash_keys_(keys + begin, end - begin, config_.hash_seed, hashes.data() + begin);
      for (size_t i = begin; i < end; ++i) index_.prefetch(hashes[i]);
    }
    if (const size_t block = step - kTagsAfter; block < blocks) {
      const size_t begin = block * kBlock, end = std::min(begin + kBlock, count);
      uint32_t late = 0;
      for (size_t i = begin; i < end; ++i) {
        bool is_late = false;
        guesses[i] = index_.guess(hashes[i], is_late);
        late |= static_cast<uint32_t>(is_late) << (i - begin);
        ask_for_record(guesses[i]);
      }
      elsewhere[block] = static_cast<uint8_t>(late);
    }
    if (const size_t block = step - kElsewhereAfter; block < blocks) {
      for (uint32_t late = elsewhere[block]; late != 0; late &= late - 1) {
        const size_t i = block * kBlock + static_cast<size_t>(std::countr_zero(late));
        guesses[i] = index_.guess_elsewhere(hashes[i]);
        ask_for_record(guesses[i]);
      }
    }
    if (const size_t block = step - kFinishAfter; block < blocks) {
      const size_t begin = block * kBlock, end = std::min(begin + kBlock, count);
      for (size_t i = begin; i < end; ++i) finish(i, hashes[i], guesses[i]);
    }
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

void CpuEngine::look_up_one(const abi::Operation& operation, uint64_t hash, uint32_t guess,
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
