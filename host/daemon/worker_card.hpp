// The worker's card, as its manager uses it: every look and wish is a task of the worker's thread.
#ifndef PHALANX_HOST_DAEMON_WORKER_CARD_HPP
#define PHALANX_HOST_DAEMON_WORKER_CARD_HPP

#include "host/daemon/card_manager.hpp"
#include "host/daemon/worker.hpp"

namespace phalanx::daemon {

// `worker` has a card, and outlives this.
class WorkerCard final : public RunningCard {
 public:
  explicit WorkerCard(Worker* worker) : worker_(worker) {}

  absl::StatusOr<CardView> look() override {
    return worker_->tasks().call([](Worker& worker, int64_t) {
      const CardEngine& card = *worker.card();
      return CardView{card.status(), card.client_counters(), card.card_fault(), card.card_stopped()};
    });
  }
  absl::Status ask(CardWish wish) override {
    return worker_->tasks()
        .call([wish](Worker& worker, int64_t) {
          CardEngine& card = *worker.card();
          switch (wish) {
            case CardWish::kRelease:
              card.release_card();
              break;
            case CardWish::kStop:
              card.stop_card();
              break;
            case CardWish::kUse:
              card.use_card();
              break;
          }
          return true;
        })
        .status();
  }

 private:
  Worker* const worker_;
};

}  // namespace phalanx::daemon

#endif
