#include "drivers/cpu/cuckoo_index.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "absl/status/status.h"

namespace phalanx {

absl::StatusOr<CuckooIndex> CuckooIndex::create(uint64_t entries) {
  const uint64_t places = (entries * 16 + 14) / 15;
  const uint64_t count = std::max<uint64_t>((places + kWays - 1) / kWays, 2);
  if (count > 0x7fffffff) return absl::InvalidArgumentError("more index entries than 32-bit bucket numbers reach");
  auto memory = HugeMemory::map(count * sizeof(Bucket), HugeMemory::Touch::kNow);
  if (!memory.ok()) return memory.status();
  return CuckooIndex(*std::move(memory), static_cast<uint32_t>(count));
}

bool CuckooIndex::insert(uint64_t hash, uint32_t value) {
  if (place(hash, value) || search_and_place(hash, value)) return true;
  if (stashed_ == kStashMax) return false;
  stash_[stashed_++] = {hash, value};
  ++buckets_[primary(hash)].displaced;
  return true;
}

void CuckooIndex::erase(uint64_t hash, uint32_t value) {
  const uint32_t home = primary(hash);
  const uint16_t t = tag(hash);
  if (!remove(home, t, value) && !remove(alternate(home, t), t, value)) {
    auto* end = stash_.data() + stashed_;
    auto* found =
        std::find_if(stash_.data(), end, [&](const Stashed& s) { return s.hash == hash && s.value == value; });
    assert(found != end && "erased an entry that isn't there");
    if (found == end) return;
    *found = stash_[--stashed_];
    --buckets_[home].displaced;
  }
  if (stashed_ != 0) [[unlikely]]
    unstash();
}

void CuckooIndex::clear() {
  std::memset(memory_.data(), 0, memory_.bytes());
  stashed_ = 0;
}

// Into a free place of the two buckets of `hash`, the primary one first.
bool CuckooIndex::place(uint64_t hash, uint32_t value) {
  const uint32_t home = primary(hash);
  const uint16_t t = tag(hash);
  if (const uint32_t free = matches(buckets_[home], 0); free != 0) {
    put(home, static_cast<uint32_t>(std::countr_zero(free)), t, value, false);
    return true;
  }
  const uint32_t other = alternate(home, t);
  const uint32_t free = matches(buckets_[other], 0);
  if (free == 0 || other == home) return false;
  put(other, static_cast<uint32_t>(std::countr_zero(free)), t, value, true);
  ++buckets_[home].displaced;
  return true;
}

// Breadth first from both buckets to the nearest one with a free place, then every entry on the way moves one step, the
// last first, so that each is in the index at all times.
bool CuckooIndex::search_and_place(uint64_t hash, uint32_t value) {
  std::array<Node, kSearchMax> nodes;
  const uint32_t home = primary(hash);
  nodes[0] = {home, 0, 0};
  nodes[1] = {alternate(home, tag(hash)), 0, 0};
  uint32_t count = 2;
  for (uint32_t at = 0; at < count; ++at) {
    const uint32_t from = nodes[at].bucket;
    for (uint32_t way = 0; way < kWays; ++way) {
      const uint32_t to = alternate(from, buckets_[from].tags[way]);
      const uint32_t free = matches(buckets_[to], 0);
      if (free == 0) {
        if (count < kSearchMax) nodes[count++] = {to, static_cast<uint16_t>(at), static_cast<uint8_t>(way)};
        continue;
      }
      move(from, way, to, static_cast<uint32_t>(std::countr_zero(free)));
      uint32_t hole = way;
      for (uint32_t node = at; node > 1; node = nodes[node].parent) {
        const uint32_t parent = nodes[nodes[node].parent].bucket;
        move(parent, nodes[node].way, nodes[node].bucket, hole);
        hole = nodes[node].way;
      }
      return place(hash, value);
    }
  }
  return false;
}

void CuckooIndex::put(uint32_t bucket, uint32_t way, uint16_t tag, uint32_t value, bool away) {
  Bucket& b = buckets_[bucket];
  assert(b.tags[way] == 0);
  b.values[way] = value;
  b.tags[way] = tag;
  b.away = static_cast<uint8_t>((b.away & ~(1u << way)) | static_cast<uint32_t>(away) << way);
}

void CuckooIndex::move(uint32_t from, uint32_t from_way, uint32_t to, uint32_t to_way) {
  Bucket& source = buckets_[from];
  const bool was_away = (source.away >> from_way & 1) != 0;
  put(to, to_way, source.tags[from_way], source.values[from_way], !was_away);
  source.tags[from_way] = 0;
  if (was_away) {
    --buckets_[to].displaced;
  } else {
    ++source.displaced;
  }
  ++moves_;
}

bool CuckooIndex::remove(uint32_t bucket, uint16_t tag, uint32_t value) {
  Bucket& b = buckets_[bucket];
  for (uint32_t m = matches(b, tag); m != 0; m &= m - 1) {
    const int way = std::countr_zero(m);
    if (b.values[way] != value) continue;
    b.tags[way] = 0;
    if ((b.away >> way & 1) != 0) --buckets_[alternate(bucket, tag)].displaced;
    return true;
  }
  return false;
}

// A place has become free: entries of the stash that can have it take it.
void CuckooIndex::unstash() {
  for (uint32_t i = 0; i < stashed_;) {
    const Stashed entry = stash_[i];
    if (!place(entry.hash, entry.value)) {
      ++i;
      continue;
    }
    --buckets_[primary(entry.hash)].displaced;
    stash_[i] = stash_[--stashed_];
  }
}

}  // namespace phalanx
