// Zeroed memory in 2 MB pages, for tables that are read at random: one TLB entry a 2 MB instead of one a 4 KB.
#ifndef PHALANX_DRIVERS_CPU_HUGE_MEMORY_HPP
#define PHALANX_DRIVERS_CPU_HUGE_MEMORY_HPP

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"

namespace phalanx {

inline constexpr size_t kHugePageBytes = size_t{2} << 20;

// Owns one mapping. Reserved huge pages (MAP_HUGETLB) if there are enough, else transparent ones by madvise, else
// ordinary.
class HugeMemory {
 public:
  enum class Touch { kNow, kOnUse };

  // `bytes` of zeroes. kNow takes the memory at once, so that lack of it is an error here and not a fault later.
  // ResourceExhausted when the kernel has none.
  static absl::StatusOr<HugeMemory> map(size_t bytes, Touch touch);

  HugeMemory() = default;
  HugeMemory(HugeMemory&& other) noexcept;
  HugeMemory& operator=(HugeMemory&& other) noexcept;
  HugeMemory(const HugeMemory&) = delete;
  HugeMemory& operator=(const HugeMemory&) = delete;
  ~HugeMemory();

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  HugeMemory(void* data, size_t bytes) : data_(data), bytes_(bytes) {}
  void unmap();

  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace phalanx

#endif
