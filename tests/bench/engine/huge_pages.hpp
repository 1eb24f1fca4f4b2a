// Reserves 2 MB pages of the machine while the benchmark runs.
#ifndef PHALANX_TESTS_BENCH_ENGINE_HUGE_PAGES_HPP
#define PHALANX_TESTS_BENCH_ENGINE_HUGE_PAGES_HPP

#include <cstdint>

namespace phalanx::bench {

// Raises /proc/sys/vm/nr_hugepages by what is asked, as far as the kernel finds memory, and puts it back at the end.
// Needs root.
class HugePages {
 public:
  explicit HugePages(uint64_t bytes);
  ~HugePages();
  HugePages(const HugePages&) = delete;
  HugePages& operator=(const HugePages&) = delete;

  uint64_t reserved_bytes() const { return reserved_bytes_; }

 private:
  long before_ = -1;  // -1: could not be read
  uint64_t reserved_bytes_ = 0;
};

}  // namespace phalanx::bench

#endif
