// Runs phalanx-card once to its end, beside the gateway: self-test, sensors, reset.
#ifndef PHALANX_HOST_DAEMON_CARD_RUN_HPP
#define PHALANX_HOST_DAEMON_CARD_RUN_HPP

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace phalanx::daemon {

// Of standard output and standard error, each: XRT says a few KiB.
inline constexpr size_t kCardRunBytesMax = 256 * 1024;

struct CardRun {
  int exit_code = -1;
  std::string out;
  std::string err;
};

// Runs argv[0] with this environment alone in a session of its own; its whole process group is gone when this returns,
// however it returns. DeadlineExceeded after `limit`, Cancelled when `give_up` says so (asked every 50 ms), Aborted if
// it ended by a signal; texts name the program.
absl::StatusOr<CardRun> run_card(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                                 absl::Duration limit, const std::function<bool()>& give_up);

}  // namespace phalanx::daemon

#endif
