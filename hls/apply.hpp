// What becomes of a replicated record (operation APPLY).
#ifndef PHALANX_HLS_APPLY_HPP
#define PHALANX_HLS_APPLY_HPP

#include "hls/session.hpp"
#include "hls/track_types.hpp"

namespace phalanx {
namespace hls {

enum class ApplyAction : uint8_t {
  kStale = 0,    // the table's record is as new or newer: nothing happens
  kInstall = 1,  // `session` takes the place of the table's record, or is new
  kRemove = 2,   // the session has ended elsewhere: remove it
  kAbsent = 3,   // the session has ended elsewhere and isn't here: nothing to do
  kInvalid = 4,  // no such state: refuse the record
};

struct ApplyDecision {
  ApplyAction action;
  Session session;  // kInstall: the record to put into the table
};

// Decides on `replicated`, given the table's record of the same key (`existing` is read only if `exists`). The newer
// order wins and is taken whole, counters included: the member that decides the flow counts it. A TCP session is marked
// to be re-anchored on both sides, since its windows may lag; times become this member's, for clocks differ. kDirty
// stays as the table has it, for its log entry exists.
inline ApplyDecision decide_apply(bool exists, const Session& existing, const Session& replicated, uint32_t now_ms) {
  const uint64_t existing_order = exists ? existing.order : 0;
  const bool newer_than_existing = newer(replicated.order, existing_order);
  const bool is_newer = !exists | newer_than_existing;
  const bool known = replicated.state < kStates;
  const bool takes = known & is_newer;
  const bool ended = (replicated.state == kStateDeleted) | (replicated.state == kStateFree);
  const bool tcp = (replicated.state >= kStateTcpSynSent) & (replicated.state <= kStateTcpClosed);
  const ApplyAction removal = exists ? ApplyAction::kRemove : ApplyAction::kAbsent;
  const ApplyAction newest = ended ? removal : ApplyAction::kInstall;
  const ApplyAction by_order = is_newer ? newest : ApplyAction::kStale;
  ApplyDecision decision = {known ? by_order : ApplyAction::kInvalid, replicated};
  Session& s = decision.session;
  const uint8_t dirty = exists ? existing.flags & kDirty : 0;
  const uint8_t anchor = tcp ? kReanchorOriginator | kReanchorResponder : 0;
  const uint8_t kept = s.flags & static_cast<uint8_t>(~(kDirty | kReanchorOriginator | kReanchorResponder));
  s.flags = takes ? static_cast<uint8_t>(kept | dirty | anchor) : s.flags;
  s.last_seen = takes ? now_ms : s.last_seen;
  s.synced = takes ? static_cast<uint16_t>(now_ms >> kSyncUnitShift) : s.synced;
  return decision;
}

}  // namespace hls
}  // namespace phalanx

#endif
