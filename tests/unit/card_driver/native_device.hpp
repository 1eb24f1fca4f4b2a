// A Device without a card: host memory as the card's, kernels compiled natively, and the faults a card can have.
#ifndef PHALANX_TESTS_UNIT_CARD_DRIVER_NATIVE_DEVICE_HPP
#define PHALANX_TESTS_UNIT_CARD_DRIVER_NATIVE_DEVICE_HPP

#include <cstring>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "drivers/card_driver/device.hpp"
#include "kernels/esp_crypto/esp_crypto.hpp"
#include "kernels/session_engine/session_engine.hpp"
#include "kernels/state_delta/state_delta.hpp"

namespace phalanx::testing {

using namespace card_driver;

// What the card does wrong and how often it was asked: shared by the device's parts and the test.
struct NativeCard {
  uint32_t polls_until_done = 2;  // done() is false so often
  bool hangs = false;
  bool transfers_fail = false;
  bool transfers_lost = false;  // nothing moves and nobody says so: what XRT does when the card's DMA fails
  uint32_t lost_push = 0;       // the same of that one push: of those there were so far, as `pushes` counts them
  bool starts_fail = false;
  bool runs_abort = false;
  bool banks_differ = false;
  std::function<void(Kernel, std::byte* completions)> after_run;  // may damage the answers
  uint32_t esp_units = 1;
  uint32_t pushes = 0, pulls = 0, starts = 0;
  size_t bytes_pushed = 0, bytes_pulled = 0;
  std::byte* state = nullptr;  // the card's memory of the table's state
};

class NativeBuffer final : public Buffer {
 public:
  NativeBuffer(NativeCard& card, size_t bytes, bool host) : card_(card), memory_(bytes), host_(host ? bytes : 0) {}
  size_t bytes() const override { return memory_.size(); }
  absl::Span<std::byte> host() override { return absl::MakeSpan(host_); }
  absl::Status push(size_t offset, size_t count) override {
    ++card_.pushes;
    card_.bytes_pushed += count;
    if (card_.pushes == card_.lost_push) return absl::OkStatus();
    return copy(offset, count, host_, memory_);
  }
  absl::Status pull(size_t offset, size_t count) override {
    ++card_.pulls;
    card_.bytes_pulled += count;
    return copy(offset, count, memory_, host_);
  }
  std::byte* memory() { return memory_.data(); }

 private:
  absl::Status copy(size_t offset, size_t count, const std::vector<std::byte>& from, std::vector<std::byte>& to) {
    if (card_.transfers_fail) return absl::UnavailableError("transfer: the card does not answer");
    if (offset + count > host_.size()) return absl::OutOfRangeError("transfer beyond the buffer");
    if (!card_.transfers_lost) std::memcpy(to.data() + offset, from.data() + offset, count);
    return absl::OkStatus();
  }

  NativeCard& card_;
  std::vector<std::byte> memory_;
  std::vector<std::byte> host_;
};

// Calls a kernel with its arguments as words.
template <typename T>
T from_word(uint64_t word) {
  if constexpr (std::is_pointer_v<T>) {
    return reinterpret_cast<T>(word);
  } else {
    return static_cast<T>(word);
  }
}
template <typename... Arguments, size_t... kIndex>
void call(void (*kernel)(Arguments...), const std::vector<uint64_t>& words, std::index_sequence<kIndex...>) {
  kernel(from_word<Arguments>(words[kIndex])...);
}
template <typename... Arguments>
void call(void (*kernel)(Arguments...), std::vector<uint64_t> words) {
  words.resize(sizeof...(Arguments));
  call(kernel, words, std::index_sequence_for<Arguments...>());
}

class NativeRun final : public Run {
 public:
  NativeRun(NativeCard& card, Kernel kernel) : card_(card), kernel_(kernel), words_(32, 0) {}
  absl::Status set_buffer(uint32_t argument, Buffer& buffer) override {
    words_[argument] = reinterpret_cast<uint64_t>(static_cast<NativeBuffer&>(buffer).memory());
    return absl::OkStatus();
  }
  absl::Status set_scalar(uint32_t argument, uint64_t value) override {
    words_[argument] = value;
    return absl::OkStatus();
  }
  absl::Status start() override {
    ++card_.starts;
    if (card_.starts_fail) return absl::UnavailableError("start: the card does not answer");
    left_ = card_.polls_until_done;
    return absl::OkStatus();
  }
  // The kernel runs at the last moment, so a host that writes too early spoils its own run.
  absl::StatusOr<bool> done() override {
    if (card_.runs_abort) return absl::UnavailableError("done: the run was aborted");
    if (card_.hangs) return false;
    if (left_ != 0) return --left_, false;
    if (kernel_ == Kernel::session_engine) {
      call(session_engine, words_);
    } else if (kernel_ == Kernel::state_delta) {
      call(state_delta, words_);
    } else {
      call(esp_crypto, words_);
    }
    const auto completions = words_[static_cast<size_t>(SessionArgument::completions)];
    if (card_.after_run) card_.after_run(kernel_, reinterpret_cast<std::byte*>(completions));
    return true;
  }

 private:
  NativeCard& card_;
  const Kernel kernel_;
  std::vector<uint64_t> words_;
  uint32_t left_ = 0;
};

class NativeDevice final : public Device {
 public:
  explicit NativeDevice(NativeCard& card) : card_(card) {
    identity_ = {"native", "kernels compiled natively", "none", "none", true};
  }
  const DeviceIdentity& identity() const override { return identity_; }
  uint32_t compute_units(Kernel kernel) const override { return kernel == Kernel::esp_crypto ? card_.esp_units : 1; }
  absl::StatusOr<std::unique_ptr<Buffer>> allocate(absl::Span<const Place> places, size_t bytes, Side side) override {
    if (card_.banks_differ && places.size() > 1) return absl::FailedPreconditionError("different banks");
    auto buffer = std::make_unique<NativeBuffer>(card_, bytes, side == Side::kBoth);
    const Place first = places[0];
    if (first.kernel == Kernel::session_engine && first.argument == static_cast<uint32_t>(SessionArgument::state)) {
      card_.state = buffer->memory();
    }
    return buffer;
  }
  absl::StatusOr<std::unique_ptr<Run>> make_run(Kernel kernel, uint32_t) override {
    return std::make_unique<NativeRun>(card_, kernel);
  }
  std::vector<Sensor> sensors() const override { return {}; }
  bool waits_for_runs() const override { return false; }

 private:
  NativeCard& card_;
  DeviceIdentity identity_;
};

}  // namespace phalanx::testing

#endif
