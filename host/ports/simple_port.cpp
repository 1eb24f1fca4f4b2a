#include "host/ports/simple_port.hpp"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "host/ports/interface.hpp"
#include "host/ports/packet_socket.hpp"

namespace phalanx {
namespace {

// Each slot: room for a VLAN tag (4, rounded up so that the IP header is on a 16-byte boundary: 8 + 10 + 14 = 32), then
// the frame.
constexpr size_t kHeadroomBytes = 8;
constexpr size_t kSlotBytes = (kHeadroomBytes + kFrameBytesMax + 63) / 64 * 64;

struct Control {
  alignas(cmsghdr) std::array<uint8_t, CMSG_SPACE(sizeof(tpacket_auxdata))> bytes;
};

// What the kernel says about the frame besides its bytes; nullptr if it doesn't.
const tpacket_auxdata* find_auxdata(msghdr& message, tpacket_auxdata& storage) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA) continue;
    std::memcpy(&storage, CMSG_DATA(c), sizeof storage);
    return &storage;
  }
  return nullptr;
}

absl::StatusOr<UniqueFd> open_receiver(const SimplePortOptions& options, int interface_index) {
  UniqueFd socket_fd(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket_fd) return errno_status(errno, "socket(AF_PACKET) needs CAP_NET_RAW");
  const int fd = socket_fd.get();
  for (const auto& [option, name] :
       {std::pair{PACKET_IGNORE_OUTGOING, "PACKET_IGNORE_OUTGOING"}, std::pair{PACKET_VNET_HDR, "PACKET_VNET_HDR"},
        std::pair{PACKET_AUXDATA, "PACKET_AUXDATA"}}) {
    if (absl::Status s = set_option(fd, SOL_PACKET, option, 1, name); !s.ok()) return s;
  }
  if (absl::Status s = set_receive_buffer(fd, kPacketReceiveBufferBytes); !s.ok()) return s;
  if (options.promiscuous) {
    if (absl::Status s = add_membership(fd, interface_index, PACKET_MR_PROMISC); !s.ok()) return s;
  }
  if (options.accept) {
    const absl::StatusOr<std::vector<sock_filter>> program = compile_accept_filter(*options.accept);
    if (!program.ok()) return program.status();
    if (absl::Status s = attach_filter(fd, *program); !s.ok()) return s;
  }
  if (absl::Status s = bind_packet(fd, interface_index, ETH_P_ALL); !s.ok()) return s;
  return socket_fd;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SimplePort>> SimplePort::open(const SimplePortOptions& options) {
  const absl::StatusOr<InterfaceInfo> info = query_interface(options.interface);
  if (!info.ok()) return info.status();
  std::unique_ptr<SimplePort> port(new SimplePort(options));
  absl::StatusOr<UniqueFd> receiver = open_receiver(options, info->index);
  absl::Status status = receiver.status();
  if (status.ok()) status = port->sender_.open(info->index, options.bypass_qdisc);
  if (!status.ok()) return absl::Status(status.code(), absl::StrCat(options.interface, ": ", status.message()));
  port->receiver_ = std::move(*receiver);
  port->memory_.resize(kSlotBytes * kBurstMax);
  return port;
}

size_t SimplePort::receive(absl::Span<Frame> burst) {
  const size_t room = std::min<size_t>(burst.size(), kBurstMax - held_);
  if (room == 0) return 0;
  std::array<iovec, kBurstMax> pieces;
  std::array<mmsghdr, kBurstMax> messages = {};
  std::array<Control, kBurstMax> controls;
  for (size_t i = 0; i < room; ++i) {
    pieces[i] = {memory_.data() + (held_ + i) * kSlotBytes + kHeadroomBytes, kSlotBytes - kHeadroomBytes};
    messages[i].msg_hdr.msg_iov = &pieces[i];
    messages[i].msg_hdr.msg_iovlen = 1;
    messages[i].msg_hdr.msg_control = controls[i].bytes.data();
    messages[i].msg_hdr.msg_controllen = controls[i].bytes.size();
  }
  const int result = recvmmsg(receiver_.get(), messages.data(), static_cast<unsigned>(room), MSG_DONTWAIT, nullptr);
  if (result < 0) {
    // A link that went down says so once, here.
    if (errno != EAGAIN && errno != EINTR) ++stats_.rx_errors;
    return 0;
  }
  size_t count = 0;
  for (size_t i = 0; i < static_cast<size_t>(result); ++i) {
    if (messages[i].msg_hdr.msg_flags & MSG_TRUNC) {
      ++stats_.rx_truncated;
      continue;
    }
    Frame frame = {static_cast<uint8_t*>(pieces[i].iov_base), messages[i].msg_len};
    if (frame.length < sizeof(VirtioNetHeader) + kEthernetHeaderBytes) {
      ++stats_.rx_malformed;
      continue;
    }
    tpacket_auxdata storage;
    const tpacket_auxdata* aux = find_auxdata(messages[i].msg_hdr, storage);
    if (aux != nullptr && (aux->tp_status & TP_STATUS_VLAN_VALID)) {
      const bool tpid_known = (aux->tp_status & TP_STATUS_VLAN_TPID_VALID) != 0;
      frame = insert_vlan_tag(frame, tpid_known ? aux->tp_vlan_tpid : uint16_t{ETH_P_8021Q}, aux->tp_vlan_tci);
    }
    ++stats_.received;
    stats_.received_bytes += frame.ethernet_length();
    burst[count++] = frame;
  }
  // With nothing handed up the caller has no reason to call release().
  if (count > 0 || held_ > 0) held_ += static_cast<size_t>(result);
  return count;
}

const PortStats& SimplePort::stats() {
  stats_.rx_dropped_kernel += take_kernel_drops(receiver_.get());
  return stats_;
}

absl::Status SimplePort::set_accept(const AcceptFilter& filter) {
  const absl::StatusOr<std::vector<sock_filter>> program = compile_accept_filter(filter);
  if (!program.ok()) return program.status();
  return attach_filter(receiver_.get(), *program);
}

}  // namespace phalanx
