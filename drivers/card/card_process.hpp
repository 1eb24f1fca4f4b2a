// The card's process: started in a session of its own, watched by its pidfd, killed with its whole group.
#ifndef PHALANX_DRIVERS_CARD_CARD_PROCESS_HPP
#define PHALANX_DRIVERS_CARD_CARD_PROCESS_HPP

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace phalanx::card {

class CardProcess {
 public:
  // Starts argv[0] (a path) with this environment alone, stdin from /dev/null, `shm_fd` as kShmFd and "--shm-fd 3"
  // behind argv. All other descriptors of the caller that are not close-on-exec are inherited.
  static constexpr int kShmFd = 3;
  static absl::StatusOr<std::unique_ptr<CardProcess>> start(const std::vector<std::string>& argv,
                                                            const std::vector<std::string>& environment, int shm_fd);
  // Kills it and waits for it, at most 2 s.
  ~CardProcess();
  CardProcess(const CardProcess&) = delete;
  CardProcess& operator=(const CardProcess&) = delete;

  pid_t id() const { return pid_; }
  // "exit status 1" or "signal 9" once it has ended; a system call.
  std::optional<std::string> ended();
  // SIGKILL to its process group, which a device model is in too. Does not wait.
  void kill();

 private:
  CardProcess(pid_t pid, int pidfd) : pid_(pid), pidfd_(pidfd) {}

  pid_t pid_;
  int pidfd_;
  std::optional<std::string> end_;
};

}  // namespace phalanx::card

#endif
