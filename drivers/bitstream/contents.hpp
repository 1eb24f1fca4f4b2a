// What an xclbin holds, and whether that is what kernels/abi/ports.hpp describes.
#ifndef PHALANX_DRIVERS_BITSTREAM_CONTENTS_HPP
#define PHALANX_DRIVERS_BITSTREAM_CONTENTS_HPP

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace phalanx::bitstream {

struct ComputeUnit {
  std::string kernel;
  std::string name;  // of the instance: session_engine_1
  uint64_t base = 0;
};

struct MemoryBank {
  std::string tag;  // "DDR[0]", "HBM[3]"
  bool used = false;
  uint64_t bytes = 0;
  uint64_t base = 0;
};

enum class BuildTarget : uint8_t { kHw, kHwEmu, kSwEmu };
std::string_view to_text(BuildTarget target);

struct Contents {
  BuildTarget target = BuildTarget::kHw;
  std::string platform;  // the header's VBNV
  std::string uuid;      // 8-4-4-4-12
  std::vector<ComputeUnit> compute_units;
  std::vector<MemoryBank> banks;
};

// Checks the container (header, section table: bounds, order, overlaps), then each section that XRT reads, then that
// kernels, arguments, offsets, sizes, ports and banks are those of this tree. DataLoss for a damaged file,
// FailedPrecondition for another ABI; the message names file, section or field, and reason.
absl::StatusOr<Contents> check_contents(std::string_view xclbin, std::string_view file);

}  // namespace phalanx::bitstream

#endif
