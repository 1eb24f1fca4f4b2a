// The state delta kernel's top function, as the host of a native build calls it. What it is: kernels/state_delta.cpp.
#ifndef PHALANX_KERNELS_STATE_DELTA_STATE_DELTA_HPP
#define PHALANX_KERNELS_STATE_DELTA_STATE_DELTA_HPP

#include "kernels/abi/delta.hpp"
#include "kernels/abi/ports.hpp"

// The arguments of PHALANX_STATE_DELTA_PORTS, in their order. `free_wide` is not used: long rewrites lie at their
// sessions' slots.
extern "C" void state_delta(phalanx::abi::Line* state, phalanx::abi::Line* session_a,
                            const phalanx::abi::Line* session_b, const phalanx::hls::WideNat* wide,
                            const uint32_t* change_log, uint32_t* free_slot, uint32_t* free_wide,
                            phalanx::abi::Line* output, phalanx::abi::Line* result, uint32_t mode, uint32_t format,
                            uint64_t first, uint64_t count, uint32_t output_lines, uint32_t now_ms,
                            uint64_t base_generation);

#endif
