// DPDK's rte_hash as the engine's peer. Its headers want their own compiler flags, so only rte_peer.cpp sees them.
#ifndef PHALANX_TESTS_BENCH_ENGINE_RTE_PEER_HPP
#define PHALANX_TESTS_BENCH_ENGINE_RTE_PEER_HPP

#include <cstddef>
#include <cstdint>
#include <memory>

namespace phalanx::bench {

// Starts DPDK's environment in this process: no devices, no files, memory from the reserved huge pages. False if it
// can't.
bool start_dpdk();

// rte_hash with rte_hash_crc and a pointer as the value, for one thread.
class RtePeer {
 public:
  // Null if DPDK has not enough memory. `entries` is what rte_hash is asked for.
  static std::unique_ptr<RtePeer> create(const char* name, uint32_t entries, uint32_t key_bytes);
  ~RtePeer();

  // False when there is no room.
  bool insert(const void* key, void* value);
  // values[i] of keys[i] in one rte_hash_lookup_bulk_data; gives how many were found. At most 64.
  uint32_t lookup(const void* const* keys, uint32_t count, void** values) const;
  void reset();

 private:
  struct Table;
  explicit RtePeer(Table* table) : table_(table) {}
  Table* table_;
};

// Bytes allocated on DPDK's heap now.
uint64_t dpdk_bytes();

}  // namespace phalanx::bench

#endif
