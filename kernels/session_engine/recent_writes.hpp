// The records that were written last: what memory may not have yet.
#ifndef PHALANX_KERNELS_SESSION_ENGINE_RECENT_WRITES_HPP
#define PHALANX_KERNELS_SESSION_ENGINE_RECENT_WRITES_HPP

#include "kernels/session_engine/sizes.hpp"
#include "kernels/session_engine/table.hpp"

namespace phalanx {
namespace session_engine {

// A ring of kRecentWrites places: slots in registers, compared at once, records in block RAM. A slot has one valid
// place at most, the newest.
struct RecentWrites {
  uint32_t slot[kRecentWrites];  // kNone: not valid
  Session record[kRecentWrites];
  uint32_t next;
};

inline void clear(RecentWrites& recent) {
  for (int i = 0; i < kRecentWrites; ++i) {
#pragma HLS unroll
    recent.slot[i] = kNone;
  }
  recent.next = 0;
}

// The place of `slot`, kRecentWrites if it has none.
inline uint32_t find_recent(const RecentWrites& recent, uint32_t slot) {
  uint32_t place = kRecentWrites;
  for (uint32_t i = 0; i < kRecentWrites; ++i) {
#pragma HLS unroll
    if (recent.slot[i] == slot) place = i;
  }
  return place;
}

// Keeps what `slot` was just written with; `old_place` is what find_recent() gave for it.
inline void keep(RecentWrites& recent, uint32_t old_place, uint32_t slot, const Session& session) {
  if (old_place < kRecentWrites) recent.slot[old_place] = kNone;
  recent.slot[recent.next] = slot;
  recent.record[recent.next] = session;
  recent.next = (recent.next + 1) & (kRecentWrites - 1);
}
static_assert((kRecentWrites & (kRecentWrites - 1)) == 0, "the ring's place wraps by a mask");

}  // namespace session_engine
}  // namespace phalanx

#endif
