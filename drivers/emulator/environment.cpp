#include "drivers/emulator/environment.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace phalanx::emulator {
namespace {

namespace fs = std::filesystem;

// What XRT looks for, relative to the installation, and what for.
struct Needed {
  const char* path;
  const char* role;
};
constexpr Needed kNeeded[] = {
    {"xrt/lib/libxrt_swemu.so.2", "XRT's shim for sw_emu, repaired"},
    {"xrt/lib/libxrt_core.so.2", "XRT's core"},
    {"vitis/data/emulation/unified/cpu_em/generic_pcie/model/genericpciemodel", "the device model"},
    {"emconfig.json", "the platform's description"},
    {"xilinx.icd", "the OpenCL driver's name"},
    {"xrt.ini", "XRT's settings"},
};

std::string absolute(const std::string& path) {
  std::error_code error;
  auto full = fs::absolute(path, error);
  return error ? path : full.lexically_normal().string();
}

// FNV-1a: the same in each process and release, which std::hash need not be.
std::uint64_t digest(const std::string& text) {
  std::uint64_t value = 0xcbf29ce484222325;
  for (const char c : text) {
    value = (value ^ static_cast<std::uint8_t>(c)) * 0x100000001b3;
  }
  return value;
}

// XRT puts its sockets into /tmp/$USER.
std::string user_of(const std::string& run_directory) {
  char text[32];
  std::snprintf(text, sizeof text, "phalanx-%016llx", static_cast<unsigned long long>(digest(absolute(run_directory))));
  return text;
}

}  // namespace

absl::StatusOr<Environment> emulation_environment(const std::string& installation, const std::string& run_directory) {
  const auto root = absolute(installation);
  for (const auto& needed : kNeeded) {
    std::error_code error;
    if (!fs::exists(fs::path(root) / needed.path, error)) {
      return absl::NotFoundError(absl::StrCat("emulated card: ", root, "/", needed.path, " (", needed.role,
                                              ") is missing: build the target phalanx_emulation"));
    }
  }
  const auto run = absolute(run_directory);
  std::error_code error;
  fs::create_directories(run, error);
  if (error || !fs::is_directory(run)) {
    return absl::FailedPreconditionError(
        absl::StrCat("emulated card: run directory ", run, ": ", error ? error.message() : "is no folder"));
  }
  return Environment{
      {"XILINX_XRT", root + "/xrt"},
      {"XILINX_VITIS", root + "/vitis"},
      {"XCL_EMULATION_MODE", "sw_emu"},
      {"EMCONFIG_PATH", root},
      {"OCL_ICD_VENDORS", root + "/xilinx.icd"},
      {"XRT_INI_PATH", root + "/xrt.ini"},
      {"USER", user_of(run)},
      {"SDACCEL_EM_RUN_DIR", run},
      {kRunDirectoryVariable, run},
  };
}

absl::Status enter_emulation(const std::string& installation, const std::string& run_directory) {
  auto environment = emulation_environment(installation, run_directory);
  if (!environment.ok()) {
    return environment.status();
  }
  for (const auto& [name, value] : *environment) {
    if (setenv(name.c_str(), value.c_str(), 1) != 0) {
      return absl::InternalError(absl::StrCat("emulated card: setenv ", name));
    }
  }
  return absl::OkStatus();
}

std::string socket_folder(const std::string& run_directory) { return "/tmp/" + user_of(run_directory); }

void remove_leftovers(const std::string& run_directory) {
  std::error_code ignored;  // what is not there need not be removed
  fs::remove_all(socket_folder(run_directory), ignored);
  const fs::path run = absolute(run_directory);
  fs::remove_all(run / ".run", ignored);
  fs::remove(run / kControlName, ignored);
}

}  // namespace phalanx::emulator
