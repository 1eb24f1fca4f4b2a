// ESP on the CPU, by intel-ipsec-mb.
#ifndef PHALANX_DRIVERS_CPU_ESP_ESP_ENGINE_HPP
#define PHALANX_DRIVERS_CPU_ESP_ESP_ENGINE_HPP

#include <memory>

#include "drivers/crypto.hpp"

namespace phalanx {

struct CpuEspConfig {
  uint32_t sa_max = 4096;
};

// Gives equal results, output and SA states to the kernel's for equal batches.
absl::StatusOr<std::unique_ptr<EspEngine>> make_cpu_esp_engine(const CpuEspConfig& config);

}  // namespace phalanx

#endif
