#include "tests/bench/engine/rte_peer.hpp"

#include <rte_eal.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_malloc.h>

#include <cstring>

namespace phalanx::bench {

struct RtePeer::Table {
  rte_hash* hash;
};

bool start_dpdk() {
  static char arguments[][24] = {"bench_engine", "--in-memory", "--no-pci",       "--no-telemetry", "--no-shconf",
                                 "-l",           "0",           "--iova-mode=va", "--log-level=3"};
  constexpr int kCount = sizeof(arguments) / sizeof(arguments[0]);
  char* argv[kCount + 1] = {};
  for (int i = 0; i < kCount; ++i) argv[i] = arguments[i];
  return rte_eal_init(kCount, argv) >= 0;
}

std::unique_ptr<RtePeer> RtePeer::create(const char* name, uint32_t entries, uint32_t key_bytes) {
  rte_hash_parameters parameters;
  memset(&parameters, 0, sizeof(parameters));
  parameters.name = name;
  parameters.entries = entries;
  parameters.key_len = key_bytes;
  parameters.hash_func = rte_hash_crc;
  parameters.socket_id = 0;
  rte_hash* hash = rte_hash_create(&parameters);
  if (hash == nullptr) return nullptr;
  return std::unique_ptr<RtePeer>(new RtePeer(new Table{hash}));
}

RtePeer::~RtePeer() {
  rte_hash_free(table_->hash);
  delete table_;
}

bool RtePeer::insert(const void* key, void* value) { return rte_hash_add_key_data(table_->hash, key, value) == 0; }

uint32_t RtePeer::lookup(const void* const* keys, uint32_t count, void** values) const {
  uint64_t hits = 0;
  const int found = rte_hash_lookup_bulk_data(table_->hash, const_cast<const void**>(keys), count, &hits, values);
  return found < 0 ? 0 : static_cast<uint32_t>(found);
}

void RtePeer::reset() { rte_hash_reset(table_->hash); }

uint64_t dpdk_bytes() {
  rte_malloc_socket_stats stats;
  memset(&stats, 0, sizeof(stats));
  rte_malloc_get_socket_stats(0, &stats);
  return stats.heap_allocsz_bytes;
}

}  // namespace phalanx::bench
