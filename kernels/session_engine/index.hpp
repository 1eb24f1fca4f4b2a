// The cuckoo index of the card's table: two arrays of buckets, eight entries each, and a stash.
//
// An entry's place in one array follows from its place in the other and its tag, so entries move without their keys
// (partial-key cuckoo hashing: Fan et al., "MemC3", NSDI 2013).
#ifndef PHALANX_KERNELS_SESSION_ENGINE_INDEX_HPP
#define PHALANX_KERNELS_SESSION_ENGINE_INDEX_HPP

#include "kernels/session_engine/table.hpp"

namespace phalanx {
namespace session_engine {

using abi::Bucket;

const uint32_t kWays = abi::kBucketEntries;

// Maps 32 bits evenly onto the buckets, whose number is no power of two (Lemire, "Fast random integer generation").
inline uint32_t reduce(uint32_t x, uint64_t buckets) { return static_cast<uint32_t>(x * buckets >> 32); }
inline uint32_t first_bucket(uint64_t hash, uint64_t buckets) {
  return reduce(static_cast<uint32_t>(hash >> 32), buckets);
}
// The place in the other array: (offset of the tag - place) mod buckets, its own inverse.
inline uint32_t other_bucket(uint32_t bucket, uint16_t tag, uint64_t buckets) {
  const uint32_t offset = reduce(tag * 0x9e3779b1u, buckets);
  return offset >= bucket ? offset - bucket : static_cast<uint32_t>(buckets - (bucket - offset));
}
inline uint32_t second_bucket(uint64_t hash, uint64_t buckets) {
  return other_bucket(first_bucket(hash, buckets), static_cast<uint16_t>(hash), buckets);
}

inline bool entry_translated(uint64_t entry) { return (entry & abi::kEntryTranslated) != 0; }

// Bit i: entry i has the tag of `hash`.
inline uint32_t tag_matches(const Bucket& bucket, uint64_t hash) {
  uint32_t mask = 0;
  for (uint32_t i = 0; i < kWays; ++i) {
#pragma HLS unroll
    const bool match = bucket.word[i] != 0 && abi::entry_tag(bucket.word[i]) == static_cast<uint16_t>(hash);
    mask |= (match ? 1u : 0u) << i;
  }
  return mask;
}

// The first free way, kWays if there is none.
inline uint32_t free_way(const Bucket& bucket) {
  uint32_t way = kWays;
  for (uint32_t i = kWays; i > 0; --i) {
#pragma HLS unroll
    if (bucket.word[i - 1] == 0) way = i - 1;
  }
  return way;
}

// The two buckets of `hash`, both at once.
struct TwoBuckets {
  Bucket first;
  Bucket second;
};
inline TwoBuckets both_buckets(uint64_t hash, uint64_t buckets, const Held& held, const Bucket* buckets_first,
                               const Bucket* buckets_second) {
  const uint32_t home = first_bucket(hash, buckets);
  const uint32_t other = second_bucket(hash, buckets);
  if (!holds_bucket(held, false, home) || !holds_bucket(held, true, other)) PHALANX_MEMORY_WAIT();
  const TwoBuckets two = {bucket_line(held, false, home, buckets_first, buckets_second),
                          bucket_line(held, true, other, buckets_first, buckets_second)};
  return two;
}

// Not inlined, as write_record(): what reads the bucket next comes after.
inline void write_entry(bool second, uint32_t at, uint32_t way, uint64_t entry, Held& held, Bucket* buckets_first,
                        Bucket* buckets_second) {
#pragma HLS inline off
  PHALANX_STEP(1);
  Bucket bucket = bucket_line(held, second, at, buckets_first, buckets_second);
  bucket.word[way & (kWays - 1)] = entry == 0 ? 0 : second ? entry & ~abi::kEntryHome : entry | abi::kEntryHome;
  put_bucket(held, second, at, bucket, buckets_first, buckets_second);
}

// What find() found.
struct Found {
  bool exists;
  bool translated;  // the key is the session's translated one
  uint32_t slot;
  Stored stored;
};

// Whether the session of an entry has `key` as what the entry says; if so, it goes to `found`. An entry that leads
// nowhere is impossible: counted and passed by.
inline void compare_entry(const hls::FlowKey& key, uint64_t entry, Found& found, PHALANX_TABLE_PARAMETERS) {
  (void)buckets_first, (void)buckets_second, (void)session_a_out, (void)session_b_out;
  (void)change_log, (void)free_slot;
  const uint32_t slot = abi::entry_slot(entry);
  if (found.exists) return;
  if (slot >= state.used_end) {
    ++state.impossible;
    return;
  }
  PHALANX_STEP(kCompareCycles);
  const Stored stored = read_record(slot, held, session_a, session_b, wide);
  if (!linked(stored.session.state) || !well_formed(stored.session)) {
    ++state.impossible;
    return;
  }
  const hls::FlowKey own =
      entry_translated(entry) ? hls::translated_key_at_once(stored.session, stored.wide).key : stored.session.key;
  if (!hls::same_key(own, key)) return;
  found.exists = true;
  found.translated = entry_translated(entry);
  found.slot = slot;
  found.stored = stored;
}

// The session that has `key`, as its own or its translated one.
inline Found find(const hls::FlowKey& key, uint64_t hash, PHALANX_TABLE_PARAMETERS) {
#pragma HLS inline off
  Found found = {};
  const TwoBuckets two = both_buckets(hash, state.buckets, held, buckets_first, buckets_second);
  const Bucket first = two.first;
  const Bucket second = two.second;
  PHALANX_STEP(kFindCycles);
  const uint32_t mask = tag_matches(first, hash) | tag_matches(second, hash) << kWays;
  for (uint32_t i = 0; i < 2 * kWays; ++i) {
    if ((mask >> i & 1) == 0) continue;
    compare_entry(key, i < kWays ? first.word[i] : second.word[i - kWays], found, PHALANX_TABLE);
  }
  for (uint32_t i = 0; i < abi::kStashEntries; ++i) {
    if (i < state.stashed && state.stash[i].hash == hash) {
      compare_entry(key, state.stash[i].entry, found, PHALANX_TABLE);
    }
  }
  return found;
}

// Into a free place of the two buckets of `hash`, the first array's before the second's.
inline bool place_entry(uint64_t hash, uint64_t entry, const abi::TableState& state, Held& held, Bucket* buckets_first,
                        Bucket* buckets_second) {
#pragma HLS inline off
  const uint32_t home = first_bucket(hash, state.buckets);
  const uint32_t other = second_bucket(hash, state.buckets);
  const TwoBuckets two = both_buckets(hash, state.buckets, held, buckets_first, buckets_second);
  PHALANX_STEP(kPlaceCycles);
  const uint32_t home_way = free_way(two.first);
  const uint32_t other_way = free_way(two.second);
  if (home_way != kWays) {
    write_entry(false, home, home_way, entry, held, buckets_first, buckets_second);
  } else if (other_way != kWays) {
    write_entry(true, other, other_way, entry, held, buckets_first, buckets_second);
  }
  return home_way != kWays || other_way != kWays;
}

// A bucket that a search has reached: by moving entry `way` of node `parent`.
struct Node {
  uint32_t bucket;
  uint16_t parent;
  uint8_t way;
  uint8_t second;
};

// Moves an entry to the free way `to_way` of its other bucket `to`: copied first, then cleared, so that it is in the
// index all the time. False, and nothing moved, if it is not what belongs there.
inline bool move_entry(const Node& from, uint32_t way, uint32_t to, uint32_t to_way, abi::TableState& state, Held& held,
                       Bucket* buckets_first, Bucket* buckets_second) {
#pragma HLS inline off
  const bool second = from.second != 0;
  PHALANX_MEMORY_WAIT();
  const uint64_t entry = bucket_line(held, second, from.bucket, buckets_first, buckets_second).word[way & (kWays - 1)];
  const uint64_t there = bucket_line(held, !second, to, buckets_first, buckets_second).word[to_way & (kWays - 1)];
  if (entry == 0 || there != 0 || other_bucket(from.bucket, abi::entry_tag(entry), state.buckets) != to) {
    ++state.impossible;
    return false;
  }
  write_entry(!second, to, to_way, entry, held, buckets_first, buckets_second);
  write_entry(second, from.bucket, way, 0, held, buckets_first, buckets_second);
  ++state.moves;
  return true;
}

// Makes a place free in one of the two buckets of `hash`: breadth first to the nearest bucket that has one, then every
// entry on the way moves one step, the last first. False if there is none within the bounded search.
inline bool make_place(uint64_t hash, abi::TableState& state, Held& held, Bucket* buckets_first,
                       Bucket* buckets_second) {
#pragma HLS inline off
  Node nodes[kSearchNodes];
  const Node home = {first_bucket(hash, state.buckets), 0, 0, 0};
  const Node other = {second_bucket(hash, state.buckets), 0, 0, 1};
  nodes[0] = home;
  nodes[1] = other;
  uint32_t count = 2;
  uint32_t at = 0, way = 0, to = 0, to_way = kWays;
  for (uint32_t n = 0; n < kSearchNodes && n < count && to_way == kWays; ++n) {
    const Node node = nodes[n];
    PHALANX_MEMORY_WAIT();
    const Bucket bucket = bucket_line(held, node.second != 0, node.bucket, buckets_first, buckets_second);
    PHALANX_MEMORY_WAIT();
    for (uint32_t w = 0; w < kWays; ++w) {
#pragma HLS pipeline II = 1
      PHALANX_STEP(1);
      const uint32_t next = other_bucket(node.bucket, abi::entry_tag(bucket.word[w]), state.buckets);
      const uint32_t free = free_way(bucket_line(held, node.second == 0, next, buckets_first, buckets_second));
      if (free != kWays && to_way == kWays) {
        at = n;
        way = w;
        to = next;
        to_way = free;
      }
      if (count < kSearchNodes) {
        const Node child = {next, static_cast<uint16_t>(n), static_cast<uint8_t>(w),
                            static_cast<uint8_t>(node.second ^ 1)};
        nodes[count++] = child;
      }
    }
  }
  if (to_way == kWays) return false;
  for (uint32_t m = 0; m < kMovesMax; ++m) {
    if (!move_entry(nodes[at], way, to, to_way, state, held, buckets_first, buckets_second)) return false;
    if (at < 2) return true;
    to = nodes[at].bucket;
    to_way = way;
    way = nodes[at].way;
    at = nodes[at].parent;
  }
  return false;
}

// Enters a session under `hash`. False, and nothing lost or entered, if there is no place within the bounded search and
// the stash.
inline bool insert_entry(uint64_t hash, uint32_t slot, bool translated, abi::TableState& state, Held& held,
                         Bucket* buckets_first, Bucket* buckets_second) {
#pragma HLS inline off
  const uint64_t entry = abi::make_entry(hash, slot, translated);
  if (place_entry(hash, entry, state, held, buckets_first, buckets_second)) return true;
  if (make_place(hash, state, held, buckets_first, buckets_second) &&
      place_entry(hash, entry, state, held, buckets_first, buckets_second)) {
    return true;
  }
  if (state.stashed >= abi::kStashEntries) return false;
  state.stash[state.stashed].hash = hash;
  state.stash[state.stashed].entry = entry;
  ++state.stashed;
  return true;
}

inline void drop_stash_entry(uint32_t at, abi::TableState& state) {
  const uint32_t last = static_cast<uint32_t>(--state.stashed);
  state.stash[at] = state.stash[last & (abi::kStashEntries - 1)];
  state.stash[last & (abi::kStashEntries - 1)].hash = 0;
  state.stash[last & (abi::kStashEntries - 1)].entry = 0;
}

// A place has become free: entries of the stash that can have it take it. From the last to the first, so that what
// fills a gap has been tried.
inline void unstash(abi::TableState& state, Held& held, Bucket* buckets_first, Bucket* buckets_second) {
  for (uint32_t i = abi::kStashEntries; i > 0; --i) {
    if (i > state.stashed) continue;
    const abi::StashEntry one = state.stash[i - 1];
    if (place_entry(one.hash, one.entry, state, held, buckets_first, buckets_second)) drop_stash_entry(i - 1, state);
  }
}

// Takes out a session's entry under `hash`. That it isn't there is impossible, and counted.
inline void erase_entry(uint64_t hash, uint32_t slot, bool translated, abi::TableState& state, Held& held,
                        Bucket* buckets_first, Bucket* buckets_second) {
#pragma HLS inline off
  const uint64_t entry = abi::make_entry(hash, slot, translated);
  const uint32_t home = first_bucket(hash, state.buckets);
  const uint32_t other = second_bucket(hash, state.buckets);
  const TwoBuckets two = both_buckets(hash, state.buckets, held, buckets_first, buckets_second);
  const Bucket first = two.first;
  const Bucket second = two.second;
  PHALANX_STEP(kPlaceCycles);
  uint32_t at = 2 * kWays;
  for (uint32_t i = 0; i < 2 * kWays; ++i) {
#pragma HLS unroll
    const uint64_t one = i < kWays ? first.word[i & (kWays - 1)] : second.word[i & (kWays - 1)];
    if ((one & ~abi::kEntryHome) == entry) at = i;
  }
  if (at < 2 * kWays) {
    write_entry(at >= kWays, at < kWays ? home : other, at & (kWays - 1), 0, held, buckets_first, buckets_second);
    if (state.stashed != 0) unstash(state, held, buckets_first, buckets_second);
    return;
  }
  for (uint32_t i = 0; i < abi::kStashEntries; ++i) {
    if (i < state.stashed && state.stash[i].hash == hash && state.stash[i].entry == entry) {
      drop_stash_entry(i, state);
      return;
    }
  }
  ++state.impossible;
}

}  // namespace session_engine
}  // namespace phalanx

#endif
