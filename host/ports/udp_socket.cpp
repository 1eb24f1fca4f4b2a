#include "host/ports/udp_socket.hpp"

#include <net/if.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "host/ports/packet_socket.hpp"

namespace phalanx {
namespace {

// Tries again in one flush() after "queue full", all datagrams together. Delta sync retransmits what is dropped here.
constexpr uint32_t kUdpRetriesMax = 4;

struct Control {
  alignas(cmsghdr) std::array<uint8_t, CMSG_SPACE(sizeof(uint32_t))> bytes;
};

absl::Status prepare(int fd, const UdpOptions& options) {
  const bool v6 = options.local.address.is_v6();
  if (absl::Status s = v6 ? set_option(fd, SOL_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY") : absl::OkStatus(); !s.ok()) {
    return s;
  }
  absl::Status s = v6 ? set_option(fd, SOL_IPV6, IPV6_FREEBIND, 1, "IPV6_FREEBIND")
                      : set_option(fd, SOL_IP, IP_FREEBIND, 1, "IP_FREEBIND");
  if (!s.ok()) return s;
  if (s = set_option(fd, SOL_SOCKET, SO_RXQ_OVFL, 1, "SO_RXQ_OVFL"); !s.ok()) return s;
  if (s = set_receive_buffer(fd, options.buffer_bytes); !s.ok()) return s;
  if (!set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, options.buffer_bytes, "SO_SNDBUFFORCE").ok()) {
    if (s = set_option(fd, SOL_SOCKET, SO_SNDBUF, options.buffer_bytes, "SO_SNDBUF"); !s.ok()) return s;
  }
  if (!options.device.empty() && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, options.device.data(),
                                            static_cast<socklen_t>(options.device.size())) != 0) {
    return errno_status(errno, "SO_BINDTODEVICE");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<UdpSocket>> UdpSocket::open(const UdpOptions& options) {
  std::unique_ptr<UdpSocket> self(new UdpSocket());
  if (!options.device.empty()) self->scope_ = if_nametoindex(options.device.c_str());
  sockaddr_storage address;
  const socklen_t length = to_sockaddr(options.local, address, self->scope_);
  if (length == 0) return absl::InvalidArgumentError("UDP socket without a local address");
  self->socket_ = UniqueFd(socket(address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!self->socket_) return errno_status(errno, "socket(UDP)");
  if (absl::Status s = prepare(self->socket_.get(), options); !s.ok()) return s;
  if (bind(self->socket_.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) {
    return errno_status(errno, "bind of the UDP socket");
  }
  self->memory_.resize(kDatagramBurstMax * kDatagramBytesMax);
  return self;
}

size_t UdpSocket::receive(absl::Span<Datagram> burst) {
  const size_t room = std::min(burst.size(), kDatagramBurstMax);
  std::array<iovec, kDatagramBurstMax> pieces;
  std::array<mmsghdr, kDatagramBurstMax> messages = {};
  std::array<sockaddr_storage, kDatagramBurstMax> from;
  std::array<Control, kDatagramBurstMax> controls;
  for (size_t i = 0; i < room; ++i) {
    pieces[i] = {memory_.data() + i * kDatagramBytesMax, kDatagramBytesMax};
    msghdr& message = messages[i].msg_hdr;
    message.msg_iov = &pieces[i];
    message.msg_iovlen = 1;
    message.msg_name = &from[i];
    message.msg_namelen = sizeof from[i];
    message.msg_control = controls[i].bytes.data();
    message.msg_controllen = controls[i].bytes.size();
  }
  const int result = recvmmsg(socket_.get(), messages.data(), static_cast<unsigned>(room), MSG_DONTWAIT, nullptr);
  if (result < 0) {
    if (errno != EAGAIN && errno != EINTR) ++stats_.rx_errors;
    return 0;
  }
  size_t count = 0;
  for (size_t i = 0; i < static_cast<size_t>(result); ++i) {
    msghdr& message = messages[i].msg_hdr;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL) continue;
      uint32_t dropped = 0;  // since the socket was opened
      std::memcpy(&dropped, CMSG_DATA(c), sizeof dropped);
      stats_.rx_dropped_kernel = dropped;
    }
    if (message.msg_flags & MSG_TRUNC) {
      ++stats_.rx_truncated;
      continue;
    }
    ++stats_.received;
    burst[count++] = {from_sockaddr(from[i]), {memory_.data() + i * kDatagramBytesMax, messages[i].msg_len}};
  }
  return count;
}

void UdpSocket::queue(const Endpoint& to, absl::Span<const uint8_t> bytes) {
  if (queued_ == kDatagramBurstMax) flush();
  mmsghdr& message = messages_[queued_];
  message = {};
  message.msg_hdr.msg_namelen = to_sockaddr(to, addresses_[queued_], scope_);
  assert(message.msg_hdr.msg_namelen != 0);
  pieces_[queued_] = {const_cast<uint8_t*>(bytes.data()), bytes.size()};  // the system call takes void*, and only reads
  message.msg_hdr.msg_name = &addresses_[queued_];
  message.msg_hdr.msg_iov = &pieces_[queued_];
  message.msg_hdr.msg_iovlen = 1;
  ++queued_;
}

void UdpSocket::flush() {
  size_t next = 0;
  uint32_t retries = 0;
  while (next < queued_) {
    const int result =
        sendmmsg(socket_.get(), &messages_[next], static_cast<unsigned>(queued_ - next), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (result > 0) {
      stats_.sent += static_cast<uint64_t>(result);
      next += static_cast<size_t>(result);
      continue;
    }
    const bool retry = errno == EAGAIN || errno == ENOBUFS || errno == EINTR;
    if (retry && retries < kUdpRetriesMax) {
      ++retries;
      ++stats_.tx_retries;
      continue;
    }
    ++stats_.tx_dropped;
    ++next;
  }
  queued_ = 0;
}

Endpoint UdpSocket::local() const {
  sockaddr_storage storage = {};
  socklen_t length = sizeof storage;
  if (getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&storage), &length) != 0) return {};
  return from_sockaddr(storage);
}

}  // namespace phalanx
