#include "host/sync/pending_updates.hpp"

#include <algorithm>
#include <cassert>

namespace phalanx::sync {

namespace {

size_t hash_key(const hls::FlowKey& key) {
  uint64_t x = key.a_hi ^ (key.a_lo * 0x9e3779b97f4a7c15ull);
  x = (x ^ x >> 29 ^ key.b_lo) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ x >> 32 ^ key.b_hi ^ key.tail) * 0x94d049bb133111ebull;
  return x >> 32;
}

}  // namespace

PendingUpdates::PendingUpdates() : records_(kPendingMax) {
  index_.fill(kNone);
  clear();
}

void PendingUpdates::clear() {
  for (size_t i = 0; i < count_; ++i) index_[used_slots_[i]] = kNone;
  count_ = 0;
  oldest_update_ns_ = oldest_delete_ns_ = INT64_MAX;
}

PendingUpdates::Added PendingUpdates::add(const abi::Record& record, int64_t now_ns) {
  assert(!full());
  size_t slot = hash_key(record.session.key) % kIndexSlots;
  while (index_[slot] != kNone && !hls::same_key(records_[index_[slot]].session.key, record.session.key)) {
    slot = (slot + 1) % kIndexSlots;
  }
  const bool known = index_[slot] != kNone;
  if (known) {
    abi::Record& waiting = records_[index_[slot]];
    if (!hls::newer(record.session.order, waiting.session.order)) return Added::kStale;
    waiting = record;
  } else {
    index_[slot] = static_cast<uint16_t>(count_);
    used_slots_[count_] = static_cast<uint16_t>(slot);
    records_[count_++] = record;
  }
  int64_t& oldest = record.session.state == hls::kStateDeleted ? oldest_delete_ns_ : oldest_update_ns_;
  oldest = std::min(oldest, now_ns);
  return known ? Added::kReplaced : Added::kNew;
}

}  // namespace phalanx::sync
