// CRC-32C (Castagnoli, RFC 3720 appendix B.4): finds damage, not forgery.
#ifndef PHALANX_HOST_SYNC_CRC32C_HPP
#define PHALANX_HOST_SYNC_CRC32C_HPP

#include <cstdint>

#include "absl/types/span.h"

namespace phalanx::sync {

// `seed` is the checksum of the bytes before, 0 at the start.
uint32_t crc32c(absl::Span<const uint8_t> bytes, uint32_t seed = 0);

}  // namespace phalanx::sync

#endif
