// absl::flat_hash_map in transparent huge pages as the engine's peer.
#ifndef PHALANX_TESTS_BENCH_ENGINE_ABSL_PEER_HPP
#define PHALANX_TESTS_BENCH_ENGINE_ABSL_PEER_HPP

#include <sys/mman.h>

#include <cstdlib>
#include <new>

#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "tests/bench/engine/key4.hpp"

namespace phalanx::bench {

template <typename T>
struct HugeAllocator {
  using value_type = T;
  HugeAllocator() = default;
  template <typename U>
  HugeAllocator(const HugeAllocator<U>&) {}
  T* allocate(size_t n) {
    constexpr size_t kPage = size_t{2} << 20;
    const size_t bytes = (n * sizeof(T) + kPage - 1) / kPage * kPage;
    void* data = std::aligned_alloc(kPage, bytes);
    if (data == nullptr) throw std::bad_alloc();
    madvise(data, bytes, MADV_HUGEPAGE);
    return static_cast<T*>(data);
  }
  void deallocate(T* data, size_t) { std::free(data); }
  template <typename U>
  bool operator==(const HugeAllocator<U>&) const {
    return true;
  }
};

struct Key4Hash {
  size_t operator()(const Key4& k) const {
    return absl::HashOf(uint64_t{k.source} << 32 | k.destination,
                        uint64_t{k.source_port} << 48 | uint64_t{k.destination_port} << 32 | k.protocol);
  }
};

class AbslPeer {
 public:
  explicit AbslPeer(size_t entries) { map_.reserve(entries); }
  void insert(const Key4& key, void* value) { map_.emplace(key, value); }
  // With the map's own prefetch first for the whole burst.
  uint32_t lookup(const Key4* const* keys, uint32_t count, void** values) const {
    for (uint32_t i = 0; i < count; ++i) map_.prefetch(*keys[i]);
    return find(keys, count, values);
  }
  // One by one: the processor's own reordering is all there is.
  uint32_t find(const Key4* const* keys, uint32_t count, void** values) const {
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; ++i) {
      const auto it = map_.find(*keys[i]);
      if (it == map_.end()) continue;
      values[i] = it->second;
      ++found;
    }
    return found;
  }

 private:
  absl::flat_hash_map<Key4, void*, Key4Hash, std::equal_to<Key4>, HugeAllocator<std::pair<const Key4, void*>>> map_;
};

}  // namespace phalanx::bench

#endif
