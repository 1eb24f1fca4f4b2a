#include "drivers/emulator/compute_unit.hpp"

#include <sys/types.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace phalanx::emulator {
namespace {

// The signal handler has no other way to know whose thread it is on. Null where no kernel runs.
thread_local ComputeUnit* running_unit = nullptr;
thread_local Card* running_card = nullptr;

// A kernel's fibers have small stacks; the frame of a signal with all vector registers takes some 12 KiB.
constexpr std::size_t kSignalStackBytes = 64 * 1024;

void on_memory_fault(int signal, siginfo_t* info, void* /*context*/) {
  std::uint64_t address = 0;
  if (running_unit != nullptr && running_card->memory.owns(info->si_addr, address)) {
    running_unit->stuck_at(address);
  }
  // Not the card's memory: a defect of the kernel or of this program. Let the instruction fault again, fatally.
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  sigaction(signal, &action, nullptr);
}

}  // namespace

void install_axi_fault_handler() {
  struct sigaction action {};
  action.sa_sigaction = on_memory_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(SIGSEGV, &action, nullptr);
  sigaction(SIGBUS, &action, nullptr);
}

ComputeUnit::ComputeUnit(Card& card, const Kernel& kernel, const KernelInstance& instance, KernelCall call)
    : card_(card),
      name_(absl::StrCat(kernel.name, ":", instance.name)),
      arguments_(kernel.arguments),
      base_(instance.base),
      range_(instance.range),
      call_(call) {}

void ComputeUnit::start() {
  ended_ = false;
  std::thread([self = shared_from_this()] { self->run_loop(); }).detach();
}

bool ComputeUnit::stop(int timeout_ms) {
  std::unique_lock lock(mutex_);
  stop_ = true;
  changed_.notify_all();
  return changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [this] { return ended_; });
}

absl::Status ComputeUnit::write(std::uint64_t offset, absl::string_view bytes) {
  if (offset % 4 != 0 || bytes.size() % 4 != 0 || offset > kRegisterMapBytes ||
      bytes.size() > kRegisterMapBytes - offset) {
    return absl::OutOfRangeError(absl::StrCat(name_, ": registers ", offset, ", ", bytes.size(), " bytes: outside"));
  }
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < bytes.size(); i += 4) {
    const auto word = (offset + i) / 4;
    std::uint32_t value = 0;
    std::memcpy(&value, bytes.data() + i, sizeof value);
    if (word != 0) {
      registers_[word] = value;
    }
  }
  // Last, because XRT writes the control word and the arguments in one go.
  if (offset == 0 && bytes.size() >= 4 && (bytes[0] & static_cast<char>(kApStart)) != 0) {
    begin();
  }
  return absl::OkStatus();
}

void ComputeUnit::begin() {
  const auto state = state_.load();
  if (state == State::kRunning || state == State::kStuck) {
    card_.log.line(absl::StrCat(name_, ": started while ", state == State::kStuck ? "stuck" : "running", ": ignored"));
    return;
  }
  ++card_.counters.runs;
  state_.store(State::kRunning);
  changed_.notify_all();
}

absl::StatusOr<std::string> ComputeUnit::read(std::uint64_t offset, std::uint64_t size) {
  if (offset % 4 != 0 || size % 4 != 0 || offset > kRegisterMapBytes || size > kRegisterMapBytes - offset) {
    return absl::OutOfRangeError(absl::StrCat(name_, ": registers ", offset, ", ", size, " bytes: outside"));
  }
  const std::lock_guard lock(mutex_);
  if (offset == 0 && size >= 4) {
    std::uint32_t control = kApStart;
    if (state_.load() == State::kDone) {
      control = kApDone | kApIdle | kApReady;
      state_.store(State::kIdle);
    } else if (state_.load() == State::kIdle) {
      control = kApIdle;
    }
    registers_[0] = control;
  }
  std::string bytes(size, '\0');
  std::memcpy(bytes.data(), reinterpret_cast<const char*>(registers_.data()) + offset, size);
  return bytes;
}

void ComputeUnit::run_loop() {
  std::vector<char> signal_stack(kSignalStackBytes);
  stack_t stack{};
  stack.ss_sp = signal_stack.data();
  stack.ss_size = signal_stack.size();
  sigaltstack(&stack, nullptr);
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stop_ || state_.load() == State::kRunning; });
    if (stop_) {
      break;
    }
    const auto registers = registers_;
    lock.unlock();
    run_once(registers);
    lock.lock();
    if (state_.load() == State::kRunning) {
      state_.store(State::kDone);
      ++card_.counters.runs_done;
    }
  }
  stack.ss_flags = SS_DISABLE;
  sigaltstack(&stack, nullptr);
  ended_ = true;
  changed_.notify_all();
}

void ComputeUnit::run_once(const std::array<std::uint32_t, kRegisterMapBytes / 4>& registers) {
  if (card_.faults.get(Fault::crash) == 2) {
    card_.log.line(absl::StrCat(name_, ": crash, as told"));
    kill(getpid(), SIGKILL);
  }
  if (card_.faults.get(Fault::hang) != 0) {
    ++card_.counters.runs_hung;
    card_.log.line(absl::StrCat(name_, ": hangs, as told"));
    stuck();
    return;
  }
  std::array<std::uint64_t, kArgumentsMax> values{};
  for (std::size_t i = 0; i < arguments_.size(); ++i) {
    const auto& argument = arguments_[i];
    values[i] = registers[argument.offset / 4];
    if (argument.size == 8) {
      values[i] |= static_cast<std::uint64_t>(registers[argument.offset / 4 + 1]) << 32;
    }
    if (!argument.pointer) {
      continue;
    }
    const auto host = card_.memory.translate(values[i]);
    if (!host.ok()) {
      ++card_.counters.axi_errors;
      card_.log.line(absl::StrCat(name_, ": AXI decode error: argument ", argument.name, ": ",
                                  std::string(host.status().message()), "; the kernel does not finish"));
      stuck();
      return;
    }
    values[i] = reinterpret_cast<std::uintptr_t>(*host);
  }
  if (const auto delay_us = card_.faults.get(Fault::slow_run_us); delay_us != 0) {
    std::this_thread::sleep_for(std::chrono::microseconds(delay_us));
  }
  running_card = &card_;
  running_unit = this;
  call_(values.data());
  running_unit = nullptr;
}

void ComputeUnit::stuck() { state_.store(State::kStuck); }

void ComputeUnit::stuck_at(std::uint64_t address) {
  // Only what is safe in a signal handler from here on.
  state_.store(State::kStuck);
  ++card_.counters.axi_errors;
  constexpr char kDigits[] = "0123456789abcdef";
  char hex[17] = {};
  for (int i = 0; i < 16; ++i) {
    hex[i] = kDigits[(address >> (60 - 4 * i)) & 15];
  }
  card_.log.raw(name_.data(), name_.size());
  constexpr absl::string_view kBefore = ": AXI decode error: the kernel touched ";
  constexpr absl::string_view kAfter = ", which no buffer has, and does not finish\n";
  card_.log.raw(kBefore.data(), kBefore.size());
  card_.log.raw(hex, 16);
  card_.log.raw(kAfter.data(), kAfter.size());
  for (;;) {
    pause();
  }
}

}  // namespace phalanx::emulator
