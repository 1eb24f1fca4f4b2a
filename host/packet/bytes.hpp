// Numbers in packets: big-endian, unaligned.
#ifndef PHALANX_HOST_PACKET_BYTES_HPP
#define PHALANX_HOST_PACKET_BYTES_HPP

#include <bit>
#include <cstdint>
#include <cstring>

namespace phalanx {

static_assert(std::endian::native == std::endian::little, "the virtio-net header and these helpers assume it");
inline uint16_t to_be16(uint16_t v) { return __builtin_bswap16(v); }
inline uint32_t to_be32(uint32_t v) { return __builtin_bswap32(v); }
inline uint64_t to_be64(uint64_t v) { return __builtin_bswap64(v); }

// As the bytes lie in memory.
template <typename T>
inline T load_raw(const uint8_t* p) {
  T v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}
template <typename T>
inline void store_raw(uint8_t* p, T v) {
  std::memcpy(p, &v, sizeof(v));
}

inline uint16_t load16(const uint8_t* p) { return to_be16(load_raw<uint16_t>(p)); }
inline uint32_t load32(const uint8_t* p) { return to_be32(load_raw<uint32_t>(p)); }
inline uint64_t load64(const uint8_t* p) { return to_be64(load_raw<uint64_t>(p)); }
inline void store16(uint8_t* p, uint16_t v) { store_raw(p, to_be16(v)); }
inline void store32(uint8_t* p, uint32_t v) { store_raw(p, to_be32(v)); }
inline void store64(uint8_t* p, uint64_t v) { store_raw(p, to_be64(v)); }

}  // namespace phalanx

#endif
