// The life of the card's process: start, watch, fault, restart. Batches are in card_client_batches.cpp.
#include "drivers/card/card_client.hpp"

#include <poll.h>
#include <time.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace phalanx {
namespace {

constexpr int64_t kTendWatchNs = 10'000'000;       // an idle card's process is looked at so often
constexpr int64_t kForgiveNs = 60'000'000'000;     // so long without a fault, and the back-off starts anew
constexpr int kStopTurns = 100, kStopTurnMs = 10;  // 1 s for the process to end by itself
constexpr int64_t kStopNs = int64_t{kStopTurns} * kStopTurnMs * 1'000'000;

int64_t steady_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * int64_t{1'000'000'000} + now.tv_nsec;
}

}  // namespace

absl::StatusOr<std::unique_ptr<CardClient>> CardClient::create(CardClientOptions options) {
  if (options.argv.empty() || options.argv[0].empty()) {
    return absl::InvalidArgumentError("card: no program to run");
  }
  const std::pair<const char*, int64_t> limits[] = {{"batch_limit_ns", options.batch_limit_ns},
                                                    {"start_limit_ns", options.start_limit_ns},
                                                    {"back_off_first_ns", options.back_off_first_ns},
                                                    {"back_off_longest_ns", options.back_off_longest_ns}};
  for (const auto& [name, value] : limits) {
    if (value <= 0) return absl::InvalidArgumentError(absl::StrCat("card: ", name, " is ", value));
  }
  if (!options.clock_ns) options.clock_ns = steady_ns;
  return std::unique_ptr<CardClient>(new CardClient(std::move(options)));
}

CardClient::CardClient(CardClientOptions options) : options_(std::move(options)) {}

CardClient::~CardClient() { stop(); }

void CardClient::stop() {
  wanted_ = false;
  if (process_) {
    memory_->get()->header.stop.store(1, std::memory_order_release);
    wake();
    for (int turn = 0; turn < kStopTurns && state_ != CardState::kFaulted && !process_->ended(); ++turn) {
      ::poll(nullptr, 0, kStopTurnMs);
    }
    process_.reset();
  }
  memory_.reset();
  forget_table();
  state_ = CardState::kStopped;
}

void CardClient::begin_stop() {
  wanted_ = false;
  if (process_) {
    memory_->get()->header.stop.store(1, std::memory_order_release);
    wake();
    kill_ns_ = -1;
  }
  forget_table();
  state_ = CardState::kStopped;
}

// Whether no process is left; one that was told to stop and does not is killed.
bool CardClient::process_gone(int64_t now_ns) {
  if (!process_) return true;
  if (process_->ended()) {
    process_.reset();
    return true;
  }
  if (state_ != CardState::kStopped) return false;
  if (kill_ns_ < 0) kill_ns_ = now_ns + kStopNs;
  if (now_ns >= kill_ns_) process_->kill();
  return false;
}

void CardClient::fail(CardFaultKind kind, std::string what) {
  fault_ = {kind, std::move(what)};
  state_ = CardState::kFaulted;
  ++counters_.faults;
  restart_ns_ = 0;
  if (process_) process_->kill();
  forget_table();
}

void CardClient::forget_table() {
  first_ = end_ = 0;
  submitted_ = completed_ = 0;
  operation_places_.reset();
  record_places_.reset();
  output_places_.reset();
  waiting_since_ns_ = -1;
  engine_counters_ = {};
  log_empty_ = true;
  used_end_ = 0;
  asked_ = false;
  age_floor_to_send_.reset();
  clear_to_send_ = false;
  generation_to_send_ = generation_;  // a new engine goes on where the old one was
}

void CardClient::tend(int64_t now_ns) {
  if (state_ == CardState::kStarting) return watch_start(now_ns);
  if (state_ == CardState::kReady) {
    if (now_ns - tended_ns_ < kTendWatchNs) return;
    tended_ns_ = now_ns;
    if (now_ns - started_ns_ > kForgiveNs) back_off_ns_ = 0;
    if (!watch_server()) return;
    // A batch of which nobody asks often: its time runs all the same.
    const uint64_t completed = memory_->get()->header.completed.load(std::memory_order_acquire);
    if (submitted_ != completed_ && completed == completed_) look();
    return;
  }
  // Two processes never share a card: the old one has to be gone first.
  if (!process_gone(now_ns) || !wanted_) return;
  if (state_ == CardState::kFaulted && restart_ns_ == 0) {
    back_off_ns_ =
        back_off_ns_ == 0 ? options_.back_off_first_ns : std::min(2 * back_off_ns_, options_.back_off_longest_ns);
    restart_ns_ = now_ns + back_off_ns_;
  }
  if (state_ == CardState::kFaulted && now_ns < restart_ns_) return;
  if (const absl::Status status = launch(now_ns); !status.ok()) {
    fail(CardFaultKind::kNotStarted, std::string(status.message()));
  }
}

absl::Status CardClient::launch(int64_t now_ns) {
  memory_.reset();
  auto memory = card::SharedMemory::create(options_.config);
  if (!memory.ok()) return memory.status();
  auto process = card::CardProcess::start(options_.argv, options_.environment, (*memory)->fd());
  if (!process.ok()) return process.status();
  memory_ = *std::move(memory);
  process_ = *std::move(process);
  forget_table();
  state_ = CardState::kStarting;
  started_ns_ = tended_ns_ = now_ns;
  ++counters_.starts;
  return absl::OkStatus();
}

void CardClient::watch_start(int64_t now_ns) {
  const card::Header& header = memory_->get()->header;
  switch (header.state.load(std::memory_order_acquire)) {
    case static_cast<uint32_t>(card::ServerState::kReady):
      if (header.slots != slots()) {
        return fail(CardFaultKind::kImpossible, absl::StrCat("header.slots ", header.slots, " of ", slots()));
      }
      state_ = CardState::kReady;
      ++incarnation_;
      return;
    case static_cast<uint32_t>(card::ServerState::kRefused):
      return fail(CardFaultKind::kRefused, refusal());
    case static_cast<uint32_t>(card::ServerState::kStarting):
      break;
    default:
      return fail(CardFaultKind::kImpossible, "header.state");
  }
  if (auto end = process_->ended()) return fail(CardFaultKind::kDied, absl::StrCat(*end, " while starting"));
  if (now_ns - started_ns_ > options_.start_limit_ns) {
    fail(CardFaultKind::kHung, absl::StrCat("not ready ", options_.start_limit_ns / 1'000'000, " ms after its start"));
  }
}

// Whether a server that was ready still serves. One that has refused is not waited for, whether its process ends or
// hangs at its end.
bool CardClient::watch_server() {
  const uint32_t state = memory_->get()->header.state.load(std::memory_order_acquire);
  if (state == static_cast<uint32_t>(card::ServerState::kRefused)) {
    fail(CardFaultKind::kRefused, refusal());
  } else if (state != static_cast<uint32_t>(card::ServerState::kReady)) {
    fail(CardFaultKind::kImpossible, absl::StrCat("header.state ", state));
  } else if (auto end = process_->ended()) {
    fail(CardFaultKind::kDied, *end);
  }
  return state_ == CardState::kReady;
}

// The oldest batch on the card has no answer yet: has its time run out, is the process alive? Gives for how long it has
// been waited for, 0 after a failure.
int64_t CardClient::look() {
  const int64_t now_ns = options_.clock_ns();
  if (waiting_since_ns_ < 0) waiting_since_ns_ = watched_ns_ = now_ns;
  const int64_t waited_ns = now_ns - waiting_since_ns_;
  if (waited_ns > options_.batch_limit_ns) {
    uint64_t oldest = first_;
    while (pending_[oldest % card::kBatchesMax].done) ++oldest;
    const size_t operations = pending_[oldest % card::kBatchesMax].batch.operations.size();
    fail(CardFaultKind::kHung, absl::StrCat(operations, " operations, ", options_.batch_limit_ns / 1'000'000, " ms"));
    return 0;
  }
  if (now_ns - watched_ns_ < kWatchNs) return waited_ns;
  watched_ns_ = now_ns;
  return watch_server() ? waited_ns : 0;
}

// What the server wrote, as far as it can be printed.
std::string CardClient::refusal() const {
  const volatile char* const text = memory_->get()->header.text;
  std::string copy;
  for (uint32_t i = 0; i < card::kTextMax; ++i) {
    const char c = text[i];
    if (c == '\0') break;
    copy.push_back(c >= ' ' && c <= '~' ? c : '?');
  }
  return copy;
}

}  // namespace phalanx
