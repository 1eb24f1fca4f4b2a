// The session table in the card's memory. docs/card.md has the picture.
//
// A session in slot s is two lines, session_a[s] and session_b[s]: the halves of hls::Session, each array in banks of
// its own, so that a record is read or written in one cycle. Its long rewrite, if it has one, is wide[s], and its
// record's nat_source is s: read with the record, without a pointer to follow. Two arrays of buckets, one for each
// choice of the cuckoo index, also in banks of their own. Kernels own the table while they run; the host runs one at a
// time on one table, and writes nothing but the configuration words of the state between runs.
#ifndef PHALANX_KERNELS_ABI_TABLE_HPP
#define PHALANX_KERNELS_ABI_TABLE_HPP

#include "hls/session.hpp"
#include "kernels/abi/line.hpp"

namespace phalanx {
namespace abi {

// One line: four entries of 16 bytes would waste half; so eight of 8 bytes. An entry is
//   tag << 48 | home << 47 | translated << 46 | slot + 1   (0: free)
// tag: the hash's low 16 bits. home: whether it lies in its first choice. translated: stands for the session's
// translated key. A slot has 30 bits.
const uint32_t kBucketEntries = 8;
typedef Line Bucket;
const uint64_t kEntryHome = 1ull << 47;
const uint64_t kEntryTranslated = 1ull << 46;
const uint64_t kEntrySlotMask = (1ull << 32) - 1;
const uint32_t kEntryTagShift = 48;

inline uint16_t entry_tag(uint64_t entry) { return static_cast<uint16_t>(entry >> kEntryTagShift); }
inline uint32_t entry_slot(uint64_t entry) { return static_cast<uint32_t>(entry & kEntrySlotMask) - 1; }
inline uint64_t make_entry(uint64_t hash, uint32_t slot, bool translated) {
  return hash << kEntryTagShift | (translated ? kEntryTranslated : 0) | (static_cast<uint64_t>(slot) + 1);
}

// Entries that found no place; only crafted keys, which the seed prevents, bring more than a handful.
const uint32_t kStashEntries = 16;

struct StashEntry {
  uint64_t hash;
  uint64_t entry;  // 0: free
};

// What a table is and how it stands. The host writes the configuration while no kernel runs; everything else is the
// kernels', and zero in an empty table. A kernel loads it at its start and stores it at its end.
struct TableState {
  // configuration
  uint64_t abi_version;  // kAbiVersion: a kernel refuses another one by setting `error`
  uint64_t slots;        // at most 2^30
  uint64_t buckets;      // in each of the two arrays
  uint64_t hash_seed[2];
  uint64_t half_open_max;
  uint64_t tcp_pickup;      // 0 or 1
  uint64_t age_floor_ms;    // Accelerator::set_age_floor
  uint32_t timeout_ms[16];  // by state; hls::Timeouts
  // state
  uint64_t error;   // kTableError...: the run did nothing
  uint64_t now_ms;  // of session_engine's last run
  uint64_t generation;
  uint64_t used_end;       // slots from here on were never used
  uint64_t free_slots;     // in free_slot[]: a stack, so that slots are given out in the CPU engine's order
  uint64_t wide_used_end;  // session_engine keeps it equal to used_end: long rewrites lie at their sessions' slots
  uint64_t wide_free;      // in free_wide[]: a stack; nobody needs it, session_engine empties it
  uint64_t log_head;       // place of the oldest change in change_log[], a ring of `slots` places
  uint64_t logged;         // changes in it
  uint64_t stashed;        // entries in stash[]
  uint64_t log_overflow;   // a slot found no place: the whole table has to be scanned. A slot is in the log at most
                           // once, so this only says that memory is damaged
  // counters: EngineCounters
  uint64_t sessions;
  uint64_t half_open;
  uint64_t inserted;
  uint64_t deleted;
  uint64_t aged;
  uint64_t applied;
  uint64_t stale;
  uint64_t refused_full;
  uint64_t refused_half_open;
  uint64_t refused_exists;
  uint64_t moves;
  uint64_t impossible;  // what the kernel found in the table and cannot be there (a flipped bit), and records that did
                        // not come: docs/card.md
  uint64_t run;  // Operation::run of what session_engine carried out last: of the first operation of its last stretch
  StashEntry stash[kStashEntries];
};
static_assert(sizeof(TableState) % 64 == 0, "whole lines");

const uint64_t kTableErrorNone = 0;
const uint64_t kTableErrorAbi = 1;        // abi_version is another one
const uint64_t kTableErrorForm = 2;       // slots, buckets or the stack pointers contradict each other
const uint64_t kTableErrorArguments = 3;  // state_delta: no such mode or format, a range outside the table, no room

}  // namespace abi
}  // namespace phalanx

#endif
