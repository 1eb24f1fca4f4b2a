#include "drivers/card/card_server.hpp"

#include <linux/futex.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "absl/strings/str_cat.h"

namespace phalanx {
namespace {

constexpr uint32_t kYieldTurns = 16;
// Of a nap, beyond which the kernel may not prolong it: 50 us would be the usual.
constexpr unsigned long kTimerSlackNs = 1'000;

bool inside(uint32_t first, uint32_t count, uint32_t size) { return first <= size && count <= size - first; }

}  // namespace

CardServer::CardServer(card::Shared* shared, CardServerOptions options) : shared_(shared), options_(options) {}

absl::Status CardServer::check_header() const {
  const card::Header& header = shared_->header;
  if (header.magic != card::kMagic) return absl::InvalidArgumentError("card rings: header.magic is another one");
  if (header.layout_version != card::kLayoutVersion || header.abi_version != abi::kAbiVersion ||
      header.bytes != sizeof(card::Shared)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "card rings: the gateway speaks layout ", header.layout_version, ", ABI ", header.abi_version, ", ",
        header.bytes, " bytes; this is ", card::kLayoutVersion, ", ", abi::kAbiVersion, ", ", sizeof(card::Shared)));
  }
  return absl::OkStatus();
}

// Says no to the client: the text first, then the state and every batch that waits.
void CardServer::refuse(const absl::Status& status) {
  const auto message = status.message();
  const size_t size = std::min<size_t>(message.size(), card::kTextMax - 1);
  std::copy_n(message.data(), size, shared_->header.text);
  shared_->header.text[size] = '\0';
  shared_->header.state.store(static_cast<uint32_t>(card::ServerState::kRefused), std::memory_order_release);
  card::Descriptor& next = shared_->descriptors[done_ % card::kBatchesMax];
  if (shared_->header.submitted.load(std::memory_order_acquire) == done_) return;
  next.answered = done_ + 1;
  next.status = card::BatchStatus::kRefused;
  shared_->header.completed.store(done_ + 1, std::memory_order_release);
}

absl::Status CardServer::serve(const MakeEngine& make_engine, const std::function<bool()>& gone) {
  if (absl::Status status = check_header(); !status.ok()) return status;
  auto engine = make_engine(card::from_shared(shared_->header.config));
  if (!engine.ok()) {
    refuse(engine.status());
    return engine.status();
  }
  shared_->header.slots = (*engine)->slots();
  shared_->header.state.store(static_cast<uint32_t>(card::ServerState::kReady), std::memory_order_release);
  prctl(PR_SET_TIMERSLACK, kTimerSlackNs);  // refused, naps are longer
  uint32_t idle = 0;
  while (shared_->header.stop.load(std::memory_order_acquire) == 0) {
    const uint64_t before = taken_ + done_;
    absl::Status status = take_batches(**engine);
    if (status.ok()) status = finish_batches(**engine);
    if (!status.ok()) {
      refuse(status);
      return status;
    }
    if (taken_ + done_ != before) {
      idle = 0;
    } else if (++idle >= options_.idle_turns) {
      idle = 0;
      if (gone()) return absl::OkStatus();
      if (taken_ == done_) sleep();
    } else if (taken_ != done_) {
      give_way(idle);
    }
  }
  return absl::OkStatus();
}

absl::Status CardServer::check(const card::Descriptor& descriptor) const {
  const bool fits = inside(descriptor.operation_first, descriptor.operation_count, card::kOperationsMax) &&
                    inside(descriptor.record_first, descriptor.record_count, card::kRecordsMax) &&
                    inside(descriptor.output_first, descriptor.output_count, card::kOutputMax);
  if (descriptor.sequence == taken_ + 1 && fits) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("card rings: descriptor ", taken_ + 1, " has sequence ",
                                                 descriptor.sequence, fits ? "" : " and places outside the rings"));
}

absl::Status CardServer::take_batches(Accelerator& engine) {
  const uint64_t submitted = shared_->header.submitted.load(std::memory_order_acquire);
  if (submitted < taken_ || submitted - done_ > card::kBatchesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("card rings: header.submitted ", submitted, " with ", done_, " done"));
  }
  while (taken_ != submitted) {
    const card::Descriptor descriptor = shared_->descriptors[taken_ % card::kBatchesMax];
    if (absl::Status status = check(descriptor); !status.ok()) return status;
    const bool control = descriptor.clear != 0 || descriptor.set_age_floor != 0 || descriptor.generation > generation_;
    if (control && taken_ != done_) return absl::OkStatus();  // comes after what is at work
    if (descriptor.clear != 0) engine.clear();
    if (descriptor.set_age_floor != 0) engine.set_age_floor(descriptor.age_floor_ms);
    if (control) engine.advance_generation(descriptor.generation);
    generation_ = std::max(generation_, descriptor.generation);
    const Batch batch{.tag = descriptor.sequence,
                      .now_ms = descriptor.now_ms,
                      .operations = {shared_->operations + descriptor.operation_first, descriptor.operation_count},
                      .records = {shared_->records + descriptor.record_first, descriptor.record_count},
                      .completions = {shared_->completions + descriptor.operation_first, descriptor.operation_count},
                      .output = {shared_->output + descriptor.output_first, descriptor.output_count}};
    absl::Status status = engine.submit(batch);
    if (absl::IsResourceExhausted(status) && taken_ != done_) return absl::OkStatus();  // again when one is done
    if (!status.ok()) return status;
    ++taken_;
  }
  return absl::OkStatus();
}

absl::Status CardServer::finish_batches(Accelerator& engine) {
  if (taken_ == done_) return absl::OkStatus();
  std::array<uint64_t, card::kBatchesMax> tags;
  const size_t count = engine.poll(absl::MakeSpan(tags));
  for (size_t i = 0; i < count; ++i) {
    if (tags[i] != done_ + 1) {
      return absl::InternalError(
          absl::StrCat("engine ", engine.name(), ": batch ", tags[i], " done before ", done_ + 1));
    }
    card::Descriptor& descriptor = shared_->descriptors[done_ % card::kBatchesMax];
    // A driver waits for its card to be idle to tell these; with batches at work the last ones must do.
    if (done_ + 1 == taken_) {
      generation_ = std::max(generation_, engine.generation());
      engine_counters_ = card::to_shared(engine.counters());
    }
    descriptor.engine_generation = generation_;
    descriptor.counters = engine_counters_;
    descriptor.status = card::BatchStatus::kDone;
    descriptor.answered = ++done_;
  }
  if (count != 0) shared_->header.completed.store(done_, std::memory_order_release);
  return engine.health();  // also when nothing is left to poll: counters() may have found the card failed
}

// The card is at work: threads of the runtime, through which its answer comes, and an emulated card's process may want
// this very core. One that only yields to them still looks like the busier one to the scheduler; one that sleeps not.
void CardServer::give_way(uint32_t turns) const {
  if (turns > options_.spin_turns) {
    const timespec nap = {0, options_.nap_ns};
    nanosleep(&nap, nullptr);
  } else if (turns % kYieldTurns == 0) {
    sched_yield();
  }
}

void CardServer::sleep() {
  card::Header& header = shared_->header;
  header.sleeping.store(1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);  // see CardClient::wake()
  if (header.submitted.load(std::memory_order_relaxed) == taken_ && header.stop.load(std::memory_order_relaxed) == 0) {
    const timespec limit = {options_.sleep_ns / 1'000'000'000, options_.sleep_ns % 1'000'000'000};
    syscall(SYS_futex, &header.sleeping, FUTEX_WAIT, 1, &limit, nullptr, 0);
  }
  header.sleeping.store(0, std::memory_order_relaxed);
}

}  // namespace phalanx
