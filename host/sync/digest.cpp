#include "host/sync/digest.hpp"

#include "host/sync/record_codec.hpp"

namespace phalanx::sync {

namespace {

// The finalizer of MurmurHash3, a bijection of 64 bits in which every bit depends on every other.
uint64_t mix(uint64_t x) {
  x = (x ^ x >> 33) * 0xff51afd7ed558ccdull;
  x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ull;
  return x ^ x >> 33;
}

}  // namespace

uint64_t record_digest(const abi::Record& record) {
  const abi::Record r = replicated(record, Content::kDelta);
  const hls::Session& s = r.session;
  const auto pair = [](uint64_t high, uint64_t low) { return high << 32 | low; };
  const uint64_t words[] = {
      s.key.a_hi,
      s.key.a_lo,
      s.key.b_hi,
      s.key.b_lo,
      s.key.tail,
      s.order,
      pair(s.rule, static_cast<uint32_t>(s.state) << 24 | static_cast<uint32_t>(s.flags) << 16 |
                       static_cast<uint32_t>(s.scales) << 8 | s.tcp_flags),
      pair(s.nat_source_port, s.nat_destination_port),
      pair(s.nat_source, s.nat_destination),
      r.wide.source_hi,
      r.wide.source_lo,
      r.wide.destination_hi,
      r.wide.destination_lo,
      pair(s.side[0].end, s.side[0].max_end),
      pair(s.side[0].max_window, s.side[0].acked),
      pair(s.side[1].end, s.side[1].max_end),
      pair(s.side[1].max_window, s.side[1].acked),
  };
  uint64_t digest = 0x243f6a8885a308d3ull;
  for (const uint64_t word : words) digest = mix((digest + 0x9e3779b97f4a7c15ull) ^ word);
  return digest;
}

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
