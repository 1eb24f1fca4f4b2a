// The session engine's named sizes, each with its reason.
#ifndef PHALANX_KERNELS_SESSION_ENGINE_SIZES_HPP
#define PHALANX_KERNELS_SESSION_ENGINE_SIZES_HPP

#include "kernels/abi/table.hpp"

namespace phalanx {
namespace session_engine {

// FIFO between neighbours that keep pace.
const int kShortFifo = 4;
// Lookups between a read's issue and its return: 300 ns at 300 MHz are 90 cycles; the rest absorbs refresh.
const int kReadsInFlight = 128;
// Writes that wait for the memory port, and those that it has taken and not yet confirmed (num_write_outstanding).
const int kWriteFifo = 16;
const int kWritesOutstanding = 32;
// Cycles from taking a lookup into `execute` to its record in the recent-writes store: match 2, tracking 16, rewrite
// and store 6.
const int kExecuteDepth = 24;

// Records in the recent-writes store. When a record is read from memory, the writes that it may miss are of lookups in
// front of it: in the context FIFO, being compared, in FIFOs to `hold` and `execute`, in these two, and among the
// writes on their way. Every lookup writes at most one record.
const int kRecentWrites = 256;
static_assert(kReadsInFlight + 1 + kShortFifo + 1 + kShortFifo + kExecuteDepth + kWriteFifo + 1 + kWritesOutstanding <=
                  kRecentWrites,
              "a record that left the store was in memory before any lookup now in execute was read");

// Entries that one lookup may have to compare: two buckets and the stash.
const int kCandidates = 2 * abi::kBucketEntries + abi::kStashEntries;

// Bound of the stages' loops, which an end token ends: 2^32 operations of 32 candidates and 24 bubbles at most.
const uint64_t kTokensMax = 1ull << 38;

// Buckets that an insertion may look at (breadth first: 2, 16, 128 and as many of the next level as fit), and so the
// moves on the way to the nearest free place: one a level. As many as the CPU engine's, whose arithmetic holds here.
const uint32_t kSearchNodes = 256;
const uint32_t kMovesMax = 4;
static_assert(2 + 16 + 128 + 1024 > kSearchNodes, "no node lies deeper than the fourth level");

// INSERTs, DELETEs and APPLYs in a row that are carried out as a window: what they will need is read ahead for all of
// them at once. Some six memory latencies a window, 540 cycles, are 17 for each of 32.
const uint32_t kWindow = 32;
// Of each array of buckets: two keys a change. Of records: one that each key may find, and a new one a change. Of free
// slots: what a window may take, and free again.
const uint32_t kHeldBuckets = 2 * kWindow;
const uint32_t kHeldRecords = 3 * kWindow;
const uint32_t kHeldFreeSlots = 2 * kWindow;
// Cycles of a change's steps with everything on chip, as expected of a tool: SipHash of a key is 8 rounds of 3; finding
// a key compares 64 places (2), 16 tags (2) and selects (2); a candidate's record is compared in 4; opening a session
// is tracking's 16 and the completion's 4; an entry finds its place and is put there in 6.
const uint32_t kHashCycles = 24;
const uint32_t kFindCycles = 6;
const uint32_t kCompareCycles = 4;
const uint32_t kDecideCycles = 20;
const uint32_t kPlaceCycles = 6;

// Sessions that AGE finds before it goes and ends them.
const uint32_t kAgeChunk = 64;

// Beats of a burst from host memory, the most that AXI allows in 1 KiB at 512 bits.
const uint32_t kBurst = 16;

}  // namespace session_engine
}  // namespace phalanx

#endif
