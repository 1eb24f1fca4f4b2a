// phalanx-device-model: what XRT's sw_emu starts as genericpciemodel. It connects to the host's socket, serves it until
// the host closes the card or is gone, and ends. The environment says where: EMULATION_SOCKETID and USER (XRT's),
// PHALANX_CARD_RUN_DIRECTORY (ours: log and control socket; without it the log goes to standard error).
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "drivers/emulator/control_server.hpp"
#include "drivers/emulator/device_model.hpp"
#include "drivers/emulator/environment.hpp"

namespace phalanx::emulator {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The host binds its socket after it has started this program: try until it is there or the host is gone.
absl::StatusOr<int> connect_to_host(const std::string& path) {
  constexpr int kTries = 3000;  // 30 s at 10 ms, longer than a loaded machine needs
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is too long for a socket"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const auto host = getppid();
  for (int i = 0; i < kTries && getppid() == host; ++i) {
    const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor >= 0 && connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      return descriptor;
    }
    if (descriptor >= 0) {
      close(descriptor);
    }
    absl::SleepFor(absl::Milliseconds(10));
  }
  return absl::UnavailableError(absl::StrCat("no host at ", path));
}

bool receive_all(int descriptor, char* data, std::size_t size) {
  while (size > 0) {
    const auto got = recv(descriptor, data, size, MSG_WAITALL);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return false;
    }
    data += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

bool send_all(int descriptor, absl::string_view data) {
  while (!data.empty()) {
    const auto sent = send(descriptor, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) {
      continue;
    }
    if (sent <= 0) {
      return false;
    }
    data.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

// Until the host closes the card, is gone, or sends what is no request: after that the stream can't be followed.
void serve(int host, DeviceModel& model, Log& log) {
  std::array<char, kRequestHeaderBytes> bytes;
  std::string message;
  while (!model.closed() && receive_all(host, bytes.data(), bytes.size())) {
    const auto header = decode_header(bytes);
    if (!header.ok()) {
      log.line(absl::StrCat("the host's stream is broken: ", header.status().message()));
      return;
    }
    message.resize(header->size);
    if (!receive_all(host, message.data(), message.size())) {
      log.line("the host is gone in the middle of a request");
      return;
    }
    if (!send_all(host, model.serve(header->method, message))) {
      log.line("the host is gone before its answer");
      return;
    }
  }
}

int run() {
  const auto run_directory = variable(kRunDirectoryVariable);
  Log log(run_directory.empty() ? "" : absl::StrCat(run_directory, "/", kLogName));
  const auto user = variable("USER");
  const auto host =
      connect_to_host(absl::StrCat("/tmp/", user, user.empty() ? "" : "/", variable("EMULATION_SOCKETID")));
  auto memory = CardMemory::create();
  if (!host.ok() || !memory.ok()) {
    log.line((host.ok() ? memory.status() : host.status()).message());
    return 1;
  }
  install_axi_fault_handler();
  DeviceModel model(**memory, log);
  std::unique_ptr<ControlServer> control;
  if (!run_directory.empty()) {
    auto started =
        ControlServer::start(run_directory, [&model](absl::string_view line) { return model.command(line); });
    if (started.ok()) {
      control = *std::move(started);
    } else {
      log.line(absl::StrCat("without control: ", started.status().message()));
    }
  }
  log.line(absl::StrCat("card on, process ", getpid()));
  serve(*host, model, log);
  control.reset();
  log.line("card off");
  // Without destructors: a kernel that is stuck keeps its thread, which uses model and memory.
  _exit(0);
}

}  // namespace
}  // namespace phalanx::emulator

int main() { return phalanx::emulator::run(); }
