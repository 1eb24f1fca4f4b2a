#include "drivers/card/card_verbs.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "drivers/card_driver/card_esp_engine.hpp"
#include "drivers/card_driver/environment_check.hpp"
#include "drivers/card_driver/open_driver.hpp"
#include "drivers/card_driver/self_test.hpp"
#include "drivers/cpu/cpu_engine.hpp"

namespace phalanx {
namespace {

using card_driver::kernel_name;

void say(absl::string_view word, const std::vector<std::string>& fields) {
  std::printf("%s\n", verb_line(word, fields).c_str());
  std::fflush(stdout);
}

int complain(const absl::Status& status) {
  std::fprintf(stderr, "phalanx-card: %s\n", std::string(status.message()).c_str());
  return 1;
}

// Says how a kernel's test ended. Whether it passed.
bool tell_test(card_driver::Kernel kernel, const absl::Status& status) {
  const std::string text = status.ok() ? "known answers" : std::string(status.message());
  say(kTestLine, {std::string(kernel_name(kernel)), status.ok() ? "ok" : "failed", text});
  return status.ok();
}

bool test_sessions(Accelerator& engine) {
  const bool lookups = tell_test(card_driver::Kernel::session_engine, card_driver::test_session_engine(engine));
  return tell_test(card_driver::Kernel::state_delta, card_driver::test_state_delta(engine)) && lookups;
}

EngineConfig test_config() {
  EngineConfig config;
  config.sessions_max = card_driver::kSelfTestSlots;
  config.half_open_max = card_driver::kSelfTestSlots;
  return config;
}

absl::StatusOr<std::shared_ptr<card_driver::Device>> open(const CardProgramOptions& options) {
  const auto api = parse_card_api(options.driver);
  if (!api.ok()) return absl::InvalidArgumentError(absl::StrCat("--driver: ", api.status().message()));
  DriverOptions card;
  card.api = *api;
  if (!options.device.empty()) card.device = options.device;
  card.xclbin = options.xclbin;
  card.allow_unsigned = options.allow_unsigned;
  card.trusted_keys = options.trusted_keys;
  auto device = open_card(card);
  if (!device.ok()) return device.status();
  const card_driver::DeviceIdentity& id = (*device)->identity();
  say(kCardLine, {absl::StrCat(id.name, " at ", id.bdf, ", ", id.emulated ? "emulated" : "real", ", ", id.runtime,
                               ", bitstream ", id.uuid)});
  return device;
}

int self_test(const CardProgramOptions& options) {
  if (options.driver == "cpu") {  // what tests of the program run
    auto engine = CpuEngine::create(test_config());
    if (!engine.ok()) return complain(engine.status());
    say(kCardLine, {"no card: the CPU engine"});
    return test_sessions(**engine) ? 0 : 1;
  }
  auto device = open(options);
  if (!device.ok()) return complain(device.status());
  auto driver = card_driver::CardDriver::create(*device, test_config());
  if (!driver.ok()) return complain(driver.status());
  bool passed = test_sessions(**driver);
  auto esp = card_driver::CardEspEngine::create(*device, {.sa_max = card_driver::kSelfTestSas});
  const absl::Status status = esp.ok() ? card_driver::test_esp_crypto(**esp) : esp.status();
  passed = tell_test(card_driver::Kernel::esp_crypto, status) && passed;
  std::fflush(nullptr);
  _exit(passed ? 0 : 1);  // as main() does: XRT's objects are not taken down behind a card that may hang
}

int sensors(const CardProgramOptions& options) {
  if (options.driver == "cpu") {
    say(kCardLine, {"no card: the CPU engine"});
    return 0;
  }
  auto device = open(options);
  if (!device.ok()) return complain(device.status());
  for (const card_driver::Sensor& sensor : (*device)->sensors()) {
    say(kSensorLine, {sensor.name, sensor.present ? "present" : "absent", sensor.value});
  }
  std::fflush(nullptr);
  _exit(0);
}

// A real card by XRT's own tool, which ends this program when it ends.
int reset(const CardProgramOptions& options) {
  if (options.driver == "cpu") return complain(absl::UnimplementedError("no card to reset"));
  const auto mode = card_driver::check_environment(options.driver == "opencl");
  if (!mode.ok()) return complain(mode.status());
  if (*mode != card_driver::CardMode::kReal) {
    say(kResetLine, {"the device model ends with the card's process; the next one has memory of its own, all zero"});
    return 0;
  }
  const char* const xrt = std::getenv("XILINX_XRT");
  const std::string tool = absl::StrCat(xrt == nullptr ? "" : xrt, "/bin/xbutil");
  say(kResetLine, {absl::StrCat(tool, " reset --device ", options.device, " --force")});
  execl(tool.c_str(), tool.c_str(), "reset", "--device", options.device.c_str(), "--force", nullptr);
  return complain(absl::ErrnoToStatus(errno, tool));
}

}  // namespace

int run_card_verb(CardVerb verb, const CardProgramOptions& options) {
  switch (verb) {
    case CardVerb::kSelfTest:
      return self_test(options);
    case CardVerb::kSensors:
      return sensors(options);
    case CardVerb::kReset:
      return reset(options);
    case CardVerb::kServe:
      break;
  }
  return complain(absl::InternalError("serving is no verb"));
}

}  // namespace phalanx
