#include "bitstreams/xclbin_writer/xclbin_file.hpp"

#include <xrt/xclbin.h>

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "bitstreams/xclbin_writer/metadata_xml.hpp"
#include "drivers/bitstream/signing.hpp"

namespace phalanx::bitstream {
namespace {

constexpr size_t kSectionAlignment = 8;

template <typename T>
void append(std::string& bytes, const T& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// Into a field of fixed size that a zero ends.
template <size_t kSize, typename Char>
void put_text(Char (&field)[kSize], std::string_view text) {
  assert(text.size() < kSize);
  std::memcpy(field, text.data(), text.size());
}

uint16_t mode_of(BuildTarget target) {
  switch (target) {
    case BuildTarget::kSwEmu:
      return XCLBIN_SW_EMU;
    case BuildTarget::kHwEmu:
      return XCLBIN_HW_EMU;
    case BuildTarget::kHw:
      break;
  }
  return XCLBIN_FLAT;
}

// A version 8 UUID (RFC 9562): a digest of what the file holds.
void put_uuid(unsigned char* uuid, const std::string& digest) {
  std::memcpy(uuid, digest.data(), 16);
  uuid[6] = static_cast<unsigned char>((uuid[6] & 0x0f) | 0x80);
  uuid[8] = static_cast<unsigned char>((uuid[8] & 0x3f) | 0x80);
}

std::string memory_topology() {
  std::string bytes;
  append(bytes, int32_t{static_cast<int32_t>(kEmulatedPlatform.ddr_banks)});
  append(bytes, uint32_t{0});  // mem_data is aligned to 8 bytes
  const uint64_t bank_kib = uint64_t{kEmulatedPlatform.ddr_bank_mib} << 10;
  for (uint32_t i = 0; i < kEmulatedPlatform.ddr_banks; ++i) {
    mem_data bank{};
    bank.m_type = MEM_DDR4;
    bank.m_used = 1;
    bank.m_size = bank_kib;
    bank.m_base_address = (bank_kib << 10) * i;
    put_text(bank.m_tag, absl::StrFormat("DDR[%u]", i));
    append(bytes, bank);
  }
  return bytes;
}

std::string ip_layout_of(std::span<const PlacedUnit> units) {
  std::string bytes;
  append(bytes, static_cast<int32_t>(units.size()));
  append(bytes, uint32_t{0});
  for (const PlacedUnit& unit : units) {
    ip_data ip{};
    ip.m_type = IP_KERNEL;
    ip.properties = AP_CTRL_HS << IP_CONTROL_SHIFT;
    ip.m_base_address = unit.base;
    put_text(ip.m_name, absl::StrFormat("%s:%s", unit.kernel->name, unit.name));
    append(bytes, ip);
  }
  return bytes;
}

std::string connectivity_of(std::span<const PlacedUnit> units) {
  std::string connections;
  int32_t count = 0;
  for (size_t unit = 0; unit < units.size(); ++unit) {
    for (const ArgumentDescription& argument : units[unit].kernel->arguments) {
      if (!argument.is_pointer()) continue;
      append(connections, connection{static_cast<int32_t>(argument.index), static_cast<int32_t>(unit),
                                     static_cast<int32_t>(find_group(argument.group)->emulated_bank)});
      ++count;
    }
  }
  std::string bytes;
  append(bytes, count);
  return bytes + connections;
}

}  // namespace

std::string assemble(BuildTarget target, std::string_view platform, std::span<const SectionBytes> sections) {
  constexpr size_t kTableStart = offsetof(axlf, m_sections);
  std::string table;
  std::string data;
  size_t at = kTableStart + sections.size() * sizeof(axlf_section_header);
  for (const SectionBytes& section : sections) {
    const size_t padding = (kSectionAlignment - at % kSectionAlignment) % kSectionAlignment;
    data.append(padding, '\0');
    at += padding;
    axlf_section_header header{};
    header.m_sectionKind = section.kind;
    put_text(header.m_sectionName, section.name);
    header.m_sectionOffset = at;
    header.m_sectionSize = section.bytes.size();
    append(table, header);
    data += section.bytes;
    at += section.bytes.size();
  }
  const std::string digest = absl::HexStringToBytes(sha256_hex(table + data));

  axlf head;
  std::memset(&head, 0, sizeof(head));
  put_text(head.m_magic, "xclbin2");
  head.m_signature_length = -1;  // the manifest is what is signed
  std::memset(head.reserved, 0xff, sizeof(head.reserved));
  std::memset(head.m_keyBlock, 0xff, sizeof(head.m_keyBlock));
  std::memcpy(&head.m_uniqueId, digest.data() + 16, sizeof(head.m_uniqueId));
  head.m_header.m_length = at;
  head.m_header.m_versionMajor = 2;
  head.m_header.m_versionMinor = 13;
  head.m_header.m_mode = mode_of(target);
  put_text(head.m_header.m_platformVBNV, platform);
  put_uuid(head.m_header.uuid, digest);
  head.m_header.m_numSections = static_cast<uint32_t>(sections.size());
  return std::string(reinterpret_cast<const char*>(&head), kTableStart) + table + data;
}

std::vector<SectionBytes> emulation_sections(std::string shared_object, std::span<const KernelDescription> kernels) {
  const std::vector<PlacedUnit> units = place_units(kernels);
  return {{BITSTREAM, "kernels", std::move(shared_object)},
          {EMBEDDED_METADATA, "metadata", metadata_xml(BuildTarget::kSwEmu, kEmulatedPlatform, kernels)},
          {MEM_TOPOLOGY, "memory", memory_topology()},
          {IP_LAYOUT, "units", ip_layout_of(units)},
          {CONNECTIVITY, "connections", connectivity_of(units)}};
}

std::string emulation_config() {
  std::string banks;
  for (uint32_t i = 0; i < kEmulatedPlatform.ddr_banks; ++i) {
    absl::StrAppendFormat(&banks, "%s{\"Name\": \"%u\", \"Size\": \"%uG\"}", i == 0 ? "" : ", ", i,
                          kEmulatedPlatform.ddr_bank_mib / 1024);
  }
  // "OclFreqency" is XRT's own spelling.
  return absl::StrFormat(
      "{\"Version\": {\"FileVersion\": \"2.0\", \"ToolVersion\": \"phalanx\"},\n"
      " \"Platform\": {\"UnifiedPlatform\": \"true\", \"ExpandedPR\": \"false\", \"Boards\": [{\"NumBoards\": \"1\",\n"
      "  \"Devices\": [{\"Name\": \"%s\", \"HalMajorVersion\": \"1\", \"HalMinorVersion\": \"0\",\n"
      "   \"VendorId\": \"4334\", \"DeviceId\": \"0\", \"SubsystemVendorId\": \"0\", \"DeviceVersion\": \"0\",\n"
      "   \"DdrBanks\": [%s],\n"
      "   \"OclFreqency\": \"300\", \"NumDevices\": \"1\"}]}]}}\n",
      kEmulatedPlatform.xrt_name, banks);
}

}  // namespace phalanx::bitstream
