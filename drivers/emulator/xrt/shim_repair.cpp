// Two methods of Debian's libxrt_swemu 202210.2.13.466 written right, linked ahead of the package's own static library,
// into build/PRESET/emulation alone. CMake refuses any other version. An installation of XRT for a real card does not
// come near this.
#include <sys/prctl.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace {

// Members' places are those of that one build.
constexpr std::size_t kBufferPlace = 0x670;      // void*, the buffer
constexpr std::size_t kBufferSizePlace = 0x678;  // size_t, what the caller sets to the value returned here

template <typename T>
T get(const void* shim, std::size_t place) {
  T value;
  std::memcpy(&value, static_cast<const char*>(shim) + place, sizeof value);
  return value;
}

}  // namespace

// The package's method loses the pointer that realloc() returns for the message buffer, so that the first growth of the
// buffer corrupts the heap.
//
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

// The package's method returns at once, where a real card's driver waits in the kernel for a run to end. XRT's thread
// that waits for runs with a callback, as all of OpenCL's have, then takes a whole core from the program that is the
// card. A nap is short beside a run; and whoever waits looks at its runs after each return, so an early one is right.
constexpr long kExecWaitNapNs = 20'000;

// xclcpuemhal2::CpuemShim::xclExecWait(int): until a run has ended, at most `timeout_ms`; 1: look at the runs.
extern "C" int repaired_exec_wait(void* shim, int timeout_ms) __asm__("_ZN12xclcpuemhal29CpuemShim11xclExecWaitEi");

extern "C" int repaired_exec_wait(void* /*shim*/, int timeout_ms) {
  // As Linux has it, a nap is 50 us longer than asked for.
  thread_local const int kExact = prctl(PR_SET_TIMERSLACK, 1000);
  (void)kExact;
  const timespec nap = {0, timeout_ms == 0 ? 0 : kExecWaitNapNs};
  nanosleep(&nap, nullptr);
  return 1;
}
