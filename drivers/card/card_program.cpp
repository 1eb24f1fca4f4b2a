#include "drivers/card/card_program.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "drivers/card/card_server.hpp"
#include "drivers/card/pidfd.hpp"
#include "drivers/card/shared_memory.hpp"

namespace phalanx {
namespace {

constexpr int kGraceMs = 1000;  // for the driver to end by itself once the gateway is gone

struct Verb {
  absl::string_view option;
  CardVerb verb;
};
constexpr Verb kVerbs[] = {
    {"--self-test", CardVerb::kSelfTest}, {"--sensors", CardVerb::kSensors}, {"--reset", CardVerb::kReset}};

struct CommandLine {
  CardVerb verb = CardVerb::kServe;
  int shm_fd = -1;
  CardProgramOptions options;
};

// Whether `name` is a verb's option, which has no value.
bool take_verb(absl::string_view name, CommandLine& line) {
  for (const Verb& verb : kVerbs) {
    if (name != verb.option) continue;
    line.verb = verb.verb;
    return true;
  }
  return false;
}

absl::StatusOr<CommandLine> parse(int argc, char** argv) {
  CommandLine line;
  for (int i = 1; i < argc; ++i) {
    const absl::string_view name = argv[i];
    if (take_verb(name, line)) continue;
    if (name == "--allow-unsigned") {
      line.options.allow_unsigned = true;
      continue;
    }
    if (i + 1 == argc) return absl::InvalidArgumentError(absl::StrCat(name, ": no value"));
    const absl::string_view value = argv[++i];
    if (name == "--shm-fd") {
      if (!absl::SimpleAtoi(value, &line.shm_fd) || line.shm_fd < 0) {
        return absl::InvalidArgumentError(absl::StrCat("--shm-fd ", value, ": not a descriptor"));
      }
    } else if (name == "--driver") {
      line.options.driver = std::string(value);
    } else if (name == "--xclbin") {
      line.options.xclbin = std::string(value);
    } else if (name == "--device") {
      line.options.device = std::string(value);
    } else if (name == "--trusted-keys") {
      line.options.trusted_keys = std::string(value);
    } else {
      return absl::InvalidArgumentError(absl::StrCat(name, ": no such option"));
    }
  }
  if (line.verb == CardVerb::kServe && line.shm_fd < 0) return absl::InvalidArgumentError("--shm-fd is missing");
  if (line.options.driver.empty()) return absl::InvalidArgumentError("--driver is missing");
  return line;
}

// The gateway, as its child sees it. When it ends, serve() is told; and if a hanging driver keeps that from ending the
// program, the whole process group (a device model is in it) is killed.
class Gateway {
 public:
  explicit Gateway(uint64_t pid) : pidfd_(card::open_pidfd(static_cast<pid_t>(pid))), ended_(eventfd(0, EFD_CLOEXEC)) {
    if (getppid() != static_cast<pid_t>(pid)) is_gone_ = true;
    watch_ = std::thread([this] { watch(); });
  }
  ~Gateway() {
    const uint64_t one = 1;
    if (write(ended_, &one, sizeof(one)) < 0) std::perror("phalanx-card: eventfd");
    watch_.join();
    if (pidfd_ >= 0) close(pidfd_);
    close(ended_);
  }
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  bool gone() const {
    if (is_gone_ || pidfd_ < 0) return true;
    pollfd look = {pidfd_, POLLIN, 0};
    return poll(&look, 1, 0) != 0;
  }

 private:
  void watch() const {
    pollfd wait[2] = {{ended_, POLLIN, 0}, {pidfd_, POLLIN, 0}};
    while (poll(wait, 2, -1) < 0 && errno == EINTR) {
    }
    if (wait[0].revents != 0 || poll(wait, 1, kGraceMs) > 0) return;
    kill(getpgrp() == getpid() ? 0 : getpid(), SIGKILL);
  }

  int pidfd_;
  int ended_;
  bool is_gone_ = false;
  std::thread watch_;
};

int complain(const absl::Status& status, int code) {
  std::fprintf(stderr, "phalanx-card: %s\n", std::string(status.message()).c_str());
  return code;
}

}  // namespace

int run_card_program(int argc, char** argv, const OpenEngine& open_engine, const RunVerb& run_verb) {
  // The worker that starts this comes before ordinary threads; what it starts does not. Lowering cannot fail.
  setpriority(PRIO_PROCESS, 0, 0);
  absl::StatusOr<CommandLine> line = parse(argc, argv);
  if (!line.ok()) return complain(line.status(), 2);
  if (line->verb != CardVerb::kServe) {
    if (!run_verb) return complain(absl::UnimplementedError("this program can only serve"), 2);
    return run_verb(line->verb, line->options);
  }
  auto memory = card::SharedMemory::open(line->shm_fd);
  if (!memory.ok()) return complain(memory.status(), 2);
  const Gateway gateway((*memory)->get()->header.gateway_pid);
  CardServer server((*memory)->get());
  const absl::Status status = server.serve(
      [&](const EngineConfig& config) {
        line->options.config = config;
        return open_engine(line->options);
      },
      [&] { return gateway.gone(); });
  return status.ok() ? 0 : complain(status, 1);
}

}  // namespace phalanx
