// A card and the CPU's engine as one engine: the card decides while it can, the CPU shadows it and goes on when it
// cannot. docs/card.md, "When a card fails", has the reasoning.
//
// Pure: no clock, no system call; driven by submit(), poll() and poll_moves().
#ifndef PHALANX_DRIVERS_OFFLOAD_OFFLOAD_ENGINE_HPP
#define PHALANX_DRIVERS_OFFLOAD_OFFLOAD_ENGINE_HPP

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "drivers/card/fault.hpp"
#include "drivers/cpu/cpu_engine.hpp"
#include "drivers/offload/journal.hpp"
#include "hls/track_types.hpp"

namespace phalanx {

// X(name, text): what an OffloadEngine has done, each a counter.
#define PHALANX_OFFLOAD_COUNTERS(X)                                                         \
  X(operations_on_card, "operations decided by the card")                                   \
  X(operations_on_cpu, "operations decided by the CPU engine")                              \
  X(shadowed, "records extracted from the card and applied to the CPU engine")              \
  X(shadow_refused, "of those, the CPU engine had no room for")                             \
  X(failovers, "times that the CPU engine went on for a card that failed")                  \
  X(replayed, "operations answered and not yet extracted, carried out again at a failover") \
  X(replay_refused, "of those, the CPU engine took otherwise than the card had")            \
  X(redone, "operations not answered, carried out by the CPU engine at a failover")         \
  X(moves_to_card, "planned moves to the card, finished")                                   \
  X(moves_to_cpu, "planned moves to the CPU, finished")                                     \
  X(moves_failed, "moves given up")                                                         \
  X(copied, "records copied to the card by moves")                                          \
  X(compared, "records of the card's table compared with the CPU engine's")                 \
  X(journal_full, "batches refused until the caller has extracted")

struct OffloadCounters {
#define PHALANX_OFFLOAD_COUNTER_FIELD(name, text) uint64_t name = 0;
  PHALANX_OFFLOAD_COUNTERS(PHALANX_OFFLOAD_COUNTER_FIELD)
#undef PHALANX_OFFLOAD_COUNTER_FIELD
};

// X(name, text)
#define PHALANX_OFFLOAD_STATES(X)                                             \
  X(kCpu, "the CPU engine decides")                                           \
  X(kToCard, "the CPU engine decides; sessions are being copied to the card") \
  X(kCard, "the card decides; the CPU engine shadows it")                     \
  X(kToCpu, "the card decides; its last changes are being fetched")

enum class OffloadState : uint8_t {
#define PHALANX_OFFLOAD_STATE_ENUMERATOR(name, text) name,
  PHALANX_OFFLOAD_STATES(PHALANX_OFFLOAD_STATE_ENUMERATOR)
#undef PHALANX_OFFLOAD_STATE_ENUMERATOR
};
const char* offload_state_text(OffloadState state);

// For management.
struct OffloadStatus {
  OffloadState state = OffloadState::kCpu;
  bool card_wanted = true;  // the card is to decide whenever it can
  bool degraded = false;    // wanted and not deciding, because it failed
  CardState card = CardState::kStopped;
  CardFault last_fault;       // that made the CPU engine go on, or a move be given up
  uint64_t slots_copied = 0;  // kToCard: progress
  uint64_t slots = 0;
  OffloadCounters counters;
};

struct OffloadOptions {
  EngineConfig config;             // what both engines were made with
  bool card_wanted = true;         // move to the card as soon as it is ready
  bool return_after_fault = true;  // and again after it failed and was restarted; else move_to_card() has to be called
};

// Beyond Accelerator's contract:
//  - SCAN goes in batches of its own and always reads the CPU engine, so that slots mean the same before and after a
//    move. While the card decides it shows what has been EXTRACTed, and counters as of a session's last change.
//  - The caller must EXTRACT now and then: with Journal::kEntriesMax answered operations on changed sessions, batches
//    that do anything else are ResourceExhausted.
class OffloadEngine final : public Accelerator {
 public:
  static constexpr size_t kBatchesInFlightMax = 32;  // of the caller's
  // While the card decides: some 50 us there and back are 512 packets at 10 M/s, eight batches of a burst of 64.
  static constexpr size_t kBatchesAhead = 8;
  // Slots copied by a call of poll_moves(): some 20 us of the CPU engine's time.
  static constexpr uint64_t kMoveSlots = 256;
  // Records that wait for the caller's EXTRACT beyond what the engines hold: what moves and failovers took out of a
  // log.
  static constexpr size_t kHeldMax = 2 * Journal::kEntriesMax;
  // Records that wait for the card while it is filled: changes of some ms at 1 M/s.
  static constexpr size_t kForCardMax = 16384;
  // Passes over the table before a move whose counts differ is given up.
  static constexpr int kCopyPassesMax = 3;
  // Slots of the card that are compared with the CPU engine's table at a time, and how often: at 25,600 a second a
  // million take 40 s. A card that answers later than within two calls of poll_moves() a millisecond apart is given 64
  // times as long for other work.
  static constexpr uint64_t kCompareSlots = 256;
  static constexpr int64_t kCompareEveryNs = 10'000'000;
  static constexpr int64_t kComparePromptNs = 2'500'000;
  static constexpr int64_t kCompareShare = 64;
  // Generations that a decider may have given out in answers nobody saw: all operations on their way, 64 batches of
  // 8192 at the most, is 2^19.
  static constexpr uint64_t kGenerationJump = uint64_t{1} << 20;

  // InvalidArgument if their slots differ. Both outlive it.
  static absl::StatusOr<std::unique_ptr<OffloadEngine>> create(const OffloadOptions& options, CardAccelerator* card,
                                                               CpuEngine* cpu);

  std::string name() const override { return card_decides() ? "offload:card" : "offload:cpu"; }
  uint64_t slots() const override { return cpu_->slots(); }
  size_t batches_ahead() const override { return card_decides() ? kBatchesAhead : cpu_->batches_ahead(); }
  absl::Status submit(const Batch& batch) override;
  size_t poll(absl::Span<uint64_t> tags) override;
  EngineCounters counters() const override { return card_decides() ? card_->counters() : cpu_->counters(); }
  void advance_generation(uint64_t generation) override;
  uint64_t generation() const override { return generation_; }
  void set_age_floor(uint32_t now_ms) override;
  void clear() override;

  // The card is to decide, now and after faults: starts as soon as it is ready.
  void move_to_card() { card_wanted_ = true, may_return_ = true, moves_refused_incarnation_ = 0; }
  // The CPU engine is to decide: before the card is reprogrammed or taken out.
  void move_to_cpu() { card_wanted_ = false; }
  // Tends the card and drives moves on by a bounded step; every millisecond or so, between batches.
  void poll_moves(int64_t now_ns);
  OffloadStatus status() const;

 private:
  // A batch of the caller's on its way, in order.
  struct Outstanding {
    Batch batch;
    bool done = false;
    bool before_clear = false;  // the table it was for has been forgotten since
    uint64_t generation = 0;    // had been advanced to this when it was submitted
  };
  static constexpr uint64_t kOwnTag = ~uint64_t{0};      // on the card; the caller's batches have their number
  static constexpr uint64_t kNotCounted = ~uint64_t{0};  // sessions: cannot be said
  static constexpr size_t kChunk = 64;                   // operations of ours on the CPU engine at a time
  static constexpr size_t kMoveRecordsMax = 512;         // of one of our own batches

  // Our own batch on the card, one at a time.
  enum class OwnBatch : uint8_t { kCopy, kDrain, kCompare };

  OffloadEngine(const OffloadOptions& options, CardAccelerator* card, CpuEngine* cpu);
  bool card_decides() const { return state_ == OffloadState::kCard || state_ == OffloadState::kToCpu; }
  bool all_answered() const { return unanswered_ == 0; }

  // offload_engine.cpp
  absl::Status check(const Batch& batch) const;
  absl::Status submit_to_card(const Batch& batch);
  void poll_card();
  void take_in_own();
  void take_in(const Outstanding& outstanding);
  void give_after_held(const Batch& batch, size_t count);
  void take_in_extracted(const abi::Completion& completion, absl::Span<const abi::Record> records);

  // on_cpu.cpp
  void run_on_cpu(const Batch& batch);
  void carry_out_on_cpu(const Batch& batch);
  void note_for_card(const Batch& batch, bool extracted);
  void note_extracted(const abi::Completion& completion, absl::Span<const abi::Record> output);
  abi::Completion run_one_on_cpu(const abi::Operation& operation, const abi::Record* record,
                                 absl::Span<abi::Record> output);
  void extract_on_cpu(const abi::Operation& operation, absl::Span<abi::Record> output, abi::Completion& completion);
  void shadow(absl::Span<const abi::Record> records);
  uint32_t give_held(uint64_t count, absl::Span<abi::Record> output);

  // failover.cpp
  void fail_over(const CardFault& fault);
  void replay();
  bool replay_insert(const Journal::Entry& entry);
  void redo_unanswered();
  void let_cpu_decide(uint64_t generation);

  // moves.cpp
  void begin_move_to_card();
  void copy_step();
  void copy_again(const std::string& why);
  void drain_cpu_log(size_t limit);
  bool collect_for_card();
  absl::Status submit_own(OwnBatch own, absl::Span<const abi::Record> records, absl::Span<abi::Record> output);
  void post_to_card();
  void take_in_copied();
  void finish_move_to_card();
  void give_up_move(const CardFault& fault);
  void for_card(const abi::Record& record);
  void drain_step();

  // compare.cpp
  void compare_step(int64_t now_ns);
  void take_in_compared();
  std::optional<std::string> difference(const abi::Record& record, uint32_t slot) const;

  const OffloadOptions options_;
  const hls::TrackConfig track_config_;
  CardAccelerator* const card_;
  CpuEngine* const cpu_;
  OffloadState state_ = OffloadState::kCpu;
  bool card_wanted_;
  bool may_return_ = true;
  bool degraded_ = false;
  CardFault last_fault_;
  OffloadCounters counters_;
  uint32_t now_ms_ = 0;
  uint32_t card_since_ms_ = 0;    // when the card became the decider
  uint64_t generation_ = 0;       // of all that was answered or advanced to
  uint64_t card_generation_ = 0;  // of the card, as far as it has answered

  std::array<Outstanding, kBatchesInFlightMax> outstanding_;
  uint64_t first_ = 0, end_ = 0;  // of outstanding_, counting up
  size_t unanswered_ = 0;         // of those
  size_t operations_unanswered_ = 0;
  Journal journal_;
  bool card_log_empty_ = true;  // as of the latest answer
  std::deque<abi::Record> held_;

  bool own_in_flight_ = false;
  OwnBatch own_ = OwnBatch::kCopy;
  bool own_is_void_ = false;  // its answer says nothing any more: forgotten or given up since
  std::vector<abi::Record> own_records_;
  std::vector<abi::Operation> own_operations_;
  std::vector<abi::Completion> own_completions_;
  uint64_t own_expected_ = kNotCounted;  // sessions that the card should have after it
  std::deque<abi::Record> for_card_;
  bool for_card_overflow_ = false;
  bool cpu_log_empty_ = false;
  uint64_t copy_next_ = 0;
  bool copied_all_ = false;
  bool counts_agree_ = false;
  int copy_passes_ = 0;
  uint64_t move_incarnation_ = 0;
  uint64_t moves_refused_incarnation_ = 0;  // of a card that a move was given up for

  uint64_t compare_next_ = 0;  // slot
  int64_t compare_at_ns_ = 0;
  int64_t compare_since_ns_ = 0;
  bool compare_on_its_way_ = false;
};

}  // namespace phalanx

#endif
