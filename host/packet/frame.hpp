// A frame as ports hand it in and out: virtio-net header and Ethernet frame in one piece of memory, rewritten in place.
#ifndef PHALANX_HOST_PACKET_FRAME_HPP
#define PHALANX_HOST_PACKET_FRAME_HPP

#include <cstdint>

#include "absl/types/span.h"
#include "host/packet/address.hpp"

namespace phalanx {

// struct virtio_net_hdr (VIRTIO 1.2, 5.1.6), fields little-endian on all machines we run on.
struct VirtioNetHeader {
  uint8_t flags = 0;     // kNeedsChecksum: the checksum at start+offset holds the pseudo-header's sum only
  uint8_t gso_type = 0;  // kGsoNone...
  uint16_t header_length = 0;
  uint16_t gso_size = 0;  // payload of each segment
  uint16_t checksum_start = 0;
  uint16_t checksum_offset = 0;
};
static_assert(sizeof(VirtioNetHeader) == 10);
inline constexpr uint8_t kNeedsChecksum = 1;
inline constexpr uint8_t kGsoNone = 0, kGsoTcpV4 = 1, kGsoUdp = 3, kGsoTcpV6 = 4, kGsoUdpL4 = 5, kGsoEcn = 0x80;

// A view: the port or the caller owns the memory. `data` starts with the virtio-net header (10 bytes), the Ethernet
// header follows it directly. Behind `length` there may be nothing, so a frame can be shortened but not lengthened in
// place.
struct Frame {
  uint8_t* data = nullptr;
  uint32_t length = 0;  // virtio-net header included

  VirtioNetHeader& vnet() const { return *reinterpret_cast<VirtioNetHeader*>(data); }
  uint8_t* ethernet() const { return data + sizeof(VirtioNetHeader); }
  uint32_t ethernet_length() const { return length - static_cast<uint32_t>(sizeof(VirtioNetHeader)); }
};
inline constexpr uint32_t kFrameBytesMax = 65536 + 64 + sizeof(VirtioNetHeader);
inline constexpr uint32_t kBurstMax = 64;

// Where the data plane puts frames that leave. The bytes must not be touched until flush() has returned.
class FrameSink {
 public:
  virtual ~FrameSink() = default;
  // Queues a frame for `port`. The memory is the caller's and stays valid until flush().
  virtual void send(PortIndex port, const Frame& frame) = 0;
  // Hands everything queued to the ports. What a port cannot take is dropped there and counted there.
  virtual void flush() = 0;
};

}  // namespace phalanx

#endif
