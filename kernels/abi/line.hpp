// A beat of a 512-bit memory port, as 64-bit words.
#ifndef PHALANX_KERNELS_ABI_LINE_HPP
#define PHALANX_KERNELS_ABI_LINE_HPP

#include <stdint.h>

namespace phalanx {
namespace abi {

struct Line {
  uint64_t word[8];
};
static_assert(sizeof(Line) == 64, "512 bits");

}  // namespace abi
}  // namespace phalanx

#endif
