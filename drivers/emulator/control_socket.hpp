// The control socket's address. A unix socket's path may have 107 characters, a run directory more: so it is named
// through an open descriptor of its folder.
#ifndef PHALANX_DRIVERS_EMULATOR_CONTROL_SOCKET_HPP
#define PHALANX_DRIVERS_EMULATOR_CONTROL_SOCKET_HPP

#include <string>

#include "absl/status/statusor.h"

namespace phalanx::emulator {

// A stream socket bound and listening (listening = true) or connected at run_directory/card.sock, close-on-exec.
absl::StatusOr<int> open_control_socket(const std::string& run_directory, bool listening);

}  // namespace phalanx::emulator

#endif
