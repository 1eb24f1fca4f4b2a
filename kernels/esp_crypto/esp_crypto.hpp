// The top function, with the arguments of PHALANX_ESP_CRYPTO_PORTS in their order.
#ifndef PHALANX_KERNELS_ESP_CRYPTO_ESP_CRYPTO_HPP
#define PHALANX_KERNELS_ESP_CRYPTO_ESP_CRYPTO_HPP

#include "kernels/abi/esp.hpp"

extern "C" void esp_crypto(const phalanx::abi::EspJob* jobs, const phalanx::abi::Line* input,
                           phalanx::abi::Line* output, phalanx::abi::EspResult* results, phalanx::abi::Line* sa_table,
                           uint32_t job_count, uint32_t sa_count);

#endif
