// What v++ is told about each card, against the kernels' description: compute units, their regions, every argument's
// banks, and that the kernels' own pragmas use the memory ports that the description names.
#include "drivers/bitstream/platform.hpp"

#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "drivers/bitstream/kernel_description.hpp"

namespace phalanx::bitstream {
namespace {

std::string read(const std::string& path) {
  std::ifstream in(std::string(PHALANX_SOURCE_DIR) + "/" + path);
  EXPECT_TRUE(in) << path;
  return std::string((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
}

struct Config {
  std::string platform;
  std::map<std::string, std::vector<std::string>> units;  // by kernel
  std::map<std::string, uint32_t> regions;                // by unit
  std::map<std::string, std::string> banks;               // by unit.argument
  std::vector<std::string> not_understood;
};

void take(Config& config, const std::string& line) {
  static const std::regex platform("platform=(\\w+)"), nk("nk=(\\w+):(\\d+):([\\w.]+)"), slr("slr=(\\w+):SLR(\\d+)"),
      sp("sp=(\\w+\\.\\w+):(.+)");
  std::smatch m;
  if (std::regex_match(line, m, platform)) {
    config.platform = m[1];
  } else if (std::regex_match(line, m, nk)) {
    std::stringstream names(m[3]);
    for (std::string name; std::getline(names, name, '.');) config.units[m[1]].push_back(name);
    EXPECT_EQ(config.units[m[1]].size(), std::stoul(m[2])) << line;
  } else if (std::regex_match(line, m, slr)) {
    EXPECT_TRUE(config.regions.emplace(m[1], std::stoul(m[2])).second) << line << ": twice";
  } else if (std::regex_match(line, m, sp)) {
    EXPECT_TRUE(config.banks.emplace(m[1], m[2]).second) << line << ": twice";
  } else if (!line.empty() && line[0] != '#' && line != "[connectivity]") {
    config.not_understood.push_back(line);
  }
}

Config config_of(const Platform& platform) {
  Config config;
  std::stringstream text(read("bitstreams/platforms/" + std::string(platform.name) + ".cfg"));
  for (std::string line; std::getline(text, line);) take(config, line);
  return config;
}

// "HBM[4:7]" or "DDR[1]" as first and last; nothing if the platform has no such banks.
struct Range {
  std::string kind;
  uint32_t first = 0;
  uint32_t last = 0;
};
bool range_of(const std::string& text, const Platform& platform, Range& range) {
  static const std::regex form("(HBM|DDR)\\[(\\d+)(?::(\\d+))?\\]");
  std::smatch m;
  if (!std::regex_match(text, m, form)) return false;
  range = {m[1], static_cast<uint32_t>(std::stoul(m[2])),
           static_cast<uint32_t>(std::stoul(m[3].matched ? m[3] : m[2]))};
  const uint32_t banks = range.kind == "HBM" ? platform.hbm_banks : platform.ddr_banks;
  return range.first <= range.last && range.last < banks;
}

class PlatformConfig : public ::testing::TestWithParam<Platform> {};

TEST_P(PlatformConfig, NamesThePlatformAndNothingUnknown) {
  const Config config = config_of(GetParam());
  EXPECT_EQ(config.platform, GetParam().vpp_name);
  EXPECT_THAT(config.not_understood, ::testing::IsEmpty());
}

TEST_P(PlatformConfig, HasEveryComputeUnitInARegion) {
  const Config config = config_of(GetParam());
  EXPECT_EQ(config.units.size(), kKernels.size());
  size_t units = 0;
  for (const KernelDescription& kernel : kKernels) {
    std::vector<std::string> wanted;
    for (uint32_t i = 0; i < kernel.compute_units; ++i) wanted.push_back(compute_unit_name(kernel, i));
    const auto found = config.units.find(std::string(kernel.name));
    ASSERT_NE(found, config.units.end()) << kernel.name;
    EXPECT_EQ(found->second, wanted);
    for (const std::string& unit : wanted) {
      ASSERT_TRUE(config.regions.contains(unit)) << unit;
      EXPECT_LT(config.regions.at(unit), GetParam().regions) << unit;
      ++units;
    }
  }
  EXPECT_EQ(config.regions.size(), units) << "a region for a unit that is none";
}

TEST_P(PlatformConfig, HasBanksForExactlyTheArgumentsInMemory) {
  const Config config = config_of(GetParam());
  std::set<std::string> wanted;
  for (const KernelDescription& kernel : kKernels) {
    for (uint32_t i = 0; i < kernel.compute_units; ++i) {
      for (const ArgumentDescription& argument : kernel.arguments) {
        if (argument.is_pointer()) wanted.insert(compute_unit_name(kernel, i) + "." + std::string(argument.name));
      }
    }
  }
  std::set<std::string> found;
  for (const auto& [argument, banks] : config.banks) {
    found.insert(argument);
    Range range;
    EXPECT_TRUE(range_of(banks, GetParam(), range)) << argument << ": " << banks << " is no range of this platform";
  }
  EXPECT_EQ(found, wanted);
}

// An m_axi port has one connection; and the reader refuses a table that kernels see in different banks.
TEST_P(PlatformConfig, GivesAPortAndABufferOneRange) {
  const Config config = config_of(GetParam());
  std::map<std::string, std::string> of_port, of_buffer;
  for (const KernelDescription& kernel : kKernels) {
    for (uint32_t i = 0; i < kernel.compute_units; ++i) {
      const std::string unit = compute_unit_name(kernel, i);
      for (const ArgumentDescription& argument : kernel.arguments) {
        if (!argument.is_pointer()) continue;
        const std::string& banks = config.banks.at(unit + "." + std::string(argument.name));
        const std::string port = unit + " " + std::string(argument.group);
        EXPECT_EQ(of_port.emplace(port, banks).first->second, banks) << port;
        if (!find_group(argument.group)->of_table) continue;
        std::string buffer(argument.name);
        if (buffer.ends_with("_out")) buffer.resize(buffer.size() - 4);
        EXPECT_EQ(of_buffer.emplace(buffer, banks).first->second, banks) << unit << "." << argument.name;
      }
    }
  }
}

// 2^24 sessions, what docs/card.md counts on, have room: 64 bytes in each half, 32 for a long rewrite.
TEST_P(PlatformConfig, HasRoomForTheTable) {
  const Config config = config_of(GetParam());
  const std::pair<const char*, uint64_t> sizes[] = {{"session_a", 64},     {"session_b", 64}, {"wide", 32},
                                                    {"buckets_first", 16}, {"change_log", 4}, {"free_slot", 4}};
  for (const auto& [name, bytes] : sizes) {
    Range range;
    ASSERT_TRUE(range_of(config.banks.at(std::string("session_engine_1.") + name), GetParam(), range));
    const uint64_t bank = uint64_t{range.kind == "HBM" ? GetParam().hbm_bank_mib : GetParam().ddr_bank_mib} << 20;
    EXPECT_GE(bank * (range.last - range.first + 1), bytes << 24) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Cards, PlatformConfig, ::testing::ValuesIn(kPlatforms.begin() + 1, kPlatforms.end()),
                         [](const auto& suite) { return std::string(suite.param.name); });

// port -> bundle of the kernel's m_axi pragmas; scalars have none.
std::map<std::string, std::string> bundles_of(const std::string& source) {
  static const std::regex pragma("#pragma HLS (?:interface|INTERFACE) m_axi port *= *(\\w+) bundle *= *(\\w+)");
  std::map<std::string, std::string> bundles;
  for (std::sregex_iterator at(source.begin(), source.end(), pragma), end; at != end; ++at)
    bundles[(*at)[1]] = (*at)[2];
  return bundles;
}

TEST(KernelPragmas, NameTheMemoryPortsOfTheDescription) {
  for (const KernelDescription& kernel : kKernels) {
    std::map<std::string, std::string> wanted;
    for (const ArgumentDescription& argument : kernel.arguments) {
      if (argument.is_pointer()) wanted[std::string(argument.name)] = argument.group;
    }
    EXPECT_EQ(bundles_of(read("kernels/" + std::string(kernel.name) + ".cpp")), wanted) << kernel.name;
  }
}

// Known register maps: what Vitis HLS's generated headers say for arguments of these sizes.
TEST(Registers, LieWhereVitisHlsPutsThem) {
  const auto offset = [](std::string_view kernel, size_t argument) {
    return find_kernel(kernel)->arguments[argument].offset;
  };
  EXPECT_EQ(offset("esp_crypto", 0), 0x10);    // an address
  EXPECT_EQ(offset("esp_crypto", 1), 0x1c);    // behind an address: two words and a reserved one
  EXPECT_EQ(offset("esp_crypto", 5), 0x4c);    // five addresses on
  EXPECT_EQ(offset("esp_crypto", 6), 0x54);    // behind a uint32_t: one word and a reserved one
  EXPECT_EQ(offset("state_delta", 12), 0x98);  // behind a uint64_t
  EXPECT_EQ(find_kernel("firewall"), nullptr);
}

}  // namespace
}  // namespace phalanx::bitstream
