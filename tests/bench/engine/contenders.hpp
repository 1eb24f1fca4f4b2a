// The tables under measurement behind the same few steps: take some flows, do something with each, say how long it
// took.
#ifndef PHALANX_TESTS_BENCH_ENGINE_CONTENDERS_HPP
#define PHALANX_TESTS_BENCH_ENGINE_CONTENDERS_HPP

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "drivers/cpu/cpu_engine.hpp"
#include "tests/bench/engine/absl_peer.hpp"
#include "tests/bench/engine/rte_peer.hpp"

namespace phalanx::bench {

inline constexpr uint32_t kBurst = 64;
// Flows prepared at a time, outside the measured time: their keys or packets are in the L2 cache, as behind a parser.
inline constexpr uint32_t kChunk = 1024;

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

double insert(RtePeer& peer, const Sequence& sequence, uint64_t count);

// Bulk lookup of a peer: anything with lookup(keys, count, values).
using Lookup = std::function<uint32_t(const Key4* const*, uint32_t, uint64_t*)>;
double find(const Lookup& lookup, const Sequence& sequence, uint64_t count);

}  // namespace phalanx::bench

#endif
