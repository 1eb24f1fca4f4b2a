// A process in a session of its own, with a time limit: XRT ends its whole process group when the device model dies.
#ifndef PHALANX_TESTS_HARDWARE_CHILD_PROCESS_HPP
#define PHALANX_TESTS_HARDWARE_CHILD_PROCESS_HPP

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace phalanx::testing {

struct ChildResult {
  bool timed_out = false;  // it was killed
  int exit_code = -1;      // -1: ended by a signal
  int signal = 0;
  std::string output;  // standard output and error, in order
};

// Runs `arguments` (the first is the program) with `environment` on top of this process's, its output going to the
// file `log`. Whatever of its process group is left when it ends, or after `limit`, is killed.
absl::StatusOr<ChildResult> run_child(const std::vector<std::string>& arguments,
                                      const std::vector<std::pair<std::string, std::string>>& environment,
                                      const std::string& log, std::chrono::milliseconds limit);

}  // namespace phalanx::testing

#endif
