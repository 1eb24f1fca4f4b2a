// Big-endian writing and checked reading of CCP fields.
#ifndef PHALANX_HOST_CLUSTER_BYTE_ORDER_HPP
#define PHALANX_HOST_CLUSTER_BYTE_ORDER_HPP

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "absl/types/span.h"

namespace phalanx::cluster {

class BigEndianWriter {
 public:
  template <typename T>
  void put(T value) {
    static_assert(std::is_unsigned_v<T>);
    for (size_t i = sizeof(T); i-- > 0;) bytes_.push_back(static_cast<uint8_t>(value >> (8 * i)));
  }
  void put_bytes(absl::Span<const uint8_t> bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  size_t size() const { return bytes_.size(); }
  std::vector<uint8_t> take() && { return std::move(bytes_); }
  absl::Span<const uint8_t> bytes() const { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
};

// Reads past the end give 0 and are remembered: check ok() once, at the end.
class BigEndianReader {
 public:
  explicit BigEndianReader(absl::Span<const uint8_t> bytes) : bytes_(bytes) {}
  template <typename T>
  T get() {
    static_assert(std::is_unsigned_v<T>);
    if (bytes_.size() < sizeof(T)) {
      ok_ = false;
      bytes_ = {};
      return 0;
    }
    T value = 0;
    for (size_t i = 0; i < sizeof(T); ++i) value = static_cast<T>((uint64_t{value} << 8) | bytes_[i]);
    bytes_.remove_prefix(sizeof(T));
    return value;
  }
  bool ok() const { return ok_; }
  bool at_end() const { return bytes_.empty(); }

 private:
  absl::Span<const uint8_t> bytes_;
  bool ok_ = true;
};

}  // namespace phalanx::cluster

#endif
