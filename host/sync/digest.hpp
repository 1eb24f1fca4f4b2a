// A digest of a set of sessions that does not depend on their order: two members whose digests agree hold the same
// sessions.
#ifndef PHALANX_HOST_SYNC_DIGEST_HPP
#define PHALANX_HOST_SYNC_DIGEST_HPP

#include <cstdint>

#include "kernels/abi/operation.hpp"

namespace phalanx::sync {

// 64 bits over the fields that delta sync replicates (Content::kDelta: no counters, no times). Not against adversaries:
// it compares tables whose keys both members know, over an authenticated channel.
uint64_t record_digest(const abi::Record& record);

// Sum and exclusive or of the records' digests, and how many. Deleted records do not count as members of the set.
class TableDigest {
 public:
  void add(const abi::Record& record);
  void remove(const abi::Record& record);
  void merge(const TableDigest& other);
  uint64_t records() const { return records_; }
  uint64_t value() const { return sum_ ^ (exclusive_ << 1 | exclusive_ >> 63) ^ records_; }
  friend bool operator==(const TableDigest&, const TableDigest&) = default;

 private:
  uint64_t records_ = 0;
  uint64_t sum_ = 0;
  uint64_t exclusive_ = 0;
};

}  // namespace phalanx::sync

#endif
