// From a key's hash to the slots that may hold it: bucketized cuckoo hashing with partial keys.
//
// A bucket is one cache line of 8 entries, each a 16-bit tag and a 32-bit value. An entry lies in its primary bucket,
// which the hash's upper half gives, or in the alternate one, which follows from either bucket and the tag alone, so
// that entries move without their keys (Fan et al., "MemC3", NSDI 2013; breadth-first search: Li et al., EuroSys 2014).
// Each bucket counts the entries that belong in it and lie elsewhere: while there are none, a lookup that finds nothing
// has read one line.
#ifndef PHALANX_DRIVERS_CPU_CUCKOO_INDEX_HPP
#define PHALANX_DRIVERS_CPU_CUCKOO_INDEX_HPP

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <array>
#include <bit>
#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "drivers/cpu/huge_memory.hpp"

namespace phalanx {

class CuckooIndex {
 public:
  static constexpr uint32_t kNone = 0xffffffff;
  static constexpr uint32_t kWays = 8;
  // Buckets an insertion may look at: 2 roots, 16 children, 128 grandchildren and half as many again. At a load of
  // 15/16 two of five buckets have a free place, so a search that long fails once in 10^40.
  static constexpr uint32_t kSearchMax = 256;
  // Entries that found no place wait here; more than a handful only come with crafted keys, which the hash's seed
  // prevents.
  static constexpr uint32_t kStashMax = 16;

  // Room for `entries` at a load of 15/16 or less.
  static absl::StatusOr<CuckooIndex> create(uint64_t entries);

  void prefetch(uint64_t hash) const { __builtin_prefetch(&buckets_[primary(hash)], 0, 3); }

  // The value of an entry under `hash` for which same(value) holds, or kNone.
  template <typename Same>
  uint32_t find(uint64_t hash, Same&& same) const {
    const uint32_t home = primary(hash);
    const Bucket& bucket = buckets_[home];
    for (uint32_t m = matches(bucket, tag(hash)); m != 0; m &= m - 1) {
      const uint32_t value = bucket.values[std::countr_zero(m)];
      if (same(value)) return value;
    }
    if (bucket.displaced == 0) [[likely]]
      return kNone;
    return find_displaced(hash, home, same);
  }

  // For pipelines: the first entry that may be it in the primary bucket, kNone if there is none. In that case
  // `elsewhere` says whether the alternate bucket may have it, and that bucket is on its way to the cache.
  uint32_t guess(uint64_t hash, bool& elsewhere) const {
    const uint32_t home = primary(hash);
    const Bucket& bucket = buckets_[home];
    const uint32_t m = matches(bucket, tag(hash));
    elsewhere = m == 0 && bucket.displaced != 0;
    if (elsewhere) __builtin_prefetch(&buckets_[alternate(home, tag(hash))], 0, 3);
    return m == 0 ? kNone : bucket.values[std::countr_zero(m)];
  }
  // The same in the alternate bucket.
  uint32_t guess_elsewhere(uint64_t hash) const {
    const Bucket& bucket = buckets_[alternate(primary(hash), tag(hash))];
    const uint32_t m = matches(bucket, tag(hash));
    return m == 0 ? kNone : bucket.values[std::countr_zero(m)];
  }

  // Enters `value` under `hash`, moving others to their other bucket if need be. False if there is no place within the
  // bounded search and the stash: then nothing has changed.
  bool insert(uint64_t hash, uint32_t value);
  // Takes out the entry (`hash`, `value`), which must be there.
  void erase(uint64_t hash, uint32_t value);
  void clear();

  uint64_t moves() const { return moves_; }
  uint32_t stashed() const { return stashed_; }
  uint64_t places() const { return uint64_t{count_} * kWays; }
  uint64_t memory_bytes() const { return memory_.bytes(); }

 private:
  struct alignas(64) Bucket {
    uint16_t tags[kWays];  // 0: free
    uint32_t values[kWays];
    uint32_t displaced;  // entries whose primary bucket this is and that lie elsewhere, the stash included
    uint8_t away;        // bit i: entry i lies here as its alternate
    uint8_t reserved[11];
  };
  static_assert(sizeof(Bucket) == 64, "one cache line");
  struct Stashed {
    uint64_t hash;
    uint32_t value;
  };
  // One step of a search: `bucket` was reached by moving entry `way` of node `parent`.
  struct Node {
    uint32_t bucket;
    uint16_t parent;
    uint8_t way;
  };

  CuckooIndex(HugeMemory memory, uint32_t count)
      : memory_(std::move(memory)), buckets_(static_cast<Bucket*>(memory_.data())), count_(count) {}

  static uint16_t tag(uint64_t hash) {
    const auto t = static_cast<uint16_t>(hash);
    return t == 0 ? uint16_t{1} : t;
  }
  // Maps 32 bits evenly onto the buckets, whose number is no power of two (Lemire, "Fast random integer generation").
  uint32_t reduce(uint32_t x) const { return static_cast<uint32_t>(uint64_t{x} * count_ >> 32); }
  uint32_t primary(uint64_t hash) const { return reduce(static_cast<uint32_t>(hash >> 32)); }
  // The other bucket of an entry: (offset of the tag - bucket) mod count, its own inverse.
  uint32_t alternate(uint32_t bucket, uint16_t tag) const {
    const uint32_t offset = reduce(tag * 0x9e3779b1u);
    return offset >= bucket ? offset - bucket : offset + (count_ - bucket);
  }

  // Bit i: tag i is `tag`.
  static uint32_t matches(const Bucket& bucket, uint16_t tag) {
#if defined(__SSE2__)
    const __m128i tags = _mm_load_si128(reinterpret_cast<const __m128i*>(bucket.tags));
    const __m128i equal = _mm_cmpeq_epi16(tags, _mm_set1_epi16(static_cast<int16_t>(tag)));
    return static_cast<uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128())));
#else
    uint32_t mask = 0;
    for (uint32_t i = 0; i < kWays; ++i) mask |= static_cast<uint32_t>(bucket.tags[i] == tag) << i;
    return mask;
#endif
  }

  template <typename Same>
  uint32_t find_displaced(uint64_t hash, uint32_t home, Same&& same) const {
    const Bucket& bucket = buckets_[alternate(home, tag(hash))];
    for (uint32_t m = matches(bucket, tag(hash)); m != 0; m &= m - 1) {
      const uint32_t value = bucket.values[std::countr_zero(m)];
      if (same(value)) return value;
    }
    for (uint32_t i = 0; i < stashed_; ++i) {
      if (stash_[i].hash == hash && same(stash_[i].value)) return stash_[i].value;
    }
    return kNone;
  }

  bool place(uint64_t hash, uint32_t value);
  bool search_and_place(uint64_t hash, uint32_t value);
  void put(uint32_t bucket, uint32_t way, uint16_t tag, uint32_t value, bool away);
  void move(uint32_t from, uint32_t from_way, uint32_t to, uint32_t to_way);
  bool remove(uint32_t bucket, uint16_t tag, uint32_t value);
  void unstash();

  HugeMemory memory_;
  Bucket* buckets_;  // in memory_
  uint32_t count_;
  uint32_t stashed_ = 0;
  uint64_t moves_ = 0;
  std::array<Stashed, kStashMax> stash_{};
};

}  // namespace phalanx

#endif
