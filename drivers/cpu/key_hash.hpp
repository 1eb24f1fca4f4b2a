// hls::hash_key over many keys at once: eight SipHash states side by side in vector registers.
#ifndef PHALANX_DRIVERS_CPU_KEY_HASH_HPP
#define PHALANX_DRIVERS_CPU_KEY_HASH_HPP

#include <cstddef>
#include <cstdint>

#include "hls/flow_key.hpp"

namespace phalanx {

// hashes[i] = hls::hash_key(*keys[i], seed[0], seed[1]) for i < count, bit for bit. The build holds code for AVX-512, AVX2
// and plain x86-64; the machine's best is chosen when the program starts.
void hash_keys(const hls::FlowKey* const* keys, size_t count, const uint64_t seed[2], uint64_t* hashes);

}  // namespace phalanx

#endif
