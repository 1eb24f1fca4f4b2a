// The session engine on a card: an Accelerator over any Device. What a batch means in buffers, runs and time limits.
//
// A batch is a list of runs: session_engine for LOOKUP, INSERT, DELETE, APPLY and AGE in a row, state_delta for each
// EXTRACT and SCAN. One run at a time is on the card (the two kernels share one table). Each batch in flight has a slot
// of buffers of its own, so the next batch's operations are on the card before the one at work has ended.
//
// Calls of the runtime for a batch of LOOKUPs: push of the operations, 2 scalars, start, done until it is so, pull of
// the state and of the completions. The state says whether the kernel refused the table, gives the counters, and spares
// the run of an EXTRACT when the change log is empty.
#ifndef PHALANX_DRIVERS_CARD_DRIVER_CARD_DRIVER_HPP
#define PHALANX_DRIVERS_CARD_DRIVER_CARD_DRIVER_HPP

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "drivers/accelerator.hpp"
#include "drivers/card_driver/device.hpp"

namespace phalanx::card_driver {

struct CardLimits {
  // A run that takes longer is hung: the driver gives up the card. The longest honest run is an AGE of 2^24 slots, 56
  // ms at 300 MHz; the emulated card needs some ms for any.
  std::chrono::milliseconds run_limit{2000};
  // Batches in flight: one on the card, one being written, one being read, one to spare. Each has buffers for
  // card_table::kRunOperationsMax operations: 4096 x (96 + 160 + 64) B = 1.3 MB.
  uint32_t batches = 4;
  // Of the table's index, card_table::layout(); 0: as many as the sessions need. Tests ask for fewer.
  uint64_t buckets = 0;
};

class CardDriver final : public Accelerator {
 public:
  // Records that a batch's output may hold: 2^20 x 160 B = 168 MB of the card's memory, taken as it is needed.
  static constexpr size_t kOutputRecordsMax = size_t{1} << 20;
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  // Takes the card's memory and writes an empty table. InvalidArgument for a configuration that no table can have;
  // errors of the device as they are.
  static absl::StatusOr<std::unique_ptr<CardDriver>> create(std::shared_ptr<Device> device, const EngineConfig& config,
                                                            const CardLimits& limits = {},
                                                            Clock clock = std::chrono::steady_clock::now);
  // Waits for the run on the card, and drops the batches in flight: their memory may be gone. After a failure the
  // card's objects are left as they are, and the process should end by _exit(): XRT waits for ever for a run that
  // hangs.
  ~CardDriver() override;

  std::string name() const override;
  uint64_t slots() const override;
  // Beside Accelerator's refusals: once the card has failed, what it failed of, for ever.
  absl::Status submit(const Batch& batch) override;
  // Also moves the batches on: to be called often. Batches that a failure caught are never given.
  size_t poll(absl::Span<uint64_t> tags) override;
  // These two wait until every batch in flight has ended, which the run limit bounds.
  EngineCounters counters() const override;
  uint64_t generation() const override;
  // These wait too.
  void advance_generation(uint64_t generation) override;
  void set_age_floor(uint32_t now_ms) override;
  void clear() override;

  // OK, or why the card is given up: DeadlineExceeded (hung), Unavailable (the runtime's error), DataLoss (an answer
  // or a table that cannot be, such as after a flipped bit), Internal (a kernel refused the table). A batch in flight
  // at that moment may have been carried out in part.
  absl::Status health() const override;
  const DeviceIdentity& identity() const;
  std::vector<Sensor> sensors() const;

 private:
  class Queue;
  CardDriver(std::shared_ptr<Device> device, std::unique_ptr<Queue> queue);

  std::shared_ptr<Device> device_;
  std::unique_ptr<Queue> queue_;  // goes before the device
};

}  // namespace phalanx::card_driver

#endif
