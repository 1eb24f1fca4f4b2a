// First-match search over many Match conditions: aggregated bit vectors.
//
// Each dimension (in port, out port, protocol, source and destination of either family, source port, destination port,
// ICMP type and code) is cut into the elementary intervals that the conditions' ends make. An interval has a row: which
// rules its values satisfy, one bit a rule in order, kept as ids of shared 512-bit chunks (one cache line each) and a
// summary with one bit for each chunk that isn't zero. A lookup finds one row in each of at most seven dimensions by
// binary search, ANDs the summaries, and ANDs only chunks that all of them have, in order, until a bit is left: the
// first rule.
//
// Method: T. V. Lakshman and D. Stiliadis (SIGCOMM 1998), summaries after F. Baboescu and G. Varghese (SIGCOMM 2001).
//
// Bounds. A lookup touches at most ceil(rules / 512) chunks in each of 7 dimensions: 140 cache lines for 10,000 rules,
// 896 for 65,534; a linear search reads 10,000 rules. Memory: a range of a condition begins and ends once, and each end
// makes at most one chunk (64 bytes), one row (16 + 4 * chunks bytes) and one interval (20 bytes). 10,000 rules with
// one range in a dimension: 20,000 * (64 + 96 + 20) = 3.6 MB there. The worst that build accepts: 2 * kRangesMax * (64
// + 528
// + 20) = 160 MB a dimension.
#ifndef PHALANX_HOST_POLICY_CLASSIFIER_HPP
#define PHALANX_HOST_POLICY_CLASSIFIER_HPP

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "host/policy/match.hpp"

namespace phalanx::policy {

inline constexpr size_t kMatchesMax = 65534;  // rules of one classifier
inline constexpr size_t kRangesMax = 131072;  // disjoint ranges of all its rules in one dimension: two for each rule
inline constexpr size_t kChunkRules = 512;    // rules of a chunk: one cache line of bits
inline constexpr size_t kChunksMax = 128;     // ceil(kMatchesMax / kChunkRules)
inline constexpr uint32_t kNoMatch = 0xffffffff;

// What lookups have cost, in cache lines of bits and in steps of binary searches: for tests and figures.
struct ClassifyWork {
  uint64_t chunks = 0;
  uint64_t steps = 0;
};

// Content of 512 consecutive rules.
struct alignas(64) RuleChunk {
  std::array<uint64_t, 8> words{};
  friend bool operator==(const RuleChunk&, const RuleChunk&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const RuleChunk& c) {
    return H::combine(std::move(h), c.words);
  }
};

// A value of the widest dimension, an IPv6 address; the others use the low half.
struct DimensionValue {
  uint64_t hi = 0;
  uint64_t lo = 0;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 means the 0 that the compiler compares the result with
  friend auto operator<=>(const DimensionValue&, const DimensionValue&) = default;
};

// A condition in one dimension: values first..last satisfy rule `rule`.
struct DimensionRange {
  DimensionValue first;
  DimensionValue last;
  uint32_t rule;
};

class ChunkStore;

// One dimension's intervals and their rows.
class Dimension {
 public:
  // `unbound`: rules without a condition here; `ranges`: the others'. ResourceExhausted beyond kRangesMax.
  absl::Status build(std::string_view name, absl::Span<const uint32_t> unbound, std::vector<DimensionRange> ranges,
                     size_t chunks, ChunkStore& store);

  struct Row {
    std::array<uint64_t, kChunksMax / 64> summary;
    const uint32_t* chunks;
  };
  Row find(DimensionValue value, ClassifyWork* work) const;
  uint64_t memory_bytes() const;

 private:
  size_t interval_of(DimensionValue value, ClassifyWork* work) const;

  size_t chunks_ = 0;
  bool wide_ = false;                // some start has a high half
  std::vector<uint64_t> starts_hi_;  // of each interval, ascending; empty unless wide_
  std::vector<uint64_t> starts_lo_;
  std::vector<uint32_t> row_of_;                                  // by interval
  std::vector<std::array<uint64_t, kChunksMax / 64>> summaries_;  // by row
  std::vector<uint32_t> chunk_ids_;                               // by row, chunks_ each
};

// Immutable once built. Conditions must have passed validate().
class Classifier {
 public:
  Classifier() = default;  // matches nothing
  // The index in `matches` is the answer; null entries match nothing. ResourceExhausted names the limit.
  static absl::StatusOr<Classifier> build(absl::Span<const Match* const> matches);

  // The first match in order, kNoMatch if there is none.
  uint32_t find(const FlowQuery& query, ClassifyWork* work = nullptr) const;
  uint64_t memory_bytes() const;

 private:
  enum Which : size_t {
    kIn,
    kOut,
    kProtocol,
    kSource4,
    kDestination4,
    kSource6,
    kDestination6,
    kSourcePort,
    kDestinationPort,
    kIcmp,
    kDimensions
  };
  static const std::array<const char*, kDimensions> kNames;

  size_t chunks_ = 0;
  std::vector<RuleChunk> store_;  // chunk 0 is all zero
  std::array<Dimension, kDimensions> dimensions_;
};

}  // namespace phalanx::policy

#endif
