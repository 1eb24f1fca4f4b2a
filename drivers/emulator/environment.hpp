// What a process needs in its environment so that the genuine XRT, or OpenCL through ocl-icd, finds the emulated card.
// The installation is the folder that the CMake target phalanx_emulation builds (build/PRESET/emulation):
//   xrt/lib/             what XILINX_XRT points to: links to the system's XRT, libxrt_swemu.so.2 without Debian's
//   defect vitis/data/...       genericpciemodel: the device model, where XRT looks for it emconfig.json        the
//   platform: one card, its banks xilinx.icd           the path of the OpenCL driver
// The run directory belongs to one process that uses the card: XRT's scratch files, the device model's log and its
// control socket (drivers/emulator/card_control.hpp) are there. Start that process in a session of its own (setsid):
// when the device model dies of a signal, XRT ends its whole process group.
#ifndef PHALANX_DRIVERS_EMULATOR_ENVIRONMENT_HPP
#define PHALANX_DRIVERS_EMULATOR_ENVIRONMENT_HPP

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace phalanx::emulator {

// Where the device model finds its run directory; inherited from the process that uses the card.
inline constexpr const char* kRunDirectoryVariable = "PHALANX_CARD_RUN_DIRECTORY";
// In the run directory: the device model's log and its control socket.
inline constexpr const char* kLogName = "device-model.log";
inline constexpr const char* kControlName = "card.sock";

// Name and value.
using Environment = std::vector<std::pair<std::string, std::string>>;

// Checks the installation file by file and gives the variables; creates the run directory if it is not there. An error
// names the file that is missing.
absl::StatusOr<Environment> emulation_environment(const std::string& installation, const std::string& run_directory);

// The same, put into this process. Call it before the first call of XRT or OpenCL and before other threads start.
absl::Status enter_emulation(const std::string& installation, const std::string& run_directory);

// The folder of XRT's sockets for this run directory: under /tmp, named by a digest of the run directory's full path.
std::string socket_folder(const std::string& run_directory);

// Removes what XRT and the device model leave behind: the socket folder, the run directory's .run and its control
// socket. The log stays. Call it when the process that used the card has ended.
void remove_leftovers(const std::string& run_directory);

}  // namespace phalanx::emulator

#endif
