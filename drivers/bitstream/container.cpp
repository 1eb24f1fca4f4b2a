#include "drivers/bitstream/container.hpp"

#include <xrt/xclbin.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"

namespace phalanx::bitstream {
namespace {

constexpr size_t kTableStart = offsetof(axlf, m_sections);
constexpr size_t kSectionAlignment = 8;

absl::Status damaged(std::string_view file, std::string_view field, std::string_view reason) {
  return absl::DataLossError(absl::StrFormat("%s: %s: %s", file, field, reason));
}

// The text of a field that a zero ends; false if none does, or something in it cannot be printed.
template <size_t kSize, typename Char>
bool take_text(const Char (&field)[kSize], std::string& text) {
  const Char* end = std::find(field, field + kSize, Char{0});
  if (end == field + kSize) return false;
  text.assign(field, end);
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return absl::ascii_isprint(c); });
}

bool take_target(uint16_t mode, BuildTarget& target) {
  switch (mode) {
    case XCLBIN_FLAT:
    case XCLBIN_PR:
      target = BuildTarget::kHw;
      return true;
    case XCLBIN_HW_EMU:
    case XCLBIN_HW_EMU_PR:
      target = BuildTarget::kHwEmu;
      return true;
    case XCLBIN_SW_EMU:
      target = BuildTarget::kSwEmu;
      return true;
    default:
      return false;
  }
}

std::string uuid_text(const unsigned char* uuid) {
  std::string text = absl::BytesToHexString(std::string(reinterpret_cast<const char*>(uuid), 16));
  for (const size_t at : {size_t{8}, size_t{13}, size_t{18}, size_t{23}}) text.insert(at, 1, '-');
  return text;
}

absl::Status check_header(const axlf& head, size_t bytes, std::string_view file, Container& container) {
  const axlf_header& header = head.m_header;
  if (std::memcmp(head.m_magic, "xclbin2", sizeof(head.m_magic)) != 0) {
    return damaged(file, "m_magic", "is not xclbin2");
  }
  // A signature of xclbinutil's lies behind m_length.
  const uint64_t signature = head.m_signature_length > 0 ? static_cast<uint64_t>(head.m_signature_length) : 0;
  if (header.m_length > bytes || bytes - header.m_length != signature) {
    return damaged(
        file, "m_length",
        absl::StrFormat("%u and a signature of %u, but the file has %u bytes", header.m_length, signature, bytes));
  }
  if (!take_target(header.m_mode, container.target)) {
    return damaged(file, "m_mode", absl::StrFormat("%u is no mode of a bitstream", header.m_mode));
  }
  if (!take_text(header.m_platformVBNV, container.platform)) return damaged(file, "m_platformVBNV", "is not a text");
  if (std::all_of(header.uuid, header.uuid + 16, [](unsigned char c) { return c == 0; })) {
    return damaged(file, "uuid", "is zero");
  }
  container.uuid = uuid_text(header.uuid);
  if (header.m_numSections == 0 || header.m_numSections > kSectionsMax) {
    return damaged(file, "m_numSections", absl::StrFormat("%u, not 1 to %u", header.m_numSections, kSectionsMax));
  }
  if (header.m_length < kTableStart + header.m_numSections * sizeof(axlf_section_header)) {
    return damaged(file, "m_numSections",
                   absl::StrFormat("the table of %u sections ends behind the file", header.m_numSections));
  }
  return absl::OkStatus();
}

absl::Status take_sections(std::string_view xclbin, const axlf_header& header, std::string_view file,
                           Container& container) {
  const uint64_t table_end = kTableStart + header.m_numSections * sizeof(axlf_section_header);
  for (uint32_t i = 0; i < header.m_numSections; ++i) {
    axlf_section_header section;
    std::memcpy(&section, xclbin.data() + kTableStart + i * sizeof(section), sizeof(section));
    const std::string field = absl::StrFormat("section %u (kind %u)", i, section.m_sectionKind);
    if (section.m_sectionKind > VENDER_METADATA) return damaged(file, field, "no such kind");
    Section taken;
    taken.kind = section.m_sectionKind;
    if (!take_text(section.m_sectionName, taken.name)) return damaged(file, field, "m_sectionName is not a text");
    if (section.m_sectionOffset < table_end || section.m_sectionOffset % kSectionAlignment != 0) {
      return damaged(file, field,
                     absl::StrFormat("m_sectionOffset %u is in the header or not a multiple of %u",
                                     section.m_sectionOffset, kSectionAlignment));
    }
    if (section.m_sectionOffset > header.m_length ||
        section.m_sectionSize > header.m_length - section.m_sectionOffset) {
      return damaged(file, field,
                     absl::StrFormat("m_sectionOffset %u and m_sectionSize %u end behind the file",
                                     section.m_sectionOffset, section.m_sectionSize));
    }
    taken.bytes = xclbin.substr(section.m_sectionOffset, section.m_sectionSize);
    container.sections.push_back(std::move(taken));
  }
  return absl::OkStatus();
}

absl::Status check_overlaps(const Container& container, std::string_view file) {
  std::vector<const Section*> sorted;
  for (const Section& section : container.sections) sorted.push_back(&section);
  std::sort(sorted.begin(), sorted.end(), [](const Section* a, const Section* b) {
    return std::pair(a->bytes.data(), a->bytes.size()) < std::pair(b->bytes.data(), b->bytes.size());
  });
  for (size_t i = 1; i < sorted.size(); ++i) {
    if (sorted[i - 1]->bytes.data() + sorted[i - 1]->bytes.size() > sorted[i]->bytes.data()) {
      return damaged(file, absl::StrFormat("section kind %u", sorted[i]->kind),
                     absl::StrFormat("overlaps section kind %u", sorted[i - 1]->kind));
    }
  }
  return absl::OkStatus();
}

}  // namespace

const Section* Container::find(uint32_t kind) const {
  for (const Section& section : sections) {
    if (section.kind == kind) return &section;
  }
  return nullptr;
}

absl::StatusOr<Container> parse_container(std::string_view xclbin, std::string_view file) {
  if (xclbin.size() < kTableStart) {
    return damaged(file, "header",
                   absl::StrFormat("the file has %u bytes, the header alone %u", xclbin.size(), kTableStart));
  }
  axlf head;
  std::memcpy(&head, xclbin.data(), kTableStart);
  Container container;
  if (absl::Status status = check_header(head, xclbin.size(), file, container); !status.ok()) return status;
  if (absl::Status status = take_sections(xclbin, head.m_header, file, container); !status.ok()) return status;
  if (absl::Status status = check_overlaps(container, file); !status.ok()) return status;
  return container;
}

}  // namespace phalanx::bitstream
