// The batches in flight on a card, oldest first, and the one run that is on it. What CardDriver is made of:
// batch_queue.cpp brings runs to the card, batch_queue_answers.cpp takes what they give.
#ifndef PHALANX_DRIVERS_CARD_DRIVER_BATCH_QUEUE_HPP
#define PHALANX_DRIVERS_CARD_DRIVER_BATCH_QUEUE_HPP

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "drivers/card_driver/card_driver.hpp"
#include "drivers/card_driver/card_memory.hpp"

namespace phalanx::card_driver {

// A buffer's host side as an array, and bytes as the transfers count them.
template <typename T>
T* host_as(Buffer& buffer) {
  return reinterpret_cast<T*>(buffer.host().data());
}
constexpr size_t whole_lines(size_t bytes) {
  return (bytes + sizeof(abi::Line) - 1) / sizeof(abi::Line) * sizeof(abi::Line);
}

class CardDriver::Queue {
 public:
  static absl::StatusOr<std::unique_ptr<Queue>> create(Device& device, const EngineConfig& config,
                                                       const CardLimits& limits, Clock clock);

  absl::Status submit(const Batch& batch);
  size_t poll(absl::Span<uint64_t> tags);
  // Moves on as far as it goes without waiting. After a failure nothing moves.
  void advance();
  // Until nothing is in flight any more or the card has failed; the run limit bounds it.
  void settle();
  // Until the run on the card has ended or the card has failed. What the run gives is dropped: the batches' memory may
  // be gone.
  void stop();
  // settle(), and the state read if a run has changed it. False if the card has failed.
  bool settle_and_read();

  // Carries out a change of the table by the host between runs; its error is the card's failure.
  template <typename Change>
  void change(Change&& make) {
    if (!settle_and_read()) return;
    note(make(memory_));
  }

  const abi::TableState& state() const { return memory_.state(); }
  const card_table::Layout& layout() const { return memory_.layout(); }
  const absl::Status& health() const { return health_; }
  void set_age_floor(uint32_t now_ms);

 private:
  // A batch's own buffers, so that the next one's operations go to the card while this one is worked on.
  struct Slot {
    std::unique_ptr<Buffer> operations, records, completions;
    std::unique_ptr<Run> session_run;
    Batch batch;
    uint32_t now_ms = 0;        // engine time
    uint32_t age_floor_ms = 0;  // at that time
    size_t next = 0;            // first operation of `run`, or one past the last when all are done
    size_t output_used = 0;     // records
    card_table::Run run;
    bool packed = false;  // the operations of `run` are on the card
    uint32_t number = 0;  // of `run`, when packed
  };

  Queue(CardMemory memory, Device& device, const CardLimits& limits, Clock clock)
      : device_(device), limits_(limits), clock_(std::move(clock)), memory_(std::move(memory)) {}
  absl::Status make_slots();
  absl::Status make_delta_run();
  absl::Status make_output(size_t records);

  Slot& slot(uint64_t sequence) { return slots_[sequence % slots_.size()]; }
  bool note(const absl::Status& status);  // the card's failure, unless it is OK; gives whether it is
  absl::Status prepare(Slot& slot);
  absl::Status start(Slot& slot);
  absl::Status start_delta(Slot& slot);
  absl::Status read_state(uint32_t number = 0);
  absl::Status finish(Slot& slot);
  absl::Status finish_session(Slot& slot);
  absl::Status finish_delta(Slot& slot);
  absl::Status take_records(absl::Span<abi::Record> records);
  absl::Status check(const Slot& slot, size_t operation, const abi::Completion& completion) const;
  absl::Status step(bool& moved);
  absl::Status check_time(const Slot& slot) const;
  void complete(Slot& slot, const abi::Completion& completion);

  Device& device_;
  const CardLimits limits_;
  const Clock clock_;
  CardMemory memory_;
  card_table::Clock engine_clock_;
  std::vector<Slot> slots_;  // a ring by sequence number
  // Of state_delta; what it gives is taken before another run starts, so one of each is enough.
  std::unique_ptr<Run> delta_run_;
  std::unique_ptr<Buffer> output_, result_;
  card_table::DeltaCall call_;
  uint64_t head_ = 0;  // oldest batch not yet polled
  uint64_t work_ = 0;  // the batch at work
  uint64_t tail_ = 0;  // past the newest
  uint32_t runs_ = 0;  // of session_engine, packed so far; 0 is no run's number
  bool running_ = false;
  bool state_read_ = true;  // the host's copy of the state is the card's
  uint32_t age_floor_written_ms_ = 0;
  std::chrono::steady_clock::time_point started_{};
  absl::Status health_;
};

}  // namespace phalanx::card_driver

#endif
