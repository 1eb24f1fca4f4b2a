#include <algorithm>
#include <cassert>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_format.h"
#include "host/policy/chunk_store.hpp"
#include "host/policy/classifier.hpp"

namespace phalanx::policy {

namespace {

constexpr DimensionValue kHighestValue = {~uint64_t{0}, ~uint64_t{0}};

DimensionValue after(DimensionValue value) {
  assert(value != kHighestValue);
  ++value.lo;
  if (value.lo == 0) ++value.hi;
  return value;
}

// A rule's bit changes at `value`.
struct Edge {
  DimensionValue value;
  uint32_t rule;
  bool begins;
};

// Joins ranges of one rule that overlap or touch, so that each rule has at most one edge at a value.
std::vector<DimensionRange> disjoint(std::vector<DimensionRange> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const DimensionRange& x, const DimensionRange& y) {
    return x.rule != y.rule ? x.rule < y.rule : x.first < y.first;
  });
  std::vector<DimensionRange> joined;
  for (const DimensionRange& range : ranges) {
    if (!joined.empty() && joined.back().rule == range.rule) {
      DimensionRange& last = joined.back();
      if (last.last == kHighestValue || range.first <= after(last.last)) {
        last.last = std::max(last.last, range.last);
        continue;
      }
    }
    joined.push_back(range);
  }
  return joined;
}

std::vector<Edge> edges_of(const std::vector<DimensionRange>& ranges) {
  std::vector<Edge> edges;
  edges.reserve(2 * ranges.size());
  for (const DimensionRange& range : ranges) {
    edges.push_back({range.first, range.rule, true});
    if (range.last != kHighestValue) edges.push_back({after(range.last), range.rule, false});
  }
  std::sort(edges.begin(), edges.end(), [](const Edge& x, const Edge& y) { return x.value < y.value; });
  return edges;
}

void set_bit(std::vector<RuleChunk>& bits, uint32_t rule, bool on) {
  uint64_t& word = bits[rule / kChunkRules].words[rule % kChunkRules / 64];
  const uint64_t bit = uint64_t{1} << (rule % 64);
  word = on ? word | bit : word & ~bit;
}

}  // namespace

absl::Status Dimension::build(std::string_view name, absl::Span<const uint32_t> unbound,
                              std::vector<DimensionRange> ranges, size_t chunks, ChunkStore& store) {
  chunks_ = chunks;
  ranges = disjoint(std::move(ranges));
  if (ranges.size() > kRangesMax) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("the rules have %d ranges of %s, at most %d are possible", ranges.size(), name, kRangesMax));
  }
  std::vector<RuleChunk> bits(chunks);
  for (const uint32_t rule : unbound) set_bit(bits, rule, true);
  std::vector<uint32_t> row(chunks);
  for (size_t i = 0; i < chunks; ++i) row[i] = store.intern(bits[i]);

  absl::flat_hash_map<std::vector<uint32_t>, uint32_t> rows;
  const auto add_interval = [&](DimensionValue start) {
    const auto [place, is_new] = rows.emplace(row, static_cast<uint32_t>(summaries_.size()));
    if (is_new) {
      chunk_ids_.insert(chunk_ids_.end(), row.begin(), row.end());
      auto& summary = summaries_.emplace_back();
      for (size_t i = 0; i < chunks; ++i) summary[i / 64] |= uint64_t{row[i] != 0} << (i % 64);
    }
    starts_hi_.push_back(start.hi);
    starts_lo_.push_back(start.lo);
    row_of_.push_back(place->second);
    wide_ = wide_ || start.hi != 0;
  };

  const std::vector<Edge> edges = edges_of(ranges);
  if (edges.empty() || edges.front().value != DimensionValue{}) add_interval({});
  for (size_t i = 0; i < edges.size();) {
    const DimensionValue start = edges[i].value;
    std::vector<size_t> changed;
    for (; i < edges.size() && edges[i].value == start; ++i) {
      set_bit(bits, edges[i].rule, edges[i].begins);
      changed.push_back(edges[i].rule / kChunkRules);
    }
    std::sort(changed.begin(), changed.end());
    changed.erase(std::unique(changed.begin(), changed.end()), changed.end());
    for (const size_t chunk : changed) row[chunk] = store.intern(bits[chunk]);
    add_interval(start);
  }
  if (!wide_) starts_hi_ = {};
  for (auto* v : {&starts_hi_, &starts_lo_}) v->shrink_to_fit();
  return absl::OkStatus();
}

size_t Dimension::interval_of(DimensionValue value, ClassifyWork* work) const {
  // The last interval that starts at or before `value`; the first starts at 0.
  size_t low = 0;
  size_t high = starts_lo_.size();
  if (!wide_ && value.hi != 0) return high - 1;
  while (high - low > 1) {
    const size_t middle = low + (high - low) / 2;
    const DimensionValue start = {wide_ ? starts_hi_[middle] : 0, starts_lo_[middle]};
    (start <= value ? low : high) = middle;
    if (work != nullptr) ++work->steps;
  }
  return low;
}

Dimension::Row Dimension::find(DimensionValue value, ClassifyWork* work) const {
  assert(!row_of_.empty());
  const uint32_t row = row_of_[interval_of(value, work)];
  return {summaries_[row], chunk_ids_.data() + row * chunks_};
}

uint64_t Dimension::memory_bytes() const {
  return (starts_hi_.capacity() + starts_lo_.capacity()) * sizeof(uint64_t) +
         (row_of_.capacity() + chunk_ids_.capacity()) * sizeof(uint32_t) +
         summaries_.capacity() * sizeof(summaries_[0]);
}

}  // namespace phalanx::policy
