// Writes xclbins ("axlf", /usr/include/xrt/xclbin.h): Debian has no xclbinutil. Equal input gives equal bytes: no time,
// and a UUID that is a digest of the contents.
#ifndef PHALANX_BITSTREAMS_XCLBIN_WRITER_XCLBIN_FILE_HPP
#define PHALANX_BITSTREAMS_XCLBIN_WRITER_XCLBIN_FILE_HPP

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "drivers/bitstream/contents.hpp"
#include "drivers/bitstream/kernel_description.hpp"
#include "drivers/bitstream/platform.hpp"

namespace phalanx::bitstream {

struct SectionBytes {
  uint32_t kind;  // axlf_section_kind
  std::string name;
  std::string bytes;
};

// The container alone: header, section table, sections at multiples of 8 bytes.
std::string assemble(BuildTarget target, std::string_view platform, std::span<const SectionBytes> sections);

// The sections that XRT and the OpenCL ICD need of an emulated card's bitstream: BITSTREAM (the shared object with the
// kernels), EMBEDDED_METADATA, MEM_TOPOLOGY, IP_LAYOUT, CONNECTIVITY.
std::vector<SectionBytes> emulation_sections(std::string shared_object, std::span<const KernelDescription> kernels);

// The emulated card's emconfig.json; XRT takes device addresses in software emulation from its banks.
std::string emulation_config();

}  // namespace phalanx::bitstream

#endif
