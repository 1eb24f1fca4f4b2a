// hls::hash_key over many keys at once: eight SipHash states side by side in vector registers.
#ifndef PHALANX_DRIVERS_CPU_KEY_HASH_HPP
#define PHALANX_DRIVERS_CPU_KEY_HASH_HPP

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "hls/flow_key.hpp"

namespace phalanx {

// hashes[i] = hls::hash_key(*keys[i], seed[0], seed[1]) for i < count, bit for bit.
using HashKeys = void (*)(const hls::FlowKey* const* keys, size_t count, const uint64_t* seed, uint64_t* hashes);

struct HashKeysVariant {
  const char* name;
  HashKeys hash_keys;
};

// What this machine can run, the best first; the last is always plain scalar code. Never empty.
absl::Span<const HashKeysVariant> hash_keys_variants();

}  // namespace phalanx

#endif
