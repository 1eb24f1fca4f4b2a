// The record's wire layout, shared by encoder and decoder: bits, varints and what both sides predict.
#ifndef PHALANX_HOST_SYNC_WIRE_LAYOUT_HPP
#define PHALANX_HOST_SYNC_WIRE_LAYOUT_HPP

#include <bit>
#include <cstdint>

#include "host/packet/bytes.hpp"
#include "host/sync/record_codec.hpp"

namespace phalanx::sync::codec {

// First byte: class << 6 | v6 << 5 | originator shares << 4 | responder mode << 2 | extension << 1 | same profile.
enum class ProtocolClass : uint8_t { kTcp = 0, kUdp = 1, kEcho = 2, kOther = 3 };
inline constexpr uint8_t kV6 = 0x20, kOriginatorShared = 0x10, kExtension = 0x02, kSameProfile = 0x01;
enum class ResponderMode : uint8_t { kFull = 0, kSamePort = 1, kIndexed = 2 };

// Second byte: state << 4 | version, kVersionEscape meaning that a varint of what goes beyond follows.
inline constexpr uint8_t kVersionEscape = 15;

// Extension byte.
inline constexpr uint8_t kExtNatSource = 0x01, kExtNatDestination = 0x02, kExtNatWide = 0x04, kExtPickedUp = 0x08,
                         kExtVirtualSystem = 0x10, kExtSameNatSource = 0x20, kExtSameNatDestination = 0x40,
                         kExtReserved = 0x80;

// TCP byte: which fields follow. An absent end is 0, an absent window that of the record before in this state, an
// absent acknowledgement or max_end as TcpPrediction says.
inline constexpr uint8_t kTcpEnd0 = 0x01, kTcpEnd1 = 0x02, kTcpWindow0 = 0x04, kTcpWindow1 = 0x08, kTcpAcked0 = 0x10,
                         kTcpAcked1 = 0x20, kTcpMaxEnd0 = 0x40, kTcpMaxEnd1 = 0x80;

inline bool is_tcp_state(uint8_t state) { return state >= hls::kStateTcpSynSent && state <= hls::kStateTcpClosed; }

// The class whose implied protocol, ports and states fit; kOther fits everything.
inline ProtocolClass protocol_class(uint8_t protocol, uint8_t family, uint8_t state, uint16_t responder_port) {
  const bool deleted = state == hls::kStateDeleted;
  if (protocol == hls::kProtocolTcp && (deleted || is_tcp_state(state))) return ProtocolClass::kTcp;
  const bool udp = state == hls::kStateUdpNew || state == hls::kStateUdpStream;
  if (protocol == hls::kProtocolUdp && (deleted || udp)) return ProtocolClass::kUdp;
  const bool icmp = protocol == (family == 6 ? hls::kProtocolIcmpV6 : hls::kProtocolIcmp);
  if (icmp && responder_port == 0 && (deleted || state == hls::kStateIcmp)) return ProtocolClass::kEcho;
  return ProtocolClass::kOther;
}

// What is most often true of a TCP session: each side has acknowledged all that the other sent, and may send a window
// more. Until the responder's SYN is acknowledged, the originator has acknowledged what came before it (nothing, at
// first), and until the responder is heard no window is known. hls/tcp_handshake.hpp sets these fields so.
struct TcpPrediction {
  // `end` and `max_window` of both sides are known.
  static uint32_t originator_acked(const hls::Session& s) {
    return s.side[1].end - (s.state == hls::kStateTcpSynReceived ? 1 : 0);
  }
  static uint32_t responder_acked(const hls::Session& s) { return s.side[0].end; }
  // Both `acked` are known, too.
  static uint32_t originator_max_end(const hls::Session& s) { return s.side[1].acked + s.side[1].max_window; }
  static uint32_t responder_max_end(const hls::Session& s) {
    const uint32_t from = s.state == hls::kStateTcpSynReceived ? s.side[1].end : s.side[0].acked;
    return s.state == hls::kStateTcpSynSent ? 0 : from + s.side[0].max_window;
  }
};

inline constexpr uint64_t zigzag(int64_t v) { return (static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63); }
inline constexpr int64_t unzigzag(uint64_t v) { return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1); }
inline uint64_t zigzag32(uint32_t to, uint32_t from) { return zigzag(static_cast<int32_t>(to - from)); }

// Generations have 40 bits; their difference is taken modulo 2^40.
inline constexpr uint64_t kGenerationMask = (1ull << (64 - hls::kVersionBits)) - 1;
inline int64_t generation_delta(uint64_t to, uint64_t from) {
  return static_cast<int64_t>((to - from) << hls::kVersionBits) >> hls::kVersionBits;
}

// A window as its significant bits << 4 | trailing zeros, at most 15: scaled windows end in zeros.
inline uint64_t pack_window(uint32_t window) {
  const uint32_t zeros = window == 0 ? 0 : static_cast<uint32_t>(std::countr_zero(window));
  const uint32_t shift = zeros < 15 ? zeros : 15;
  return static_cast<uint64_t>(window >> shift) << 4 | shift;
}

// Where a responder's endpoint lives in the dictionary.
inline uint32_t dictionary_index(uint64_t hi, uint64_t lo, uint16_t port) {
  const uint64_t x = (hi ^ lo ^ static_cast<uint64_t>(port) << 40) * 0x9e3779b97f4a7c15ull;
  return static_cast<uint32_t>(x >> 58);
}
static_assert(kDictionaryEntries == 64, "dictionary_index gives six bits");

}  // namespace phalanx::sync::codec

#endif
