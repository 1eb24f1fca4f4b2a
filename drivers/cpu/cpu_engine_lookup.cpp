// LOOKUP and the bare bulk lookup: bursts whose cache misses overlap.
#include <algorithm>

#include "drivers/cpu/cpu_engine.hpp"
#include "drivers/cpu/half_open.hpp"
#include "hls/nat.hpp"
#include "hls/track.hpp"

namespace phalanx {
namespace {

using abi::Result;

constexpr hls::WideNat kNoWide = {0, 0, 0, 0};

void prefetch_record(const hls::Session* session) {
  const char* line = reinterpret_cast<const char*>(session);
  __builtin_prefetch(line, 1, 3);
  __builtin_prefetch(line + 64, 1, 3);
}

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

// Lookups [begin, end) of the group. The index stays as it is meanwhile, so that candidates can be found for all of
// them before the first packet is applied; the packets are applied in order.
void CpuEngine::look_up(const Group& group, size_t begin, size_t end) {
  std::array<uint32_t, kGroup> guesses;
  std::array<uint8_t, kGroup> late;
  size_t late_count = 0;
  for (size_t i = begin; i < end; ++i) {
    bool elsewhere = false;
    guesses[i] = index_.guess(group.hashes[i], elsewhere);
    if (guesses[i] != kNone) prefetch_record(store_.address(guesses[i] & ~kTranslated));
    late[late_count] = static_cast<uint8_t>(i);
    late_count += elsewhere ? 1 : 0;
  }
  for (size_t k = 0; k < late_count; ++k) {
    const size_t i = late[k];
    guesses[i] = index_.guess_elsewhere(group.hashes[i]);
    if (guesses[i] != kNone) prefetch_record(store_.address(guesses[i] & ~kTranslated));
  }
  for (size_t i = begin; i < end; ++i) {
    look_up_one(group.operation(i), group.hashes[i], guesses[i], group.completion(i));
  }
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
  std::array<uint64_t, kGroup> hashes;
  std::array<uint8_t, kGroup> late;
  for (size_t first = 0; first < keys.size(); first += kGroup) {
    const size_t count = std::min(kGroup, keys.size() - first);
    const hls::FlowKey* const* key = keys.data() + first;
    uint32_t* slot = slots.data() + first;
    hash_keys_(key, count, config_.hash_seed, hashes.data());
    for (size_t i = 0; i < count; ++i) index_.prefetch(hashes[i]);
    size_t late_count = 0;
    for (size_t i = 0; i < count; ++i) {
      bool elsewhere = false;
      slot[i] = index_.guess(hashes[i], elsewhere);
      if (slot[i] != kNone) __builtin_prefetch(store_.address(slot[i] & ~kTranslated), 0, 3);
      late[late_count] = static_cast<uint8_t>(i);
      late_count += elsewhere ? 1 : 0;
    }
    for (size_t k = 0; k < late_count; ++k) {
      slot[late[k]] = index_.guess_elsewhere(hashes[late[k]]);
      if (slot[late[k]] != kNone) __builtin_prefetch(store_.address(slot[late[k]] & ~kTranslated), 0, 3);
    }
    for (size_t i = 0; i < count; ++i) {
      if (slot[i] == kNone || !holds(slot[i], *key[i])) [[unlikely]]
        slot[i] = find_entry(*key[i], hashes[i]);
      if (slot[i] != kNone) slot[i] &= ~kTranslated;
    }
  }
}

}  // namespace phalanx
