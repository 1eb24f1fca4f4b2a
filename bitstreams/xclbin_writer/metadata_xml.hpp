// The kernels' XML of section EMBEDDED_METADATA, as XRT and the OpenCL ICD read it (UG1393: kernel.xml).
#ifndef PHALANX_BITSTREAMS_XCLBIN_WRITER_METADATA_XML_HPP
#define PHALANX_BITSTREAMS_XCLBIN_WRITER_METADATA_XML_HPP

#include <span>
#include <string>
#include <vector>

#include "drivers/bitstream/contents.hpp"
#include "drivers/bitstream/kernel_description.hpp"
#include "drivers/bitstream/platform.hpp"

namespace phalanx::bitstream {

// A compute unit and where its registers are.
struct PlacedUnit {
  const KernelDescription* kernel;
  std::string name;
  uint64_t base;
};

// Every kernel's units, in order, kComputeUnitSpan apart.
std::vector<PlacedUnit> place_units(std::span<const KernelDescription> kernels);

std::string metadata_xml(BuildTarget target, const Platform& platform, std::span<const KernelDescription> kernels);

}  // namespace phalanx::bitstream

#endif
