// phalanx-card: see drivers/card/card_program.hpp.
#include <unistd.h>

#include <cstdio>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "drivers/card/card_program.hpp"
#include "drivers/card/card_verbs.hpp"
#include "drivers/card_driver/open_driver.hpp"
#include "drivers/cpu/cpu_engine.hpp"

namespace {

absl::StatusOr<std::unique_ptr<phalanx::Accelerator>> open_engine(const phalanx::CardProgramOptions& options) {
  if (options.driver == "cpu") return phalanx::CpuEngine::create(options.config);
  const auto api = phalanx::parse_card_api(options.driver);
  if (!api.ok()) return absl::InvalidArgumentError(absl::StrCat("--driver: cpu, or ", api.status().message()));
  phalanx::DriverOptions card;
  card.api = *api;
  if (!options.device.empty()) card.device = options.device;
  card.xclbin = options.xclbin;
  card.allow_unsigned = options.allow_unsigned;
  card.trusted_keys = options.trusted_keys;
  card.engine = options.config;
  return phalanx::open_driver(card);
}

}  // namespace

int main(int argc, char** argv) {
  const int code = phalanx::run_card_program(argc, argv, open_engine, phalanx::run_card_verb);
  std::fflush(nullptr);
  _exit(code);  // XRT's destructors wait for ever for a card that hangs
}
