#include "tests/bench/card_emulated/timed_device.hpp"

#include <utility>

namespace phalanx::bench {
namespace {

using card_driver::Buffer;
using card_driver::Device;
using card_driver::Kernel;
using card_driver::Place;
using card_driver::Run;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Adds the time of a scope.
class Timed {
 public:
  explicit Timed(Spending::One& one) : one_(one), start_(Clock::now()) {}
  ~Timed() {
    one_.seconds += seconds_since(start_);
    ++one_.calls;
  }
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  Spending::One& one_;
  const Clock::time_point start_;
};

class TimedBuffer final : public Buffer {
 public:
  TimedBuffer(std::unique_ptr<Buffer> buffer, Spending& spending) : buffer_(std::move(buffer)), spending_(spending) {}
  size_t bytes() const override { return buffer_->bytes(); }
  absl::Span<std::byte> host() override { return buffer_->host(); }
  absl::Status push(size_t offset, size_t count) override {
    const Timed timed(spending_.push);
    return buffer_->push(offset, count);
  }
  absl::Status pull(size_t offset, size_t count) override {
    const Timed timed(spending_.pull);
    return buffer_->pull(offset, count);
  }
  Buffer& inner() { return *buffer_; }

 private:
  std::unique_ptr<Buffer> buffer_;
  Spending& spending_;
};

class TimedRun final : public Run {
 public:
  TimedRun(std::unique_ptr<Run> run, Spending& spending) : run_(std::move(run)), spending_(spending) {}
  absl::Status set_buffer(uint32_t argument, Buffer& buffer) override {
    const Timed timed(spending_.arguments);
    return run_->set_buffer(argument, static_cast<TimedBuffer&>(buffer).inner());  // buffers come from this device
  }
  absl::Status set_scalar(uint32_t argument, uint64_t value) override {
    const Timed timed(spending_.arguments);
    return run_->set_scalar(argument, value);
  }
  absl::Status start() override {
    const Timed timed(spending_.start);
    const absl::Status started = run_->start();
    started_ = Clock::now();
    return started;
  }
  absl::StatusOr<bool> done() override {
    const absl::StatusOr<bool> done = run_->done();
    if (done.ok() && *done) {
      spending_.run.seconds += seconds_since(started_);
      ++spending_.run.calls;
    }
    return done;
  }

 private:
  std::unique_ptr<Run> run_;
  Spending& spending_;
  Clock::time_point started_;
};

class TimedDevice final : public Device {
 public:
  TimedDevice(std::shared_ptr<Device> device, Spending& spending) : device_(std::move(device)), spending_(spending) {}
  const card_driver::DeviceIdentity& identity() const override { return device_->identity(); }
  uint32_t compute_units(Kernel kernel) const override { return device_->compute_units(kernel); }
  absl::StatusOr<std::unique_ptr<Buffer>> allocate(absl::Span<const Place> places, size_t bytes, Side side) override {
    auto buffer = device_->allocate(places, bytes, side);
    if (!buffer.ok()) return buffer.status();
    return std::make_unique<TimedBuffer>(*std::move(buffer), spending_);
  }
  absl::StatusOr<std::unique_ptr<Run>> make_run(Kernel kernel, uint32_t compute_unit) override {
    auto run = device_->make_run(kernel, compute_unit);
    if (!run.ok()) return run.status();
    return std::make_unique<TimedRun>(*std::move(run), spending_);
  }
  std::vector<card_driver::Sensor> sensors() const override { return device_->sensors(); }
  bool waits_for_runs() const override { return device_->waits_for_runs(); }

 private:
  std::shared_ptr<Device> device_;
  Spending& spending_;
};

}  // namespace

std::shared_ptr<Device> timed_device(std::shared_ptr<Device> device, Spending& spending) {
  return std::make_shared<TimedDevice>(std::move(device), spending);
}

}  // namespace phalanx::bench
