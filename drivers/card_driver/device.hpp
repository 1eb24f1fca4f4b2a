// What a card's driver needs of a runtime: memory on the card, kernels to run, and what the card is. XRT (drivers/xrt)
// and OpenCL (drivers/opencl) implement it, so that what a batch means on a card is written once, in CardDriver.
//
// Nothing here throws, and nothing here waits for a run. One thread at a time.
#ifndef PHALANX_DRIVERS_CARD_DRIVER_DEVICE_HPP
#define PHALANX_DRIVERS_CARD_DRIVER_DEVICE_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "kernels/abi/ports.hpp"

namespace phalanx::card_driver {

enum class Kernel : uint8_t {
#define PHALANX_KERNEL(name, ports) name,
  PHALANX_KERNELS(PHALANX_KERNEL)
#undef PHALANX_KERNEL
};
absl::string_view kernel_name(Kernel kernel);
inline constexpr size_t kKernels = 3;
// Of a scalar argument's type; OpenCL wants it exact.
size_t scalar_bytes(Kernel kernel, uint32_t argument);

// Index of each argument of a kernel, as the runtimes count them: SessionArgument::operations is 0.
#define PHALANX_ARGUMENT(direction, type, name, group) name,
enum class SessionArgument : uint32_t { PHALANX_SESSION_ENGINE_PORTS(PHALANX_ARGUMENT) };
enum class DeltaArgument : uint32_t { PHALANX_STATE_DELTA_PORTS(PHALANX_ARGUMENT) };
enum class EspArgument : uint32_t { PHALANX_ESP_CRYPTO_PORTS(PHALANX_ARGUMENT) };
#undef PHALANX_ARGUMENT

// An argument that a buffer is for; its bank follows from it.
struct Place {
  Kernel kernel;
  uint32_t argument;
  uint32_t compute_unit = 0;
};
inline Place place(SessionArgument a) { return {Kernel::session_engine, static_cast<uint32_t>(a)}; }
inline Place place(DeltaArgument a) { return {Kernel::state_delta, static_cast<uint32_t>(a)}; }
inline Place place(EspArgument a, uint32_t compute_unit) {
  return {Kernel::esp_crypto, static_cast<uint32_t>(a), compute_unit};
}

// Memory on the card, with as much of the host's beside it if the host ever looks into it.
class Buffer {
 public:
  virtual ~Buffer() = default;
  virtual size_t bytes() const = 0;
  // The host's side; empty for a buffer that is the card's alone.
  virtual absl::Span<std::byte> host() = 0;
  // Copies bytes [offset, offset + count) of the host's side to the card, or back. OutOfRange if they don't fit,
  // Unavailable with the runtime's own words if the transfer fails.
  virtual absl::Status push(size_t offset, size_t count) = 0;
  virtual absl::Status pull(size_t offset, size_t count) = 0;
};

// One call of a kernel, made once and started as often as wanted: arguments stay as they were set.
class Run {
 public:
  virtual ~Run() = default;
  virtual absl::Status set_buffer(uint32_t argument, Buffer& buffer) = 0;
  virtual absl::Status set_scalar(uint32_t argument, uint64_t value) = 0;
  virtual absl::Status start() = 0;
  // Whether the started run has ended. Aborted or failed in the runtime: Unavailable.
  virtual absl::StatusOr<bool> done() = 0;
};

// Which card it really is.
struct DeviceIdentity {
  std::string runtime;  // "xrt 2.13.466", "opencl (Xilinx)"
  std::string name;     // the platform's
  std::string bdf;      // PCIe address; "emulated" if it has none
  std::string uuid;     // of the bitstream that is loaded
  bool emulated = false;
};

// A reading. What the card does not have says so in `value`: "not on this card: ...".
struct Sensor {
  std::string name;
  std::string value;
  bool present = false;
};

class Device {
 public:
  virtual ~Device() = default;
  virtual const DeviceIdentity& identity() const = 0;
  // Compute units of `kernel`, at least 1.
  virtual uint32_t compute_units(Kernel kernel) const = 0;
  enum class Side : uint8_t { kBoth, kCardOnly };
  // A buffer in the bank of every one of `places`; FailedPrecondition if they are different banks.
  virtual absl::StatusOr<std::unique_ptr<Buffer>> allocate(absl::Span<const Place> places, size_t bytes, Side side) = 0;
  // A run of `kernel` on the given compute unit (0-based).
  virtual absl::StatusOr<std::unique_ptr<Run>> make_run(Kernel kernel, uint32_t compute_unit) = 0;
  virtual std::vector<Sensor> sensors() const = 0;
  // Whether a started run's destructor waits for the run's end, on a card that hangs for ever. XRT's does, and by it
  // OpenCL's.
  virtual bool waits_for_runs() const { return true; }
};

}  // namespace phalanx::card_driver

#endif
