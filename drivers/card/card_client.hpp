// The gateway's side of a card: batches into shared memory, answers out of it, and a watch over the card's process.
//
// Steady state makes no system call: submit() copies operations (96 B) and records into the rings, poll() copies
// completions (64 B) out and checks them. Only while an answer is missing are the clock and the process looked at, and
// only a slow one is slept for, 20 us at a time.
#ifndef PHALANX_DRIVERS_CARD_CARD_CLIENT_HPP
#define PHALANX_DRIVERS_CARD_CARD_CLIENT_HPP

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "drivers/card/card_process.hpp"
#include "drivers/card/fault.hpp"
#include "drivers/card/rings.hpp"
#include "drivers/card/shared_memory.hpp"

namespace phalanx {

struct CardClientOptions {
  EngineConfig config;
  // The card's program. "--shm-fd N" is added behind argv; see drivers/card/card_program.hpp.
  std::vector<std::string> argv;
  std::vector<std::string> environment;  // "NAME=value", the whole of it
  // Between a batch's turn (those before it are answered) and its answer. sw_emu needs a second for large batches.
  int64_t batch_limit_ns = 250'000'000;
  // Between the process's start and its being ready: programming a card takes seconds.
  int64_t start_limit_ns = 60'000'000'000;
  // Before a restart; doubled with each fault up to the longest, and back to the first after a minute without one.
  int64_t back_off_first_ns = 500'000'000;
  int64_t back_off_longest_ns = 60'000'000'000;
  // Monotonic, nanoseconds, for batch_limit_ns; the steady clock if empty. tend() may be given the time of another.
  std::function<int64_t()> clock_ns;
};

struct CardClientCounters {
  uint64_t batches = 0, operations = 0;
  uint64_t answered_here = 0;  // operations that needed no card
  uint64_t wakes = 0;          // system calls to wake the server
  uint64_t starts = 0, faults = 0;
};

class CardClient final : public CardAccelerator {
 public:
  // Starts nothing yet: tend() does. InvalidArgument for no program or limits that are not positive.
  static absl::StatusOr<std::unique_ptr<CardClient>> create(CardClientOptions options);
  // Ends the card's process: asks, then kills; at most 2 s.
  ~CardClient() override;

  std::string name() const override { return "card"; }
  uint64_t slots() const override { return options_.config.sessions_max; }
  absl::Status submit(const Batch& batch) override;
  size_t poll(absl::Span<uint64_t> tags) override;
  // As of the latest batch answered.
  EngineCounters counters() const override { return engine_counters_; }
  // These three ride with the next batch, and take effect before it.
  void advance_generation(uint64_t generation) override;
  uint64_t generation() const override { return generation_; }
  void set_age_floor(uint32_t now_ms) override;
  void clear() override;

  CardState state() const override { return state_; }
  const CardFault& last_fault() const override { return fault_; }
  void tend(int64_t now_ns) override;
  void condemn(std::string why) override { fail(CardFaultKind::kImpossible, std::move(why)); }
  uint64_t incarnation() const override { return incarnation_; }
  const CardClientCounters& client_counters() const { return counters_; }
  // Of the card's process; 0 if there is none.
  pid_t process_id() const { return process_ ? process_->id() : 0; }
  // Ends the card's process and starts no other one until start().
  void stop();
  // The same without the wait, for a thread that forwards: state() is kStopped at once, tend() sees to it that the
  // process ends within 1 s, by force then, and process_id() is 0 when it has. Nothing may be in flight.
  void begin_stop();
  void start() { wanted_ = true; }

 private:
  // Empty polls between two looks at the clock, ~5 ns each.
  static constexpr uint32_t kPollsPerLook = 64;
  // An answer that takes longer than kNapAfterNs, as a real card's to a burst does not, is waited for in naps: the
  // card's process, an emulated card's too, may want the very core, and a caller that comes before them never lets them
  // have it by a mere yield.
  static constexpr int64_t kNapAfterNs = 50'000, kNapNs = 20'000;
  static constexpr int64_t kWatchNs = 1'000'000;  // between two looks at the process, while an answer is missing
  // However little there is to ask, the card is asked once in this time: it keeps the engine's clock going, and an idle
  // card's death is noticed.
  static constexpr uint32_t kAskAnywayMs = 1000;

  // A batch that was submitted and not yet polled, oldest first in a ring.
  struct Pending {
    Batch batch;
    bool done = false;  // answered here, or by the card and copied out
    bool local = false;
    uint32_t operation_first = 0, output_first = 0, output_count = 0;
    uint64_t operation_end = 0, record_end = 0, output_end = 0;
  };

  explicit CardClient(CardClientOptions options);

  bool answer_here(const Batch& batch);
  absl::Status check(const Batch& batch) const;
  absl::Status post(const Batch& batch, Pending& pending);
  void describe(const Batch& batch, const Pending& pending, uint32_t record_first);
  void wake();
  int64_t look();
  bool watch_server();
  bool take_answer(Pending& pending);
  std::optional<std::string> take_completions(Pending& pending);
  std::optional<std::string> take_output(Pending& pending, const abi::Operation& operation, uint32_t count,
                                         uint32_t& used);
  void learn(const abi::Operation& operation, const abi::Completion& completion);
  void fail(CardFaultKind kind, std::string what);
  absl::Status launch(int64_t now_ns);
  void watch_start(int64_t now_ns);
  bool process_gone(int64_t now_ns);
  void forget_table();
  std::string refusal() const;

  const CardClientOptions options_;
  std::unique_ptr<card::SharedMemory> memory_;
  std::unique_ptr<card::CardProcess> process_;
  CardState state_ = CardState::kStopped;
  CardFault fault_;
  CardClientCounters counters_;
  bool wanted_ = true;
  int64_t kill_ns_ = -1;  // when a process that was told to stop is killed; -1: not known yet
  uint64_t incarnation_ = 0;
  // By tend()'s clock, which need not be the one that poll() looks at.
  int64_t started_ns_ = 0, restart_ns_ = 0, back_off_ns_ = 0, tended_ns_ = 0;

  std::array<Pending, card::kBatchesMax> pending_;
  uint64_t first_ = 0, end_ = 0;            // of pending_, counting up
  uint64_t submitted_ = 0, completed_ = 0;  // batches that went to the card, and that it answered
  card::Places operation_places_{card::kOperationsMax};
  card::Places record_places_{card::kRecordsMax};
  card::Places output_places_{card::kOutputMax};
  uint32_t empty_polls_ = 0;
  // By clock_ns(): since when the oldest unanswered batch is waited for, -1 for not known yet; the last look at the
  // process meanwhile.
  int64_t waiting_since_ns_ = -1, watched_ns_ = 0;

  // Rides with the next batch.
  uint64_t generation_to_send_ = 0;
  std::optional<uint32_t> age_floor_to_send_;
  bool clear_to_send_ = false;

  EngineCounters engine_counters_;
  uint64_t generation_ = 0;
  // What is known of the card's table when nothing is on its way; see answer_here().
  bool log_empty_ = true;
  uint64_t used_end_ = 0;
  uint32_t asked_ms_ = 0;
  bool asked_ = false;
};

}  // namespace phalanx

#endif
