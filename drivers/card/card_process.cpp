#include "drivers/card/card_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "drivers/card/pidfd.hpp"

namespace phalanx::card {
namespace {

constexpr int kEndMs = 2000;  // for a killed process to be gone; one that hangs in the kernel is left to init

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

int spawn(pid_t* pid, const std::vector<std::string>& argv, const std::vector<std::string>& environment, int shm_fd) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, shm_fd, CardProcess::kShmFd);
  posix_spawn_file_actions_addclosefrom_np(&actions, CardProcess::kShmFd + 1);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  const int error =
      posix_spawn(pid, argv[0].c_str(), &actions, &attributes, pointers(argv).data(), pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

}  // namespace

absl::StatusOr<std::unique_ptr<CardProcess>> CardProcess::start(const std::vector<std::string>& argv,
                                                                const std::vector<std::string>& environment,
                                                                int shm_fd) {
  std::vector<std::string> arguments = argv;
  arguments.insert(arguments.end(), {"--shm-fd", absl::StrCat(kShmFd)});
  pid_t pid = 0;
  const int error = spawn(&pid, arguments, environment, shm_fd);
  if (error != 0) return absl::ErrnoToStatus(error, argv[0]);
  const int pidfd = open_pidfd(pid);
  if (pidfd < 0) {
    const absl::Status status = absl::ErrnoToStatus(errno, "pidfd_open");
    ::kill(-pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return status;
  }
  return std::unique_ptr<CardProcess>(new CardProcess(pid, pidfd));
}

CardProcess::~CardProcess() {
  if (!ended()) {
    kill();
    pollfd wait = {pidfd_, POLLIN, 0};
    poll(&wait, 1, kEndMs);
    ended();
  }
  close(pidfd_);
}

std::optional<std::string> CardProcess::ended() {
  if (end_) return end_;
  siginfo_t info = {};
  const auto id = static_cast<id_t>(pidfd_);
  if (waitid(P_PIDFD, id, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
    if (errno == ECHILD) end_ = "taken by somebody else's wait";
    return end_;
  }
  if (info.si_pid == 0) return std::nullopt;
  ::kill(-pid_, SIGKILL);  // a device model may be left; as long as its leader is not reaped the group's id is its own
  waitid(P_PIDFD, id, &info, WEXITED | WNOHANG);
  end_ = absl::StrCat(info.si_code == CLD_EXITED ? "exit status " : "signal ", info.si_status);
  return end_;
}

void CardProcess::kill() {
  if (end_) return;
  // Its group, and itself, which may not have come to make the group yet.
  ::kill(-pid_, SIGKILL);
  signal_pidfd(pidfd_, SIGKILL);
}

}  // namespace phalanx::card
