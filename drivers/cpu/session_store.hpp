// Where session records live: slots, the side pool of long rewrites, and the log of what has changed.
#ifndef PHALANX_DRIVERS_CPU_SESSION_STORE_HPP
#define PHALANX_DRIVERS_CPU_SESSION_STORE_HPP

#include <cassert>
#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "drivers/cpu/huge_memory.hpp"
#include "hls/session.hpp"

namespace phalanx {

// Slots are given out from the list of freed ones, else from those never used; the list runs through the records
// themselves. The change log is a ring of as many places as there are slots, and a slot is in it at most once (its
// record's kDirty says so, even when the slot is otherwise free), so it cannot overflow.
class SessionStore {
 public:
  static constexpr uint32_t kNone = 0xffffffff;
  // 2^30: slot numbers leave two bits to whoever keeps them. 128 GiB of records.
  static constexpr uint64_t kSlotsMax = uint64_t{1} << 30;

  static absl::StatusOr<SessionStore> create(uint64_t slots);

  uint64_t capacity() const { return capacity_; }
  // Slots from here on have never been used.
  uint32_t used_end() const { return used_end_; }
  hls::Session& operator[](uint32_t slot) {
    assert(slot < capacity_);
    return records_[slot];
  }
  const hls::Session& operator[](uint32_t slot) const {
    assert(slot < capacity_);
    return records_[slot];
  }
  const hls::Session* address(uint32_t slot) const { return records_ + slot; }

  // A free slot, or kNone. The record is the caller's to write, all of it.
  uint32_t allocate();
  // The slot that the `ahead`th allocate() from now gives, as far as that is known cheaply; for prefetching.
  uint32_t expect(uint32_t ahead) const;
  // Frees a slot. If the change log has it, it becomes free when the log comes to it.
  void release(uint32_t slot);

  // The long rewrite of a session with kNatWide: its index in the pool, kNone if the pool is full.
  uint32_t allocate_wide(const hls::WideNat& wide);
  void release_wide(uint32_t index);
  void set_wide(uint32_t index, const hls::WideNat& wide) {
    assert(index < wide_used_end_);
    wides_[index].wide = wide;
  }
  const hls::WideNat& wide(uint32_t index) const {
    assert(index < wide_used_end_);
    return wides_[index].wide;
  }

  // Enters the slot into the change log unless it is there; true if it wasn't.
  bool log_change(uint32_t slot);
  // The oldest change's slot, its kDirty cleared; kNone at the end. Slots that were released meanwhile are freed and
  // skipped.
  uint32_t take_change();
  uint64_t changes() const { return logged_; }
  // Brings the record of the `ahead`th oldest change to the cache.
  void prefetch_change(uint64_t ahead) const;

  void clear();
  uint64_t memory_bytes() const;

 private:
  // A free place's `next` is the one freed before it.
  union WidePlace {
    hls::WideNat wide;
    uint32_t next;
  };

  SessionStore(HugeMemory records, HugeMemory log, HugeMemory wides, uint64_t capacity);

  HugeMemory record_memory_, log_memory_, wide_memory_;
  hls::Session* records_;
  uint32_t* log_;
  WidePlace* wides_;
  uint64_t capacity_;
  uint64_t log_head_ = 0;  // oldest change
  uint64_t logged_ = 0;
  uint32_t used_end_ = 0;
  uint32_t free_ = kNone;
  uint32_t wide_used_end_ = 0;
  uint32_t wide_free_ = kNone;
};

}  // namespace phalanx

#endif
