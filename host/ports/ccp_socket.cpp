#include "host/ports/ccp_socket.hpp"

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/pkt_sched.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "host/ports/accept_filter.hpp"
#include "host/ports/interface.hpp"
#include "host/ports/packet_socket.hpp"

namespace phalanx {
namespace {

// IPv4 to this interface, UDP, no fragment, destination port 8116. Offsets from the Ethernet header. By the time a
// socket of one EtherType is served, the kernel has removed the VLAN tag of a VLAN that it doesn't have and marked the
// frame as somebody else's, like a frame to a foreign MAC: neither belongs to this interface's network.
// CCP comes from 0.0.0.0, which no packet of a gateway's traffic does, so those are let go after a few instructions;
// delta sync, which is on the same UDP port, has real addresses and a socket of its own. Of ARP only replies, of
// neighbour discovery only advertisements: the answers to probes.
std::vector<sock_filter> ccp_program() {
  constexpr uint32_t kAncillary = static_cast<uint32_t>(SKF_AD_OFF);
  constexpr uint32_t kArpReply = 2;
  constexpr uint32_t kIcmpV6 = 58;
  constexpr uint32_t kNeighbourAdvertisement = 136;
  return {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kAncillary + SKF_AD_PKTTYPE),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OTHERHOST, 22, 0),
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),  // EtherType
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 13, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 14, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 18),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kAncillary + SKF_AD_VLAN_TAG_PRESENT),  // the kernel has taken the tag out
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 16),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 26),  // source address
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 14),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23),  // protocol
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 12),
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 20),  // more fragments, fragment offset
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x3fff, 10, 0),
      BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 14),  // IP header's length
      BPF_STMT(BPF_LD | BPF_H | BPF_IND, 16),   // UDP destination port
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kCcpUdpPort, 6, 7),
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 20),  // ARP operation
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArpReply, 4, 5),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 20),  // IPv6 next header
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kIcmpV6, 0, 3),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 54),  // ICMPv6 type
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kNeighbourAdvertisement, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
}

absl::Status prepare(int fd, int interface_index) {
  if (absl::Status s = set_option(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING"); !s.ok()) {
    return s;
  }
  if (absl::Status s = set_receive_buffer(fd, kCcpBufferBytes); !s.ok()) return s;
  if (absl::Status s = set_option(fd, SOL_SOCKET, SO_SNDBUF, kCcpBufferBytes, "SO_SNDBUF"); !s.ok()) return s;
  // Before bulk data in every queueing discipline with bands.
  if (absl::Status s = set_option(fd, SOL_SOCKET, SO_PRIORITY, TC_PRIO_CONTROL, "SO_PRIORITY"); !s.ok()) return s;
  if (absl::Status s = attach_filter(fd, ccp_program()); !s.ok()) return s;
  if (absl::Status s = add_membership(fd, interface_index, PACKET_MR_ALLMULTI); !s.ok()) return s;
  return bind_packet(fd, interface_index, ETH_P_ALL);
}

}  // namespace

absl::StatusOr<std::unique_ptr<CcpSocket>> CcpSocket::open(const std::string& interface) {
  const absl::StatusOr<InterfaceInfo> info = query_interface(interface);
  if (!info.ok()) return info.status();
  std::unique_ptr<CcpSocket> self(new CcpSocket());
  self->interface_ = interface;
  self->socket_ = UniqueFd(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!self->socket_) return errno_status(errno, "socket(AF_PACKET) for CCP needs CAP_NET_RAW");
  if (absl::Status s = prepare(self->socket_.get(), info->index); !s.ok()) {
    return absl::Status(s.code(), absl::StrCat(interface, ": ", s.message()));
  }
  self->memory_.resize(kCcpBurstMax * kCcpFrameBytesMax);
  return self;
}

size_t CcpSocket::receive(absl::Span<absl::Span<const uint8_t>> burst) {
  const size_t room = std::min(burst.size(), kCcpBurstMax);
  std::array<iovec, kCcpBurstMax> pieces;
  std::array<mmsghdr, kCcpBurstMax> messages = {};
  for (size_t i = 0; i < room; ++i) {
    pieces[i] = {memory_.data() + i * kCcpFrameBytesMax, kCcpFrameBytesMax};
    messages[i].msg_hdr.msg_iov = &pieces[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  const int result = recvmmsg(socket_.get(), messages.data(), static_cast<unsigned>(room), MSG_DONTWAIT, nullptr);
  if (result < 0) {
    if (errno != EAGAIN && errno != EINTR) ++stats_.rx_errors;
    return 0;
  }
  size_t count = 0;
  for (size_t i = 0; i < static_cast<size_t>(result); ++i) {
    if (messages[i].msg_hdr.msg_flags & MSG_TRUNC) {
      ++stats_.rx_truncated;
      continue;
    }
    ++stats_.received;
    burst[count++] = {static_cast<const uint8_t*>(pieces[i].iov_base), messages[i].msg_len};
  }
  return count;
}

bool CcpSocket::send(absl::Span<const uint8_t> ethernet) {
  const ssize_t sent = ::send(socket_.get(), ethernet.data(), ethernet.size(), MSG_DONTWAIT);
  if (sent == static_cast<ssize_t>(ethernet.size())) {
    ++stats_.sent;
    return true;
  }
  ++stats_.tx_dropped;
  return false;
}

const CcpSocketStats& CcpSocket::stats() {
  stats_.rx_dropped_kernel += take_kernel_drops(socket_.get());
  return stats_;
}

}  // namespace phalanx
