// The session engine's top function, as the host of a native build calls it. What it is: session_engine.cpp.
#ifndef PHALANX_KERNELS_SESSION_ENGINE_SESSION_ENGINE_HPP
#define PHALANX_KERNELS_SESSION_ENGINE_SESSION_ENGINE_HPP

#include "kernels/abi/ports.hpp"

// The arguments of PHALANX_SESSION_ENGINE_PORTS, in their order.
extern "C" void session_engine(const phalanx::abi::Line* operations, const phalanx::abi::Line* records,
                               phalanx::abi::Line* completions, phalanx::abi::Line* state,
                               phalanx::abi::Bucket* buckets_first, phalanx::abi::Bucket* buckets_second,
                               const phalanx::abi::Line* session_a, const phalanx::abi::Line* session_b,
                               phalanx::abi::Line* session_a_out, phalanx::abi::Line* session_b_out,
                               phalanx::hls::WideNat* wide, uint32_t* change_log, uint32_t* free_slot,
                               uint32_t* free_wide, uint32_t operation_count, uint32_t now_ms);

#endif
