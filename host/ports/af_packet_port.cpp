#include "host/ports/af_packet_port.hpp"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <atomic>
#include <cassert>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "host/ports/interface.hpp"
#include "host/ports/packet_socket.hpp"

namespace phalanx {
namespace {

// The kernel puts the network header at 80 (V2 header, address, 16 bytes for the link header) + this + 10 (virtio-net).
// 22 makes it 112: on a 16-byte boundary, and with 36 bytes before the virtio-net header, of which a VLAN tag needs 4.
constexpr int kReserveBytes = 22;
constexpr uint32_t kSlotHeaderBytes = TPACKET2_HDRLEN;

uint32_t load_status(uint8_t* slot) {
  auto& header = *reinterpret_cast<tpacket2_hdr*>(slot);
  return std::atomic_ref<uint32_t>(header.tp_status).load(std::memory_order_acquire);
}

}  // namespace

absl::StatusOr<std::unique_ptr<AfPacketPort>> AfPacketPort::open(const AfPacketOptions& options) {
  if (options.ring_slots == 0 || options.ring_slots > kRingSlotsMax) {
    return absl::InvalidArgumentError(absl::StrCat("ring_slots must be 1 to ", kRingSlotsMax));
  }
  const absl::StatusOr<InterfaceInfo> info = query_interface(options.interface);
  if (!info.ok()) return info.status();
  std::unique_ptr<AfPacketPort> port(new AfPacketPort(options));
  port->interface_index_ = info->index;
  absl::Status status = port->open_receiver();
  if (status.ok()) status = port->sender_.open(info->index, options.bypass_qdisc);
  if (!status.ok()) return absl::Status(status.code(), absl::StrCat(options.interface, ": ", status.message()));
  return port;
}

// The order matters: PACKET_VNET_HDR is refused (EBUSY) once there is a ring, and the socket hears nothing until
// bind().
absl::Status AfPacketPort::open_receiver() {
  receiver_ = UniqueFd(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!receiver_) return errno_status(errno, "socket(AF_PACKET) needs CAP_NET_RAW");
  const int fd = receiver_.get();
  if (absl::Status s = set_option(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING"); !s.ok()) {
    return s;
  }
  if (absl::Status s = set_receive_buffer(fd, kPacketReceiveBufferBytes); !s.ok()) return s;
  if (absl::Status s = set_option(fd, SOL_PACKET, PACKET_VNET_HDR, 1, "PACKET_VNET_HDR"); !s.ok()) return s;
  if (absl::Status s = set_option(fd, SOL_PACKET, PACKET_VERSION, TPACKET_V2, "PACKET_VERSION"); !s.ok()) return s;
  if (absl::Status s = set_option(fd, SOL_PACKET, PACKET_RESERVE, kReserveBytes, "PACKET_RESERVE"); !s.ok()) return s;

  tpacket_req ring = {};
  ring.tp_frame_size = kRingSlotBytes;
  ring.tp_block_size = kRingSlotBytes * kRingSlotsPerBlock;
  ring.tp_block_nr = (options_.ring_slots + kRingSlotsPerBlock - 1) / kRingSlotsPerBlock;
  ring.tp_frame_nr = ring.tp_block_nr * kRingSlotsPerBlock;
  if (setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring) != 0) return errno_status(errno, "PACKET_RX_RING");
  const size_t bytes = size_t{ring.tp_block_size} * ring.tp_block_nr;
  void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (mapped == MAP_FAILED) return errno_status(errno, "mmap of the ring");
  ring_ = static_cast<uint8_t*>(mapped);
  ring_bytes_ = bytes;
  slots_ = ring.tp_frame_nr;

  if (options_.promiscuous) {
    if (absl::Status s = add_membership(fd, interface_index_, PACKET_MR_PROMISC); !s.ok()) return s;
  }
  if (options_.accept) {
    if (absl::Status s = set_accept(*options_.accept); !s.ok()) return s;
  }
  return bind_packet(fd, interface_index_, ETH_P_ALL);
}

AfPacketPort::~AfPacketPort() {
  if (ring_ != nullptr) munmap(ring_, ring_bytes_);
}

// Blocks are whole pages of whole slots, so slots follow one another without gaps.
uint8_t* AfPacketPort::slot(uint32_t index) const { return ring_ + size_t{index} * kRingSlotBytes; }

size_t AfPacketPort::receive(absl::Span<Frame> burst) {
  const bool held_before = held_ > 0;
  size_t count = 0;
  bool nothing_left = false;
  while (count < burst.size() && held_ < slots_) {
    uint8_t* const start = slot(head_);
    // A slot that is still handed out looks like a new one; held_ < slots_ keeps us from it.
    if ((load_status(start) & TP_STATUS_USER) == 0) {
      nothing_left = true;
      break;
    }
    if (take(start, burst[count])) ++count;
    ++held_;
    head_ = head_ + 1 == slots_ ? 0 : head_ + 1;
  }
  // Slots that were only counted: the caller, who got nothing, has no reason to call release().
  if (count == 0 && !held_before) release();
  if (nothing_left && count == 0 && take_socket_error(receiver_.get())) ++stats_.rx_errors;
  return count;
}

// False: counted, not for the caller. Its slot goes back with the others.
bool AfPacketPort::take(uint8_t* slot_start, Frame& frame) {
  const auto& header = *reinterpret_cast<const tpacket2_hdr*>(slot_start);
  if (header.tp_snaplen < header.tp_len) {
    ++stats_.rx_truncated;
    return false;
  }
  if (header.tp_snaplen < kEthernetHeaderBytes) {
    ++stats_.rx_malformed;
    return false;
  }
  assert(header.tp_mac >= kSlotHeaderBytes + kVlanTagBytes + sizeof(VirtioNetHeader));
  assert(header.tp_mac + header.tp_snaplen <= kRingSlotBytes);
  frame.data = slot_start + header.tp_mac - sizeof(VirtioNetHeader);
  frame.length = header.tp_snaplen + static_cast<uint32_t>(sizeof(VirtioNetHeader));
  if (header.tp_status & TP_STATUS_VLAN_VALID) {
    const bool tpid_known = (header.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0;
    frame = insert_vlan_tag(frame, tpid_known ? header.tp_vlan_tpid : uint16_t{ETH_P_8021Q}, header.tp_vlan_tci);
  }
  ++stats_.received;
  stats_.received_bytes += frame.ethernet_length();
  return true;
}

void AfPacketPort::give_back(uint8_t* slot_start) {
  auto& header = *reinterpret_cast<tpacket2_hdr*>(slot_start);
  std::atomic_ref<uint32_t>(header.tp_status).store(TP_STATUS_KERNEL, std::memory_order_release);
}

void AfPacketPort::release() {
  uint32_t index = head_ >= held_ ? head_ - held_ : head_ + slots_ - held_;
  for (; held_ > 0; --held_) {
    give_back(slot(index));
    index = index + 1 == slots_ ? 0 : index + 1;
  }
}

const PortStats& AfPacketPort::stats() {
  stats_.rx_dropped_kernel += take_kernel_drops(receiver_.get());
  return stats_;
}

absl::Status AfPacketPort::set_accept(const AcceptFilter& filter) {
  const absl::StatusOr<std::vector<sock_filter>> program = compile_accept_filter(filter);
  if (!program.ok()) return program.status();
  return attach_filter(receiver_.get(), *program);
}

absl::Status AfPacketPort::set_bypass_qdisc(bool bypass) { return sender_.set_bypass_qdisc(bypass); }

}  // namespace phalanx
