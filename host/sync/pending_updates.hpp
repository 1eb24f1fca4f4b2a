// Changes and ends of sessions that wait for a moment, so that a later change of the same session can take their place.
#ifndef PHALANX_HOST_SYNC_PENDING_UPDATES_HPP
#define PHALANX_HOST_SYNC_PENDING_UPDATES_HPP

#include <array>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "kernels/abi/operation.hpp"

namespace phalanx::sync {

// Records that may wait: 128 of 11 to 26 bytes are one to two full datagrams; holding more would save nothing. 20 KiB.
inline constexpr size_t kPendingMax = 128;

// A bounded set of records with one entry a session. No allocation after construction.
class PendingUpdates {
 public:
  PendingUpdates();

  enum class Added : uint8_t {
    kNew,       // waits now
    kReplaced,  // took the place of an older record of its session
    kStale,     // an as new or newer record of its session waits already
  };
  // There must be room: !full().
  Added add(const abi::Record& record, int64_t now_ns);
  bool full() const { return count_ == kPendingMax; }
  bool empty() const { return count_ == 0; }
  size_t size() const { return count_; }
  // When the record that waits longest was added; INT64_MAX if none does. A replaced record keeps its predecessor's
  // time.
  int64_t oldest_update_ns() const { return oldest_update_ns_; }
  int64_t oldest_delete_ns() const { return oldest_delete_ns_; }
  absl::Span<const abi::Record> records() const { return {records_.data(), count_}; }
  void clear();

 private:
  static constexpr size_t kIndexSlots = 4 * kPendingMax;  // a quarter full at most: probes stay short
  static constexpr uint16_t kNone = 0xffff;
  std::vector<abi::Record> records_;
  std::array<uint16_t, kIndexSlots> index_;
  std::array<uint16_t, kPendingMax> used_slots_;
  size_t count_ = 0;
  int64_t oldest_update_ns_;
  int64_t oldest_delete_ns_;
};

}  // namespace phalanx::sync

#endif
