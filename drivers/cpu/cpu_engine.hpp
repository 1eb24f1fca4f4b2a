// The default session engine: a cuckoo-indexed session table in the memory of one worker, read in prefetched bursts.
//
// A session is one hls::Session record of 128 bytes, found through CuckooIndex by its key and, if it has NAT, by its
// translated key too. What a packet does to it is hls/'s business alone; this class finds records, keeps their
// lifetimes and the change log.
//
// Memory a session, all in, every session with NAT (worst case):
//   record                                              128.00 B
//   index: 2 entries x 8 B at a load of 15/16            17.07 B
//   change log: one 32-bit slot                           4.00 B
//                                                       149.07 B, of the 150 B allowed
// The list of free slots is threaded through the free records. Long (IPv6) rewrites lie in a side pool of 32 B each,
// whose memory is taken as it is used.
#ifndef PHALANX_DRIVERS_CPU_CPU_ENGINE_HPP
#define PHALANX_DRIVERS_CPU_CPU_ENGINE_HPP

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "drivers/accelerator.hpp"
#include "drivers/cpu/cuckoo_index.hpp"
#include "drivers/cpu/key_hash.hpp"
#include "drivers/cpu/session_store.hpp"
#include "hls/hash.hpp"
#include "hls/track_types.hpp"

namespace phalanx {

// Operations take effect strictly in order and before submit() returns; poll() only reports. Behaviour beyond the
// contract:
//  - INSERT checks in this order: form, both keys (kExists), half-open bound (kHalfOpen), room (kFull). Refused, it
//  changes
//    nothing. A record whose order has a generation keeps it.
//  - DELETE and AGE take the session out of the index at once; its slot is free again when EXTRACT has given it out.
//  - APPLY of a deletion for a session that isn't there is kMiss. APPLY of a session whose translated key (or key)
//  belongs to
//    another session here: the later generation is the binding that holds; the other one is removed, or the record is
//    kStale.
//  - SCAN needs room for one record at least, else it is kInvalid.
//  - SCAN and EXTRACT give records without kDirty, which is the table's own mark; SCAN leaves out deleted ones, which
//  are in
//    the change log.
//  - Time that goes back is taken as the latest seen.
class CpuEngine final : public Accelerator {
 public:
  // Batches done and not yet polled that the engine holds: a worker has a few in flight, 64 leave room for a slow
  // poller.
  static constexpr size_t kBatchesInFlightMax = 64;
  // Operations that go through the pipeline together: enough to hide a DRAM access (~100 ns) behind 64 others, few
  // enough for their 128 prefetched lines to stay in a 32 KB L1.
  static constexpr size_t kGroup = 64;
  // 2 M sessions: measured, the crossing lies between 1 M and 4 M.
  static constexpr uint64_t kLargeBytes = uint64_t{256} << 20;

  // InvalidArgument for a capacity of 0, above SessionStore::kSlotsMax, or timeouts of 2^31 ms and more;
  // ResourceExhausted when there is not enough memory.
  // Records of more than `large_bytes` make the table large, which only chooses how lookups are pipelined; tests lower
  // it.
  static absl::StatusOr<std::unique_ptr<CpuEngine>> create(const EngineConfig& config,
                                                           uint64_t large_bytes = kLargeBytes);

  std::string name() const override { return "cpu"; }
  uint64_t slots() const override { return store_.capacity(); }
  absl::Status submit(const Batch& batch) override;
  size_t poll(absl::Span<uint64_t> tags) override;
  EngineCounters counters() const override;
  void advance_generation(uint64_t generation) override;
  uint64_t generation() const override { return generation_; }
  // The floor goes along at 2^31 - 1 ms behind the clock, the longest timeout there can be, and so has no more say by
  // the time the 32-bit clock would make it look recent again. That takes a batch every 24 days, and an AGE of every
  // slot every 49.
  void set_age_floor(uint32_t now_ms) override { age_floor_ms_ = now_ms; }
  void clear() override;

  // The bare bulk lookup: slots[i] = the slot of keys[i]'s session, SessionStore::kNone if there is none. Nothing
  // changes.
  void find_bulk(absl::Span<const hls::FlowKey* const> keys, absl::Span<uint32_t> slots) const;
  // The record in `slot`, as it is, e.g. with state kStateFree.
  const hls::Session& session(uint32_t slot) const { return store_[slot]; }
  // The same as SCAN would give it.
  abi::Record record(uint32_t slot) const;
  // Bytes of everything the engine holds for sessions, the long rewrites used so far included.
  uint64_t memory_bytes() const { return store_.memory_bytes() + index_.memory_bytes(); }

 private:
  // An index entry's value is a slot; with this bit the entry stands for the session's translated key.
  static constexpr uint32_t kTranslated = 0x80000000;
  static constexpr uint32_t kNone = SessionStore::kNone;
  static_assert(SessionStore::kSlotsMax <= kTranslated / 2, "slots and the bit are told apart, and from kNone");

  // Keys in the lookup pipeline: their hashes, the index entries that may be theirs, and whose may be in the alternate
  // bucket.
  static constexpr size_t kHashLanes = 8;
  struct Burst {
    std::array<uint64_t, kGroup> hashes;
    std::array<uint32_t, kGroup> guesses;
    std::array<bool, kGroup> elsewhere;
  };
  // A session that has the key of another one here.
  struct Conflicts {
    uint32_t slot[2] = {kNone, kNone};
  };

  CpuEngine(const EngineConfig& config, bool large, SessionStore store, CuckooIndex index);

  uint64_t hash(const hls::FlowKey& key) const {
    return hls::hash_key(key, config_.hash_seed[0], config_.hash_seed[1]);
  }
  const hls::WideNat& wide_of(const hls::Session& session) const;
  bool holds(uint32_t entry, const hls::FlowKey& key) const;
  uint32_t find_entry(const hls::FlowKey& key, uint64_t hash) const;

  void run(const Batch& batch, size_t begin, size_t end);
  void run_one(const Batch& batch, const abi::Operation& operation, uint64_t hash, abi::Completion& completion);

  // cpu_engine_lookup.cpp
  void prefetch_record(uint32_t entry, size_t line) const;
  void enter(const hls::FlowKey* const* keys, size_t begin, size_t end, Burst& burst) const;
  void guess(size_t i, Burst& burst) const;
  void guess_elsewhere(size_t i, Burst& burst) const;
  template <size_t kRecordLines, typename Finish>
  void pipeline(const hls::FlowKey* const* keys, size_t count, Finish&& finish) const;
  template <size_t kRecordLines, typename Finish>
  void pipeline_by_blocks(const hls::FlowKey* const* keys, size_t count, Finish&& finish) const;
  template <size_t kRecordLines, typename Finish>
  void pipeline_by_stages(const hls::FlowKey* const* keys, size_t count, Finish&& finish) const;
  void look_up(const Batch& batch, size_t begin, size_t end);
  void look_up_one(const abi::Operation& operation, uint64_t hash, uint32_t guess, abi::Completion& completion);
  void complete_match(const abi::Operation& operation, uint32_t slot, uint8_t direction, abi::Completion& completion);
  void describe(const hls::Track& track, uint32_t slot, const hls::PacketMeta& packet, uint8_t direction,
                abi::Completion& completion) const;

  // cpu_engine_change.cpp
  void insert(const abi::Record& record, const hls::PacketMeta& packet, uint64_t hash, abi::Completion& completion);
  void erase(const hls::FlowKey& key, uint64_t hash, abi::Completion& completion);
  void apply(const abi::Record& record, uint64_t hash, abi::Completion& completion);
  abi::Result install(const hls::Session& session, const hls::WideNat& wide, uint64_t hash, uint32_t& slot);
  abi::Result replace(uint32_t slot, const hls::Session& session, const hls::WideNat& wide);
  bool find_conflicts(const hls::Session& session, const hls::WideNat& wide, uint64_t hash, uint32_t own,
                      Conflicts& conflicts) const;
  void remove_conflicts(const Conflicts& conflicts);
  uint32_t allocate(const hls::Session& session, const hls::WideNat& wide, uint64_t hash);
  void unlink(uint32_t slot);
  void end_session(uint32_t slot);
  void remove_session(uint32_t slot);
  void release(uint32_t slot);

  // cpu_engine_walk.cpp
  void age(const abi::Operation& operation, abi::Completion& completion);
  void extract(const abi::Operation& operation, absl::Span<abi::Record> output, abi::Completion& completion);
  void scan(const abi::Operation& operation, absl::Span<abi::Record> output, abi::Completion& completion);
  void give(uint32_t slot, abi::Record& record) const;

  const EngineConfig config_;
  const hls::TrackConfig track_config_;
  const HashKeys hash_keys_;
  const bool large_;
  SessionStore store_;
  CuckooIndex index_;
  EngineCounters counters_;
  uint64_t generation_ = 0;
  uint32_t age_floor_ms_ = 0;
  uint32_t now_ms_ = 0;                               // of the batch at work, never earlier than the one before
  size_t output_used_ = 0;                            // of the batch at work
  std::array<uint64_t, kBatchesInFlightMax> done_{};  // tags not yet polled, a ring
  size_t done_head_ = 0;
  size_t done_count_ = 0;
};

}  // namespace phalanx

#endif
