// Work on the member's card while it forwards: what phalanxctl cards asks for.
#ifndef PHALANX_HOST_DAEMON_CARD_MANAGER_HPP
#define PHALANX_HOST_DAEMON_CARD_MANAGER_HPP

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "drivers/card/card_client.hpp"
#include "drivers/offload/offload_engine.hpp"
#include "mgmt/service/control.hpp"
#include "phalanx/v1/config.pb.h"

namespace phalanx::daemon {

// Limits of each step. Moving away drains a change log of at most 65536 records; the card's process ends in 1 s or is
// killed; XRT programs a card in 10 s (its start limit is 60 s), and 16 M slots are copied in some 30 s.
inline constexpr absl::Duration kMoveAwayLimit = absl::Seconds(15);
inline constexpr absl::Duration kCardStopLimit = absl::Seconds(5);
inline constexpr absl::Duration kCardBackLimit = absl::Seconds(120);
inline constexpr absl::Duration kCardRunLimit = absl::Seconds(90);  // of phalanx-card --self-test and its kin
inline constexpr absl::Duration kCardLookInterval = absl::Milliseconds(20);
// Progress of a move is told this often at most.
inline constexpr absl::Duration kCardTellInterval = absl::Milliseconds(100);

// The card as it is now.
struct CardView {
  OffloadStatus status;
  CardClientCounters client;
  CardFault fault;       // the latest of the card's process
  bool stopped = false;  // there is no process
};

enum class CardWish { kRelease, kStop, kUse };

// The running engine with a card. Any thread; errors: its owner does not answer.
class RunningCard {
 public:
  virtual ~RunningCard() = default;
  virtual absl::StatusOr<CardView> look() = 0;
  virtual absl::Status ask(CardWish wish) = 0;
};

// Any thread.
class CardManager {
 public:
  // `card` as the configuration has it, checked. `running` must outlive it.
  CardManager(const v1::Card& card, RunningCard* running) : card_(card), running_(running) {}

  absl::StatusOr<v1::CardStatus> status();
  // FailedPrecondition while another has it, NotFound for another device.
  absl::StatusOr<std::unique_ptr<mgmt::CardWork>> take(const std::string& device);

 private:
  class Work;

  // The file in place, checked once for each time that it has changed: its digest takes a second for 100 MB.
  v1::BitstreamInfo installed();
  void set_work(const std::string& work);

  const v1::Card card_;
  RunningCard* const running_;
  std::mutex mutex_;
  bool taken_ = false;
  std::string work_;  // for people
  std::mutex info_mutex_;
  std::string info_key_;
  v1::BitstreamInfo info_;
};

// CardClientCounters and OffloadCounters as "card.NAME".
void add_card_counters(const CardView& view, google::protobuf::RepeatedPtrField<v1::Counter>* out);

}  // namespace phalanx::daemon

#endif
