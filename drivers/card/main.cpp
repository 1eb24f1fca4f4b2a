// phalanx-card: see drivers/card/card_program.hpp.
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "drivers/card/card_program.hpp"
#include "drivers/cpu/cpu_engine.hpp"

namespace {

absl::StatusOr<std::unique_ptr<phalanx::Accelerator>> open_engine(const phalanx::CardProgramOptions& options) {
  if (options.driver == "cpu") return phalanx::CpuEngine::create(options.config);
  return absl::InvalidArgumentError(absl::StrCat("--driver ", options.driver, ": not one of cpu"));
}

}  // namespace

int main(int argc, char** argv) { return phalanx::run_card_program(argc, argv, open_engine); }
