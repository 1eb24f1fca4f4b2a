#include "drivers/emulator/card_control.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "drivers/emulator/control_socket.hpp"

namespace phalanx::emulator {

absl::StatusOr<CardControl> CardControl::connect(const std::string& run_directory, int timeout_ms) {
  constexpr int kRetryMs = 10;
  const auto until = absl::Now() + absl::Milliseconds(timeout_ms);
  for (;;) {
    auto descriptor = open_control_socket(run_directory, false);
    if (descriptor.ok()) {
      return CardControl(*descriptor, timeout_ms);
    }
    if (absl::Now() >= until) {
      return descriptor.status();
    }
    absl::SleepFor(absl::Milliseconds(kRetryMs));
  }
}

CardControl::CardControl(CardControl&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), timeout_ms_(other.timeout_ms_) {}

CardControl& CardControl::operator=(CardControl&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(timeout_ms_, other.timeout_ms_);
  return *this;
}

CardControl::~CardControl() {
  if (descriptor_ >= 0) {
    close(descriptor_);
  }
}

absl::StatusOr<std::string> CardControl::ask(const std::string& line) {
  if (send(descriptor_, line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size())) {
    return absl::UnavailableError("card control: the device model is gone");
  }
  std::string answer;
  while (answer.empty() || answer.back() != '\n') {
    pollfd poll_on{descriptor_, POLLIN, 0};
    if (poll(&poll_on, 1, timeout_ms_) <= 0) {
      return absl::DeadlineExceededError("card control: the device model does not answer");
    }
    char buffer[4096];
    const auto got = recv(descriptor_, buffer, sizeof buffer, 0);
    if (got <= 0) {
      return absl::UnavailableError("card control: the device model is gone");
    }
    answer.append(buffer, static_cast<std::size_t>(got));
    if (answer.size() > kControlLineMax) {
      return absl::InternalError("card control: an answer without end");
    }
  }
  absl::string_view text(answer);
  text.remove_suffix(1);
  if (!absl::ConsumePrefix(&text, "ok")) {
    return absl::InvalidArgumentError(absl::StrCat("card control: ", text));
  }
  absl::ConsumePrefix(&text, " ");
  return std::string(text);
}

absl::Status CardControl::set(Fault fault, std::uint64_t value) {
  return ask(absl::StrCat("fault ", kFaultNames[static_cast<std::size_t>(fault)], " ", value, "\n")).status();
}

absl::Status CardControl::flip(std::uint64_t address, unsigned bit) {
  return ask(absl::StrCat("flip ", address, " ", bit, "\n")).status();
}

absl::StatusOr<CardStatus> CardControl::status() {
  const auto answer = ask("status\n");
  if (!answer.ok()) {
    return answer.status();
  }
  CardStatus status;
  for (const auto pair : absl::StrSplit(*answer, ' ', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> named = absl::StrSplit(pair, absl::MaxSplits('=', 1));
#define PHALANX_CARD_COUNTER(name)                                                      \
  if (named.first == #name && !absl::SimpleAtoi(named.second, &status.name)) {          \
    return absl::InternalError(absl::StrCat("card control: ", #name, " is no number")); \
  }
    PHALANX_CARD_COUNTERS(PHALANX_CARD_COUNTER)
#undef PHALANX_CARD_COUNTER
  }
  return status;
}

absl::StatusOr<std::vector<std::pair<std::uint64_t, std::uint64_t>>> CardControl::buffers() {
  const auto answer = ask("buffers\n");
  if (!answer.ok()) {
    return answer.status();
  }
  std::vector<std::pair<std::uint64_t, std::uint64_t>> buffers;
  for (const auto pair : absl::StrSplit(*answer, ' ', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(pair, absl::MaxSplits(':', 1));
    auto& buffer = buffers.emplace_back();
    if (!absl::SimpleAtoi(parts.first, &buffer.first) || !absl::SimpleAtoi(parts.second, &buffer.second)) {
      return absl::InternalError("card control: a buffer is no pair of numbers");
    }
  }
  return buffers;
}

}  // namespace phalanx::emulator
