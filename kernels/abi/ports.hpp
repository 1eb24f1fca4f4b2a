// What each kernel is called with: the one description from which come its signature, its register map, the metadata of
// its bitstream, its memory banks and the host's buffers. An argument is
//   X(direction, type, name, group)
// direction: IN, OUT or INOUT for a pointer into the card's memory, SCALAR for a value. `type`: of an element, or of
// the scalar (uint32_t or uint64_t). `group`: the memory port (m_axi bundle) that the pointer uses, and by it the
// banks: bitstreams/platforms says which. Registers follow ap_ctrl_hs as Vitis HLS lays them out (UG1399): control at
// 0x00, arguments from 0x10 on, each followed by one unused word: 12 bytes for an address or uint64_t, 8 for uint32_t.
#ifndef PHALANX_KERNELS_ABI_PORTS_HPP
#define PHALANX_KERNELS_ABI_PORTS_HPP

#include "kernels/abi/esp.hpp"
#include "kernels/abi/operation.hpp"
#include "kernels/abi/table.hpp"

// `_out` names the same buffer as its namesake: written by another stage than the one that reads it.
#define PHALANX_SESSION_ENGINE_PORTS(X)    \
  X(IN, Line, operations, host0)           \
  X(IN, Line, records, host1)              \
  X(OUT, Line, completions, host2)         \
  X(INOUT, Line, state, control)           \
  X(INOUT, Bucket, buckets_first, index0)  \
  X(INOUT, Bucket, buckets_second, index1) \
  X(IN, Line, session_a, table0)           \
  X(IN, Line, session_b, table1)           \
  X(OUT, Line, session_a_out, table2)      \
  X(OUT, Line, session_b_out, table3)      \
  X(INOUT, hls::WideNat, wide, wide0)      \
  X(INOUT, uint32_t, change_log, log0)     \
  X(INOUT, uint32_t, free_slot, log1)      \
  X(INOUT, uint32_t, free_wide, log1)      \
  X(SCALAR, uint32_t, operation_count, -)  \
  X(SCALAR, uint32_t, now_ms, -)

#define PHALANX_STATE_DELTA_PORTS(X)   \
  X(INOUT, Line, state, control)       \
  X(INOUT, Line, session_a, table0)    \
  X(IN, Line, session_b, table1)       \
  X(IN, hls::WideNat, wide, wide0)     \
  X(IN, uint32_t, change_log, log0)    \
  X(INOUT, uint32_t, free_slot, log1)  \
  X(INOUT, uint32_t, free_wide, log1)  \
  X(OUT, Line, output, host1)          \
  X(OUT, Line, result, host2)          \
  X(SCALAR, uint32_t, mode, -)         \
  X(SCALAR, uint32_t, format, -)       \
  X(SCALAR, uint64_t, first, -)        \
  X(SCALAR, uint64_t, count, -)        \
  X(SCALAR, uint32_t, output_lines, -) \
  X(SCALAR, uint32_t, now_ms, -)       \
  X(SCALAR, uint64_t, base_generation, -)

#define PHALANX_ESP_CRYPTO_PORTS(X) \
  X(IN, EspJob, jobs, host0)        \
  X(IN, Line, input, host1)         \
  X(OUT, Line, output, host1)       \
  X(OUT, EspResult, results, host2) \
  X(INOUT, Line, sa_table, sa0)     \
  X(SCALAR, uint32_t, job_count, -) \
  X(SCALAR, uint32_t, sa_count, -)

#define PHALANX_KERNELS(X)                        \
  X(session_engine, PHALANX_SESSION_ENGINE_PORTS) \
  X(state_delta, PHALANX_STATE_DELTA_PORTS)       \
  X(esp_crypto, PHALANX_ESP_CRYPTO_PORTS)

// X(kernel, version, compute units). The version rises with what a kernel does, kAbiVersion with what it is called
// with. esp_crypto: one unit for each direction, each with a 512-bit path of its own.
#define PHALANX_KERNEL_RELEASES(X) \
  X(session_engine, 1, 1)          \
  X(state_delta, 1, 1)             \
  X(esp_crypto, 1, 2)

#endif
