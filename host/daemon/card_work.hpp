// The works on a card, step by step: away from it, something is done, and back.
#ifndef PHALANX_HOST_DAEMON_CARD_WORK_HPP
#define PHALANX_HOST_DAEMON_CARD_WORK_HPP

#include <functional>
#include <string>

#include "host/daemon/bitstream_files.hpp"
#include "host/daemon/card_manager.hpp"
#include "host/daemon/card_run.hpp"

namespace phalanx::daemon {

// One thread; takes as long as the card does, bounded by the limits of card_manager.hpp.
class CardTask {
 public:
  CardTask(const v1::Card& card, RunningCard* running) : card_(card), running_(running) {}

  // As mgmt::CardWork has them.
  absl::Status load(mgmt::BitstreamUpload upload, mgmt::CardListener& listener);
  absl::Status self_test(mgmt::CardListener& listener);
  absl::StatusOr<v1::SensorList> sensors(mgmt::CardListener& listener);
  absl::Status reset(mgmt::CardListener& listener);

 private:
  // Sessions to the CPU engine, the card's process ended. After an error the card is asked back into use.
  absl::Status move_away(mgmt::CardListener& listener);
  // Starts the card and waits until it decides. Aborted with its fault if it does not start.
  absl::Status move_back(mgmt::CardListener& listener);
  absl::Status start_with(BitstreamFiles& files, const std::string& file, mgmt::CardListener& listener);
  absl::Status put_back(BitstreamFiles& files, const absl::Status& why, const std::string& file,
                        mgmt::CardListener& listener);
  // Until `condition` holds; DeadlineExceeded naming `what`, Unavailable when the member stops.
  absl::Status wait(const char* what, absl::Duration limit, mgmt::CardListener& listener,
                    const std::function<absl::StatusOr<bool>(const CardView&)>& condition);
  // phalanx-card with this option, for the card.
  absl::StatusOr<CardRun> run(const char* option, mgmt::CardListener& listener);

  const v1::Card card_;
  RunningCard* const running_;
};

}  // namespace phalanx::daemon

#endif
