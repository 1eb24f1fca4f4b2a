// The one interface to a session engine: the CPU's tables and a card look the same from above.
#ifndef PHALANX_DRIVERS_ACCELERATOR_HPP
#define PHALANX_DRIVERS_ACCELERATOR_HPP

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "hls/timeouts.hpp"
#include "kernels/abi/operation.hpp"

namespace phalanx {

// What an engine is made for; fixed while it lives.
struct EngineConfig {
  uint64_t sessions_max = 1 << 20;                   // capacity; memory is taken at start
  uint64_t half_open_max = 1 << 18;                  // TCP sessions not yet established that INSERT accepts
  uint64_t hash_seed[2] = {0, 0};                    // secret, chosen at random at start
  bool tcp_pickup = false;                           // take up TCP in midstream instead of refusing what isn't a SYN
  hls::Timeouts timeouts = hls::default_timeouts();  // per state
};

// Operations to be carried out in order. The spans must stay valid until the batch has been polled as done.
struct Batch {
  uint64_t tag = 0;     // the caller's name for it
  uint32_t now_ms = 0;  // engine time; must not go back
  absl::Span<const abi::Operation> operations;
  absl::Span<const abi::Record> records;    // what INSERT and APPLY refer to
  absl::Span<abi::Completion> completions;  // one an operation, same order
  absl::Span<abi::Record> output;           // EXTRACT, SCAN: filled from the start, in order
};

struct EngineCounters {
  uint64_t sessions = 0;
  uint64_t half_open = 0;
  uint64_t inserted = 0, deleted = 0, aged = 0, applied = 0, stale = 0;
  uint64_t refused_full = 0, refused_half_open = 0, refused_exists = 0;
  uint64_t moves = 0;  // cuckoo relocations
  uint64_t stash = 0;  // entries in the stash now
};

// Not for several threads at once; one engine a worker.
class Accelerator {
 public:
  virtual ~Accelerator() = default;

  virtual std::string name() const = 0;
  virtual uint64_t slots() const = 0;  // the range of AGE and SCAN
  // How many batches a caller that has more to do should keep in flight. 1: submit() carries them out itself.
  virtual size_t batches_ahead() const { return 1; }

  // Refuses a batch whose spans do not fit each other (InvalidArgument) or when too many are in flight
  // (ResourceExhausted).
  virtual absl::Status submit(const Batch& batch) = 0;
  // Tags of batches that are done, oldest first, into `tags`; gives how many.
  virtual size_t poll(absl::Span<uint64_t> tags) = 0;

  // OK, or why the engine is given up and batches in flight will never be done. Only an engine on a card can fail.
  virtual absl::Status health() const { return absl::OkStatus(); }

  virtual EngineCounters counters() const = 0;

  // Generations at or below `generation` are taken: the next INSERT gets a later one. Called when a member takes over.
  virtual void advance_generation(uint64_t generation) = 0;
  virtual uint64_t generation() const = 0;
  // Called when a member takes over. From now on no session is older than `now_ms`: it does not end what it did not see
  // age. And a TCP session last seen before has its windows re-anchored: another member may have moved them.
  virtual void set_age_floor(uint32_t now_ms) = 0;
  // Forgets every session, without logging; before a full sync.
  virtual void clear() = 0;
};

}  // namespace phalanx

#endif
