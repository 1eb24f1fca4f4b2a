#include "drivers/cpu/huge_memory.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace phalanx {
namespace {

constexpr int kProtection = PROT_READ | PROT_WRITE;
constexpr int kMapping = MAP_PRIVATE | MAP_ANONYMOUS;
constexpr size_t kSmallPageBytes = 4096;

size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

void* map_or_null(size_t bytes, int flags) {
  void* data = mmap(nullptr, bytes, kProtection, kMapping | flags, -1, 0);
  return data == MAP_FAILED ? nullptr : data;
}

// A mapping of `bytes` that starts on a 2 MB boundary, so that transparent huge pages can back all of it.
void* map_aligned(size_t bytes) {
  auto* raw = static_cast<char*>(map_or_null(bytes + kHugePageBytes, MAP_NORESERVE));
  if (raw == nullptr) return nullptr;
  const size_t lead = round_up(reinterpret_cast<uintptr_t>(raw), kHugePageBytes) - reinterpret_cast<uintptr_t>(raw);
  if (lead != 0) munmap(raw, lead);
  if (lead != kHugePageBytes) munmap(raw + lead + bytes, kHugePageBytes - lead);
  madvise(raw + lead, bytes, MADV_HUGEPAGE);  // a kernel without it gives small pages: slower, not wrong
  return raw + lead;
}

// Whether every page is there now. Kernels before 5.14 don't know the advice: there a write to each page takes it.
bool populate(void* data, size_t bytes) {
  if (madvise(data, bytes, MADV_POPULATE_WRITE) == 0) return true;
  if (errno != EINVAL) return false;
  for (size_t at = 0; at < bytes; at += kSmallPageBytes) static_cast<volatile char*>(data)[at] = 0;
  return true;
}

}  // namespace

absl::StatusOr<HugeMemory> HugeMemory::map(size_t bytes, Touch touch) {
  // Less than half a huge page would waste most of it; such tables fit the TLB anyway.
  const bool huge = bytes >= kHugePageBytes / 2;
  const size_t length = round_up(bytes == 0 ? 1 : bytes, huge ? kHugePageBytes : kSmallPageBytes);
  // Reserved pages are taken from the pool when mapped, so what is only perhaps used must not have them.
  if (huge && touch == Touch::kNow) {
    if (void* data = map_or_null(length, MAP_HUGETLB); data != nullptr) {
      HugeMemory memory(data, length);
      if (populate(data, length)) return memory;
    }
  }
  void* data = huge ? map_aligned(length) : map_or_null(length, 0);
  if (data == nullptr) return absl::ResourceExhaustedError(absl::StrCat("no memory for ", bytes, " bytes of tables"));
  HugeMemory memory(data, length);
  if (touch == Touch::kNow && !populate(data, length)) {
    return absl::ResourceExhaustedError(absl::StrCat("no memory for ", bytes, " bytes of tables: ", strerror(errno)));
  }
  return memory;
}

HugeMemory::HugeMemory(HugeMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

HugeMemory& HugeMemory::operator=(HugeMemory&& other) noexcept {
  if (this != &other) {
    unmap();
    data_ = std::exchange(other.data_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

HugeMemory::~HugeMemory() { unmap(); }

void HugeMemory::unmap() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

}  // namespace phalanx
