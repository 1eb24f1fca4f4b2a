// The port for a Linux interface: AF_PACKET V2 receive ring with virtio-net headers, sent from the ring's slots.
#ifndef PHALANX_HOST_PORTS_AF_PACKET_PORT_HPP
#define PHALANX_HOST_PORTS_AF_PACKET_PORT_HPP

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host/ports/accept_filter.hpp"
#include "host/ports/fd.hpp"
#include "host/ports/frame_sender.hpp"
#include "host/ports/port.hpp"

namespace phalanx {

// A slot holds the largest GSO frame: 65536 bytes of IP, 18 of Ethernet and VLAN, 10 of virtio-net, 112 before it,
// rounded up to pages: 17 x 4096 = 69632. 15 slots make a block of 255 pages, so the kernel's rounding to a power of
// two wastes one page in 256 instead of 15 in 32.
inline constexpr uint32_t kRingSlotBytes = 69632;
inline constexpr uint32_t kRingSlotsPerBlock = 15;
// 34 blocks: 34 MiB of kernel memory, and 1.4 ms of 64-byte frames at 370 kpps while the worker is elsewhere.
inline constexpr uint32_t kRingSlotsDefault = 510;
inline constexpr uint32_t kRingSlotsMax = 8190;  // 546 MiB

struct AfPacketOptions {
  std::string interface;
  uint32_t ring_slots = kRingSlotsDefault;            // rounded up to whole blocks
  bool promiscuous = true;                            // real cards deliver a foreign unicast MAC only so
  bool bypass_qdisc = true;                           // false: tcpdump sees what is sent, at about 15 % of the rate
  std::optional<AcceptFilter> accept = std::nullopt;  // in force from the first frame on; none: take everything
};

class AfPacketPort final : public Port {
 public:
  // Needs CAP_NET_RAW, and CAP_NET_ADMIN for the buffer sizes. NotFound if there is no such interface.
  static absl::StatusOr<std::unique_ptr<AfPacketPort>> open(const AfPacketOptions& options);
  ~AfPacketPort() override;
  AfPacketPort(const AfPacketPort&) = delete;
  AfPacketPort& operator=(const AfPacketPort&) = delete;

  const std::string& name() const override { return options_.interface; }
  size_t receive(absl::Span<Frame> burst) override;
  void release() override;
  void queue(const Frame& frame) override { sender_.queue(frame, stats_); }
  void flush() override { sender_.flush(stats_); }
  int fd() const override { return receiver_.get(); }
  const PortStats& stats() override;

  // Changes what is taken while the port runs; frames already in the ring stay.
  absl::Status set_accept(const AcceptFilter& filter);
  // Debugging: with `bypass` false frames go through the qdisc, where tcpdump sees them.
  absl::Status set_bypass_qdisc(bool bypass);
  // The interface's index when the port was opened; another one now means it was made anew and the port must be too.
  int interface_index() const { return interface_index_; }

 private:
  explicit AfPacketPort(const AfPacketOptions& options) : options_(options) {}
  absl::Status open_receiver();
  uint8_t* slot(uint32_t index) const;
  bool take(uint8_t* slot_start, Frame& frame);
  void give_back(uint8_t* slot_start);

  AfPacketOptions options_;
  int interface_index_ = 0;
  UniqueFd receiver_;
  uint8_t* ring_ = nullptr;  // mapped; ring_bytes_ long
  size_t ring_bytes_ = 0;
  uint32_t slots_ = 0;
  uint32_t head_ = 0;  // next slot to look at
  uint32_t held_ = 0;  // slots before head_ that are handed out
  FrameSender sender_;
  PortStats stats_;
};

}  // namespace phalanx

#endif
