// Debian's libxrt_swemu 202210.2.13.466 loses the pointer that realloc() returns for its message buffer, so that the
// first growth of the buffer corrupts the heap. This is that one method written right; it is linked ahead of the
// package's own static library, into build/PRESET/emulation alone. The members' places are those of that one build:
// CMake refuses any other version. An installation of XRT for a real card does not come near this.
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace {

constexpr std::size_t kBufferPlace = 0x670;      // void*, the buffer
constexpr std::size_t kBufferSizePlace = 0x678;  // size_t, what the caller sets to the value returned here

template <typename T>
T get(const void* shim, std::size_t place) {
  T value;
  std::memcpy(&value, static_cast<const char*>(shim) + place, sizeof value);
  return value;
}

}  // namespace

// xclcpuemhal2::CpuemShim::alloc_void(size_t): the buffer has at least `size` bytes afterwards; returns how many.
// Without memory it ends the process: its callers write on without looking, and a half-written request would hang the
// host.
extern "C" std::size_t repaired_alloc_void(void* shim,
                                           std::size_t size) __asm__("_ZN12xclcpuemhal29CpuemShim10alloc_voidEm");

extern "C" std::size_t repaired_alloc_void(void* shim, std::size_t size) {
  const auto old_size = get<std::size_t>(shim, kBufferSizePlace);
  auto* const old_buffer = old_size == 0 ? nullptr : get<void*>(shim, kBufferPlace);
  if (old_size >= size && old_buffer != nullptr) {
    return old_size;
  }
  void* buffer = std::realloc(old_buffer, size);
  if (buffer == nullptr) {
    std::abort();
  }
  std::memcpy(static_cast<char*>(shim) + kBufferPlace, &buffer, sizeof buffer);
  return size;
}
