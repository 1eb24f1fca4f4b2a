#include "host/cluster/ccp_frame.hpp"

#include <algorithm>
#include <cassert>

#include "host/cluster/byte_order.hpp"
#include "host/packet/frame.hpp"

namespace phalanx::cluster {
namespace {

constexpr size_t kEthernetBytes = 14, kIpv4Bytes = 20, kUdpBytes = 8;
constexpr uint16_t kEtherTypeIpv4 = 0x0800;
constexpr uint8_t kUdp = 17;
constexpr uint8_t kCcpTtl = 255;

uint32_t sum_words(absl::Span<const uint8_t> bytes, uint32_t sum = 0) {
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) sum += (uint32_t{bytes[i]} << 8) | bytes[i + 1];
  if (bytes.size() % 2 != 0) sum += uint32_t{bytes.back()} << 8;
  return sum;
}

uint16_t fold(uint32_t sum) {
  while ((sum >> 16) != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

// RFC 768: the pseudo-header's sum and the datagram's; `addresses` are the 8 bytes of source and destination.
uint16_t udp_sum(absl::Span<const uint8_t> addresses, absl::Span<const uint8_t> udp) {
  return fold(sum_words(udp, sum_words(addresses, kUdp + static_cast<uint32_t>(udp.size()))));
}

uint16_t word(absl::Span<const uint8_t> bytes, size_t at) {
  return static_cast<uint16_t>((uint32_t{bytes[at]} << 8) | bytes[at + 1]);
}

void put_word(std::vector<uint8_t>& bytes, size_t at, uint16_t value) {
  bytes[at] = static_cast<uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<uint8_t>(value);
}

}  // namespace

MacAddress ccp_multicast_mac(uint32_t virtual_ip) {
  return {0x01,
          0x00,
          0x5e,
          static_cast<uint8_t>((virtual_ip >> 16) & 0x7f),
          static_cast<uint8_t>(virtual_ip >> 8),
          static_cast<uint8_t>(virtual_ip)};
}

MacAddress ccp_source_mac(uint8_t mac_magic, MemberId member) { return {0, 0, 0, 0, mac_magic, member}; }

std::vector<uint8_t> build_frame(const CcpFrameConfig& config, absl::Span<const uint8_t> datagram) {
  assert(datagram.size() <= kCcpBytesMax);
  MacAddress destination = kBroadcastMac;
  if (config.destination == CcpDestination::kMulticast) destination = ccp_multicast_mac(config.virtual_ip);
  if (config.destination == CcpDestination::kUnicast) destination = config.peer_mac;
  const auto udp_bytes = static_cast<uint16_t>(kUdpBytes + datagram.size());

  BigEndianWriter out;
  out.put_bytes(std::vector<uint8_t>(sizeof(VirtioNetHeader), 0));
  out.put_bytes(destination);
  out.put_bytes(ccp_source_mac(config.mac_magic, config.own_id));
  out.put(kEtherTypeIpv4);
  out.put<uint16_t>(0x4500);
  out.put(static_cast<uint16_t>(kIpv4Bytes + udp_bytes));
  out.put<uint32_t>(0);  // identification, no fragments
  out.put(kCcpTtl);
  out.put(kUdp);
  out.put<uint16_t>(0);
  out.put<uint32_t>(0);  // from 0.0.0.0
  out.put(config.network_address);
  for (const uint16_t v : {kCcpPort, kCcpPort, udp_bytes, uint16_t{0}}) out.put(v);
  out.put_bytes(datagram);

  std::vector<uint8_t> frame = std::move(out).take();
  const size_t ip = sizeof(VirtioNetHeader) + kEthernetBytes;
  const size_t udp = ip + kIpv4Bytes;
  const absl::Span<const uint8_t> bytes(frame);
  put_word(frame, ip + 10, static_cast<uint16_t>(~fold(sum_words(bytes.subspan(ip, kIpv4Bytes)))));
  const auto checksum = static_cast<uint16_t>(~udp_sum(bytes.subspan(ip + 12, 8), bytes.subspan(udp)));
  put_word(frame, udp + 6, checksum == 0 ? uint16_t{0xffff} : checksum);  // 0 would mean: no checksum
  return frame;
}

bool is_ccp_frame(absl::Span<const uint8_t> ethernet) {
  if (ethernet.size() < kEthernetBytes + kIpv4Bytes + kUdpBytes || word(ethernet, 12) != kEtherTypeIpv4) return false;
  const auto ip = ethernet.subspan(kEthernetBytes);
  const size_t header_bytes = size_t{4} * (ip[0] & 0x0fU);
  if (ip[0] >> 4 != 4 || header_bytes < kIpv4Bytes || ip[9] != kUdp) return false;
  if ((word(ip, 6) & 0x1fff) != 0) return false;  // a later fragment has no ports
  return ip.size() >= header_bytes + kUdpBytes && word(ip, header_bytes + 2) == kCcpPort;
}

absl::StatusOr<CcpFrameView> parse_frame(absl::Span<const uint8_t> ethernet, uint8_t mac_magic, CcpCounters& counters) {
  if (!is_ccp_frame(ethernet)) return counters.refuse(CcpRefusal::kNotCcp);
  auto ip = ethernet.subspan(kEthernetBytes);
  const size_t header_bytes = size_t{4} * (ip[0] & 0x0fU);
  const size_t total_bytes = word(ip, 2);
  if (total_bytes > ip.size() || total_bytes < header_bytes + kUdpBytes) {
    return counters.refuse(CcpRefusal::kFrameLength);
  }
  ip = ip.subspan(0, total_bytes);  // short frames are padded
  if ((word(ip, 6) & 0x3fff) != 0) return counters.refuse(CcpRefusal::kFragment);
  if (ip[8] != kCcpTtl) return counters.refuse(CcpRefusal::kTtl);
  auto udp = ip.subspan(header_bytes);
  const size_t udp_bytes = word(udp, 4);
  if (udp_bytes < kUdpBytes || udp_bytes > udp.size()) return counters.refuse(CcpRefusal::kFrameLength);
  udp = udp.subspan(0, udp_bytes);
  // The checksum is not optional here: a datagram with a bad one must not be taken for an attack on the key.
  if (fold(sum_words(ip.subspan(0, header_bytes))) != 0xffff || word(udp, 6) == 0 ||
      udp_sum(ip.subspan(12, 8), udp) != 0xffff) {
    return counters.refuse(CcpRefusal::kChecksum);
  }
  CcpFrameView view;
  std::copy_n(ethernet.begin() + 6, view.source_mac.size(), view.source_mac.begin());
  // Members count from 1, so any last byte may be one; the codec judges the member.
  if (view.source_mac != ccp_source_mac(mac_magic, view.source_mac[5])) return counters.refuse(CcpRefusal::kMacMagic);
  view.datagram = udp.subspan(kUdpBytes);
  return view;
}

}  // namespace phalanx::cluster
