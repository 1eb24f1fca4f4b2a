// The platforms that bitstreams are built for: their names at XRT and their memory. Figures: AMD UG1120 (Alveo
// platforms), DS963, DS962, DS978.
#ifndef PHALANX_DRIVERS_BITSTREAM_PLATFORM_HPP
#define PHALANX_DRIVERS_BITSTREAM_PLATFORM_HPP

#include <array>
#include <cstdint>
#include <string_view>

namespace phalanx::bitstream {

// X(short name, name at XRT (xbutil examine), name at v++ (--platform), super logic regions, HBM banks, MiB of an HBM
//   bank, DDR banks, MiB of a DDR bank). An xclbin's header has either of the names.
#define PHALANX_PLATFORMS(X)                                                                              \
  X(emulated, "phalanx_emulated_card_1", "phalanx_emulated_card_1", 1, 0, 0, 4, 4096)                     \
  X(u55c, "xilinx_u55c_gen3x16_xdma_base_3", "xilinx_u55c_gen3x16_xdma_3_202210_1", 3, 32, 512, 0, 0)     \
  X(u280, "xilinx_u280_gen3x16_xdma_base_1", "xilinx_u280_gen3x16_xdma_1_202211_1", 3, 32, 256, 2, 16384) \
  X(u250, "xilinx_u250_gen3x16_xdma_shell_4_1", "xilinx_u250_gen3x16_xdma_4_1_202210_1", 4, 0, 0, 4, 16384)

struct Platform {
  std::string_view name;
  std::string_view xrt_name;
  std::string_view vpp_name;
  uint32_t regions;
  uint32_t hbm_banks;
  uint32_t hbm_bank_mib;
  uint32_t ddr_banks;
  uint32_t ddr_bank_mib;
};

#define PHALANX_PLATFORM_ROW(name, xrt_name, vpp_name, regions, hbm, hbm_mib, ddr, ddr_mib) \
  Platform{#name, xrt_name, vpp_name, regions, hbm, hbm_mib, ddr, ddr_mib},
inline constexpr std::array kPlatforms{PHALANX_PLATFORMS(PHALANX_PLATFORM_ROW)};
#undef PHALANX_PLATFORM_ROW

// The card without a card: drivers/emulator.
inline constexpr const Platform& kEmulatedPlatform = kPlatforms[0];

// By its name at XRT or at v++; null if none has it.
constexpr const Platform* find_platform(std::string_view name) {
  for (const Platform& platform : kPlatforms) {
    if (platform.xrt_name == name || platform.vpp_name == name) return &platform;
  }
  return nullptr;
}

}  // namespace phalanx::bitstream

#endif
