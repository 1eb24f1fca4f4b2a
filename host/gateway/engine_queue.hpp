// The data plane's batches on their way through its engine, each under a number of its own.
#ifndef PHALANX_HOST_GATEWAY_ENGINE_QUEUE_HPP
#define PHALANX_HOST_GATEWAY_ENGINE_QUEUE_HPP

#include <array>
#include <bitset>
#include <cassert>
#include <cstdint>

#include "absl/types/span.h"
#include "drivers/accelerator.hpp"

namespace phalanx::gateway {

// Not for several threads. The engine outlives it, and nobody else polls it.
class EngineQueue {
 public:
  static constexpr size_t kTagsMax = 32;

  explicit EngineQueue(Accelerator* engine) : engine_(engine) {}

  Accelerator& engine() { return *engine_; }
  const Accelerator& engine() const { return *engine_; }
  // Batches worth keeping in flight, `most` at most.
  size_t ahead(size_t most) const { return std::min(most, engine_->batches_ahead()); }

  // `batch.tag` is below kTagsMax and not in flight. False: refused, nothing is on its way.
  bool submit(const Batch& batch) {
    assert(batch.tag < kTagsMax);
    done_.reset(batch.tag);
    return engine_->submit(batch).ok();
  }
  // Looks once at what has been done; does not wait.
  void poll() {
    std::array<uint64_t, kTagsMax> tags;
    const size_t count = engine_->poll(absl::MakeSpan(tags));
    for (size_t i = 0; i < count; ++i) done_.set(tags[i]);
  }
  bool done(uint64_t tag) const { return done_[tag]; }
  // Submits a batch and waits for it, which an engine ends within its own limit of time.
  bool run(const Batch& batch) {
    if (!submit(batch)) return false;
    while (!done(batch.tag)) poll();
    return true;
  }

 private:
  Accelerator* engine_;
  std::bitset<kTagsMax> done_;
};

}  // namespace phalanx::gateway

#endif
