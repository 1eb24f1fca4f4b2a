// What the sockets of AF_PACKET have in common; of this folder only.
#ifndef PHALANX_HOST_PORTS_PACKET_SOCKET_HPP
#define PHALANX_HOST_PORTS_PACKET_SOCKET_HPP

#include <cstdint>

#include "absl/status/status.h"
#include "host/packet/frame.hpp"
#include "host/ports/fd.hpp"

namespace phalanx {

inline constexpr uint32_t kVlanTagBytes = 4;
inline constexpr uint32_t kEthernetHeaderBytes = 14;

// 4 MB: more lets old frames spill into the present after a pause.
inline constexpr int kPacketReceiveBufferBytes = 4 << 20;

// SO_RCVBUFFORCE, or as much as the system's limit allows without CAP_NET_ADMIN.
absl::Status set_receive_buffer(int fd, int bytes);
// PACKET_ADD_MEMBERSHIP of `type` (PACKET_MR_PROMISC, PACKET_MR_ALLMULTI).
absl::Status add_membership(int fd, int interface_index, uint16_t type);
absl::Status bind_packet(int fd, int interface_index, uint16_t ether_type);
// PACKET_STATISTICS: frames dropped since the last call.
uint64_t take_kernel_drops(int fd);
// Reads and clears SO_ERROR; true if there was one. A link that went down leaves ENETDOWN, which keeps poll() awake.
bool take_socket_error(int fd);

// Puts the VLAN tag that the kernel took out back into the frame. The frame starts 4 bytes earlier then, which must be
// free; the offload header moves along.
Frame insert_vlan_tag(const Frame& frame, uint16_t tpid, uint16_t tci);

}  // namespace phalanx

#endif
