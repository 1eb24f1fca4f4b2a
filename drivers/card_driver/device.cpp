#include "drivers/card_driver/device.hpp"

#include <array>

namespace phalanx::card_driver {
namespace {

constexpr std::array kKernelNames = {
#define PHALANX_KERNEL(name, ports) absl::string_view(#name),
    PHALANX_KERNELS(PHALANX_KERNEL)
#undef PHALANX_KERNEL
};

}  // namespace

absl::string_view kernel_name(Kernel kernel) { return kKernelNames[static_cast<size_t>(kernel)]; }

}  // namespace phalanx::card_driver
