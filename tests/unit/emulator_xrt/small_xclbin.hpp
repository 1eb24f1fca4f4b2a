// An xclbin of two small kernels, add (two compute units) and poke, for the tests of the emulated card: written apart
// from the project's own writer, so that the card is tested without it.
#ifndef PHALANX_TESTS_UNIT_EMULATOR_XRT_SMALL_XCLBIN_HPP
#define PHALANX_TESTS_UNIT_EMULATOR_XRT_SMALL_XCLBIN_HPP

#include <string>

namespace phalanx::emulator {

// The kernels' XML.
std::string small_metadata();
// The file's bytes, around those of the shared object of kernels/test_kernels.cpp.
std::string small_xclbin(const std::string& shared_object);

}  // namespace phalanx::emulator

#endif
