// CCP of one monitored interface, on a socket of its own, so that heartbeats never wait behind data.
#ifndef PHALANX_HOST_PORTS_CCP_SOCKET_HPP
#define PHALANX_HOST_PORTS_CCP_SOCKET_HPP

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "host/ports/fd.hpp"

namespace phalanx {

inline constexpr uint16_t kCcpUdpPort = 8116;
// CCP stays within a standard Ethernet frame: 14 + 1500, and a tag.
inline constexpr size_t kCcpFrameBytesMax = 1518;
inline constexpr size_t kCcpBurstMax = 32;
// 256 KB are about 110 frames of kernel accounting (2.3 KB each): more than a second of reports from 8 members.
inline constexpr int kCcpBufferBytes = 256 << 10;

#define PHALANX_CCP_SOCKET_COUNTERS(X)                                      \
  X(received, "CCP frames handed up")                                       \
  X(sent, "CCP frames handed to the kernel")                                \
  X(rx_dropped_kernel, "CCP frames the kernel dropped, socket buffer full") \
  X(rx_truncated, "CCP frames longer than 1518 bytes, dropped")             \
  X(rx_errors, "receive errors of the socket, link down included")          \
  X(tx_dropped, "CCP frames not sent")

struct CcpSocketStats {
#define PHALANX_CCP_SOCKET_COUNTER(name, text) uint64_t name = 0;
  PHALANX_CCP_SOCKET_COUNTERS(PHALANX_CCP_SOCKET_COUNTER)
#undef PHALANX_CCP_SOCKET_COUNTER
};

// Frames are whole Ethernet frames without a virtio-net header. Received, as sent by others and untagged: IPv4 from
// 0.0.0.0, UDP to port 8116, not a fragment; and ARP replies, which answer probes. Nothing else of them has been
// checked.
class CcpSocket {
 public:
  static absl::StatusOr<std::unique_ptr<CcpSocket>> open(const std::string& interface);

  // Fills `burst` (up to kCcpBurstMax) and gives how many; 0 if there are none now. Valid until the next receive().
  size_t receive(absl::Span<absl::Span<const uint8_t>> burst);
  // One frame, now. What the kernel doesn't take is counted; the next report is a heartbeat away.
  bool send(absl::Span<const uint8_t> ethernet);

  const std::string& interface() const { return interface_; }
  int fd() const { return socket_.get(); }
  const CcpSocketStats& stats();

 private:
  CcpSocket() = default;

  std::string interface_;
  UniqueFd socket_;
  std::vector<uint8_t> memory_;
  CcpSocketStats stats_;
};

}  // namespace phalanx

#endif
