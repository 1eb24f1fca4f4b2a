// A member with one card that says and does what a test wants.
#ifndef PHALANX_TESTS_UNIT_MGMT_FAKE_CARD_HPP
#define PHALANX_TESTS_UNIT_MGMT_FAKE_CARD_HPP

#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "mgmt/service/control.hpp"

namespace phalanx::mgmt {

struct FakeCard {
  std::atomic<bool> there = true;
  std::atomic<bool> taken = false;
  std::atomic<bool> hold = false;   // work goes on until the listener is gone or the member stops
  std::atomic<bool> begun = false;  // held work has begun
  std::atomic<int> seen_gone = 0;   // works that noticed that nobody listens
  std::atomic<int> seen_stopping = 0;
  std::mutex mutex;
  absl::Status result;                     // of load, reset, sensors
  std::vector<v1::CardProgress> progress;  // told by load, self_test, reset
  BitstreamUpload upload;                  // as it came last
  v1::CardStatus status;
};

class FakeCardWork final : public CardWork {
 public:
  explicit FakeCardWork(FakeCard& card) : card_(card) {}
  ~FakeCardWork() override { card_.taken = false; }

  absl::Status load(BitstreamUpload upload, CardListener& listener) override {
    {
      const std::lock_guard lock(card_.mutex);
      card_.upload = std::move(upload);
    }
    return work(listener);
  }
  absl::Status self_test(CardListener& listener) override { return work(listener); }
  absl::Status reset(CardListener& listener) override { return work(listener); }
  absl::StatusOr<v1::SensorList> sensors(CardListener& listener) override {
    if (absl::Status status = work(listener); !status.ok()) return status;
    v1::SensorList list;
    list.set_device("0000:65:00.1");
    list.set_source("a test");
    v1::Sensor* const sensor = list.add_sensors();
    sensor->set_name("thermal");
    sensor->set_value("41 C\x1b[2J");
    sensor->set_present(true);
    return list;
  }

 private:
  absl::Status work(CardListener& listener) {
    std::vector<v1::CardProgress> progress;
    absl::Status result;
    {
      const std::lock_guard lock(card_.mutex);
      progress = card_.progress;
      result = card_.result;
    }
    for (const v1::CardProgress& one : progress) listener.tell(one);
    while (card_.hold) {
      card_.begun = true;
      if (listener.gone()) {
        ++card_.seen_gone;
        return absl::CancelledError("the client has gone");
      }
      if (listener.stopping()) {
        ++card_.seen_stopping;
        return absl::UnavailableError("the member is stopping");
      }
      absl::SleepFor(absl::Milliseconds(5));
    }
    return result;
  }

  FakeCard& card_;
};

}  // namespace phalanx::mgmt

#endif
