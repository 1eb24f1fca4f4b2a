// What has to be so before XRT or OpenCL is called: both crash or hang on what they do not expect.
#ifndef PHALANX_DRIVERS_CARD_DRIVER_ENVIRONMENT_CHECK_HPP
#define PHALANX_DRIVERS_CARD_DRIVER_ENVIRONMENT_CHECK_HPP

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "drivers/card_driver/device.hpp"

namespace phalanx::card_driver {

// A bitstream that has passed every check (drivers/bitstream), as the runtimes take it.
struct LoadedBitstream {
  std::vector<std::byte> xclbin;
  std::string uuid;
  // Compute units of each kernel ("esp_crypto_1"), at least one of each.
  std::vector<std::string> instances[kKernels];
  const std::vector<std::string>& instances_of(Kernel kernel) const { return instances[static_cast<size_t>(kernel)]; }
};

enum class CardMode : uint8_t { kReal, kSoftwareEmulation, kHardwareEmulation };

// How XRT will run, from the environment: which variables are wrong or name what is not there (FailedPrecondition,
// naming the variable). `opencl` also wants the ICD to be found.
absl::StatusOr<CardMode> check_environment(bool opencl);

}  // namespace phalanx::card_driver

#endif
