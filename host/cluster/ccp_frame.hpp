// CCP datagrams as Ethernet frames: source MAC 00:00:00:00:<magic>:<member>, 0.0.0.0 to the network address, TTL 255.
#ifndef PHALANX_HOST_CLUSTER_CCP_FRAME_HPP
#define PHALANX_HOST_CLUSTER_CCP_FRAME_HPP

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "host/cluster/ccp.hpp"

namespace phalanx::cluster {

inline constexpr uint8_t kDefaultMacMagic = 0xfe;
inline constexpr uint8_t kDefaultForwardMacMagic = 0xfd;

enum class CcpDestination : uint8_t { kMulticast, kBroadcast, kUnicast };

// How CCP frames of one interface look.
struct CcpFrameConfig {
  uint8_t mac_magic = kDefaultMacMagic;
  MemberId own_id = kNoMember;
  CcpDestination destination = CcpDestination::kMulticast;
  uint32_t virtual_ip = 0;       // host order; names the multicast group
  uint32_t network_address = 0;  // host order; destination of the IP packet
  MacAddress peer_mac{};         // kUnicast only
};

// 01:00:5e and the low 23 bits of the address (RFC 1112, 6.4).
MacAddress ccp_multicast_mac(uint32_t virtual_ip);
MacAddress ccp_source_mac(uint8_t mac_magic, MemberId member);

// The whole frame, behind a virtio-net header of zeros (host/packet/frame.hpp). `datagram` at most kCcpBytesMax
// (asserted).
std::vector<uint8_t> build_frame(const CcpFrameConfig& config, absl::Span<const uint8_t> datagram);

struct CcpFrameView {
  MacAddress source_mac{};
  absl::Span<const uint8_t> datagram;  // points into the frame
};
// Quick look for a dispatcher: an untagged IPv4 frame to UDP 8116.
bool is_ccp_frame(absl::Span<const uint8_t> ethernet);
// `ethernet` starts with the Ethernet header (no virtio-net header). Checks lengths, TTL 255, checksums, MAC magic;
// refusals are counted in `counters`.
absl::StatusOr<CcpFrameView> parse_frame(absl::Span<const uint8_t> ethernet, uint8_t mac_magic, CcpCounters& counters);

}  // namespace phalanx::cluster

#endif
