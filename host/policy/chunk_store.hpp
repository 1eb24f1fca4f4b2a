// Every distinct 512-rule chunk once: what the rows of all dimensions share. Only used while a classifier is built.
#ifndef PHALANX_HOST_POLICY_CHUNK_STORE_HPP
#define PHALANX_HOST_POLICY_CHUNK_STORE_HPP

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "host/policy/classifier.hpp"

namespace phalanx::policy {

// Chunk 0 is all zero.
class ChunkStore {
 public:
  ChunkStore() { intern(RuleChunk{}); }
  uint32_t intern(const RuleChunk& chunk) {
    const auto [place, is_new] = ids_.emplace(chunk, static_cast<uint32_t>(chunks_.size()));
    if (is_new) chunks_.push_back(chunk);
    return place->second;
  }
  std::vector<RuleChunk> take() && { return std::move(chunks_); }

 private:
  std::vector<RuleChunk> chunks_;
  absl::flat_hash_map<RuleChunk, uint32_t> ids_;
};

}  // namespace phalanx::policy

#endif
