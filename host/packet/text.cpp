#include "host/packet/text.hpp"

#include "absl/strings/str_cat.h"

namespace phalanx {
namespace {

struct Flag {
  uint8_t bit;
  char letter;
};
constexpr Flag kFlags[] = {{hls::kTcpSyn, 'S'}, {hls::kTcpFin, 'F'}, {hls::kTcpRst, 'R'},
                           {hls::kTcpPsh, 'P'}, {hls::kTcpAck, '.'}, {hls::kTcpUrg, 'U'}};

std::string endpoint(const IpAddress& address, uint16_t port, bool with_port) {
  if (!with_port) return to_string(address);
  return address.is_v6() ? absl::StrCat("[", to_string(address), "]:", static_cast<int>(port))
                         : absl::StrCat(to_string(address), ":", static_cast<int>(port));
}

std::string protocol_name(const ParsedPacket& p) {
  switch (p.protocol) {
    case hls::kProtocolTcp:
      return "TCP";
    case hls::kProtocolUdp:
      return "UDP";
    case hls::kProtocolIcmp:
      return "ICMP";
    case hls::kProtocolIcmpV6:
      return "ICMPv6";
    default:
      return absl::StrCat("protocol ", static_cast<int>(p.protocol));
  }
}

std::string details(const ParsedPacket& p) {
  const hls::PacketMeta& m = p.meta;
  switch (m.kind) {
    case hls::kPacketTcp: {
      std::string flags;
      for (const Flag& flag : kFlags) {
        if ((m.tcp_flags & flag.bit) != 0) flags += flag.letter;
      }
      return absl::StrCat(" [", flags, "] seq ", m.seq, " ack ", m.ack, " len ", m.payload);
    }
    case hls::kPacketUdp:
      return absl::StrCat(" len ", m.payload);
    case hls::kPacketEchoRequest:
      return absl::StrCat(" echo request id ", static_cast<int>(p.icmp_id));
    case hls::kPacketEchoReply:
      return absl::StrCat(" echo reply id ", static_cast<int>(p.icmp_id));
    default:
      break;
  }
  if (p.icmp_type == 0 && p.icmp_code == 0) return absl::StrCat(" len ", p.l3_length);
  return absl::StrCat(m.kind == hls::kPacketIcmpError ? " error" : "", " type ", static_cast<int>(p.icmp_type),
                      " code ", static_cast<int>(p.icmp_code));
}

}  // namespace

std::string to_text(const ParsedPacket& p) {
  std::string text;
  for (uint8_t i = 0; i < p.vlan_count; ++i) absl::StrAppend(&text, "vlan ", static_cast<int>(p.vlan[i]), " ");
  if (p.kind == FrameKind::kArp) return text + "ARP";
  if (p.family == 0) return absl::StrCat(text, "ethertype 0x", absl::Hex(p.ethertype, absl::kZeroPad4));
  const bool ports = p.protocol == hls::kProtocolTcp || p.protocol == hls::kProtocolUdp;
  const bool later = p.is_fragment && !p.first_fragment;
  absl::StrAppend(&text, protocol_name(p), " ", endpoint(p.source, p.source_port, ports && !later), " > ",
                  endpoint(p.destination, p.destination_port, ports && !later));
  if (!later) text += details(p);
  if (p.is_fragment) {
    absl::StrAppend(&text, " fragment id ", p.fragment_id, " offset ", static_cast<int>(p.fragment_offset),
                    p.more_fragments ? "+" : "");
  }
  return text;
}

}  // namespace phalanx
