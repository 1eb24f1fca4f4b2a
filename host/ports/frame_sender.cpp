#include "host/ports/frame_sender.hpp"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include <algorithm>
#include <cassert>
#include <cerrno>

namespace phalanx {
namespace {

// A whole queue of the largest frames: 64 x 64 KB.
constexpr int kSendBufferBytes = 4 << 20;

bool worth_retrying(int error) { return error == EAGAIN || error == ENOBUFS || error == EINTR; }
absl::StatusOr<UniqueFd> open_socket(int interface_index) {
  // Protocol 0: this socket never receives.
  UniqueFd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  if (!fd) return errno_status(errno, "socket(AF_PACKET) for sending needs CAP_NET_RAW");
  if (absl::Status s = set_option(fd.get(), SOL_PACKET, PACKET_VNET_HDR, 1, "PACKET_VNET_HDR"); !s.ok()) return s;
  if (!set_option(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, kSendBufferBytes, "SO_SNDBUFFORCE").ok()) {
    if (absl::Status s = set_option(fd.get(), SOL_SOCKET, SO_SNDBUF, kSendBufferBytes, "SO_SNDBUF"); !s.ok()) return s;
  }
  sockaddr_ll link = {};
  link.sll_family = AF_PACKET;
  link.sll_ifindex = interface_index;
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&link), sizeof link) != 0) {
    return errno_status(errno, "bind of the sending socket");
  }
  return fd;
}

bool link_is_down(int error) { return error == ENETDOWN || error == ENXIO || error == ENODEV; }

}  // namespace

absl::Status FrameSender::open(int interface_index, bool bypass_qdisc) {
  for (UniqueFd* fd : {&socket_, &qdisc_socket_}) {
    absl::StatusOr<UniqueFd> opened = open_socket(interface_index);
    if (!opened.ok()) return opened.status();
    *fd = std::move(*opened);
  }
  for (uint32_t i = 0; i < kBurstMax; ++i) {
    messages_[i].msg_hdr.msg_iov = &pieces_[i];
    messages_[i].msg_hdr.msg_iovlen = 1;
  }
  return set_bypass_qdisc(bypass_qdisc);
}

absl::Status FrameSender::set_bypass_qdisc(bool bypass) {
  absl::Status s = set_option(socket_.get(), SOL_PACKET, PACKET_QDISC_BYPASS, bypass ? 1 : 0, "PACKET_QDISC_BYPASS");
  if (s.ok()) bypass_ = bypass;
  return s;
}

bool FrameSender::send_cut(uint32_t index) {
  const VirtioNetHeader& vnet = *static_cast<const VirtioNetHeader*>(pieces_[index].iov_base);
  return bypass_ && vnet.gso_type != kGsoNone &&
         sendmsg(qdisc_socket_.get(), &messages_[index].msg_hdr, MSG_DONTWAIT) > 0;
}

void FrameSender::queue(const Frame& frame, PortStats& stats) {
  assert(frame.data != nullptr && frame.length >= sizeof(VirtioNetHeader));
  if (queued_ == kBurstMax) flush(stats);
  // What was cut from the front of the frame may still be counted as header, which the kernel would refuse.
  VirtioNetHeader& vnet = frame.vnet();
  vnet.header_length = static_cast<uint16_t>(std::min<uint32_t>(vnet.header_length, frame.ethernet_length()));
  pieces_[queued_].iov_base = frame.data;
  pieces_[queued_].iov_len = frame.length;
  ++queued_;
}

void FrameSender::flush(PortStats& stats) {
  uint32_t next = 0;
  uint32_t retries = 0;
  while (next < queued_) {
    const int result = sendmmsg(socket_.get(), &messages_[next], queued_ - next, MSG_DONTWAIT);
    if (result > 0) {
      for (const uint32_t end = next + static_cast<uint32_t>(result); next < end; ++next) {
        ++stats.sent;
        stats.sent_bytes += pieces_[next].iov_len - sizeof(VirtioNetHeader);
      }
      continue;
    }
    const int error = errno;
    if (error == ENOBUFS && send_cut(next)) {
      ++stats.sent;
      ++stats.tx_segmented;
      stats.sent_bytes += pieces_[next].iov_len - sizeof(VirtioNetHeader);
      ++next;
      continue;
    }
    if (worth_retrying(error) && retries < kSendRetriesMax) {
      ++retries;
      ++stats.tx_retries;
      continue;
    }
    const uint32_t dropped = link_is_down(error) ? queued_ - next : 1;
    count_send_error(stats, error, dropped);
    next += dropped;
  }
  queued_ = 0;
}

}  // namespace phalanx
