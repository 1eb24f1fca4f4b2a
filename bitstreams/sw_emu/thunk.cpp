// A kernel as the emulated card's device model calls it: by the values of its registers, addresses already made into
// pointers. Compiled once a kernel with PHALANX_THUNK_KERNEL and PHALANX_THUNK_PORTS, its row of PHALANX_KERNELS; so
// the call's argument list is the one that the XML and the host know.
#include <cstdint>

#include "kernels/abi/delta.hpp"
#include "kernels/abi/ports.hpp"

namespace phalanx {
namespace abi {
namespace {

// What the kernel takes.
#define PHALANX_TAKES_IN(type) const type*
#define PHALANX_TAKES_OUT(type) type*
#define PHALANX_TAKES_INOUT(type) type*
#define PHALANX_TAKES_SCALAR(type) type

template <typename T>
struct FromRegister {
  static T value(uint64_t word) { return static_cast<T>(word); }
};
template <typename T>
struct FromRegister<T*> {
  // The device model has checked the address and made it one of this process.
  static T* value(uint64_t word) { return reinterpret_cast<T*>(word); }  // NOLINT(performance-no-int-to-ptr)
};

// Lists begin with a comma in the macros below; this takes the empty first element away.
#define PHALANX_BUT_FIRST(...) PHALANX_BUT_FIRST_OF(__VA_ARGS__)
#define PHALANX_BUT_FIRST_OF(first, ...) __VA_ARGS__

#define PHALANX_INDEX(direction, type, name, group) name,
enum Index : unsigned { PHALANX_THUNK_PORTS(PHALANX_INDEX) };

#define PHALANX_TAKES(direction, type, name, group) , PHALANX_TAKES_##direction(type)
#define PHALANX_PASSES(direction, type, name, group) \
  , FromRegister<PHALANX_TAKES_##direction(type)>::value(arguments[Index::name])

#define PHALANX_JOIN(a, b) PHALANX_JOIN_OF(a, b)
#define PHALANX_JOIN_OF(a, b) a##b

}  // namespace

extern "C" void PHALANX_THUNK_KERNEL(PHALANX_BUT_FIRST(0 PHALANX_THUNK_PORTS(PHALANX_TAKES)));

extern "C" __attribute__((visibility("default"))) void PHALANX_JOIN(phalanx_call_,
                                                                    PHALANX_THUNK_KERNEL)(const uint64_t* arguments);
extern "C" void PHALANX_JOIN(phalanx_call_, PHALANX_THUNK_KERNEL)(const uint64_t* arguments) {
  PHALANX_THUNK_KERNEL(PHALANX_BUT_FIRST(0 PHALANX_THUNK_PORTS(PHALANX_PASSES)));
}

}  // namespace abi
}  // namespace phalanx
