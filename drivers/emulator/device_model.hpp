// The emulated card itself: answers the host's requests and the control socket's commands.
#ifndef PHALANX_DRIVERS_EMULATOR_DEVICE_MODEL_HPP
#define PHALANX_DRIVERS_EMULATOR_DEVICE_MODEL_HPP

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "drivers/emulator/compute_unit.hpp"
#include "drivers/emulator/protocol.hpp"

namespace phalanx::emulator {

// How long a reload waits for each kernel that still runs: longer than any run without the fault `slow_run_us`.
inline constexpr int kStopTimeoutMs = 1000;

class DeviceModel {
 public:
  // Both outlive the model.
  DeviceModel(CardMemory& memory, Log& log) : card_{memory, faults_, log, {}} {}
  ~DeviceModel();
  DeviceModel(const DeviceModel&) = delete;
  DeviceModel& operator=(const DeviceModel&) = delete;

  // The reply's bytes to a request of the host. Never fails: what is refused is logged, counted and answered as
  // refused.
  std::string serve(std::uint32_t method, absl::string_view message);
  // Whether the host has closed the card for good: after that answer the model ends.
  bool closed() const { return closed_; }

  // The answer to a line of the control socket (drivers/emulator/card_control.hpp), without line ends. Any thread.
  std::string command(absl::string_view line);

 private:
  absl::StatusOr<Reply> carry_out(const Request& request);
  absl::StatusOr<Reply> transfer(const Request& request);
  absl::StatusOr<Reply> registers(const Request& request);
  absl::Status load(const Request& request);
  absl::Status start_kernels(const std::vector<Kernel>& kernels, void* object);
  void unload();

  FaultSwitches faults_;
  Card card_;
  std::map<std::uint64_t, std::shared_ptr<ComputeUnit>> units_;  // by base
  void* object_ = nullptr;                                       // of dlopen
  bool closed_ = false;
};

}  // namespace phalanx::emulator

#endif
