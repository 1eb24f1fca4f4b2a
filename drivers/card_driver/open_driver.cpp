#include "drivers/card_driver/open_driver.hpp"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "drivers/bitstream/bitstream.hpp"
#include "drivers/card_driver/environment_check.hpp"
#include "drivers/opencl/opencl_device.hpp"
#include "drivers/xrt/xrt_device.hpp"

namespace phalanx {
namespace {

using card_driver::Kernel;

// Each API by its name on phalanx-card's command line.
struct Api {
  absl::string_view name;
  CardApi api;
  absl::StatusOr<std::shared_ptr<card_driver::Device>> (*open)(const std::string&, const card_driver::LoadedBitstream&);
};
constexpr Api kApis[] = {
    {"xrt", CardApi::kXrt, open_xrt_device},
    {"opencl", CardApi::kOpenCl, open_opencl_device},
};

absl::StatusOr<bitstream::Bitstream> load_checked(const DriverOptions& options) {
  bitstream::TrustPolicy policy;
  policy.allow_unsigned = options.allow_unsigned;
  if (!options.trusted_keys.empty()) {
    auto keys = bitstream::read_public_keys(options.trusted_keys);
    if (!keys.ok()) return keys.status();
    policy.keys = *std::move(keys);
  }
  return bitstream::load_bitstream(options.xclbin, policy);
}

absl::StatusOr<card_driver::LoadedBitstream> as_loaded(const bitstream::Bitstream& checked) {
  card_driver::LoadedBitstream loaded;
  loaded.xclbin.resize(checked.xclbin.size());
  std::memcpy(loaded.xclbin.data(), checked.xclbin.data(), checked.xclbin.size());
  loaded.uuid = checked.contents.uuid;
  for (size_t k = 0; k < card_driver::kKernels; ++k) {
    const absl::string_view name = card_driver::kernel_name(static_cast<Kernel>(k));
    for (const auto& unit : checked.contents.compute_units) {
      if (name == unit.kernel) loaded.instances[k].push_back(unit.name);
    }
    if (loaded.instances[k].empty()) {
      return absl::FailedPreconditionError(absl::StrCat(checked.file, ": no compute unit of kernel ", name));
    }
  }
  return loaded;
}

// An emulated card takes what is made for emulation, a real one what is made for its platform.
absl::Status check_fits(const bitstream::Bitstream& checked, const card_driver::DeviceIdentity& card) {
  const bool for_emulation = checked.contents.target != bitstream::BuildTarget::kHw;
  if (for_emulation != card.emulated) {
    return absl::FailedPreconditionError(absl::StrCat(checked.file, ": for ", for_emulation ? "emulation" : "hardware",
                                                      ", the card ", card.bdf, " is ",
                                                      card.emulated ? "emulated" : "real"));
  }
  if (!card.emulated && checked.manifest.platform != card.name) {
    return absl::FailedPreconditionError(absl::StrCat(checked.file, ": for platform ", checked.manifest.platform,
                                                      ", the card ", card.bdf, " is ", card.name));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CardApi> parse_card_api(absl::string_view text) {
  for (const Api& api : kApis) {
    if (api.name == text) return api.api;
  }
  return absl::InvalidArgumentError(absl::StrCat("no driver \"", text, "\": xrt or opencl"));
}

absl::StatusOr<std::shared_ptr<card_driver::Device>> open_card(const DriverOptions& options) {
  auto checked = load_checked(options);
  if (!checked.ok()) return checked.status();
  auto loaded = as_loaded(*checked);
  if (!loaded.ok()) return loaded.status();
  // XRT crashes on a bitstream for another kind of card: what the environment says comes before it is opened.
  const auto mode = card_driver::check_environment(options.api == CardApi::kOpenCl);
  if (!mode.ok()) return mode.status();
  card_driver::DeviceIdentity expected;
  expected.bdf = options.device;
  expected.emulated = *mode != card_driver::CardMode::kReal;
  expected.name = checked->manifest.platform;
  if (auto status = check_fits(*checked, expected); !status.ok()) return status;
  for (const Api& api : kApis) {
    if (api.api != options.api) continue;
    auto card = api.open(options.device, *loaded);
    if (!card.ok()) return card.status();
    if (auto status = check_fits(*checked, (*card)->identity()); !status.ok()) return status;
    return card;
  }
  return absl::InternalError("a card API that is in no table");
}

absl::StatusOr<std::unique_ptr<card_driver::CardDriver>> open_driver(const DriverOptions& options) {
  auto card = open_card(options);
  if (!card.ok()) return card.status();
  return card_driver::CardDriver::create(*std::move(card), options.engine, options.limits);
}

}  // namespace phalanx
