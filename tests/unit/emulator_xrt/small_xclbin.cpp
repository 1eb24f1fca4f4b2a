#include "tests/unit/emulator_xrt/small_xclbin.hpp"

#include <xrt/xclbin.h>

#include <cstddef>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

namespace phalanx::emulator {
namespace {

// Banks of the emulated card's emconfig.json.
constexpr int kBanks = 4;
constexpr std::uint64_t kBankKilobytes = 4u << 20;

struct Unit {
  const char* name;
  std::uint64_t base;
  int bank;  // of all pointers
};
constexpr Unit kUnits[] = {{"add:add_1", 0x1800000, 0}, {"add:add_2", 0x1810000, 0}, {"poke:poke_1", 0x1820000, 1}};

template <typename T>
void append(std::string& bytes, const T& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

std::string memory_section() {
  std::string bytes(offsetof(mem_topology, m_mem_data), '\0');
  const std::int32_t count = kBanks;
  std::memcpy(bytes.data(), &count, sizeof count);
  for (int i = 0; i < kBanks; ++i) {
    mem_data bank{};
    bank.m_type = MEM_DDR4;
    bank.m_used = 1;
    bank.m_size = kBankKilobytes;
    bank.m_base_address = static_cast<std::uint64_t>(i) * kBankKilobytes * 1024;
    const auto tag = "bank" + std::to_string(i);
    std::memcpy(bank.m_tag, tag.data(), tag.size());
    append(bytes, bank);
  }
  return bytes;
}

std::string ip_section() {
  std::string bytes(offsetof(ip_layout, m_ip_data), '\0');
  const std::int32_t count = std::size(kUnits);
  std::memcpy(bytes.data(), &count, sizeof count);
  for (const auto& unit : kUnits) {
    ip_data ip{};
    ip.m_type = IP_KERNEL;
    ip.properties = AP_CTRL_HS << IP_CONTROL_SHIFT;
    ip.m_base_address = unit.base;
    std::memcpy(ip.m_name, unit.name, std::strlen(unit.name));
    append(bytes, ip);
  }
  return bytes;
}

std::string connectivity_section() {
  std::vector<connection> connections;
  for (std::int32_t ip = 0; ip < static_cast<std::int32_t>(std::size(kUnits)); ++ip) {
    const std::int32_t pointers = kUnits[ip].name[0] == 'a' ? 3 : 1;
    for (std::int32_t argument = 0; argument < pointers; ++argument) {
      connections.push_back({argument, ip, kUnits[ip].bank});
    }
  }
  std::string bytes(offsetof(connectivity, m_connection), '\0');
  const auto count = static_cast<std::int32_t>(connections.size());
  std::memcpy(bytes.data(), &count, sizeof count);
  for (const auto& one : connections) {
    append(bytes, one);
  }
  return bytes;
}

}  // namespace

std::string small_metadata() {
  return R"(<?xml version="1.0" encoding="UTF-8"?>
<project name="small"><platform vendor="phalanx" boardid="emulated" name="card" featureRomTime="0">
<version major="1" minor="0"/><description/>
<device name="fpga0" fpgaDevice="emulated" addrWidth="0"><core name="OCL_REGION_0" target="csim" type="clc_region">
<kernel name="add" language="c" type="pl">
<port name="M_AXI_GMEM" mode="master" range="0xFFFFFFFFFFFFFFFF" dataWidth="32" portType="addressable" base="0x0"/>
<port name="S_AXI_CONTROL" mode="slave" range="0x1000" dataWidth="32" portType="addressable" base="0x0"/>
<arg name="a" addressQualifier="1" id="0" port="M_AXI_GMEM" size="0x8" offset="0x10" hostOffset="0x0" hostSize="0x8" type="uint*"/>
<arg name="b" addressQualifier="1" id="1" port="M_AXI_GMEM" size="0x8" offset="0x1C" hostOffset="0x0" hostSize="0x8" type="uint*"/>
<arg name="sum" addressQualifier="1" id="2" port="M_AXI_GMEM" size="0x8" offset="0x28" hostOffset="0x0" hostSize="0x8" type="uint*"/>
<arg name="count" addressQualifier="0" id="3" port="S_AXI_CONTROL" size="0x4" offset="0x34" hostOffset="0x0" hostSize="0x4" type="uint"/>
<instance name="add_1"><addrRemap base="0x1800000" range="0x10000" port="S_AXI_CONTROL"/></instance>
<instance name="add_2"><addrRemap base="0x1810000" range="0x10000" port="S_AXI_CONTROL"/></instance>
</kernel>
<kernel name="poke" language="c" type="pl">
<port name="M_AXI_GMEM" mode="master" range="0xFFFFFFFFFFFFFFFF" dataWidth="32" portType="addressable" base="0x0"/>
<port name="S_AXI_CONTROL" mode="slave" range="0x1000" dataWidth="32" portType="addressable" base="0x0"/>
<arg name="memory" addressQualifier="1" id="0" port="M_AXI_GMEM" size="0x8" offset="0x10" hostOffset="0x0" hostSize="0x8" type="char*"/>
<arg name="place" addressQualifier="0" id="1" port="S_AXI_CONTROL" size="0x8" offset="0x1C" hostOffset="0x0" hostSize="0x8" type="ulong"/>
<arg name="value" addressQualifier="0" id="2" port="S_AXI_CONTROL" size="0x4" offset="0x28" hostOffset="0x0" hostSize="0x4" type="uint"/>
<instance name="poke_1"><addrRemap base="0x1820000" range="0x10000" port="S_AXI_CONTROL"/></instance>
</kernel>
</core></device></platform></project>
)";
}

std::string small_xclbin(const std::string& shared_object) {
  const std::pair<axlf_section_kind, std::string> sections[] = {
      {BITSTREAM, shared_object}, {EMBEDDED_METADATA, small_metadata()},  {MEM_TOPOLOGY, memory_section()},
      {IP_LAYOUT, ip_section()},  {CONNECTIVITY, connectivity_section()},
  };
  constexpr std::size_t kAlignment = 8;
  std::vector<axlf_section_header> headers;
  std::size_t at = offsetof(axlf, m_sections) + std::size(sections) * sizeof(axlf_section_header);
  for (const auto& [kind, bytes] : sections) {
    at = (at + kAlignment - 1) / kAlignment * kAlignment;
    axlf_section_header header{};
    header.m_sectionKind = kind;
    header.m_sectionOffset = at;
    header.m_sectionSize = bytes.size();
    headers.push_back(header);
    at += bytes.size();
  }
  axlf top{};
  std::memcpy(top.m_magic, "xclbin2", 8);
  top.m_header.m_length = at;
  top.m_header.m_timeStamp = 1;
  top.m_header.m_mode = XCLBIN_SW_EMU;
  top.m_header.m_numSections = static_cast<std::uint32_t>(headers.size());
  std::memcpy(top.m_header.uuid, "phalanx-small-01", 16);
  std::memcpy(top.m_header.m_platformVBNV, "phalanx_emulated_card", 21);
  std::string file(reinterpret_cast<const char*>(&top), offsetof(axlf, m_sections));
  for (const auto& header : headers) {
    append(file, header);
  }
  for (std::size_t i = 0; i < headers.size(); ++i) {
    file.resize(headers[i].m_sectionOffset);
    file += sections[i].second;
  }
  return file;
}

}  // namespace phalanx::emulator
