// What is refused of an xclbin before XRT sees it: a field of the header, a section, a register, a bank.
#include "drivers/bitstream/contents.hpp"

#include <xrt/xclbin.h>

#include <cstring>
#include <functional>

#include "tests/unit/bitstream/sample.hpp"

namespace phalanx::bitstream::test {
namespace {

using ::testing::HasSubstr;

// Header and section table are at the file's start, so they can be changed in place.
axlf& head_of(std::string& xclbin) { return *reinterpret_cast<axlf*>(xclbin.data()); }
axlf_section_header& section_of(std::string& xclbin, size_t index) {
  return *(reinterpret_cast<axlf_section_header*>(xclbin.data() + offsetof(axlf, m_sections)) + index);
}

struct FileCase {
  const char* name;
  std::function<void(std::string&)> damage;
  const char* message;
};
std::ostream& operator<<(std::ostream& out, const FileCase& c) { return out << c.name; }

class DamagedFile : public ::testing::TestWithParam<FileCase> {};

TEST_P(DamagedFile, IsDataLossWithFileAndField) {
  std::string xclbin = assembled(sound_sections());
  GetParam().damage(xclbin);
  const absl::Status status = check_contents(xclbin, "a.xclbin").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Header, DamagedFile,
    ::testing::Values(
        FileCase{"empty", [](std::string& x) { x.clear(); }, "a.xclbin: header: the file has 0 bytes"},
        FileCase{"half_a_header", [](std::string& x) { x.resize(200); }, "a.xclbin: header: the file has 200 bytes"},
        FileCase{"truncated", [](std::string& x) { x.pop_back(); }, "a.xclbin: m_length: "},
        FileCase{"longer", [](std::string& x) { x.push_back('x'); }, "a.xclbin: m_length: "},
        FileCase{"magic", [](std::string& x) { x[6] = '1'; }, "a.xclbin: m_magic: is not xclbin2"},
        FileCase{"mode", [](std::string& x) { head_of(x).m_header.m_mode = 7; }, "a.xclbin: m_mode: 7"},
        FileCase{"platform", [](std::string& x) { std::memset(head_of(x).m_header.m_platformVBNV, 'p', 64); },
                 "a.xclbin: m_platformVBNV: is not a text"},
        FileCase{"uuid", [](std::string& x) { std::memset(head_of(x).m_header.uuid, 0, 16); },
                 "a.xclbin: uuid: is zero"},
        FileCase{"no_sections", [](std::string& x) { head_of(x).m_header.m_numSections = 0; },
                 "a.xclbin: m_numSections: 0"},
        FileCase{"many_sections", [](std::string& x) { head_of(x).m_header.m_numSections = 0x10000; },
                 "a.xclbin: m_numSections: 65536"},
        FileCase{"table_behind_the_file",
                 [](std::string& x) {
                   x.resize(700);
                   head_of(x).m_header.m_length = 700;
                   head_of(x).m_header.m_numSections = 200;
                 },
                 "a.xclbin: m_numSections: the table of 200 sections"},
        FileCase{"signature_not_there", [](std::string& x) { head_of(x).m_signature_length = 100; },
                 "a.xclbin: m_length: "}),
    [](const auto& suite) { return std::string(suite.param.name); });

INSTANTIATE_TEST_SUITE_P(
    SectionTable, DamagedFile,
    ::testing::Values(
        FileCase{"kind", [](std::string& x) { section_of(x, 0).m_sectionKind = 99; },
                 "section 0 (kind 99): no such kind"},
        FileCase{"name", [](std::string& x) { std::memset(section_of(x, 1).m_sectionName, 'n', 16); },
                 "section 1 (kind 2): m_sectionName"},
        FileCase{"in_the_header", [](std::string& x) { section_of(x, 2).m_sectionOffset = 8; },
                 "section 2 (kind 6): m_sectionOffset 8 is in the header"},
        FileCase{"misaligned", [](std::string& x) { section_of(x, 2).m_sectionOffset += 4; }, "or not a multiple of 8"},
        FileCase{"offset_behind_the_end",
                 [](std::string& x) { section_of(x, 3).m_sectionOffset = x.size() + 8 - x.size() % 8; },
                 "end behind the file"},
        FileCase{"size_behind_the_end", [](std::string& x) { section_of(x, 4).m_sectionSize = x.size(); },
                 "section 4 (kind 7): m_sectionOffset "},
        FileCase{"size_that_wraps", [](std::string& x) { section_of(x, 0).m_sectionSize = UINT64_MAX - 8; },
                 "end behind the file"},
        FileCase{"overlap", [](std::string& x) { section_of(x, 0).m_sectionSize += 16; },
                 "section kind 2: overlaps section kind 0"},
        FileCase{"missing", [](std::string& x) { section_of(x, 3).m_sectionKind = DEBUG_DATA; },
                 "a.xclbin: IP_LAYOUT: 0 sections"},
        FileCase{"twice", [](std::string& x) { section_of(x, 3).m_sectionKind = MEM_TOPOLOGY; },
                 "a.xclbin: MEM_TOPOLOGY: 2 sections"},
        FileCase{"empty_section", [](std::string& x) { section_of(x, 4).m_sectionSize = 0; },
                 "a.xclbin: CONNECTIVITY: is empty"}),
    [](const auto& suite) { return std::string(suite.param.name); });

// Changes of a section's bytes, the container made anew around them.
struct SectionCase {
  const char* name;
  size_t index;  // in sound_sections()
  std::function<void(std::string&)> change;
  absl::StatusCode code;
  const char* message;
};
std::ostream& operator<<(std::ostream& out, const SectionCase& c) { return out << c.name; }

constexpr size_t kBits = 0, kXml = 1, kMemory = 2, kUnits = 3, kConnections = 4;

std::function<void(std::string&)> replace(const char* from, const char* to) {
  return [=](std::string& bytes) {
    const size_t at = bytes.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    bytes.replace(at, std::strlen(from), to);
  };
}
template <typename T>
std::function<void(std::string&)> put(size_t at, T value) {
  return [=](std::string& bytes) {
    ASSERT_LE(at + sizeof(value), bytes.size());
    std::memcpy(bytes.data() + at, &value, sizeof(value));
  };
}

class ChangedSection : public ::testing::TestWithParam<SectionCase> {};

TEST_P(ChangedSection, IsRefusedWithItsOwnMessage) {
  std::vector<SectionBytes> sections = sound_sections();
  GetParam().change(sections[GetParam().index].bytes);
  const absl::Status status = check_contents(assembled(sections), "a.xclbin").status();
  EXPECT_EQ(status.code(), GetParam().code);
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().message));
}

constexpr auto kLoss = absl::StatusCode::kDataLoss;
constexpr auto kOther = absl::StatusCode::kFailedPrecondition;

INSTANTIATE_TEST_SUITE_P(
    Metadata, ChangedSection,
    ::testing::Values(
        SectionCase{
            "offset", kXml, replace("offset=\"0x1C\"", "offset=\"0x18\""), kOther,
            "a.xclbin: EMBEDDED_METADATA: kernel session_engine, argument 1 (records): offset is \"0x18\", the ABI "
            "says 0x1c"},
        SectionCase{"size", kXml, replace("size=\"0x8\" offset=\"0x28\"", "size=\"0x4\" offset=\"0x28\""), kOther,
                    "argument 2 (completions): size is \"0x4\""},
        SectionCase{"argument_name", kXml, replace("\"now_ms\"", "\"now_us\""), kOther, "name is \"now_us\""},
        SectionCase{"argument_order", kXml, replace("id=\"3\"", "id=\"4\""), kOther, "argument 3 (state): id is \"4\""},
        SectionCase{"pointer_as_scalar", kXml, replace("addressQualifier=\"1\"", "addressQualifier=\"0\""), kOther,
                    "addressQualifier is \"0\""},
        SectionCase{"port", kXml, replace("port=\"M_AXI_TABLE0\"", "port=\"M_AXI_TABLE1\""), kOther,
                    "port is \"M_AXI_TABLE1\""},
        SectionCase{"not_a_number", kXml, replace("offset=\"0x10\"", "offset=\"0x10q\""), kOther,
                    "offset is \"0x10q\""},
        SectionCase{"kernel_name", kXml, replace("kernel name=\"esp_crypto\"", "kernel name=\"esp_krypto\""), kOther,
                    "kernel \"esp_krypto\" is none of this program's"},
        SectionCase{"kernel_twice", kXml,
                    [](std::string& xml) {
                      const size_t begin = xml.find("<kernel name=\"esp_crypto\"");
                      const size_t end = xml.find("</kernel>", begin) + 9;
                      xml.insert(end, xml.substr(begin, end - begin));
                    },
                    kLoss, "kernel esp_crypto twice"},
        SectionCase{"kernel_missing", kXml,
                    [](std::string& xml) {
                      const size_t begin = xml.find("<kernel name=\"state_delta\"");
                      xml.erase(begin, xml.find("</kernel>", begin) + 9 - begin);
                    },
                    kOther, "kernel state_delta is missing"},
        SectionCase{"argument_missing", kXml,
                    [](std::string& xml) {
                      const size_t begin = xml.find("<arg ");
                      xml.erase(begin, xml.find("/>", begin) + 2 - begin);
                    },
                    kOther, "kernel session_engine has 15 arguments, the ABI says 16"},
        SectionCase{"register_range", kXml, replace("range=\"0x1000\"", "range=\"0x800\""), kOther,
                    "port S_AXI_CONTROL: range is \"0x800\""},
        SectionCase{"no_control_port", kXml, replace("port name=\"S_AXI_CONTROL\"", "port name=\"S_AXI\""), kOther,
                    "kernel session_engine: no port S_AXI_CONTROL"},
        SectionCase{"no_core", kXml, replace("<device name", "<devize name"), kLoss, "</device> closes nothing"},
        SectionCase{"root", kXml, [](std::string& xml) { xml = "<a/>"; }, kLoss, "the root is not project"},
        SectionCase{"nothing_below", kXml, [](std::string& xml) { xml = "<project/>"; }, kLoss, "0 elements platform"},
        SectionCase{"truncated", kXml, [](std::string& xml) { xml.resize(xml.size() / 2); }, kLoss,
                    "EMBEDDED_METADATA: byte "},
        SectionCase{"document_type", kXml, replace("<project", "<!DOCTYPE p [<!ENTITY a 'a'>]><project"), kLoss,
                    "document types are not taken"},
        SectionCase{"deep", kXml,
                    [](std::string& xml) {
                      xml = std::string(99 * 3, ' ');
                      for (size_t i = 0; i < 99; ++i) xml.replace(i * 3, 3, "<a>");
                    },
                    kLoss, "deeper than 32"}),
    [](const auto& suite) { return std::string(suite.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Layout, ChangedSection,
    ::testing::Values(
        SectionCase{"no_shared_object", kBits, [](std::string& bits) { bits[0] = 'M'; }, kLoss,
                    "a.xclbin: BITSTREAM: is no shared object"},
        SectionCase{"memory_count", kMemory, put<int32_t>(0, 5), kLoss, "MEM_TOPOLOGY: m_count 5 needs 208 bytes"},
        SectionCase{"memory_negative", kMemory, put<int32_t>(0, -1), kLoss, "MEM_TOPOLOGY: m_count -1"},
        SectionCase{"memory_head", kMemory, [](std::string& b) { b.resize(3); }, kLoss, "MEM_TOPOLOGY: is shorter"},
        SectionCase{"memory_size", kMemory, put<uint64_t>(16, UINT64_MAX), kLoss, "MEM_TOPOLOGY: bank 0: m_size"},
        SectionCase{"memory_used", kMemory, put<uint8_t>(9, 2), kLoss, "MEM_TOPOLOGY: bank 0: m_used is 2"},
        SectionCase{"memory_tag", kMemory, put<uint8_t>(32, 1), kLoss, "MEM_TOPOLOGY: bank 0: m_tag"},
        SectionCase{"bank_not_used", kMemory, put<uint8_t>(9 + 40, 0), kLoss, "is a bank that is not used"},
        SectionCase{"units_count", kUnits, put<int32_t>(0, 1 << 30), kLoss, "IP_LAYOUT: m_count 1073741824"},
        SectionCase{"unit_name", kUnits, replace("esp_crypto_2", "esp_crypto_3"), kOther,
                    "no compute unit \"esp_crypto:esp_crypto_3\""},
        SectionCase{"unit_twice", kUnits, replace("esp_crypto_2", "esp_crypto_1"), kLoss,
                    "esp_crypto:esp_crypto_1 twice"},
        SectionCase{"unit_no_kernel", kUnits, put<uint32_t>(8 + 80 * 3, IP_DNASC), kOther,
                    "IP_LAYOUT: compute unit esp_crypto:esp_crypto_2 is missing"},
        SectionCase{"unit_base", kUnits, put<uint64_t>(8 + 8, 0x1400000), kOther,
                    "m_base_address of session_engine:session_engine_1 is 0x1400000, EMBEDDED_METADATA says 0x1800000"},
        SectionCase{"connection_unit", kConnections, put<int32_t>(8, 4), kLoss, "m_ip_layout_index 4 is outside"},
        SectionCase{"connection_bank", kConnections, put<int32_t>(12, -2), kLoss, "mem_data_index -2 is outside"},
        SectionCase{"connection_argument", kConnections, put<int32_t>(4, 14), kLoss,
                    "arg_index 14 is no argument in memory"},
        SectionCase{"argument_in_no_bank", kConnections, put<int32_t>(4, 1), kOther,
                    "CONNECTIVITY: session_engine_1.operations is in no bank"},
        SectionCase{"one_buffer_in_two_banks", kConnections, put<int32_t>(4 + 12 * 8 + 8, 2), kOther,
                    "CONNECTIVITY: session_engine_1.session_a_out is in other banks"},
        SectionCase{"kernels_apart", kConnections, put<int32_t>(4 + 12 * 14 + 8, 1), kOther,
                    "CONNECTIVITY: state_delta_1.state is in other banks"}),
    [](const auto& suite) { return std::string(suite.param.name); });

TEST(Contents, OfASoundBitstreamAreTold) {
  const auto contents = check_contents(assembled(sound_sections()), "a.xclbin");
  ASSERT_TRUE(contents.ok()) << contents.status();
  EXPECT_EQ(contents->target, BuildTarget::kSwEmu);
  EXPECT_EQ(contents->platform, "phalanx_emulated_card_1");
  EXPECT_EQ(contents->uuid.size(), 36);
  ASSERT_EQ(contents->banks.size(), 4);
  EXPECT_EQ(contents->banks[2].base, 8ull << 30);
  ASSERT_EQ(contents->compute_units.size(), 4);
  EXPECT_EQ(contents->compute_units[3].name, "esp_crypto_2");
  EXPECT_EQ(contents->compute_units[3].base, 0x1830000);
}

// A card's linker moves compute units after the XML was written: XRT goes by IP_LAYOUT there.
TEST(Contents, OfACardsBitstreamHaveTheirAddressesFromIpLayout) {
  std::vector<SectionBytes> sections = sound_sections();
  put<uint64_t>(8 + 8, 0x800000)(sections[kUnits].bytes);
  const auto contents =
      check_contents(assemble(BuildTarget::kHw, "xilinx_u280_gen3x16_xdma_1_202211_1", sections), "a");
  ASSERT_TRUE(contents.ok()) << contents.status();
  EXPECT_EQ(contents->platform, "xilinx_u280_gen3x16_xdma_base_1");
  EXPECT_EQ(contents->compute_units[0].base, 0x800000);
}

TEST(Contents, WithASignatureOfXclbinutilsBehindThemAreTaken) {
  std::string xclbin = assembled(sound_sections());
  head_of(xclbin).m_signature_length = 64;
  xclbin.append(64, 's');
  EXPECT_TRUE(check_contents(xclbin, "a.xclbin").ok());
}

}  // namespace
}  // namespace phalanx::bitstream::test
