#include "drivers/emulator/kernel_metadata.hpp"

#include <random>

#include "absl/strings/str_replace.h"

namespace phalanx::emulator {
namespace {

const char* const kXml = R"(<?xml version="1.0"?>
<!-- a comment with <kernel name="not_one"> in it -->
<project><platform><device><core>
<kernel name="one" language="c">
  <port name="S_AXI_CONTROL" range="0x1000"/>
  <arg name="memory" addressQualifier="1" id="0" size="0x8" offset="0x10"/>
  <arg name="count" addressQualifier='0' id="1" size="0x4" offset="0x1C"/>
  <instance name="one_1"><addrRemap base="0x1800000" range="0x10000" port="S_AXI_CONTROL"/></instance>
  <instance name="one_2"><addrRemap base="0x1810000" range="0x10000" port="S_AXI_CONTROL"/></instance>
</kernel>
</core></device></platform></project>)";

TEST(KernelMetadata, NamesArgumentsAndInstances) {
  const auto kernels = parse_kernel_metadata(kXml);
  ASSERT_TRUE(kernels.ok()) << kernels.status();
  ASSERT_EQ(kernels->size(), 1u);
  const auto& kernel = kernels->front();
  EXPECT_EQ(kernel.name, "one");
  ASSERT_EQ(kernel.arguments.size(), 2u);
  EXPECT_TRUE(kernel.arguments[0].pointer);
  EXPECT_EQ(kernel.arguments[0].offset, 0x10u);
  EXPECT_EQ(kernel.arguments[0].size, 8u);
  EXPECT_FALSE(kernel.arguments[1].pointer);
  EXPECT_EQ(kernel.arguments[1].size, 4u);
  ASSERT_EQ(kernel.instances.size(), 2u);
  EXPECT_EQ(kernel.instances[1].name, "one_2");
  EXPECT_EQ(kernel.instances[1].base, 0x1810000u);
}

TEST(KernelMetadata, RefusesAndNamesTheReason) {
  struct Case {
    const char* from;
    const char* to;
    const char* reason;
  };
  const Case cases[] = {
      {"size=\"0x4\"", "size=\"0x2\"", "arg count: size 2 is not 4 or 8"},
      {"size=\"0x4\"", "size=\"four\"", "size = 'four' is not a number"},
      {"size=\"0x4\"", "", "size is missing"},
      {"offset=\"0x1C\"", "offset=\"0x1D\"", "offset 29 is outside the register map or misaligned"},
      {"offset=\"0x1C\"", "offset=\"0xC\"", "outside the register map"},
      {"offset=\"0x1C\"", "offset=\"0x1000\"", "outside the register map"},
      {"addressQualifier='0'", "addressQualifier='4'", "neither scalar (0) nor pointer (1)"},
      {"id=\"1\"", "id=\"0\"", "id 0 is there twice"},
      {"id=\"1\"", "id=\"2\"", "no arg has id 1"},
      {"id=\"1\"", "id=\"64\"", "more than 64 arguments"},
      {"base=\"0x1810000\"", "base=\"0x1800000\"", "another has its base"},
      {"base=\"0x1810000\"", "base=\"0x1808000\"", "overlap another's"},
      {"base=\"0x1810000\"", "base=\"0x1810004\"", "hold no register map"},
      {"<addrRemap base=\"0x1810000\" range=\"0x10000\" port=\"S_AXI_CONTROL\"/>", "", "no addrRemap"},
      {"</kernel>", "", "</core> closes nothing"},
      {"<kernel name=\"one\"", "<kernel name=\"one;two\"", "not a name"},
      {"port=\"S_AXI_CONTROL\"/></instance>\n</kernel>", "port=\"S_AXI_CONTROL/></instance>\n</kernel>",
       "an attribute without an end"},
      {"in it -->", "in it", "no -->"},
  };
  for (const auto& one : cases) {
    const auto xml = absl::StrReplaceAll(kXml, {{one.from, one.to}});
    ASSERT_NE(xml, kXml) << one.from;
    const auto kernels = parse_kernel_metadata(xml);
    ASSERT_FALSE(kernels.ok()) << one.reason;
    EXPECT_THAT(std::string(kernels.status().message()), testing::HasSubstr(one.reason));
  }
  EXPECT_FALSE(parse_kernel_metadata(std::string(kMetadataBytesMax + 1, ' ')).ok());
}

TEST(KernelMetadata, SurvivesCutAndMutatedTexts) {
  const std::string xml = kXml;
  for (std::size_t length = 0; length < xml.size(); ++length) {
    (void)parse_kernel_metadata(absl::string_view(xml).substr(0, length));
  }
  std::mt19937 random(3);
  int refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    auto changed = xml;
    for (int j = 0; j < 3; ++j) {
      changed[random() % changed.size()] = static_cast<char>("<>\"'/= x0\0"[random() % 10]);
    }
    const auto kernels = parse_kernel_metadata(changed);
    refused += kernels.ok() ? 0 : 1;
    if (kernels.ok()) {
      for (const auto& kernel : *kernels) {
        for (const auto& argument : kernel.arguments) {
          EXPECT_LE(argument.offset + argument.size, kRegisterMapBytes);
        }
      }
    }
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace phalanx::emulator
