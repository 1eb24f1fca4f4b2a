#include "drivers/card_driver/batch_queue.hpp"

#include <cassert>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/abi/delta.hpp"

namespace phalanx::card_driver {
namespace {

// What the output holds at first: an EXTRACT of the gateway's size. It grows with the batches.
constexpr size_t kOutputRecordsFirst = 1024;
// Between two looks at a run that settle() waits for: short beside a run, long beside a call of the runtime.
constexpr auto kSettlePause = std::chrono::microseconds(20);

template <typename Argument, typename... More>
absl::Status set_scalars(Run& run, Argument argument, uint64_t value, More... more) {
  if (auto status = run.set_scalar(static_cast<uint32_t>(argument), value); !status.ok()) return status;
  if constexpr (sizeof...(more) > 0) return set_scalars(run, more...);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<CardDriver::Queue>> CardDriver::Queue::create(Device& device, const EngineConfig& config,
                                                                             const CardLimits& limits, Clock clock) {
  if (limits.batches == 0 || limits.run_limit.count() <= 0) {
    return absl::InvalidArgumentError("a card needs room for a batch in flight and a time limit above 0");
  }
  auto memory = CardMemory::create(device, config, limits.buckets);
  if (!memory.ok()) return memory.status();
  std::unique_ptr<Queue> queue(new Queue(*std::move(memory), device, limits, std::move(clock)));
  if (auto status = queue->make_slots(); !status.ok()) return status;
  if (auto status = queue->make_delta_run(); !status.ok()) return status;
  return queue;
}

absl::Status CardDriver::Queue::make_slots() {
  slots_.resize(limits_.batches);
  for (Slot& slot : slots_) {
    auto run = device_.make_run(Kernel::session_engine, 0);
    if (!run.ok()) return run.status();
    slot.session_run = *std::move(run);
    const auto take = [&](SessionArgument argument, uint64_t bytes, std::unique_ptr<Buffer>& buffer) {
      auto taken = device_.allocate({place(argument)}, whole_lines(bytes), Device::Side::kBoth);
      if (!taken.ok()) return taken.status();
      buffer = *std::move(taken);
      return slot.session_run->set_buffer(static_cast<uint32_t>(argument), *buffer);
    };
#define PHALANX_TAKE(name, size)                                                                           \
  if (auto status = take(SessionArgument::name, memory_.layout().name##_bytes, slot.name); !status.ok()) { \
    return status;                                                                                         \
  }
    PHALANX_CARD_RUN_BUFFERS(PHALANX_TAKE)
#undef PHALANX_TAKE
    if (auto status = memory_.bind(Kernel::session_engine, *slot.session_run); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CardDriver::Queue::make_delta_run() {
  auto run = device_.make_run(Kernel::state_delta, 0);
  if (!run.ok()) return run.status();
  delta_run_ = *std::move(run);
  if (auto status = memory_.bind(Kernel::state_delta, *delta_run_); !status.ok()) return status;
  auto result = device_.allocate({place(DeltaArgument::result)}, sizeof(abi::DeltaResult), Device::Side::kBoth);
  if (!result.ok()) return result.status();
  result_ = *std::move(result);
  if (auto status = delta_run_->set_buffer(static_cast<uint32_t>(DeltaArgument::result), *result_); !status.ok()) {
    return status;
  }
  return make_output(kOutputRecordsFirst);
}

// Room for `records`; only while no run is on the card.
absl::Status CardDriver::Queue::make_output(size_t records) {
  auto output =
      device_.allocate({place(DeltaArgument::output)}, whole_lines(records * sizeof(abi::Record)), Device::Side::kBoth);
  if (!output.ok()) return output.status();
  output_ = *std::move(output);
  return delta_run_->set_buffer(static_cast<uint32_t>(DeltaArgument::output), *output_);
}

bool CardDriver::Queue::note(const absl::Status& status) {
  if (status.ok()) return true;
  if (health_.ok()) health_ = status;
  return false;
}

absl::Status CardDriver::Queue::submit(const Batch& batch) {
  if (batch.completions.size() != batch.operations.size()) {
    return absl::InvalidArgumentError(absl::StrCat("batch of ", batch.operations.size(), " operations with ",
                                                   batch.completions.size(), " completions"));
  }
  if (batch.output.size() > kOutputRecordsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("batch with room for ", batch.output.size(), " records, more than ", kOutputRecordsMax));
  }
  if (!health_.ok()) return health_;
  if (tail_ - head_ == slots_.size()) {
    return absl::ResourceExhaustedError(absl::StrCat(slots_.size(), " batches are in flight or not polled"));
  }
  Slot& slot = this->slot(tail_);
  slot.batch = batch;
  slot.now_ms = engine_clock_.advance(batch.now_ms);
  slot.age_floor_ms = engine_clock_.age_floor_ms();
  slot.next = 0;
  slot.output_used = 0;
  slot.packed = false;
  if (!note(prepare(slot))) return health_;
  ++tail_;
  advance();
  return health_;
}

// Chooses the slot's next run and brings its operations to the card.
absl::Status CardDriver::Queue::prepare(Slot& slot) {
  const auto operations = slot.batch.operations;
  if (slot.next == operations.size()) return absl::OkStatus();
  slot.run = card_table::next_run(operations, slot.next);
  if (slot.run.kernel != card_table::Run::Kernel::kSessionEngine) return absl::OkStatus();
  slot.number = ++runs_ == 0 ? ++runs_ : runs_;
  const size_t records =
      card_table::pack_run(slot.batch, slot.run, slot.number, host_as<abi::Operation>(*slot.operations),
                           host_as<abi::Record>(*slot.records));
  slot.packed = true;
  if (auto status = slot.operations->push(0, whole_lines(slot.run.count * sizeof(abi::Operation))); !status.ok()) {
    return status;
  }
  return records == 0 ? absl::OkStatus() : slot.records->push(0, whole_lines(records * sizeof(abi::Record)));
}

absl::Status CardDriver::Queue::start(Slot& slot) {
  if (slot.age_floor_ms != age_floor_written_ms_) {
    if (auto status = memory_.write_age_floor(slot.age_floor_ms); !status.ok()) return status;
    age_floor_written_ms_ = slot.age_floor_ms;
  }
  if (slot.run.kernel == card_table::Run::Kernel::kStateDelta) return start_delta(slot);
  assert(slot.packed);
  auto status = set_scalars(*slot.session_run, SessionArgument::operation_count, slot.run.count,
                            SessionArgument::now_ms, slot.now_ms);
  if (status.ok()) status = slot.session_run->start();
  running_ = status.ok();
  return status;
}

absl::Status CardDriver::Queue::start_delta(Slot& slot) {
  if (!state_read_) {
    if (auto status = read_state(); !status.ok()) return status;
  }
  const abi::Operation& operation = slot.batch.operations[slot.next];
  if (operation.opcode == abi::Opcode::kExtract && memory_.state().logged == 0) {
    abi::Completion nothing = {};
    complete(slot, nothing);
    return absl::OkStatus();
  }
  const size_t room = slot.batch.output.size() - slot.output_used;
  call_ = card_table::delta_call(operation, room, memory_.state());
  if (!call_.needed) {
    complete(slot, call_.completion);
    return absl::OkStatus();
  }
  const size_t bytes = call_.output_lines * sizeof(abi::Line);
  if (bytes > output_->bytes()) {
    if (auto status = make_output(slot.batch.output.size()); !status.ok()) return status;
  }
  if (bytes > output_->bytes()) return absl::InternalError("an EXTRACT or SCAN wants more room than its batch has");
  auto status =
      set_scalars(*delta_run_, DeltaArgument::mode, call_.mode, DeltaArgument::format, abi::kDeltaRecords,
                  DeltaArgument::first, call_.first, DeltaArgument::count, call_.count, DeltaArgument::output_lines,
                  call_.output_lines, DeltaArgument::now_ms, slot.now_ms, DeltaArgument::base_generation, 0);
  if (status.ok()) status = delta_run_->start();
  running_ = status.ok();
  return status;
}

absl::Status CardDriver::Queue::check_time(const Slot& slot) const {
  const auto taken = clock_() - started_;
  if (taken <= limits_.run_limit) return absl::OkStatus();
  const bool session = slot.run.kernel == card_table::Run::Kernel::kSessionEngine;
  return absl::DeadlineExceededError(absl::StrCat(kernel_name(session ? Kernel::session_engine : Kernel::state_delta),
                                                  " with ", slot.run.count, " operations has not ended within ",
                                                  limits_.run_limit.count(), " ms: the card hangs"));
}

// Moves on by one run; `moved` says whether it did.
absl::Status CardDriver::Queue::step(bool& moved) {
  moved = false;
  if (work_ == tail_) return absl::OkStatus();
  Slot& slot = this->slot(work_);
  if (running_) {
    auto& run = slot.run.kernel == card_table::Run::Kernel::kSessionEngine ? slot.session_run : delta_run_;
    const auto done = run->done();
    if (!done.ok()) return done.status();
    if (!*done) return check_time(slot);
    running_ = false;
    if (auto status = finish(slot); !status.ok()) return status;
    if (auto status = prepare(slot); !status.ok()) return status;
  }
  moved = true;
  if (slot.next == slot.batch.operations.size()) {
    ++work_;
    return absl::OkStatus();
  }
  const size_t before = slot.next;
  started_ = clock_();
  if (auto status = start(slot); !status.ok()) return status;
  return slot.next == before ? absl::OkStatus() : prepare(slot);  // answered without a run
}

void CardDriver::Queue::advance() {
  // Each step ends a run or starts one, so a call ends when the newest batch has, or its run goes on.
  for (bool moved = true; moved && health_.ok();) note(step(moved));
}

size_t CardDriver::Queue::poll(absl::Span<uint64_t> tags) {
  advance();
  size_t count = 0;
  while (count < tags.size() && head_ != work_) tags[count++] = slot(head_++).batch.tag;
  return count;
}

void CardDriver::Queue::settle() {
  for (advance(); health_.ok() && work_ != tail_; advance()) std::this_thread::sleep_for(kSettlePause);
}

void CardDriver::Queue::stop() {
  while (running_ && health_.ok()) {
    const Slot& slot = this->slot(work_);
    const auto& run = slot.run.kernel == card_table::Run::Kernel::kSessionEngine ? slot.session_run : delta_run_;
    const auto done = run->done();
    if (!note(done.status())) return;
    running_ = !*done;
    if (running_ && note(check_time(slot))) std::this_thread::sleep_for(kSettlePause);
  }
}

bool CardDriver::Queue::settle_and_read() {
  settle();
  if (!health_.ok()) return false;
  if (!state_read_) note(read_state());
  return health_.ok();
}

void CardDriver::Queue::set_age_floor(uint32_t now_ms) {
  settle();  // batches submitted before are aged by the floor that was
  engine_clock_.set_age_floor(now_ms);
}

}  // namespace phalanx::card_driver
