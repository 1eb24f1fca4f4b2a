#include "bitstreams/xclbin_writer/metadata_xml.hpp"

#include <algorithm>
#include <set>

#include "absl/strings/str_format.h"
#include "drivers/bitstream/metadata.hpp"

namespace phalanx::bitstream {
namespace {

// How XRT's tools call a target in the core's attribute.
std::string_view core_target(BuildTarget target) {
  switch (target) {
    case BuildTarget::kSwEmu:
      return "csim";
    case BuildTarget::kHwEmu:
      return "hw_em";
    case BuildTarget::kHw:
      break;
  }
  return "bitstream";
}

// OpenCL C's name of a scalar; structures are memory to the runtimes.
std::string type_name(const ArgumentDescription& argument) {
  const std::string scalar = argument.element_bytes == 8 ? "ulong" : "uint";
  if (!argument.is_pointer()) return scalar;
  return argument.element_bytes > 8 ? "void*" : scalar + "*";
}

// Of the widest element behind the port, at most what an m_axi port has.
uint32_t data_width_bits(const KernelDescription& kernel, std::string_view group) {
  uint32_t bytes = 4;
  for (const ArgumentDescription& argument : kernel.arguments) {
    if (argument.group == group) bytes = std::max(bytes, argument.element_bytes);
  }
  return std::min(bytes, 64u) * 8;
}

std::string ports(const KernelDescription& kernel) {
  std::string text;
  std::set<std::string_view> seen;
  for (const ArgumentDescription& argument : kernel.arguments) {
    if (!argument.is_pointer() || !seen.insert(argument.group).second) continue;
    absl::StrAppendFormat(&text,
                          "          <port name=\"%s\" mode=\"master\" range=\"0xFFFFFFFFFFFFFFFF\" dataWidth=\"%u\" "
                          "portType=\"addressable\" base=\"0x0\"/>\n",
                          port_name(argument.group), data_width_bits(kernel, argument.group));
  }
  absl::StrAppendFormat(&text,
                        "          <port name=\"%s\" mode=\"slave\" range=\"0x%X\" dataWidth=\"32\" "
                        "portType=\"addressable\" base=\"0x0\"/>\n",
                        kControlPort, kRegisterMapBytes);
  return text;
}

std::string arguments(const KernelDescription& kernel) {
  std::string text;
  for (const ArgumentDescription& argument : kernel.arguments) {
    absl::StrAppendFormat(&text,
                          "          <arg name=\"%s\" addressQualifier=\"%d\" id=\"%u\" port=\"%s\" size=\"0x%X\" "
                          "offset=\"0x%X\" hostOffset=\"0x0\" hostSize=\"0x%X\" type=\"%s\"/>\n",
                          argument.name, argument.is_pointer() ? 1 : 0, argument.index,
                          argument.is_pointer() ? port_name(argument.group) : std::string(kControlPort),
                          argument.register_bytes(), argument.offset, argument.register_bytes(), type_name(argument));
  }
  return text;
}

std::string kernel_xml(const KernelDescription& kernel, std::span<const PlacedUnit> units) {
  std::string text = absl::StrFormat(
      "        <kernel name=\"%s\" language=\"c\" vlnv=\"phalanx:kernels:%s:%u.0\" attributes=\"\" "
      "preferredWorkGroupSizeMultiple=\"0\" workGroupSize=\"1\" interrupt=\"true\" hwControlProtocol=\"ap_ctrl_hs\">\n"
      "          <compileWorkGroupSize x=\"1\" y=\"1\" z=\"1\"/>\n"
      "          <maxWorkGroupSize x=\"1\" y=\"1\" z=\"1\"/>\n",
      kernel.name, kernel.name, kernel.version);
  text += ports(kernel) + arguments(kernel);
  for (const PlacedUnit& unit : units) {
    if (unit.kernel != &kernel) continue;
    absl::StrAppendFormat(&text,
                          "          <instance name=\"%s\">\n"
                          "            <addrRemap base=\"0x%X\" range=\"0x%X\" port=\"%s\"/>\n"
                          "          </instance>\n",
                          unit.name, unit.base, kComputeUnitSpan, kControlPort);
  }
  return text + "        </kernel>\n";
}

}  // namespace

std::vector<PlacedUnit> place_units(std::span<const KernelDescription> kernels) {
  std::vector<PlacedUnit> units;
  for (const KernelDescription& kernel : kernels) {
    for (uint32_t i = 0; i < kernel.compute_units; ++i) {
      units.push_back({&kernel, compute_unit_name(kernel, i), kComputeUnitBase + units.size() * kComputeUnitSpan});
    }
  }
  return units;
}

std::string metadata_xml(BuildTarget target, const Platform& platform, std::span<const KernelDescription> kernels) {
  const std::vector<PlacedUnit> units = place_units(kernels);
  std::string text = absl::StrFormat(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<project name=\"phalanx\">\n"
      "  <platform vendor=\"phalanx\" boardid=\"%s\" name=\"%s\" featureRomTime=\"0\">\n"
      "    <version major=\"1\" minor=\"0\"/>\n"
      "    <host architecture=\"x86_64\"/>\n"
      "    <device name=\"fpga0\" fpgaDevice=\"none\" addrWidth=\"64\">\n"
      "      <core name=\"OCL_REGION_0\" target=\"%s\" type=\"clc_region\" clockFreq=\"300MHz\" "
      "numComputeUnits=\"%u\">\n"
      "        <kernelClocks>\n"
      "          <clock port=\"KERNEL_CLK\" frequency=\"300.0MHz\"/>\n"
      "        </kernelClocks>\n",
      platform.name, platform.xrt_name, core_target(target), units.size());
  for (const KernelDescription& kernel : kernels) text += kernel_xml(kernel, units);
  return text + "      </core>\n    </device>\n  </platform>\n</project>\n";
}

}  // namespace phalanx::bitstream
