// The tables under measurement behind the same few steps: take some flows, do something with each, say how long it
// took.
#ifndef PHALANX_TESTS_BENCH_ENGINE_CONTENDERS_HPP
#define PHALANX_TESTS_BENCH_ENGINE_CONTENDERS_HPP

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "drivers/cpu/cpu_engine.hpp"
#include "drivers/cpu/huge_memory.hpp"
#include "tests/bench/engine/absl_peer.hpp"
#include "tests/bench/engine/rte_peer.hpp"

namespace phalanx::bench {

inline constexpr uint32_t kBurst = 64;
// Flows prepared at a time, outside the measured time: their keys or packets are in the L2 cache, as behind a parser.
inline constexpr uint32_t kChunk = 1024;

// Processor time of this thread, so that time which others take from it doesn't count.
int64_t thread_ns();
inline double million_a_second(uint64_t count, int64_t ns) {
  return static_cast<double>(count) * 1e3 / static_cast<double>(ns);
}
// The first half of a round isn't timed: it brings page tables, and what of a table fits, back to the caches that
// another table had before.
inline uint64_t warm_up(uint64_t count) { return count / kChunk / 2 * kChunk; }

// Which flow comes at place `i`.
using Sequence = std::function<uint32_t(uint64_t i)>;

// The engine: `inserts` by INSERT with a SYN, `lookups` by find_bulk, `packets` by LOOKUP of an established session's
// data. Its measurements give million flows a second for `count` flows of `sequence`, a multiple of kChunk; 0 if any
// flow had the wrong outcome. So do those of the peers.
class EngineContender {
 public:
  static std::unique_ptr<EngineContender> create(uint32_t sessions);
  double insert(const Sequence& sequence, uint64_t count);
  double find(const Sequence& sequence, uint64_t count) const;
  double packets(const Sequence& sequence, uint64_t count) { return exchange(sequence, count, Packet::kData, true); }
  // SYN+ACK and ACK for every flow, so that packets() finds established sessions; false if one is refused.
  bool establish(uint32_t sessions);
  void clear() { engine_->clear(); }
  uint64_t memory_bytes() const { return engine_->memory_bytes(); }

 private:
  enum class Packet { kSyn, kSynAck, kAck, kData };

  explicit EngineContender(std::unique_ptr<CpuEngine> engine);
  void fill(abi::Operation& operation, uint32_t flow_number, Packet packet) const;
  bool run();  // the operations, in bursts
  double exchange(const Sequence& sequence, uint64_t count, Packet packet, bool empty_log);
  void empty_log();

  std::unique_ptr<CpuEngine> engine_;
  uint32_t now_ms_ = 0;
  std::vector<abi::Operation> operations_;
  std::vector<abi::Completion> completions_;
  std::vector<abi::Record> records_;
  std::vector<abi::Record> output_;
};

// rte_hash doing what the engine does: one table for IPv4 and IPv6, so 40-byte keys, and a record for each session,
// whose first line a lookup brings to the cache.
class RteSessions {
 public:
  // Null if there is not enough memory.
  static std::unique_ptr<RteSessions> create(uint32_t sessions);
  bool insert(const Key4& key, uint32_t number);
  double find(const Sequence& sequence, uint64_t count) const;

 private:
  RteSessions(std::unique_ptr<RtePeer> table, HugeMemory records)
      : table_(std::move(table)), records_(std::move(records)) {}

  std::unique_ptr<RtePeer> table_;
  HugeMemory records_;
};

double insert(RtePeer& peer, const Sequence& sequence, uint64_t count);

// Bulk lookup of a peer with 16-byte keys, by lookup(keys, count, values). A template, so that the peer's code is
// compiled where it is called: through std::function GCC 12 made flat_hash_map's loop four times slower.
template <typename Lookup>
double find(Lookup&& lookup, const Sequence& sequence, uint64_t count) {
  std::vector<Key4> keys(kChunk);
  std::vector<const Key4*> pointers(kChunk);
  std::array<void*, kBurst> values;
  int64_t taken_ns = 0;
  uint64_t found = 0;
  for (uint64_t done = 0; done < count; done += kChunk) {
    for (uint32_t i = 0; i < kChunk; ++i) {
      keys[i] = flow(sequence(done + i));
      pointers[i] = &keys[i];
    }
    const int64_t start_ns = thread_ns();
    for (uint32_t at = 0; at < kChunk; at += kBurst) found += lookup(&pointers[at], kBurst, values.data());
    if (done >= warm_up(count)) taken_ns += thread_ns() - start_ns;
  }
  return found == count ? million_a_second(count - warm_up(count), taken_ns) : 0;
}

// What RtePeer is asked for, to have room for `sessions`: it rounds its buckets up to a load of one half.
inline uint32_t rte_entries(uint32_t sessions) { return sessions + sessions / 8; }

}  // namespace phalanx::bench

#endif
