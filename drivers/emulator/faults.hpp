// The faults that the emulated card can be told to have while it runs, and their present setting.
#ifndef PHALANX_DRIVERS_EMULATOR_FAULTS_HPP
#define PHALANX_DRIVERS_EMULATOR_FAULTS_HPP

#include <array>
#include <atomic>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace phalanx::emulator {

// X(name, what its value means)
#define PHALANX_EMULATOR_FAULTS(X)                                                                           \
  X(hang, "1: kernel runs that start from now on never finish, until 0; those that hang stay so")            \
  X(crash, "1: the device model kills itself by SIGKILL at once; 2: at the next kernel run")                 \
  X(dma_error, "1: transfers to and from the card fail: nothing is written, what is read is short; until 0") \
  X(push_lost, "1: transfers to the card move nothing and say nothing, those from it work; until 0")         \
  X(slow_run_us, "every kernel run takes that many microseconds longer")                                     \
  X(slow_transfer_us, "every transfer takes that many microseconds longer")

enum class Fault : std::uint8_t {
#define PHALANX_FAULT(name, meaning) name,
  PHALANX_EMULATOR_FAULTS(PHALANX_FAULT)
#undef PHALANX_FAULT
};

inline constexpr std::array kFaultNames = {
#define PHALANX_FAULT(name, meaning) absl::string_view(#name),
    PHALANX_EMULATOR_FAULTS(PHALANX_FAULT)
#undef PHALANX_FAULT
};
inline constexpr std::size_t kFaults = kFaultNames.size();

// A delay longer than this is refused: 10 s, ten times the longest time limit that a driver should have.
inline constexpr std::uint64_t kSlowMaxUs = 10'000'000;

// The largest value that a fault may be set to.
constexpr std::uint64_t fault_max(Fault fault) {
  switch (fault) {
    case Fault::slow_run_us:
    case Fault::slow_transfer_us:
      return kSlowMaxUs;
    case Fault::crash:
      return 2;
    case Fault::hang:
    case Fault::dma_error:
    case Fault::push_lost:
      break;
  }
  return 1;
}

// The present setting; written by the control thread, read by those that serve the host and run kernels.
class FaultSwitches {
 public:
  std::uint64_t get(Fault fault) const { return values_[static_cast<std::size_t>(fault)].load(); }
  void set(Fault fault, std::uint64_t value) { values_[static_cast<std::size_t>(fault)].store(value); }

 private:
  std::array<std::atomic<std::uint64_t>, kFaults> values_{};
};

}  // namespace phalanx::emulator

#endif
