// UDP of the sync network: nonblocking, in batches.
#ifndef PHALANX_HOST_PORTS_UDP_SOCKET_HPP
#define PHALANX_HOST_PORTS_UDP_SOCKET_HPP

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "host/ports/fd.hpp"
#include "host/ports/socket_address.hpp"

namespace phalanx {

// Datagrams a call. A slot takes a jumbo frame's payload (9000), rounded up to pages: 32 x 12288 = 393 KB.
inline constexpr size_t kDatagramBurstMax = 32;
inline constexpr size_t kDatagramBytesMax = 12288;
// 100 k changes a second at 128 bytes are 12.8 MB/s; 8 MB hold more than half a second of them.
inline constexpr int kUdpBufferBytes = 8 << 20;

#define PHALANX_UDP_COUNTERS(X)                                            \
  X(received, "datagrams handed up")                                       \
  X(sent, "datagrams handed to the kernel")                                \
  X(rx_dropped_kernel, "datagrams the kernel dropped, socket buffer full") \
  X(rx_truncated, "datagrams longer than a slot, dropped")                 \
  X(rx_errors, "receive errors of the socket")                             \
  X(tx_dropped, "datagrams not sent")                                      \
  X(tx_retries, "sends tried again after EAGAIN, ENOBUFS or EINTR")

struct UdpStats {
#define PHALANX_UDP_COUNTER(name, text) uint64_t name = 0;
  PHALANX_UDP_COUNTERS(PHALANX_UDP_COUNTER)
#undef PHALANX_UDP_COUNTER
};

struct UdpOptions {
  Endpoint local;                      // port 0: any
  std::string device = {};             // only this interface, if not empty
  int buffer_bytes = kUdpBufferBytes;  // each way; beyond the system's limit with CAP_NET_ADMIN
};

struct Datagram {
  Endpoint from;
  absl::Span<uint8_t> bytes;  // valid until the next receive()
};

class UdpSocket {
 public:
  // The address need not be on the interface yet (IP_FREEBIND).
  static absl::StatusOr<std::unique_ptr<UdpSocket>> open(const UdpOptions& options);

  // Fills `burst` (up to kDatagramBurstMax) and gives how many; 0 if there are none now.
  size_t receive(absl::Span<Datagram> burst);
  // Queues a datagram; the bytes must stay valid until flush(). A full queue flushes itself.
  void queue(const Endpoint& to, absl::Span<const uint8_t> bytes);
  void flush();

  int fd() const { return socket_.get(); }
  Endpoint local() const;
  const UdpStats& stats() const { return stats_; }

 private:
  UdpSocket() = default;

  UniqueFd socket_;
  uint32_t scope_ = 0;
  std::vector<uint8_t> memory_;
  size_t queued_ = 0;
  std::array<iovec, kDatagramBurstMax> pieces_ = {};
  std::array<sockaddr_storage, kDatagramBurstMax> addresses_ = {};
  std::array<mmsghdr, kDatagramBurstMax> messages_ = {};
  UdpStats stats_;
};

}  // namespace phalanx

#endif
