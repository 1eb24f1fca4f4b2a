#include "host/daemon/card_run.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace phalanx::daemon {
namespace {

constexpr int kLookMs = 50;

// A pipe whose reading end is here.
class Pipe {
 public:
  Pipe() {
    if (pipe2(ends_.data(), O_CLOEXEC) != 0) ends_ = {-1, -1};
    if (ok()) fcntl(ends_[0], F_SETFL, O_NONBLOCK);  // this end alone: a program expects its output to block
  }
  ~Pipe() {
    close_writer();
    if (ends_[0] >= 0) close(ends_[0]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  bool ok() const { return ends_[0] >= 0; }
  int reader() const { return ends_[0]; }
  int writer() const { return ends_[1]; }
  void close_writer() {
    if (ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
  }
  // Takes what there is; what is beyond the limit is read and dropped.
  void drain(std::string& out) const {
    std::array<char, 4096> buffer;
    for (ssize_t count; (count = read(ends_[0], buffer.data(), buffer.size())) > 0;) {
      out.append(buffer.data(), std::min(static_cast<size_t>(count), kCardRunBytesMax - out.size()));
    }
  }

 private:
  std::array<int, 2> ends_{-1, -1};
};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

int spawn(pid_t* pid, const std::vector<std::string>& argv, const std::vector<std::string>& environment, int out,
          int err) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  const int error =
      posix_spawn(pid, argv[0].c_str(), &actions, &attributes, pointers(argv).data(), pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

// The end of the process `pid`, and of all of its group: a device model outlives it.
absl::StatusOr<siginfo_t> wait_end(pid_t pid, absl::Time due, const std::function<bool()>& give_up, const Pipe& out,
                                   const Pipe& err, CardRun& run) {
  const auto id = static_cast<id_t>(pid);
  absl::Status why;
  siginfo_t info = {};
  for (;;) {
    std::array<pollfd, 2> fds = {{{out.reader(), POLLIN, 0}, {err.reader(), POLLIN, 0}}};
    if (poll(fds.data(), fds.size(), kLookMs) > 0 && ((fds[0].revents | fds[1].revents) & POLLIN) == 0) {
      absl::SleepFor(absl::Milliseconds(kLookMs));  // both closed, and it still runs
    }
    out.drain(run.out);
    err.drain(run.err);
    info = {};
    // Not reaped before its group is killed: until then the group's id is its own.
    if (waitid(P_PID, id, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid) break;
    if (absl::Now() > due) why = absl::DeadlineExceededError("takes too long");
    if (why.ok() && give_up && give_up()) why = absl::CancelledError("given up");
    if (!why.ok()) break;
  }
  kill(-pid, SIGKILL);
  kill(pid, SIGKILL);
  while (waitid(P_PID, id, &info, WEXITED) != 0 && errno == EINTR) {
  }
  out.drain(run.out);
  err.drain(run.err);
  if (!why.ok()) return why;
  return info;
}

}  // namespace

absl::StatusOr<CardRun> run_card(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                                 absl::Duration limit, const std::function<bool()>& give_up) {
  Pipe out, err;
  if (!out.ok() || !err.ok()) return absl::ErrnoToStatus(errno, "pipe");
  pid_t pid = 0;
  if (const int error = spawn(&pid, argv, environment, out.writer(), err.writer()); error != 0) {
    return absl::ErrnoToStatus(error, argv[0]);
  }
  out.close_writer();
  err.close_writer();
  CardRun run;
  const auto end = wait_end(pid, absl::Now() + limit, give_up, out, err, run);
  if (!end.ok()) return absl::Status(end.status().code(), absl::StrCat(argv[0], ": ", end.status().message()));
  if (end->si_code != CLD_EXITED) {
    return absl::AbortedError(absl::StrCat(argv[0], ": ended by signal ", end->si_status, ": ", run.err));
  }
  run.exit_code = end->si_status;
  return run;
}

}  // namespace phalanx::daemon
