// The program phalanx-card: one engine on one card, behind shared memory, in a process that may die.
#ifndef PHALANX_DRIVERS_CARD_CARD_PROGRAM_HPP
#define PHALANX_DRIVERS_CARD_CARD_PROGRAM_HPP

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "drivers/accelerator.hpp"

namespace phalanx {

// What the program is started for.
enum class CardVerb {
  kServe,     // a gateway, by --shm-fd
  kSelfTest,  // --self-test: the kernels on known answers
  kSensors,   // --sensors
  kReset,     // --reset
};

// The command line: phalanx-card (--shm-fd N | --self-test | --sensors | --reset) --driver NAME [--xclbin FILE]
// [--device BDF or index] [--trusted-keys FILE] [--allow-unsigned].
struct CardProgramOptions {
  std::string driver;  // "cpu" (no card: tests), "xrt", "opencl"
  std::string xclbin;
  std::string device;
  std::string trusted_keys;
  bool allow_unsigned = false;
  EngineConfig config;  // from shared memory
};

using OpenEngine = std::function<absl::StatusOr<std::unique_ptr<Accelerator>>(const CardProgramOptions&)>;

// Runs the program to its end: 0 if the gateway stopped it or is gone, 1 for a fault (said on stderr and to the
// client), 2 for a wrong command line. When the gateway ends while the driver hangs, the whole process group is killed.
// `run_verb` does what is not serving and gives the exit code.
using RunVerb = std::function<int(CardVerb, const CardProgramOptions&)>;
int run_card_program(int argc, char** argv, const OpenEngine& open_engine, const RunVerb& run_verb = nullptr);

}  // namespace phalanx

#endif
