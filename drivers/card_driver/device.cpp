#include "drivers/card_driver/device.hpp"

#include <array>
#include <cassert>

namespace phalanx::card_driver {
namespace {

constexpr std::array kKernelNames = {
#define PHALANX_KERNEL(name, ports) absl::string_view(#name),
    PHALANX_KERNELS(PHALANX_KERNEL)
#undef PHALANX_KERNEL
};

static_assert(kKernelNames.size() == kKernels);

using namespace abi;  // the types that the ports are described with

#define PHALANX_BYTES(direction, type, name, group) sizeof(type),
constexpr size_t kSessionBytes[] = {PHALANX_SESSION_ENGINE_PORTS(PHALANX_BYTES)};
constexpr size_t kDeltaBytes[] = {PHALANX_STATE_DELTA_PORTS(PHALANX_BYTES)};
constexpr size_t kEspBytes[] = {PHALANX_ESP_CRYPTO_PORTS(PHALANX_BYTES)};
#undef PHALANX_BYTES

}  // namespace

size_t scalar_bytes(Kernel kernel, uint32_t argument) {
  const absl::Span<const size_t> bytes = kernel == Kernel::session_engine ? absl::Span<const size_t>(kSessionBytes)
                                         : kernel == Kernel::state_delta  ? absl::Span<const size_t>(kDeltaBytes)
                                                                          : absl::Span<const size_t>(kEspBytes);
  assert(argument < bytes.size());
  return bytes[argument];
}

absl::string_view kernel_name(Kernel kernel) { return kKernelNames[static_cast<size_t>(kernel)]; }

}  // namespace phalanx::card_driver
