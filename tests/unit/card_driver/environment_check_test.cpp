#include "drivers/card_driver/environment_check.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

namespace phalanx::card_driver {
namespace {

using ::testing::HasSubstr;

// A folder that has what XRT's emulation looks for.
class EnvironmentCheckTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::path(::testing::TempDir()) / ("environment_check." + std::to_string(getpid()));
    for (const char* file : {"xrt/lib/libxrt_swemu.so.2", "emconfig.json", "xilinx.icd",
                             "vitis/data/emulation/unified/cpu_em/generic_pcie/model/genericpciemodel"}) {
      std::filesystem::create_directories((root_ / file).parent_path());
      std::ofstream(root_ / file) << "x";
      std::filesystem::permissions(root_ / file, std::filesystem::perms::owner_all);
    }
    good_ = {{"XCL_EMULATION_MODE", "sw_emu"},          {"XILINX_XRT", root_ / "xrt"},
             {"XILINX_VITIS", root_ / "vitis"},         {"EMCONFIG_PATH", root_},
             {"OCL_ICD_VENDORS", root_ / "xilinx.icd"}, {"USER", "phalanx"}};
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  static absl::StatusOr<CardMode> check_with(const std::map<std::string, std::string>& variables) {
    for (const auto& [name, value] : variables) {
      value.empty() ? unsetenv(name.c_str()) : setenv(name.c_str(), value.c_str(), 1);
    }
    return check_environment(true);
  }

  std::filesystem::path root_;
  std::map<std::string, std::string> good_;
};

TEST_F(EnvironmentCheckTest, TakesWhatIsWhole) {
  const auto mode = check_with(good_);
  ASSERT_TRUE(mode.ok()) << mode.status();
  EXPECT_EQ(*mode, CardMode::kSoftwareEmulation);
  auto real = good_;
  real["XCL_EMULATION_MODE"] = "";
  ASSERT_TRUE(check_with(real).ok());
  EXPECT_EQ(*check_with(real), CardMode::kReal);
}

TEST_F(EnvironmentCheckTest, NamesTheVariableThatIsWrong) {
  for (const auto& [name, value] : good_) {
    for (const std::string& wrong : {std::string(), std::string("/nowhere")}) {
      auto variables = good_;
      variables[name] = wrong;
      // Unset: the mode is a real card's, and OpenCL finds its vendors in the system's folder. A user may be any word.
      const bool fine = name == "USER" ? !wrong.empty()
                                       : wrong.empty() && (name == "XCL_EMULATION_MODE" || name == "OCL_ICD_VENDORS");
      const auto mode = check_with(variables);
      EXPECT_EQ(mode.ok(), fine) << name << "=" << wrong;
      if (mode.ok()) continue;
      EXPECT_EQ(mode.status().code(), absl::StatusCode::kFailedPrecondition);
      EXPECT_THAT(std::string(mode.status().message()), HasSubstr(name));
    }
  }
}

}  // namespace
}  // namespace phalanx::card_driver
