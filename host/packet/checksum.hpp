// The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
//
// Sums are kept unfolded in 64 bits, in network byte order as read from memory: the one's complement sum doesn't depend
// on byte order, only all its words must have the same (RFC 1071, 2 (B)). Words that are at odd offsets must be
// swapped.
#ifndef PHALANX_HOST_PACKET_CHECKSUM_HPP
#define PHALANX_HOST_PACKET_CHECKSUM_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "host/packet/address.hpp"
#include "host/packet/bytes.hpp"

namespace phalanx {

// Adds with end-around carry.
inline uint64_t sum_add(uint64_t sum, uint64_t word) {
  sum += word;
  return sum + (sum < word ? 1u : 0u);
}

// Folds a sum to its 16 bits.
inline uint16_t sum_fold(uint64_t sum) {
  sum = (sum & 0xffffffffu) + (sum >> 32);
  sum = (sum & 0xffffffffu) + (sum >> 32);
  sum = (sum & 0xffffu) + (sum >> 16);
  sum = (sum & 0xffffu) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

// The one's complement sum of `length` bytes, added to `sum`; an odd last byte counts as if a zero followed.
inline uint64_t sum_bytes(const uint8_t* data, size_t length, uint64_t sum = 0) {
  uint64_t second = 0;  // two chains, so that additions overlap
  while (length >= 32) {
    uint64_t w[4];
    std::memcpy(w, data, 32);
    sum = sum_add(sum, w[0]);
    second = sum_add(second, w[1]);
    sum = sum_add(sum, w[2]);
    second = sum_add(second, w[3]);
    data += 32;
    length -= 32;
  }
  sum = sum_add(sum, second);
  while (length >= 8) {
    uint64_t w;
    std::memcpy(&w, data, 8);
    sum = sum_add(sum, w);
    data += 8;
    length -= 8;
  }
  if (length >= 4) {
    sum = sum_add(sum, load_raw<uint32_t>(data));
    data += 4;
    length -= 4;
  }
  if (length >= 2) {
    sum = sum_add(sum, load_raw<uint16_t>(data));
    data += 2;
    length -= 2;
  }
  if (length > 0) sum = sum_add(sum, *data);
  return sum;
}

// The checksum to put into a header, of data whose checksum field is zero: as it lies in memory.
inline uint16_t checksum_of_sum(uint64_t sum) { return static_cast<uint16_t>(~sum_fold(sum)); }
inline uint16_t checksum(const uint8_t* data, size_t length) { return checksum_of_sum(sum_bytes(data, length)); }

// The pseudo-header's sum (RFC 9293, 3.1; RFC 8200, 8.1).
inline uint64_t pseudo_header_sum(const IpAddress& source, const IpAddress& destination, uint8_t protocol,
                                  uint32_t length) {
  uint64_t sum = to_be64(source.hi);
  sum = sum_add(sum, source.is_v4() ? to_be32(static_cast<uint32_t>(source.lo)) : to_be64(source.lo));
  sum = sum_add(sum, to_be64(destination.hi));
  sum = sum_add(sum, destination.is_v4() ? to_be32(static_cast<uint32_t>(destination.lo)) : to_be64(destination.lo));
  sum = sum_add(sum, to_be32(length));
  return sum_add(sum, to_be32(protocol));
}

// What a change of some 16-bit-aligned bytes does to checksums that cover them.
class ChecksumChange {
 public:
  // Words as they lie in memory.
  void replace16(uint16_t before, uint16_t after) {
    sum_ = sum_add(sum_add(sum_, static_cast<uint16_t>(~before)), after);
  }
  void replace32(uint32_t before, uint32_t after) {
    sum_ = sum_add(sum_add(sum_, static_cast<uint32_t>(~before)), after);
  }
  void replace64(uint64_t before, uint64_t after) { sum_ = sum_add(sum_add(sum_, ~before), after); }
  void add(const ChecksumChange& other) { sum_ = sum_add(sum_, other.sum_); }

  // The new value of a checksum field: HC' = ~(~HC + ~m + m') (RFC 1624, equation 3).
  uint16_t apply(uint16_t field) const {
    return static_cast<uint16_t>(~sum_fold(sum_add(sum_, static_cast<uint16_t>(~field))));
  }
  // The new value of a field that holds a plain, not complemented sum (a partial checksum).
  uint16_t apply_to_sum(uint16_t field) const { return sum_fold(sum_add(sum_, field)); }

 private:
  uint64_t sum_ = 0;
};

}  // namespace phalanx

#endif
