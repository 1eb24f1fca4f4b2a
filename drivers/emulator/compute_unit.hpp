// A kernel instance of the emulated card: its register map (ap_ctrl_hs) and the thread that runs it.
#ifndef PHALANX_DRIVERS_EMULATOR_COMPUTE_UNIT_HPP
#define PHALANX_DRIVERS_EMULATOR_COMPUTE_UNIT_HPP

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "drivers/emulator/card_control.hpp"
#include "drivers/emulator/card_memory.hpp"
#include "drivers/emulator/faults.hpp"
#include "drivers/emulator/kernel_metadata.hpp"
#include "drivers/emulator/log.hpp"

namespace phalanx::emulator {

// What all parts of the card share; outlives them.
struct Card {
  CardMemory& memory;
  FaultSwitches& faults;
  Log& log;
  struct {
#define PHALANX_CARD_COUNTER(name) std::atomic<std::uint64_t> name{0};
    PHALANX_CARD_COUNTERS(PHALANX_CARD_COUNTER)
#undef PHALANX_CARD_COUNTER
  } counters;
};

// The kernel in the bitstream's shared object: pointers are addresses of this process.
using KernelCall = void (*)(const std::uint64_t* arguments);

// Control register at offset 0 (UG902, ap_ctrl_hs).
enum : std::uint32_t { kApStart = 1, kApDone = 2, kApIdle = 4, kApReady = 8 };

// Catches in kernels what goes to card memory that is not there. Once a process, before the first ComputeUnit starts;
// other faults stay fatal.
void install_axi_fault_handler();

// A run with a pointer to no buffer, or that leaves its buffers, never finishes, as behind an AXI firewall that has
// tripped; so does one under the fault `hang`. Only a new load of a bitstream (a new ComputeUnit) helps.
class ComputeUnit : public std::enable_shared_from_this<ComputeUnit> {
 public:
  ComputeUnit(Card& card, const Kernel& kernel, const KernelInstance& instance, KernelCall call);
  // Starts the thread; it keeps the unit alive.
  void start();
  // Ends the thread and waits for at most timeout_ms. False: the kernel is still running or stuck, its thread stays.
  bool stop(int timeout_ms);

  std::uint64_t base() const { return base_; }
  std::uint64_t range() const { return range_; }
  const std::string& name() const { return name_; }

  // Registers, in words. Writing bit 0 of offset 0 starts the kernel; reading offset 0 clears DONE.
  absl::Status write(std::uint64_t offset, absl::string_view bytes);
  absl::StatusOr<std::string> read(std::uint64_t offset, std::uint64_t size);

  // Called in the signal handler on this unit's thread: logs and never comes back.
  [[noreturn]] void stuck_at(std::uint64_t address);

 private:
  enum class State : std::uint8_t { kIdle, kRunning, kDone, kStuck };

  void run_loop();
  void run_once(const std::array<std::uint32_t, kRegisterMapBytes / 4>& registers);
  void begin();  // mutex_ is held
  void stuck();

  Card& card_;
  const std::string name_;
  const std::vector<KernelArgument> arguments_;
  const std::uint64_t base_;
  const std::uint64_t range_;
  const KernelCall call_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::array<std::uint32_t, kRegisterMapBytes / 4> registers_{};
  std::atomic<State> state_{State::kIdle};
  bool stop_ = false;
  bool ended_ = true;
};

}  // namespace phalanx::emulator

#endif
