// A port: where frames enter and leave the member. The data plane sees nothing else of the outside world.
#ifndef PHALANX_HOST_PORTS_PORT_HPP
#define PHALANX_HOST_PORTS_PORT_HPP

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/types/span.h"
#include "host/packet/frame.hpp"

namespace phalanx {

// The counters of a port: name, what it counts. tx_dropped is the sum of the tx_error_ counters.
#define PHALANX_PORT_COUNTERS(X)                                                       \
  X(received, "frames handed up")                                                      \
  X(received_bytes, "bytes of those, Ethernet header included")                        \
  X(sent, "frames handed to the link")                                                 \
  X(sent_bytes, "bytes of those, Ethernet header included")                            \
  X(rx_dropped_kernel, "frames the kernel dropped because the ring is full")           \
  X(rx_truncated, "frames longer than a slot, dropped")                                \
  X(rx_malformed, "frames without an Ethernet header, dropped")                        \
  X(rx_errors, "receive errors of the socket, link down included")                     \
  X(tx_dropped, "frames not sent, whatever the error")                                 \
  X(tx_error_queue_full, "EAGAIN, ENOBUFS: queue full or no carrier")                  \
  X(tx_error_link_down, "ENETDOWN, ENXIO, ENODEV: interface down or gone")             \
  X(tx_error_too_long, "EMSGSIZE: longer than the link's MTU")                         \
  X(tx_error_invalid, "EINVAL: the kernel refused the frame's headers")                \
  X(tx_error_other, "any other error")                                                 \
  X(tx_segmented, "GSO frames the driver did not take whole, sent, cut by the kernel") \
  X(tx_retries, "sends tried again after EAGAIN, ENOBUFS or EINTR")

struct PortStats {
#define PHALANX_PORT_COUNTER(name, text) uint64_t name = 0;
  PHALANX_PORT_COUNTERS(PHALANX_PORT_COUNTER)
#undef PHALANX_PORT_COUNTER
};

// Not for several threads at once: a port belongs to one worker.
class Port {
 public:
  virtual ~Port() = default;

  // The interface's or file's name, for people.
  virtual const std::string& name() const = 0;

  // Fills `burst` from its start with frames that have arrived and gives how many; 0 if there are none now. Never
  // waits. The frames may be rewritten in place and are valid until release(). A VLAN tag is always in the frame.
  virtual size_t receive(absl::Span<Frame> burst) = 0;

  // Gives back all frames received since the last release(). Whatever still refers to them, on any port, must have been
  // flushed before.
  virtual void release() = 0;

  // Queues a frame to be sent. Its memory must stay valid and untouched until flush(). A full queue flushes itself.
  virtual void queue(const Frame& frame) = 0;

  // Hands everything queued to the link. What it doesn't take after a bounded number of tries is dropped and counted.
  virtual void flush() = 0;

  // Readable when receive() has something; -1: the port can't be waited for, ask receive().
  virtual int fd() const = 0;

  // The counters up to now, the kernel's included.
  virtual const PortStats& stats() = 0;
};

// Counts `frames` that were not sent because of `error` (an errno value).
void count_send_error(PortStats& stats, int error, uint64_t frames);

}  // namespace phalanx

#endif
