#include <algorithm>
#include <array>
#include <cstring>

#include "host/packet/checksum.hpp"
#include "host/packet/fragment.hpp"
#include "host/packet/rewrite.hpp"

namespace phalanx {
namespace {

constexpr uint32_t kIpv4Bytes = 20;
constexpr uint32_t kIpv4HeaderMax = 60;
constexpr uint32_t kMtuMin = 68;  // RFC 791, 3.2: every module forwards 68 bytes without fragmentation
constexpr uint32_t kVnetBytes = sizeof(VirtioNetHeader);

uint8_t gso_kind(const Frame& frame) { return static_cast<uint8_t>(frame.vnet().gso_type & ~kGsoEcn); }
bool is_tcp_gso(const Frame& frame) { return gso_kind(frame) == kGsoTcpV4 || gso_kind(frame) == kGsoTcpV6; }

// An IPv4 header for later fragments: only options with the copied flag (RFC 791, 3.1).
struct LaterHeader {
  std::array<uint8_t, kIpv4HeaderMax> bytes{};
  uint32_t length = kIpv4Bytes;
};

LaterHeader later_header(const uint8_t* ip, uint32_t header) {
  LaterHeader later;
  std::memcpy(later.bytes.data(), ip, kIpv4Bytes);
  const uint8_t* option = ip + kIpv4Bytes;
  const uint8_t* const end = ip + header;
  while (option < end && *option != 0) {  // well-formed: parse() has checked
    const uint32_t bytes = *option == 1 ? 1 : option[1];
    if (*option != 1 && (*option & 0x80) != 0) {
      std::memcpy(later.bytes.data() + later.length, option, bytes);
      later.length += bytes;
    }
    option += bytes;
  }
  later.length = (later.length + 3) & ~3u;  // the rest is zero: end of options
  later.bytes[0] = static_cast<uint8_t>(0x40 | later.length / 4);
  return later;
}

uint32_t room_for_data(uint32_t mtu, uint32_t header) { return (mtu - header) & ~7u; }

// Each fragment's memory begins where a virtio-net header may.
uint32_t aligned(uint32_t bytes) { return (bytes + 7) & ~7u; }

void finish_header(uint8_t* ip, uint32_t header, uint32_t total, uint32_t offset, bool more) {
  store16(ip + 2, static_cast<uint16_t>(total));
  store16(ip + 6, static_cast<uint16_t>((more ? 0x2000u : 0u) | offset / 8));
  store_raw<uint16_t>(ip + 10, 0);
  store_raw(ip + 10, checksum(ip, header));
}

DropReason shrink_segments(const Frame& frame, const ParsedPacket& packet, uint32_t mtu, std::vector<Frame>& out) {
  const uint32_t header = packet.payload - packet.l3;
  if (mtu <= header) return DropReason::kTooBig;
  frame.vnet().gso_size = static_cast<uint16_t>(std::min<uint32_t>(mtu - header, frame.vnet().gso_size));
  out.push_back(frame);
  return DropReason::kNone;
}

}  // namespace

bool needs_fragmentation(const Frame& frame, const ParsedPacket& packet, uint32_t mtu) {
  if (packet.l3_length <= mtu) return false;
  const uint8_t kind = gso_kind(frame);
  if (kind == kGsoNone) return true;
  if (kind == kGsoUdp) return true;  // one datagram, which goes out in IP fragments
  return packet.payload - packet.l3 + frame.vnet().gso_size > mtu;
}

uint32_t fragments_bytes(const Frame&, const ParsedPacket& packet, uint32_t mtu) {
  if (packet.family != 4 || mtu < kMtuMin) return 0;  // never cut; an IPv6 header chain may be longer than the MTU
  const uint32_t header = packet.l4 - packet.l3;
  const uint32_t data = packet.l3_length - header;
  const uint32_t count = data / room_for_data(mtu, header) + 1;
  return data + count * (kVnetBytes + packet.l3 + header + 7);
}

DropReason fragment_ipv4(const Frame& frame, const ParsedPacket& packet, uint32_t mtu, absl::Span<uint8_t> scratch,
                         std::vector<Frame>& out) {
  if (packet.family != 4 || packet.dont_fragment || mtu < kMtuMin) return DropReason::kTooBig;
  if (is_tcp_gso(frame)) return shrink_segments(frame, packet, mtu, out);
  if (gso_kind(frame) == kGsoUdpL4) return DropReason::kTooBig;
  if (scratch.size() < fragments_bytes(frame, packet, mtu)) return DropReason::kBufferFull;
  complete_checksum(frame, packet);
  const uint8_t* const link = frame.ethernet();
  const uint8_t* const ip = link + packet.l3;
  const uint32_t first_header = packet.l4 - packet.l3;
  const LaterHeader later = later_header(ip, first_header);
  const uint32_t end = packet.l3_length - first_header;
  uint32_t used = 0;
  for (uint32_t at = 0; at < end;) {
    const uint8_t* const header = at == 0 ? ip : later.bytes.data();
    const uint32_t header_bytes = at == 0 ? first_header : later.length;
    const uint32_t data = std::min(end - at, room_for_data(mtu, header_bytes));
    const bool more = at + data < end || packet.more_fragments;
    const uint32_t length = kVnetBytes + packet.l3 + header_bytes + data;
    uint8_t* const piece = scratch.data() + used;
    std::memset(piece, 0, kVnetBytes);
    std::memcpy(piece + kVnetBytes, link, packet.l3);
    uint8_t* const piece_ip = piece + kVnetBytes + packet.l3;
    std::memcpy(piece_ip, header, header_bytes);
    std::memcpy(piece_ip + header_bytes, ip + first_header + at, data);
    finish_header(piece_ip, header_bytes, header_bytes + data, packet.fragment_offset + at, more);
    out.push_back({piece, length});
    used += aligned(length);
    at += data;
  }
  return DropReason::kNone;
}

}  // namespace phalanx
