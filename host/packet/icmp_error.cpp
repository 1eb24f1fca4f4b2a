#include "host/packet/icmp_error.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "host/packet/checksum.hpp"
#include "host/packet/ethernet.hpp"
#include "host/packet/ip_header.hpp"

namespace phalanx {
namespace {

struct TypeCode {
  uint8_t v4_type, v4_code, v6_type, v6_code;
};

// By IcmpError. RFC 792, RFC 1812 (5.2.7.1 for prohibited), RFC 4443.
constexpr TypeCode kTypes[] = {
    {11, 0, 3, 0},  // kTimeExceeded
    {3, 4, 2, 0},   // kTooBig
    {3, 0, 1, 0},   // kNetUnreachable
    {3, 1, 1, 3},   // kHostUnreachable
    {3, 3, 1, 4},   // kPortUnreachable
    {3, 13, 1, 1},  // kAdminProhibited
};

constexpr uint32_t kIcmpHeaderBytes = 8;
constexpr uint32_t kErrorBytesMaxV4 = 576;
constexpr uint32_t kErrorBytesMaxV6 = 1280;
constexpr uint8_t kInternetworkControl = 0xc0;  // RFC 1812, 4.3.2.5: the precedence of ICMP errors
constexpr uint8_t kIcmpRedirect = 5;
constexpr uint32_t kVnetBytes = sizeof(VirtioNetHeader);

bool is_group_mac(const MacAddress& mac) { return (mac[0] & 1) != 0; }

bool is_redirect(const ParsedPacket& p) {
  return p.family == 4 ? p.protocol == hls::kProtocolIcmp && p.icmp_type == kIcmpRedirect
                       : p.protocol == hls::kProtocolIcmpV6 && p.icmp_type == kNdRedirect;
}

// Puts the checksum that the device would have computed into the quote, if the quote has the field.
void complete_quote(const Frame& offending, const ParsedPacket& packet, uint8_t* quote, uint32_t quoted) {
  const VirtioNetHeader& vnet = offending.vnet();
  if ((vnet.flags & kNeedsChecksum) == 0 || vnet.checksum_start < packet.l3) return;
  const uint32_t field = static_cast<uint32_t>(vnet.checksum_start) - packet.l3 + vnet.checksum_offset;
  if (field + 2 > quoted) return;
  const uint32_t end = packet.l3 + packet.l3_length;
  const uint16_t value = checksum(offending.ethernet() + vnet.checksum_start, end - vnet.checksum_start);
  store_raw(quote + field, value == 0 ? uint16_t{0xffff} : value);
}

}  // namespace

bool may_answer(const Frame& offending, const ParsedPacket& packet, IcmpError error) {
  if (packet.family == 0 || packet.is_icmp_error() || is_redirect(packet)) return false;
  if (packet.is_fragment && !packet.first_fragment) return false;
  if (is_unspecified(packet.source) || is_multicast(packet.source) || is_limited_broadcast(packet.source)) return false;
  if (packet.family == 6 && error == IcmpError::kTooBig) return true;  // RFC 4443, 2.4 e.3: path MTU of multicast
  if (is_multicast(packet.destination) || is_limited_broadcast(packet.destination)) return false;
  return !is_group_mac(destination_mac(offending));
}

uint32_t build_icmp_error(const Frame& offending, const ParsedPacket& packet, IcmpError error, uint32_t mtu,
                          const IpAddress& gateway, absl::Span<uint8_t> buffer) {
  if (!may_answer(offending, packet, error) || gateway.family != packet.family) return 0;
  const bool v4 = packet.family == 4;
  const TypeCode& type = kTypes[static_cast<size_t>(error)];
  const LinkHeader link = answer_link(offending, packet);
  IpHeader ip;
  ip.source = gateway;
  ip.destination = packet.source;
  ip.protocol = v4 ? hls::kProtocolIcmp : hls::kProtocolIcmpV6;
  if (v4) ip.traffic_class = kInternetworkControl;
  const uint32_t room = (v4 ? kErrorBytesMaxV4 : kErrorBytesMaxV6) - ip.bytes() - kIcmpHeaderBytes;
  const uint32_t quoted = std::min(packet.l3_length, room);
  const uint32_t icmp_bytes = kIcmpHeaderBytes + quoted;
  const uint32_t length = kVnetBytes + link.bytes() + ip.bytes() + icmp_bytes;
  if (buffer.size() < length) return 0;
  uint8_t* at = write_link(buffer.data(), link, v4 ? kEthertypeIpv4 : kEthertypeIpv6);
  uint8_t* const icmp = write_ip(at, ip, icmp_bytes);
  std::memset(icmp, 0, kIcmpHeaderBytes);
  icmp[0] = v4 ? type.v4_type : type.v6_type;
  icmp[1] = v4 ? type.v4_code : type.v6_code;
  if (error == IcmpError::kTooBig) {
    if (v4) {
      store16(icmp + 6, static_cast<uint16_t>(std::min(mtu, 65535u)));  // RFC 1191, 4
    } else {
      store32(icmp + 4, mtu);
    }
  }
  std::memcpy(icmp + kIcmpHeaderBytes, offending.ethernet() + packet.l3, quoted);
  if (offending.vnet().gso_type == kGsoNone) complete_quote(offending, packet, icmp + kIcmpHeaderBytes, quoted);
  store_raw(icmp + 2, transport_checksum(ip, icmp, icmp_bytes));
  return length;
}

uint32_t build_tcp_reset(const Frame& offending, const ParsedPacket& packet, absl::Span<uint8_t> buffer) {
  const hls::PacketMeta& meta = packet.meta;
  if (meta.kind != hls::kPacketTcp || (packet.is_fragment && !packet.first_fragment)) return 0;
  if ((meta.tcp_flags & hls::kTcpRst) != 0 || !may_answer(offending, packet, IcmpError::kPortUnreachable)) return 0;
  constexpr uint32_t kTcpBytes = 20;
  const LinkHeader link = answer_link(offending, packet);
  IpHeader ip;
  ip.source = packet.destination;
  ip.destination = packet.source;
  ip.protocol = hls::kProtocolTcp;
  const uint32_t length = kVnetBytes + link.bytes() + ip.bytes() + kTcpBytes;
  if (buffer.size() < length) return 0;
  uint8_t* const at = write_link(buffer.data(), link, packet.family == 4 ? kEthertypeIpv4 : kEthertypeIpv6);
  uint8_t* const tcp = write_ip(at, ip, kTcpBytes);
  std::memset(tcp, 0, kTcpBytes);
  store16(tcp, packet.destination_port);
  store16(tcp + 2, packet.source_port);
  tcp[12] = kTcpBytes / 4 << 4;
  if ((meta.tcp_flags & hls::kTcpAck) != 0) {
    store32(tcp + 4, meta.ack);
    tcp[13] = hls::kTcpRst;
  } else {
    const uint32_t syn = (meta.tcp_flags & hls::kTcpSyn) != 0 ? 1 : 0;
    const uint32_t fin = (meta.tcp_flags & hls::kTcpFin) != 0 ? 1 : 0;
    store32(tcp + 8, meta.seq + meta.payload + syn + fin);
    tcp[13] = hls::kTcpRst | hls::kTcpAck;
  }
  store_raw(tcp + 16, transport_checksum(ip, tcp, kTcpBytes));
  return length;
}

}  // namespace phalanx
