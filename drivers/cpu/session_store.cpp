#include "drivers/cpu/session_store.hpp"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace phalanx {

absl::StatusOr<SessionStore> SessionStore::create(uint64_t slots) {
  if (slots == 0 || slots > kSlotsMax) {
    return absl::InvalidArgumentError(absl::StrCat("sessions_max is ", slots, ", must be 1 to ", kSlotsMax));
  }
  auto records = HugeMemory::map(slots * sizeof(hls::Session), HugeMemory::Touch::kNow);
  if (!records.ok()) return records.status();
  auto log = HugeMemory::map(slots * sizeof(uint32_t), HugeMemory::Touch::kNow);
  if (!log.ok()) return log.status();
  auto wides = HugeMemory::map(slots * sizeof(WidePlace), HugeMemory::Touch::kOnUse);
  if (!wides.ok()) return wides.status();
  return SessionStore(*std::move(records), *std::move(log), *std::move(wides), slots);
}

SessionStore::SessionStore(HugeMemory records, HugeMemory log, HugeMemory wides, uint64_t capacity)
    : record_memory_(std::move(records)),
      log_memory_(std::move(log)),
      wide_memory_(std::move(wides)),
      records_(static_cast<hls::Session*>(record_memory_.data())),
      log_(static_cast<uint32_t*>(log_memory_.data())),
      wides_(static_cast<WidePlace*>(wide_memory_.data())),
      capacity_(capacity) {}

uint32_t SessionStore::allocate() {
  if (free_ != kNone) {
    const uint32_t slot = free_;
    free_ = records_[slot].last_seen;
    return slot;
  }
  return used_end_ < capacity_ ? used_end_++ : kNone;
}

uint32_t SessionStore::expect(uint32_t ahead) const {
  if (free_ != kNone) return free_;
  return used_end_ + uint64_t{ahead} < capacity_ ? used_end_ + ahead : kNone;
}

void SessionStore::release(uint32_t slot) {
  hls::Session& session = (*this)[slot];
  assert(session.state != hls::kStateFree);
  session.state = hls::kStateFree;
  if ((session.flags & hls::kDirty) != 0) return;
  session.flags = 0;
  session.last_seen = free_;  // a free record's last_seen is the next free slot
  free_ = slot;
}

uint32_t SessionStore::allocate_wide(const hls::WideNat& wide) {
  uint32_t index = wide_free_;
  if (index != kNone) {
    wide_free_ = wides_[index].next;
  } else if (wide_used_end_ < capacity_) {
    index = wide_used_end_++;
  } else {
    return kNone;
  }
  wides_[index].wide = wide;
  return index;
}

void SessionStore::release_wide(uint32_t index) {
  assert(index < wide_used_end_);
  wides_[index].next = wide_free_;
  wide_free_ = index;
}

bool SessionStore::log_change(uint32_t slot) {
  hls::Session& session = (*this)[slot];
  if ((session.flags & hls::kDirty) != 0) return false;
  assert(logged_ < capacity_ && "a slot is in the log at most once");
  session.flags |= hls::kDirty;
  uint64_t at = log_head_ + logged_;
  if (at >= capacity_) at -= capacity_;
  log_[at] = slot;
  ++logged_;
  return true;
}

uint32_t SessionStore::take_change() {
  while (logged_ != 0) {
    const uint32_t slot = log_[log_head_];
    if (++log_head_ == capacity_) log_head_ = 0;
    --logged_;
    hls::Session& session = records_[slot];
    assert((session.flags & hls::kDirty) != 0);
    session.flags = static_cast<uint8_t>(session.flags & ~hls::kDirty);
    if (session.state != hls::kStateFree) return slot;
    session.flags = 0;
    session.last_seen = free_;
    free_ = slot;
  }
  return kNone;
}

void SessionStore::prefetch_change(uint64_t ahead) const {
  if (ahead >= logged_) return;
  uint64_t at = log_head_ + ahead;
  if (at >= capacity_) at -= capacity_;
  const char* line = reinterpret_cast<const char*>(records_ + log_[at]);
  __builtin_prefetch(line, 1, 3);
  __builtin_prefetch(line + 64, 0, 3);
}

void SessionStore::clear() {
  // Slots never used need not be free to look at: no one looks beyond used_end().
  used_end_ = wide_used_end_ = 0;
  free_ = wide_free_ = kNone;
  log_head_ = logged_ = 0;
}

uint64_t SessionStore::memory_bytes() const {
  return record_memory_.bytes() + log_memory_.bytes() + wide_used_end_ * sizeof(WidePlace);
}

}  // namespace phalanx
