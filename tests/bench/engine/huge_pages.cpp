#include "tests/bench/engine/huge_pages.hpp"

#include <fstream>

namespace phalanx::bench {
namespace {

constexpr char kFile[] = "/proc/sys/vm/nr_hugepages";
constexpr uint64_t kPageBytes = uint64_t{2} << 20;

long read_count() {
  std::ifstream file(kFile);
  long count = -1;
  file >> count;
  return file ? count : -1;
}

}  // namespace

HugePages::HugePages(uint64_t bytes) : before_(read_count()) {
  if (before_ < 0) return;
  std::ofstream(kFile) << before_ + static_cast<long>((bytes + kPageBytes - 1) / kPageBytes);
  const long after = read_count();
  if (after > before_) reserved_bytes_ = static_cast<uint64_t>(after - before_) * kPageBytes;
}

HugePages::~HugePages() {
  if (before_ >= 0) std::ofstream(kFile) << before_;
}

}  // namespace phalanx::bench
