#include "host/sync/digest.hpp"

#include "hls/digest.hpp"

namespace phalanx::sync {

uint64_t record_digest(const abi::Record& record) { return hls::session_digest(record.session, record.wide); }

void TableDigest::add(const abi::Record& record) {
  if (record.session.state == hls::kStateDeleted) return;
  const uint64_t digest = record_digest(record);
  ++records_;
  sum_ += digest;
  exclusive_ ^= digest;
}

void TableDigest::remove(const abi::Record& record) {
  if (record.session.state == hls::kStateDeleted) return;
  const uint64_t digest = record_digest(record);
  --records_;
  sum_ -= digest;
  exclusive_ ^= digest;
}

void TableDigest::merge(const TableDigest& other) {
  records_ += other.records_;
  sum_ += other.sum_;
  exclusive_ ^= other.exclusive_;
}

}  // namespace phalanx::sync
