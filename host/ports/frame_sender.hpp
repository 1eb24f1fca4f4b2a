// The sending half of the ports on AF_PACKET: a second socket that takes frames with virtio-net headers by sendmmsg.
#ifndef PHALANX_HOST_PORTS_FRAME_SENDER_HPP
#define PHALANX_HOST_PORTS_FRAME_SENDER_HPP

#include <sys/socket.h>

#include <array>
#include <cstdint>

#include "absl/status/status.h"
#include "host/packet/frame.hpp"
#include "host/ports/fd.hpp"
#include "host/ports/port.hpp"

namespace phalanx {

// Tries again in one flush() after "queue full", all frames together: 4 system calls of about 1 us each, so a stuck
// link costs a worker microseconds and never a spin.
inline constexpr uint32_t kSendRetriesMax = 4;

// Sends past the qdisc, where the kernel drops a GSO frame that the driver can't take whole (no TSO, or 64 KiB and
// more). Such a frame goes again by a socket with the qdisc, where the kernel cuts it.
class FrameSender {
 public:
  absl::Status open(int interface_index, bool bypass_qdisc);
  absl::Status set_bypass_qdisc(bool bypass);
  void queue(const Frame& frame, PortStats& stats);
  void flush(PortStats& stats);

 private:
  bool send_cut(uint32_t index);

  UniqueFd socket_;
  UniqueFd qdisc_socket_;
  bool bypass_ = true;
  uint32_t queued_ = 0;
  std::array<iovec, kBurstMax> pieces_ = {};
  std::array<mmsghdr, kBurstMax> messages_ = {};
};

}  // namespace phalanx

#endif
