// What the device model must know of a bitstream: its kernels' names, arguments and instances, from the XML of its
// EMBEDDED_METADATA section (UG1393; project/platform/device/core/kernel).
#ifndef PHALANX_DRIVERS_EMULATOR_KERNEL_METADATA_HPP
#define PHALANX_DRIVERS_EMULATOR_KERNEL_METADATA_HPP

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace phalanx::emulator {

struct KernelArgument {
  std::string name;
  std::uint32_t offset = 0;  // of its register
  std::uint32_t size = 0;    // of its register, bytes: 4 or 8
  bool pointer = false;      // into the card's memory
};

struct KernelInstance {
  std::string name;
  std::uint64_t base = 0;   // of its registers
  std::uint64_t range = 0;  // bytes from there on that are its own
};

struct Kernel {
  std::string name;
  std::vector<KernelArgument> arguments;  // in the order of their ids
  std::vector<KernelInstance> instances;
};

inline constexpr std::size_t kMetadataBytesMax = 1u << 20;  // ours has some 10 KiB
inline constexpr std::size_t kKernelsMax = 32;
inline constexpr std::size_t kArgumentsMax = 64;
inline constexpr std::size_t kInstancesMax = 128;           // XRT's limit of CUs of a bitstream
inline constexpr std::uint32_t kRegisterMapBytes = 0x1000;  // of a CU: port S_AXI_CONTROL's range

// Refuses what is not well-formed, has a register outside the map or misaligned, or two instances at one place; the
// error names kernel, field and reason.
absl::StatusOr<std::vector<Kernel>> parse_kernel_metadata(absl::string_view xml);

}  // namespace phalanx::emulator

#endif
