#include "host/sync/crc32c.hpp"

#include <array>

#include "host/packet/bytes.hpp"

namespace phalanx::sync {

namespace {

using Tables = std::array<std::array<uint32_t, 256>, 8>;

// table[k][b]: the remainder of byte b followed by k zero bytes, so that eight bytes are taken at a time.
constexpr Tables make_tables() {
  Tables tables{};
  for (uint32_t b = 0; b < 256; ++b) {
    uint32_t r = b;
    for (int i = 0; i < 8; ++i) r = (r >> 1) ^ (r & 1 ? 0x82f63b78u : 0);
    tables[0][b] = r;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (size_t b = 0; b < 256; ++b) {
      const uint32_t r = tables[k - 1][b];
      tables[k][b] = (r >> 8) ^ tables[0][r & 0xff];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

}  // namespace

uint32_t crc32c(absl::Span<const uint8_t> bytes, uint32_t seed) {
  uint32_t r = ~seed;
  const uint8_t* p = bytes.data();
  size_t n = bytes.size();
  for (; n >= 8; n -= 8, p += 8) {
    const uint64_t x = load_raw<uint64_t>(p) ^ r;
    r = 0;
    for (size_t i = 0; i < 8; ++i) r ^= kTables[7 - i][x >> (8 * i) & 0xff];
  }
  for (; n != 0; --n, ++p) r = (r >> 8) ^ kTables[0][(r ^ *p) & 0xff];
  return ~r;
}

}  // namespace phalanx::sync
