// The packet module's side of scapy_judge.py: one command a line on standard input, one answer a line. Frames are hex,
// from the Ethernet header on. "-" stands for nothing.
//
//   rewrite FRAME SOURCE SPORT DESTINATION DPORT   parse, rewrite, take one from TTL -> "FIELDS FRAME", or the drop
//   reason fragment FRAME MTU                             -> the fragments error FRAME KIND MTU GATEWAY -> the ICMP
//   error reset FRAME                                    -> the TCP reset arp_request MAC SENDER TARGET | arp_reply
//   FRAME MAC | gratuitous MAC ADDRESS 1|2 ns MAC SOURCE TARGET | na FRAME MAC | unsolicited MAC ADDRESS
#include <array>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "host/packet/arp.hpp"
#include "host/packet/fragment.hpp"
#include "host/packet/icmp_error.hpp"
#include "host/packet/nd.hpp"
#include "host/packet/packet_builder.hpp"
#include "host/packet/rewrite.hpp"

namespace phalanx {
namespace {

using Arguments = std::vector<std::string>;

std::vector<uint8_t> bytes_of(const std::string& hex) {
  const std::string text = absl::HexStringToBytes(hex);
  std::vector<uint8_t> bytes(sizeof(VirtioNetHeader));
  bytes.insert(bytes.end(), text.begin(), text.end());
  return bytes;
}

std::string hex_of(const uint8_t* frame, size_t length) {
  if (length == 0) return "-";
  const auto* text = reinterpret_cast<const char*>(frame) + sizeof(VirtioNetHeader);
  return absl::BytesToHexString(absl::string_view(text, length - sizeof(VirtioNetHeader)));
}

struct Parsed {
  std::vector<uint8_t> bytes;
  Frame frame;
  ParsedPacket packet;
  DropReason reason;
  explicit Parsed(const std::string& hex) : bytes(bytes_of(hex)), frame(frame_of(bytes)) {
    reason = parse(frame, 0, packet);
  }
};

std::string fields(const ParsedPacket& p) {
  return absl::StrCat(to_string(p.source), ",", p.source_port, ",", to_string(p.destination), ",", p.destination_port,
                      ",", static_cast<int>(p.protocol), ",", static_cast<int>(p.meta.kind), ",", p.meta.payload, ",",
                      p.l3_length, ",", static_cast<int>(p.meta.window_scale), ",", static_cast<int>(p.vlan_count), ",",
                      static_cast<int>(p.is_fragment), ",", p.fragment_offset, ",", static_cast<int>(p.dscp), ",",
                      static_cast<int>(p.ttl), ",", p.meta.seq, ",", p.meta.ack, ",", p.meta.window, ",",
                      static_cast<int>(p.meta.tcp_flags));
}

hls::Rewrite rewrite_of(const Arguments& a) {
  hls::Rewrite r{};
  if (a[2] != "-") {
    const IpAddress source = *parse_ip(a[2]);
    r.source = 1;
    r.source_hi = source.hi;
    r.source_lo = source.lo;
    r.source_port = static_cast<uint16_t>(std::stoul(a[3]));
  }
  if (a[4] != "-") {
    const IpAddress destination = *parse_ip(a[4]);
    r.destination = 1;
    r.destination_hi = destination.hi;
    r.destination_lo = destination.lo;
    r.destination_port = static_cast<uint16_t>(std::stoul(a[5]));
  }
  return r;
}

std::string rewrite(const Arguments& a) {
  const Parsed p(a[1]);
  if (p.reason != DropReason::kNone) return std::string(drop_name(p.reason));
  apply_any_rewrite(p.frame, p.packet, rewrite_of(a));
  if (!decrement_ttl(p.frame, p.packet)) return "ttl_expired";
  return absl::StrCat(fields(p.packet), " ", hex_of(p.bytes.data(), p.bytes.size()));
}

std::string fragment(const Arguments& a) {
  const Parsed p(a[1]);
  const auto mtu = static_cast<uint32_t>(std::stoul(a[2]));
  if (p.reason != DropReason::kNone) return std::string(drop_name(p.reason));
  std::vector<uint8_t> scratch(fragments_bytes(p.frame, p.packet, mtu));
  std::vector<Frame> out;
  const DropReason reason = fragment_ipv4(p.frame, p.packet, mtu, absl::MakeSpan(scratch), out);
  if (reason != DropReason::kNone) return std::string(drop_name(reason));
  std::string answer;
  for (const Frame& f : out) absl::StrAppend(&answer, hex_of(f.data, f.length), " ");
  return answer;
}

std::string answer(const Arguments& a) {
  std::array<uint8_t, kIcmpErrorBytesMax> buffer;
  const absl::Span<uint8_t> room = absl::MakeSpan(buffer);
  uint32_t length = 0;
  if (a[0] == "arp_request") {
    length = build_arp_request(*parse_mac(a[1]), *parse_ip(a[2]), *parse_ip(a[3]), room);
  } else if (a[0] == "gratuitous") {
    length = build_gratuitous_arp(*parse_mac(a[1]), *parse_ip(a[2]),
                                  a[3] == "1" ? ArpOperation::kRequest : ArpOperation::kReply, room);
  } else if (a[0] == "ns") {
    length = build_neighbour_solicitation(*parse_mac(a[1]), *parse_ip(a[2]), *parse_ip(a[3]), room);
  } else if (a[0] == "unsolicited") {
    length = build_unsolicited_advertisement(*parse_mac(a[1]), *parse_ip(a[2]), room);
  } else {
    const Parsed p(a[1]);
    if (p.reason != DropReason::kNone) return std::string(drop_name(p.reason));
    if (a[0] == "error") {
      length = build_icmp_error(p.frame, p.packet, static_cast<IcmpError>(std::stoi(a[2])),
                                static_cast<uint32_t>(std::stoul(a[3])), *parse_ip(a[4]), room);
    } else if (a[0] == "reset") {
      length = build_tcp_reset(p.frame, p.packet, room);
    } else if (a[0] == "arp_reply") {
      ArpMessage request;
      const DropReason reason = parse_arp(p.frame, p.packet, request);
      if (reason != DropReason::kNone) return std::string(drop_name(reason));
      length = build_arp_reply(p.frame, p.packet, request, *parse_mac(a[2]), room);
    } else if (a[0] == "na") {
      NdMessage solicitation;
      const DropReason reason = parse_nd(p.frame, p.packet, solicitation);
      if (reason != DropReason::kNone) return std::string(drop_name(reason));
      length = build_neighbour_advertisement(p.frame, p.packet, solicitation, *parse_mac(a[2]), room);
    }
  }
  return hex_of(buffer.data(), length);
}

}  // namespace
}  // namespace phalanx

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    phalanx::Arguments a;
    for (std::string word; words >> word;) a.push_back(word);
    if (a.empty()) continue;
    if (a[0] == "rewrite" && a.size() == 6) {
      std::cout << phalanx::rewrite(a) << std::endl;
    } else if (a[0] == "fragment" && a.size() == 3) {
      std::cout << phalanx::fragment(a) << std::endl;
    } else if (a.size() >= 2) {
      std::cout << phalanx::answer(a) << std::endl;
    } else {
      std::cout << "what?" << std::endl;
    }
  }
  return 0;
}
