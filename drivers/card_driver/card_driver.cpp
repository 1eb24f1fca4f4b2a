#include "drivers/card_driver/card_driver.hpp"

#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "drivers/card_driver/batch_queue.hpp"

namespace phalanx::card_driver {

absl::StatusOr<std::unique_ptr<CardDriver>> CardDriver::create(std::shared_ptr<Device> device,
                                                               const EngineConfig& config, const CardLimits& limits,
                                                               Clock clock) {
  auto queue = Queue::create(*device, config, limits, std::move(clock));
  if (!queue.ok()) return queue.status();
  return std::unique_ptr<CardDriver>(new CardDriver(std::move(device), *std::move(queue)));
}

CardDriver::CardDriver(std::shared_ptr<Device> device, std::unique_ptr<Queue> queue)
    : device_(std::move(device)), queue_(std::move(queue)) {}

// XRT's destructors wait for runs that have not ended, on a card that hangs for ever. Such a card's objects are left to
// the end of the process.
CardDriver::~CardDriver() {
  queue_->stop();
  if (queue_->health().ok() || !device_->waits_for_runs()) return;
  [[maybe_unused]] const Queue* abandoned = queue_.release();
  [[maybe_unused]] const auto* held = new (std::nothrow) std::shared_ptr<Device>(std::move(device_));
}

std::string CardDriver::name() const { return absl::StrCat(identity().runtime, " ", identity().name); }
uint64_t CardDriver::slots() const { return queue_->layout().slots; }
absl::Status CardDriver::submit(const Batch& batch) { return queue_->submit(batch); }
size_t CardDriver::poll(absl::Span<uint64_t> tags) { return queue_->poll(tags); }

EngineCounters CardDriver::counters() const {
  queue_->settle_and_read();
  return card_table::counters_of(queue_->state());
}

uint64_t CardDriver::generation() const {
  queue_->settle_and_read();
  return queue_->state().generation;
}

void CardDriver::advance_generation(uint64_t generation) {
  queue_->change([&](CardMemory& memory) { return memory.advance_generation(generation); });
}

void CardDriver::clear() {
  queue_->change([](CardMemory& memory) { return memory.clear(); });
}

void CardDriver::set_age_floor(uint32_t now_ms) { queue_->set_age_floor(now_ms); }

absl::Status CardDriver::health() const { return queue_->health(); }
const DeviceIdentity& CardDriver::identity() const { return device_->identity(); }
std::vector<Sensor> CardDriver::sensors() const { return device_->sensors(); }

}  // namespace phalanx::card_driver
