#include "drivers/card_driver/environment_check.hpp"

#include <unistd.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace phalanx::card_driver {
namespace {

constexpr const char* kDeviceModel = "/data/emulation/unified/cpu_em/generic_pcie/model/genericpciemodel";

absl::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? absl::string_view() : absl::string_view(value);
}

absl::Status check_file(const char* name, absl::string_view inside, int mode) {
  const absl::string_view folder = variable(name);
  if (folder.empty()) return absl::FailedPreconditionError(absl::StrCat("the environment has no ", name));
  const std::string path = absl::StrCat(folder, inside);
  if (access(path.c_str(), mode) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(name, "=", folder, ": ", path, " is not there or may not be ", mode == X_OK ? "run" : "read"));
}

absl::Status check_emulation(bool hardware) {
  if (auto status = check_file("XILINX_XRT", hardware ? "/lib/libxrt_hwemu.so.2" : "/lib/libxrt_swemu.so.2", R_OK);
      !status.ok()) {
    return status;
  }
  if (auto status = check_file("XILINX_VITIS", kDeviceModel, X_OK); !status.ok() && !hardware) return status;
  if (auto status = check_file("EMCONFIG_PATH", "/emconfig.json", R_OK); !status.ok()) return status;
  // XRT names its sockets by the user: without one, all processes share them.
  if (variable("USER").empty()) return absl::FailedPreconditionError("the environment has no USER");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CardMode> check_environment(bool opencl) {
  const absl::string_view emulation = variable("XCL_EMULATION_MODE");
  CardMode mode = CardMode::kReal;
  if (emulation == "sw_emu") {
    mode = CardMode::kSoftwareEmulation;
  } else if (emulation == "hw_emu") {
    mode = CardMode::kHardwareEmulation;
  } else if (!emulation.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("XCL_EMULATION_MODE=", emulation, ": neither sw_emu nor hw_emu, unset for a real card"));
  }
  if (mode != CardMode::kReal) {
    if (auto status = check_emulation(mode == CardMode::kHardwareEmulation); !status.ok()) return status;
  }
  if (opencl && !variable("OCL_ICD_VENDORS").empty()) {
    if (auto status = check_file("OCL_ICD_VENDORS", "", R_OK); !status.ok()) return status;
  }
  return mode;
}

}  // namespace phalanx::card_driver
