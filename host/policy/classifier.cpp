// The classifier's dimensions: how conditions become ranges of values, and the search.
#include "host/policy/classifier.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <utility>

#include "host/policy/chunk_store.hpp"

namespace phalanx::policy {
namespace {

// A packet without a port has the value behind the last port.
DimensionValue port_value(PortIndex port) { return {0, std::min<uint64_t>(port, kPortsMax)}; }

DimensionValue icmp_value(uint8_t type, uint8_t code) { return {0, uint64_t{type} << 8 | code}; }

// The conditions of one dimension as they are collected.
struct Conditions {
  std::vector<uint32_t> unbound;
  std::vector<DimensionRange> ranges;

  void add_ports(uint32_t rule, PortSet set) {
    if (set == kAnyPortSet) return unbound.push_back(rule);
    for (uint64_t left = set; left != 0; left &= left - 1) {
      const auto port = static_cast<PortIndex>(std::countr_zero(left));
      ranges.push_back({port_value(port), port_value(port), rule});
    }
  }
  void add_prefixes(uint32_t rule, const std::vector<Prefix>& prefixes, uint8_t family) {
    if (prefixes.empty()) return unbound.push_back(rule);
    for (const Prefix& p : prefixes) {
      if (p.address.family != family) continue;
      DimensionValue last = {p.address.hi, p.address.lo};
      const int free_bits = (family == 4 ? 32 : 128) - p.length;
      if (free_bits > 64) last.hi |= ~uint64_t{0} >> (128 - free_bits);
      if (free_bits > 0) last.lo |= ~uint64_t{0} >> (64 - std::min(free_bits, 64));
      ranges.push_back({{p.address.hi, p.address.lo}, last, rule});
    }
  }
  void add_port_ranges(uint32_t rule, const std::vector<PortRange>& port_ranges) {
    if (port_ranges.empty()) return unbound.push_back(rule);
    for (const PortRange& r : port_ranges) ranges.push_back({{0, r.first}, {0, r.last}, rule});
  }
  void add_icmp(uint32_t rule, const std::vector<IcmpRange>& icmp) {
    if (icmp.empty()) return unbound.push_back(rule);
    for (const IcmpRange& r : icmp) {
      const DimensionValue first = icmp_value(r.type_first, r.code.value_or(0));
      const DimensionValue last = icmp_value(r.type_last, r.code.value_or(0xff));
      ranges.push_back({first, last, rule});
    }
  }
  void add_protocol(uint32_t rule, std::optional<uint8_t> protocol) {
    if (!protocol) return unbound.push_back(rule);
    ranges.push_back({{0, *protocol}, {0, *protocol}, rule});
  }
};

}  // namespace

const std::array<const char*, Classifier::kDimensions> Classifier::kNames = {"from",
                                                                             "to",
                                                                             "protocol",
                                                                             "sources (IPv4)",
                                                                             "destinations (IPv4)",
                                                                             "sources (IPv6)",
                                                                             "destinations (IPv6)",
                                                                             "source_ports",
                                                                             "destination_ports",
                                                                             "icmp"};

absl::StatusOr<Classifier> Classifier::build(absl::Span<const Match* const> matches) {
  assert(matches.size() <= kMatchesMax);
  Classifier classifier;
  if (matches.empty()) return classifier;
  classifier.chunks_ = (matches.size() + kChunkRules - 1) / kChunkRules;
  std::array<Conditions, kDimensions> conditions;
  for (uint32_t rule = 0; rule < matches.size(); ++rule) {
    if (matches[rule] == nullptr) continue;
    const Match& match = *matches[rule];
    conditions[kIn].add_ports(rule, match.from);
    conditions[kOut].add_ports(rule, match.to);
    conditions[kProtocol].add_protocol(rule, match.protocol);
    conditions[kSource4].add_prefixes(rule, match.sources, 4);
    conditions[kSource6].add_prefixes(rule, match.sources, 6);
    conditions[kDestination4].add_prefixes(rule, match.destinations, 4);
    conditions[kDestination6].add_prefixes(rule, match.destinations, 6);
    conditions[kSourcePort].add_port_ranges(rule, match.source_ports);
    conditions[kDestinationPort].add_port_ranges(rule, match.destination_ports);
    conditions[kIcmp].add_icmp(rule, match.icmp);
  }
  ChunkStore store;
  for (size_t i = 0; i < kDimensions; ++i) {
    absl::Status built = classifier.dimensions_[i].build(kNames[i], conditions[i].unbound,
                                                         std::move(conditions[i].ranges), classifier.chunks_, store);
    if (!built.ok()) return built;
  }
  classifier.store_ = std::move(store).take();
  return classifier;
}

uint32_t Classifier::find(const FlowQuery& query, ClassifyWork* work) const {
  if (chunks_ == 0) return kNoMatch;
  std::array<Dimension::Row, 7> rows;
  size_t used = 0;
  const auto add = [&](Which which, DimensionValue value) { rows[used++] = dimensions_[which].find(value, work); };
  add(kIn, port_value(query.in_port));
  add(kOut, port_value(query.out_port));
  add(kProtocol, {0, query.protocol});
  // A rule with prefixes of one family takes no packet of the other: in that dimension it has no range.
  add(query.source.is_v6() ? kSource6 : kSource4, {query.source.hi, query.source.lo});
  add(query.destination.is_v6() ? kDestination6 : kDestination4, {query.destination.hi, query.destination.lo});
  // Rules with ports or types have a protocol that has them, so the protocol's row keeps them from all other packets.
  if (is_icmp(query.protocol)) {
    add(kIcmp, icmp_value(query.icmp_type, query.icmp_code));
  } else {
    add(kSourcePort, {0, query.source_port});
    add(kDestinationPort, {0, query.destination_port});
  }

  for (size_t half = 0; half < kChunksMax / 64; ++half) {
    uint64_t summary = ~uint64_t{0};
    for (size_t i = 0; i < used; ++i) summary &= rows[i].summary[half];
    for (; summary != 0; summary &= summary - 1) {
      const size_t chunk = half * 64 + static_cast<size_t>(std::countr_zero(summary));
      RuleChunk common = store_[rows[0].chunks[chunk]];
      for (size_t i = 1; i < used; ++i) {
        const RuleChunk& other = store_[rows[i].chunks[chunk]];
        for (size_t w = 0; w < common.words.size(); ++w) common.words[w] &= other.words[w];
      }
      if (work != nullptr) work->chunks += used;
      for (size_t w = 0; w < common.words.size(); ++w) {
        if (common.words[w] == 0) continue;
        return static_cast<uint32_t>(chunk * kChunkRules + w * 64 +
                                     static_cast<size_t>(std::countr_zero(common.words[w])));
      }
    }
  }
  return kNoMatch;
}

uint64_t Classifier::memory_bytes() const {
  uint64_t bytes = store_.capacity() * sizeof(RuleChunk);
  for (const Dimension& d : dimensions_) bytes += d.memory_bytes();
  return bytes;
}

}  // namespace phalanx::policy
