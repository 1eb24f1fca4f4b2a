// Small kernels of the tests of the emulated card, with the thunks that a bitstream's shared object has.
#include <stdint.h>

extern "C" {

// sum[i] = a[i] + b[i]; control: the kernel is called, and finishes, even with a count of 0.
void phalanx_call_add(const uint64_t* arguments) {
  const auto* a = reinterpret_cast<const uint32_t*>(arguments[0]);
  const auto* b = reinterpret_cast<const uint32_t*>(arguments[1]);
  auto* sum = reinterpret_cast<uint32_t*>(arguments[2]);
  for (uint64_t i = 0; i < arguments[3]; ++i) {
    sum[i] = a[i] + b[i];
  }
}

// Writes `value` to the given byte of a buffer, inside or outside: a kernel with a defect.
void phalanx_call_poke(const uint64_t* arguments) {
  auto* memory = reinterpret_cast<char*>(arguments[0]);
  *reinterpret_cast<volatile char*>(memory + arguments[1]) = static_cast<char>(arguments[2]);
}
}
