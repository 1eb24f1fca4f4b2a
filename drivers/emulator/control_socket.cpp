#include "drivers/emulator/control_socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "drivers/emulator/environment.hpp"

namespace phalanx::emulator {

absl::StatusOr<int> open_control_socket(const std::string& run_directory, bool listening) {
  const auto path = absl::StrCat(run_directory, "/", kControlName);
  const auto failed = [&](const char* call) {
    return absl::UnavailableError(absl::StrCat("card control: ", path, ": ", call, ": ", std::strerror(errno)));
  };
  const int folder = open(run_directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) {
    return failed("open");
  }
  const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) {
    close(folder);
    return failed("socket");
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const auto name = absl::StrCat("/proc/self/fd/", folder, "/", kControlName);
  std::memcpy(address.sun_path, name.data(), name.size());  // some 40 characters
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  const char* call = "connect";
  bool done = false;
  if (listening) {
    unlink(path.c_str());
    call = "bind and listen";
    done = bind(descriptor, generic, sizeof address) == 0 && listen(descriptor, 4) == 0;
  } else {
    done = connect(descriptor, generic, sizeof address) == 0;
  }
  const int error = errno;
  close(folder);
  if (!done) {
    close(descriptor);
    errno = error;
    return failed(call);
  }
  return descriptor;
}

}  // namespace phalanx::emulator
