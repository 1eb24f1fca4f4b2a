// One TCP connection of a liveness link and its hello; of this folder only.
#ifndef PHALANX_HOST_PORTS_LIVENESS_CONNECTION_HPP
#define PHALANX_HOST_PORTS_LIVENESS_CONNECTION_HPP

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "host/ports/fd.hpp"
#include "host/ports/liveness_link.hpp"

namespace phalanx {

// What each side sends once, at the start: "PHXL", version, member id, two zero bytes.
inline constexpr size_t kLivenessHelloBytes = 8;
using LivenessHello = std::array<uint8_t, kLivenessHelloBytes>;
LivenessHello liveness_hello(uint8_t member);
// False if the socket didn't take it whole.
bool send_liveness_hello(int fd, uint8_t member);

// Options of listener and connections alike: no keepalive, no delay, user timeout, device.
absl::Status prepare_liveness(int fd, const LivenessOptions& options);
LivenessCloseReason close_reason_of(int error);
// The socket's pending error, taken from it; 0 if none.
int take_error(int fd);

struct LivenessConnection {
  UniqueFd fd;
  IpAddress remote;
  LivenessHello hello = {};
  size_t received = 0;
  int64_t deadline_ns = 0;
  bool connecting = false;

  enum class Progress { kWaiting, kHelloComplete, kWrong, kEnded };
  // Reads what is there. After the hello nothing may come: that, too, is kWrong. `error` is set with kEnded, 0 for a
  // FIN.
  Progress read(uint8_t expected_member, bool open, int& error);
};

}  // namespace phalanx

#endif
