#include "host/ports/packet_socket.hpp"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <cassert>
#include <cerrno>
#include <cstring>

namespace phalanx {

absl::Status set_receive_buffer(int fd, int bytes) {
  if (set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes, "SO_RCVBUFFORCE").ok()) return absl::OkStatus();
  return set_option(fd, SOL_SOCKET, SO_RCVBUF, bytes, "SO_RCVBUF");
}

absl::Status add_membership(int fd, int interface_index, uint16_t type) {
  packet_mreq request = {};
  request.mr_ifindex = interface_index;
  request.mr_type = type;
  if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof request) != 0) {
    return errno_status(errno, "PACKET_ADD_MEMBERSHIP");
  }
  return absl::OkStatus();
}

absl::Status bind_packet(int fd, int interface_index, uint16_t ether_type) {
  sockaddr_ll link = {};
  link.sll_family = AF_PACKET;
  link.sll_protocol = htons(ether_type);
  link.sll_ifindex = interface_index;
  if (bind(fd, reinterpret_cast<const sockaddr*>(&link), sizeof link) != 0) {
    return errno_status(errno, "bind to the interface");
  }
  return absl::OkStatus();
}

uint64_t take_kernel_drops(int fd) {
  tpacket_stats stats = {};
  socklen_t length = sizeof stats;
  if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &length) != 0) return 0;
  return stats.tp_drops;
}

bool take_socket_error(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error != 0;
}

Frame insert_vlan_tag(const Frame& frame, uint16_t tpid, uint16_t tci) {
  constexpr size_t kBefore = sizeof(VirtioNetHeader) + 12;  // up to the EtherType
  assert(frame.ethernet_length() >= kEthernetHeaderBytes);
  const Frame tagged = {frame.data - kVlanTagBytes, frame.length + kVlanTagBytes};
  std::memmove(tagged.data, frame.data, kBefore);
  const uint16_t tag[2] = {htons(tpid), htons(tci)};
  std::memcpy(tagged.data + kBefore, tag, sizeof tag);
  VirtioNetHeader& vnet = tagged.vnet();
  if (vnet.flags & kNeedsChecksum) vnet.checksum_start = static_cast<uint16_t>(vnet.checksum_start + kVlanTagBytes);
  if (vnet.header_length != 0) vnet.header_length = static_cast<uint16_t>(vnet.header_length + kVlanTagBytes);
  return tagged;
}

}  // namespace phalanx
