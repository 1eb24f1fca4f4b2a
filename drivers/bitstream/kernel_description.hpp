// kernels/abi/ports.hpp as tables: each kernel's arguments with register offset, size, memory group and index, its
// version and its compute units. The xclbin writer, the checks of the reader and the drivers read these tables, the
// kernels' thunks come from the same macros; so host, XML and kernel cannot disagree.
#ifndef PHALANX_DRIVERS_BITSTREAM_KERNEL_DESCRIPTION_HPP
#define PHALANX_DRIVERS_BITSTREAM_KERNEL_DESCRIPTION_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "kernels/abi/ports.hpp"

namespace phalanx::bitstream {

// The card's memory groups: the m_axi bundles of kernels/abi/ports.hpp, by what lies behind them. Groups whose
// arguments are one and the same buffer (session_a and session_a_out) are in one set of banks on every platform.
// X(group, bank of the emulated card, whether it is the session table: one buffer for all kernels)
#define PHALANX_MEMORY_GROUPS(X) \
  X(host0, 0, false)             \
  X(host1, 0, false)             \
  X(host2, 0, false)             \
  X(control, 0, true)            \
  X(index0, 1, true)             \
  X(index1, 2, true)             \
  X(table0, 1, true)             \
  X(table1, 2, true)             \
  X(table2, 1, true)             \
  X(table3, 2, true)             \
  X(wide0, 3, true)              \
  X(log0, 3, true)               \
  X(log1, 3, true)               \
  X(sa0, 3, false)

enum class Direction : uint8_t { kIn, kOut, kInOut, kScalar };

struct ArgumentDescription {
  std::string_view name;
  Direction direction;
  std::string_view type;   // of an element, or of the scalar, as kernels/abi names it
  uint32_t element_bytes;  // its size
  std::string_view group;  // memory port; empty for a scalar
  uint32_t index;          // as XRT and OpenCL count arguments, from 0
  uint32_t offset;         // of its register from the compute unit's base

  constexpr bool is_pointer() const { return direction != Direction::kScalar; }
  // Of its register: an address has 64 bits.
  constexpr uint32_t register_bytes() const { return is_pointer() ? 8 : element_bytes; }
};

struct KernelDescription {
  std::string_view name;
  uint32_t version;
  uint32_t compute_units;
  std::span<const ArgumentDescription> arguments;
};

// Registers as Vitis HLS lays out s_axilite (UG1399): control, global interrupt enable, and interrupt registers at
// 0x00..0x0f, then each argument's words followed by one reserved word.
inline constexpr uint32_t kFirstArgumentOffset = 0x10;
constexpr uint32_t next_offset(uint32_t offset, uint32_t register_bytes) { return offset + register_bytes + 4; }
inline constexpr uint32_t kRegisterMapBytes = 0x1000;  // of a kernel: port S_AXI_CONTROL
inline constexpr std::string_view kControlPort = "S_AXI_CONTROL";

// Where compute units' registers lie: the n-th of the bitstream at base + n * span, as v++ places them.
inline constexpr uint64_t kComputeUnitBase = 0x1800000;
inline constexpr uint64_t kComputeUnitSpan = 0x10000;

namespace detail {

template <size_t kCount>
constexpr std::array<ArgumentDescription, kCount> lay_out(std::array<ArgumentDescription, kCount> arguments) {
  uint32_t offset = kFirstArgumentOffset;
  for (uint32_t i = 0; i < kCount; ++i) {
    arguments[i].index = i;
    arguments[i].offset = offset;
    offset = next_offset(offset, arguments[i].register_bytes());
    if (!arguments[i].is_pointer()) arguments[i].group = {};
  }
  return arguments;
}

constexpr Direction direction_of(std::string_view word) {
  return word == "IN"      ? Direction::kIn
         : word == "OUT"   ? Direction::kOut
         : word == "INOUT" ? Direction::kInOut
                           : Direction::kScalar;
}

namespace tables {
// NOLINTBEGIN(readability-identifier-naming): named as the kernels are
// Types are written in ports.hpp as seen from phalanx::abi.
using namespace phalanx::abi;  // NOLINT(google-build-using-namespace): for the macros below alone
#define PHALANX_ARGUMENT_ROW(direction, type, name, group) \
  ArgumentDescription{#name, direction_of(#direction), #type, uint32_t{sizeof(type)}, #group, 0, 0},
#define PHALANX_ARGUMENT_TABLE(kernel, ports) \
  inline constexpr auto kernel = lay_out(std::array{ports(PHALANX_ARGUMENT_ROW)});
PHALANX_KERNELS(PHALANX_ARGUMENT_TABLE)
#undef PHALANX_ARGUMENT_TABLE
#undef PHALANX_ARGUMENT_ROW

#define PHALANX_RELEASE_ROW(name, version, units)               \
  inline constexpr uint32_t name##_version = uint32_t{version}; \
  inline constexpr uint32_t name##_units = uint32_t{units};
PHALANX_KERNEL_RELEASES(PHALANX_RELEASE_ROW)
#undef PHALANX_RELEASE_ROW
// NOLINTEND(readability-identifier-naming)
}  // namespace tables

}  // namespace detail

#define PHALANX_KERNEL_ROW(name, ports) \
  KernelDescription{#name, detail::tables::name##_version, detail::tables::name##_units, detail::tables::name},
inline constexpr std::array kKernels{PHALANX_KERNELS(PHALANX_KERNEL_ROW)};
#undef PHALANX_KERNEL_ROW

struct MemoryGroup {
  std::string_view name;
  uint32_t emulated_bank;
  bool of_table;  // part of the session table: one buffer for every kernel that has an argument of that name
};
#define PHALANX_GROUP_ROW(name, bank, of_table) MemoryGroup{#name, bank, of_table},
inline constexpr std::array kMemoryGroups{PHALANX_MEMORY_GROUPS(PHALANX_GROUP_ROW)};
#undef PHALANX_GROUP_ROW

// Null if there is none of that name.
constexpr const KernelDescription* find_kernel(std::string_view name) {
  for (const KernelDescription& kernel : kKernels) {
    if (kernel.name == name) return &kernel;
  }
  return nullptr;
}
constexpr const MemoryGroup* find_group(std::string_view name) {
  for (const MemoryGroup& group : kMemoryGroups) {
    if (group.name == name) return &group;
  }
  return nullptr;
}

// Name of a kernel's compute unit, `number` from 0, as v++'s nk= makes it: session_engine_1.
inline std::string compute_unit_name(const KernelDescription& kernel, uint32_t number) {
  return std::string(kernel.name) + "_" + std::to_string(number + 1);
}

namespace detail {
// Not by find_group: with its sanitizers g++ 12 takes no comparison with a null pointer for constant.
constexpr bool has_group(std::string_view name) {
  for (const MemoryGroup& group : kMemoryGroups) {
    if (group.name == name) return true;
  }
  return false;
}
constexpr bool well_formed() {
  for (const KernelDescription& kernel : kKernels) {
    for (const ArgumentDescription& argument : kernel.arguments) {
      if (argument.is_pointer() ? !has_group(argument.group)
                                : argument.element_bytes != 4 && argument.element_bytes != 8) {
        return false;
      }
      if (argument.offset + argument.register_bytes() > kRegisterMapBytes) return false;
    }
  }
  return true;
}
static_assert(well_formed(),
              "every pointer has a known memory group, every scalar 4 or 8 bytes, every register a place");
}  // namespace detail

}  // namespace phalanx::bitstream

#endif
