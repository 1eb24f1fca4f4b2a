// Serves the control socket of a run directory in a thread of its own.
#ifndef PHALANX_DRIVERS_EMULATOR_CONTROL_SERVER_HPP
#define PHALANX_DRIVERS_EMULATOR_CONTROL_SERVER_HPP

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace phalanx::emulator {

// Connections at a time; one more is closed at once.
inline constexpr std::size_t kControlClientsMax = 8;
// A command is at most this long; a client that sends a longer line is dropped.
inline constexpr std::size_t kCommandBytesMax = 256;

class ControlServer {
 public:
  using Handler = std::function<std::string(absl::string_view line)>;

  // The handler is called on the server's thread, until the destructor returns.
  static absl::StatusOr<std::unique_ptr<ControlServer>> start(const std::string& run_directory, Handler handler);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

 private:
  ControlServer(std::string run_directory, int listener, int stop, Handler handler);
  void serve();
  // False: the client is to be dropped.
  bool receive(int client, std::string& pending);

  const std::string run_directory_;
  const int listener_;
  const int stop_;  // an eventfd
  const Handler handler_;
  std::thread thread_;
};

}  // namespace phalanx::emulator

#endif
