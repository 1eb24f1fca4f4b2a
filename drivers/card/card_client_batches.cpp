// Batches into shared memory and answers out of it.
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <algorithm>
#include <cstring>
#include <ctime>
#include <utility>

#include "absl/strings/str_cat.h"
#include "drivers/card/card_check.hpp"
#include "drivers/card/card_client.hpp"

namespace phalanx {

using abi::Opcode;
using abi::Result;

namespace {

// A generation is what a session's order has beside the version.
constexpr uint64_t kGenerationMax = ~uint64_t{0} >> hls::kVersionBits;

// Completions asked for ahead: each is in the other core's cache, some 100 ns away, and a core can wait for 10 to 16
// lines at a time.
constexpr size_t kCompletionsAhead = 16;

// Copies `bytes`, a multiple of 16, to `to`, whose lines are in another core's cache: written around our own, they need
// not be fetched first. The store fence before they are published is in here.
void copy_past_cache(void* to, const void* from, size_t bytes) {
#if defined(__SSE2__)
  auto* const target = static_cast<__m128i*>(to);
  const auto* const source = static_cast<const __m128i*>(from);
  for (size_t i = 0; i < bytes / sizeof(__m128i); ++i) _mm_stream_si128(target + i, _mm_loadu_si128(source + i));
  _mm_sfence();
#else
  std::memcpy(to, from, bytes);
#endif
}
static_assert(sizeof(abi::Operation) % 16 == 0, "whole stores");

}  // namespace

absl::Status CardClient::check(const Batch& batch) const {
  if (state_ != CardState::kReady) {
    return absl::FailedPreconditionError(absl::StrCat("card: ", card_state_text(state_), ", ", fault_.text()));
  }
  if (batch.completions.size() != batch.operations.size()) {
    return absl::InvalidArgumentError(absl::StrCat("card: batch of ", batch.operations.size(), " operations with ",
                                                   batch.completions.size(), " completions"));
  }
  if (batch.operations.size() > card::kOperationsMax || batch.records.size() > card::kRecordsMax) {
    return absl::InvalidArgumentError(absl::StrCat("card: batch of ", batch.operations.size(), " operations and ",
                                                   batch.records.size(), " records, at most ", card::kOperationsMax,
                                                   " and ", card::kRecordsMax));
  }
  if (end_ - first_ == card::kBatchesMax) {
    return absl::ResourceExhaustedError(absl::StrCat("card: ", card::kBatchesMax, " batches in flight"));
  }
  return absl::OkStatus();
}

absl::Status CardClient::submit(const Batch& batch) {
  if (absl::Status status = check(batch); !status.ok()) return status;
  Pending& pending = pending_[end_ % card::kBatchesMax];
  pending = {};
  pending.batch = batch;
  if (answer_here(batch)) {
    pending.done = pending.local = true;
    counters_.answered_here += batch.operations.size();
  } else if (absl::Status status = post(batch, pending); !status.ok()) {
    return status;
  }
  ++end_;
  return absl::OkStatus();
}

// Answers a batch without the card if that is what the card would say. Nothing is on its way to the card, so its table
// is as the latest completion left it, and then:
//  - EXTRACT: a session enters the change log by LOOKUP, INSERT or DELETE with `changed` set, or by AGE, which then
//    sets `changed` too; never by APPLY (abi/operation.hpp). It leaves by EXTRACT, whose `next` says what is left. The
//    log was empty when the table was made. So if no completion since `next` was 0 had `changed` set, it is empty.
//  - AGE: the engines give out the last freed slot or else the first never used one, so a slot beyond each that an
//    INSERT or APPLY was ever given (its completion says which) was never used, and ageing it does nothing.
// But not for longer than kAskAnywayMs, see there.
bool CardClient::answer_here(const Batch& batch) {
  if (batch.operations.empty()) return true;
  if (submitted_ != completed_ || batch.operations[0].opcode == Opcode::kLookup) return false;
  if (!asked_ || batch.now_ms - asked_ms_ >= kAskAnywayMs || clear_to_send_ || age_floor_to_send_) return false;
  for (const abi::Operation& operation : batch.operations) {
    const bool extract = operation.opcode == Opcode::kExtract && log_empty_;
    const bool age =
        operation.opcode == Opcode::kAge && operation.argument >= used_end_ && operation.argument <= slots();
    if (!extract && !age) return false;
  }
  std::fill(batch.completions.begin(), batch.completions.end(), abi::Completion{});  // kDone, none, nothing left
  return true;
}

absl::Status CardClient::post(const Batch& batch, Pending& pending) {
  const auto operations = static_cast<uint32_t>(batch.operations.size());
  const auto records = static_cast<uint32_t>(batch.records.size());
  const uint64_t heads[] = {operation_places_.head(), record_places_.head(), output_places_.head()};
  pending.output_count = static_cast<uint32_t>(std::min<size_t>(batch.output.size(), card::kOutputOfBatchMax));
  pending.operation_first = operation_places_.take(operations, pending.operation_end);
  const uint32_t record_first = record_places_.take(records, pending.record_end);
  pending.output_first = output_places_.take(pending.output_count, pending.output_end);
  constexpr uint32_t kNoPlace = card::Places::kNoPlace;
  if (pending.operation_first == kNoPlace || record_first == kNoPlace || pending.output_first == kNoPlace) {
    operation_places_.rewind(heads[0]);
    record_places_.rewind(heads[1]);
    output_places_.rewind(heads[2]);
    return absl::ResourceExhaustedError("card: the rings are full");
  }
  card::Shared& shared = *memory_->get();
  copy_past_cache(shared.operations + pending.operation_first, batch.operations.data(),
                  operations * sizeof(abi::Operation));
  if (records != 0) {
    std::memcpy(static_cast<void*>(shared.records + record_first), batch.records.data(), records * sizeof(abi::Record));
  }
  describe(batch, pending, record_first);
  shared.header.submitted.store(submitted_, std::memory_order_release);
  wake();
  ++counters_.batches;
  counters_.operations += operations;
  asked_ = true;
  asked_ms_ = batch.now_ms;
  return absl::OkStatus();
}

void CardClient::describe(const Batch& batch, const Pending& pending, uint32_t record_first) {
  card::Descriptor& descriptor = memory_->get()->descriptors[submitted_ % card::kBatchesMax];
  descriptor.sequence = ++submitted_;
  descriptor.generation = generation_to_send_;
  descriptor.now_ms = batch.now_ms;
  descriptor.set_age_floor = age_floor_to_send_ ? 1 : 0;
  descriptor.age_floor_ms = age_floor_to_send_.value_or(0);
  descriptor.clear = clear_to_send_ ? 1 : 0;
  descriptor.operation_first = pending.operation_first;
  descriptor.operation_count = static_cast<uint32_t>(batch.operations.size());
  descriptor.record_first = record_first;
  descriptor.record_count = static_cast<uint32_t>(batch.records.size());
  descriptor.output_first = pending.output_first;
  descriptor.output_count = pending.output_count;
  age_floor_to_send_.reset();
  clear_to_send_ = false;
}

// The server says that it sleeps, then looks at `submitted` once more; we write `submitted`, then look whether it
// sleeps. With a full fence between the two on either side, one of us sees the other.
void CardClient::wake() {
  std::atomic<uint32_t>& sleeping = memory_->get()->header.sleeping;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (sleeping.load(std::memory_order_relaxed) == 0) return;
  sleeping.store(0, std::memory_order_relaxed);
  syscall(SYS_futex, &sleeping, FUTEX_WAKE, 1, nullptr, nullptr, 0);
  ++counters_.wakes;
}

size_t CardClient::poll(absl::Span<uint64_t> tags) {
  size_t count = 0;
  while (count < tags.size() && first_ != end_) {
    Pending& pending = pending_[first_ % card::kBatchesMax];
    if (!pending.done && !take_answer(pending)) break;
    tags[count++] = pending.batch.tag;
    ++first_;
  }
  return count;
}

// Whether the oldest unanswered batch has been answered; then its answers are where the caller wants them.
bool CardClient::take_answer(Pending& pending) {
  const card::Shared& shared = *memory_->get();
  const uint64_t completed = shared.header.completed.load(std::memory_order_acquire);
  if (completed == completed_) {
    if (++empty_polls_ % kPollsPerLook == 0 && look() > kNapAfterNs) {
      const timespec nap = {0, kNapNs};
      nanosleep(&nap, nullptr);
    }
    return false;
  }
  if (completed < completed_ || completed > submitted_) {
    fail(CardFaultKind::kImpossible,
         absl::StrCat("header.completed ", completed, ", after ", completed_, " with ", submitted_, " submitted"));
    return false;
  }
  const card::Descriptor& descriptor = shared.descriptors[completed_ % card::kBatchesMax];
  const uint64_t answered = descriptor.answered;
  const auto status = static_cast<uint32_t>(descriptor.status);
  const uint64_t generation = descriptor.engine_generation;
  const card::SharedCounters counters = descriptor.counters;
  std::optional<std::string> wrong;
  if (answered != completed_ + 1) wrong = absl::StrCat("descriptor.answered ", answered, " for ", completed_ + 1);
  if (!wrong && status == static_cast<uint32_t>(card::BatchStatus::kRefused)) {
    fail(CardFaultKind::kRefused, refusal());
    return false;
  }
  if (!wrong && status != static_cast<uint32_t>(card::BatchStatus::kDone)) {
    wrong = absl::StrCat("descriptor.status ", status);
  }
  if (!wrong && generation > kGenerationMax) wrong = absl::StrCat("descriptor.engine_generation ", generation);
  if (!wrong) wrong = take_completions(pending);
  if (wrong) {
    fail(CardFaultKind::kImpossible, *std::move(wrong));
    return false;
  }
  engine_counters_ = card::from_shared(counters);
  generation_ = std::max(generation_, generation);
  operation_places_.release(pending.operation_end);
  record_places_.release(pending.record_end);
  output_places_.release(pending.output_end);
  ++completed_;
  waiting_since_ns_ = -1;
  return true;
}

// Copies the completions out and then looks at the copies, so that nothing changes after it was checked. Gives what is
// wrong.
std::optional<std::string> CardClient::take_completions(Pending& pending) {
  const card::Shared& shared = *memory_->get();
  const abi::Completion* const from = shared.completions + pending.operation_first;
  const absl::Span<abi::Completion> completions = pending.batch.completions;
  uint32_t output_used = 0;
  uint32_t changed = 0;
  for (size_t i = 0; i < kCompletionsAhead; ++i) __builtin_prefetch(from + i);
  for (size_t i = 0; i < completions.size(); ++i) {
    __builtin_prefetch(from + i + kCompletionsAhead);
    abi::Completion& completion = completions[i];
    std::memcpy(static_cast<void*>(&completion), from + i, sizeof(completion));
    const abi::Operation& operation = pending.batch.operations[i];
    if (operation.opcode == Opcode::kLookup && card::plainly_a_lookup(completion, slots())) [[likely]] {
      changed |= completion.changed;
      continue;
    }
    const uint32_t room = pending.output_count - output_used;
    if (auto wrong = card::check_completion(operation, completion, slots(), room)) {
      return absl::StrCat("operation ", i, ": ", *wrong);
    }
    if (operation.opcode == Opcode::kExtract && completion.next == 0) changed = 0, log_empty_ = true;
    changed |= completion.changed | static_cast<uint32_t>(operation.opcode == Opcode::kExtract && completion.next != 0);
    if (completion.count != 0 && (operation.opcode == Opcode::kExtract || operation.opcode == Opcode::kScan)) {
      if (auto wrong = take_output(pending, operation, completion.count, output_used)) return wrong;
    }
    learn(operation, completion);
  }
  if (changed != 0) log_empty_ = false;
  return std::nullopt;
}

std::optional<std::string> CardClient::take_output(Pending& pending, const abi::Operation& operation, uint32_t count,
                                                   uint32_t& used) {
  const abi::Record* const from = memory_->get()->output + pending.output_first + used;
  abi::Record* const to = pending.batch.output.data() + used;
  std::memcpy(static_cast<void*>(to), from, count * sizeof(abi::Record));
  for (uint32_t i = 0; i < count; ++i) {
    if (auto wrong = card::check_record(operation.opcode, to[i])) {
      return absl::StrCat("output ", used + i, ": ", *wrong);
    }
  }
  used += count;
  return std::nullopt;
}

// Which slots were ever used.
void CardClient::learn(const abi::Operation& operation, const abi::Completion& completion) {
  const bool takes_slot = operation.opcode == Opcode::kInsert || operation.opcode == Opcode::kApply;
  if (takes_slot && completion.result == Result::kDone) {
    used_end_ = std::max<uint64_t>(used_end_, uint64_t{completion.slot} + 1);
  }
}

void CardClient::advance_generation(uint64_t generation) {
  generation_ = std::max(generation_, generation);
  generation_to_send_ = std::max(generation_to_send_, generation);
}

void CardClient::set_age_floor(uint32_t now_ms) { age_floor_to_send_ = now_ms; }

void CardClient::clear() {
  clear_to_send_ = true;
  engine_counters_.sessions = engine_counters_.half_open = 0;
  if (submitted_ != completed_) return;  // what is on its way may still log and take slots
  log_empty_ = true;
  used_end_ = 0;
}

}  // namespace phalanx
