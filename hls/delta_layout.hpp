// The packed record of delta and full sync: bits, predictions and what both ends remember. docs/protocol-sync.md has
// the layout; hls/delta_encode.hpp writes it, the host's decoder reads it.
#ifndef PHALANX_HLS_DELTA_LAYOUT_HPP
#define PHALANX_HLS_DELTA_LAYOUT_HPP

#include "hls/session.hpp"

namespace phalanx {
namespace hls {
namespace delta {

// First byte: class << 6 | v6 << 5 | originator shares << 4 | responder mode << 2 | extension << 1 | same profile.
enum class ProtocolClass : uint8_t { kTcp = 0, kUdp = 1, kEcho = 2, kOther = 3 };
const uint8_t kV6 = 0x20;
const uint8_t kOriginatorShared = 0x10;
const uint8_t kExtension = 0x02;
const uint8_t kSameProfile = 0x01;
enum class ResponderMode : uint8_t { kFull = 0, kSamePort = 1, kIndexed = 2 };

// Second byte: state << 4 | version, kVersionEscape meaning that a varint of what goes beyond follows.
const uint8_t kVersionEscape = 15;

// Extension byte.
const uint8_t kExtNatSource = 0x01;
const uint8_t kExtNatDestination = 0x02;
const uint8_t kExtNatWide = 0x04;
const uint8_t kExtPickedUp = 0x08;
const uint8_t kExtVirtualSystem = 0x10;
const uint8_t kExtSameNatSource = 0x20;
const uint8_t kExtSameNatDestination = 0x40;
const uint8_t kExtReserved = 0x80;

// TCP byte: which fields follow. An absent end is 0, an absent window that of the record before in this state, an
// absent acknowledgement or max_end as TcpPrediction says.
const uint8_t kTcpEnd0 = 0x01;
const uint8_t kTcpEnd1 = 0x02;
const uint8_t kTcpWindow0 = 0x04;
const uint8_t kTcpWindow1 = 0x08;
const uint8_t kTcpAcked0 = 0x10;
const uint8_t kTcpAcked1 = 0x20;
const uint8_t kTcpMaxEnd0 = 0x40;
const uint8_t kTcpMaxEnd1 = 0x80;

// Session::flags that are replicated. kDirty is the engine's own, the re-anchor marks are set where a record is
// applied.
const uint8_t kReplicatedFlags = kOriginatorIsB | kNatSource | kNatDestination | kNatWide | kPickedUp;

// What both ends remember of the records before, in three places: a few registers, a memory of one StateContext a
// state, and a dictionary of responders. All begin anew with each container (a datagram or a chunk).
const uint32_t kStateContexts = 16;
const uint32_t kDictionaryEntries = 64;  // responders a container can refer to; one index byte

struct StateContext {
  uint64_t generation;
  uint32_t window[2];
  uint8_t tcp_flags;
  uint8_t scales;
};
struct DictionaryEntry {
  uint64_t hi;
  uint64_t lo;
  uint32_t epoch;  // of the container that wrote it; 0 in none
  uint16_t port;
  uint8_t family;
};
struct Registers {
  uint64_t originator_v6_hi;
  uint32_t originator_v4;
  uint32_t nat_source;
  uint32_t nat_destination;
  uint32_t epoch;               // of this container, not 0: older dictionary entries do not count
  uint64_t responder_ports;     // the last one said of each protocol class, 16 bits each
  uint8_t has_responder_ports;  // a bit each
  bool has_originator_v4;
  bool has_originator_v6;
  bool has_nat_source;
  bool has_nat_destination;
};

// The registers at a container's start.
inline Registers begin_registers(uint32_t epoch) {
  const Registers r = {0, 0, 0, 0, epoch, 0, 0, false, false, false, false};
  return r;
}

inline bool has_responder_port(const Registers& r, ProtocolClass cls) {
  return (r.has_responder_ports >> static_cast<uint32_t>(cls) & 1) != 0;
}
inline uint16_t responder_port(const Registers& r, ProtocolClass cls) {
  return static_cast<uint16_t>(r.responder_ports >> (16 * static_cast<uint32_t>(cls)));
}
inline void set_responder_port(Registers& r, ProtocolClass cls, uint16_t port) {
  const uint32_t at = 16 * static_cast<uint32_t>(cls);
  r.responder_ports = (r.responder_ports & ~(0xffffull << at)) | static_cast<uint64_t>(port) << at;
  r.has_responder_ports = static_cast<uint8_t>(r.has_responder_ports | 1u << static_cast<uint32_t>(cls));
}

// Generations have 40 bits; their difference is taken modulo 2^40.
const uint64_t kGenerationMask = (1ull << (64 - kVersionBits)) - 1;
inline int64_t generation_delta(uint64_t to, uint64_t from) {
  return static_cast<int64_t>((to - from) << kVersionBits) >> kVersionBits;
}

// A state's context at a container's start.
inline StateContext begin_state(uint64_t base_generation) {
  const StateContext s = {base_generation & kGenerationMask, {0, 0}, 0, 0};
  return s;
}

// The TCP states; hls/track.hpp has the same for who tracks.
inline bool has_tcp_fields(uint8_t state) { return (state >= kStateTcpSynSent) & (state <= kStateTcpClosed); }

// The class whose implied protocol, ports and states fit; kOther fits everything.
inline ProtocolClass protocol_class(uint8_t protocol, uint8_t family, uint8_t state, uint16_t responder_port) {
  const bool deleted = state == kStateDeleted;
  const bool udp_state = (state == kStateUdpNew) | (state == kStateUdpStream);
  const uint8_t icmp = family == 6 ? kProtocolIcmpV6 : kProtocolIcmp;
  const bool tcp = (protocol == kProtocolTcp) & (deleted | has_tcp_fields(state));
  const bool udp = (protocol == kProtocolUdp) & (deleted | udp_state);
  const bool echo = (protocol == icmp) & (responder_port == 0) & (deleted | (state == kStateIcmp));
  const ProtocolClass echo_or_other = echo ? ProtocolClass::kEcho : ProtocolClass::kOther;
  const ProtocolClass no_tcp = udp ? ProtocolClass::kUdp : echo_or_other;
  return tcp ? ProtocolClass::kTcp : no_tcp;
}

// What is most often true of a TCP session: each side has acknowledged all that the other sent, and may send a window
// more. Until the responder's SYN is acknowledged, the originator has acknowledged what came before it (nothing, at
// first), and until the responder is heard no window is known. hls/tcp_handshake.hpp sets these fields so.
struct TcpPrediction {
  // `end` and `max_window` of both sides are known.
  static uint32_t originator_acked(const Session& s) {
    return s.side[1].end - (s.state == kStateTcpSynReceived ? 1 : 0);
  }
  static uint32_t responder_acked(const Session& s) { return s.side[0].end; }
  // Both `acked` are known, too.
  static uint32_t originator_max_end(const Session& s) { return s.side[1].acked + s.side[1].max_window; }
  static uint32_t responder_max_end(const Session& s) {
    const uint32_t from = s.state == kStateTcpSynReceived ? s.side[1].end : s.side[0].acked;
    return s.state == kStateTcpSynSent ? 0 : from + s.side[0].max_window;
  }
};

inline uint64_t zigzag(int64_t v) { return (static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63); }
// zigzag(generation_delta(to, from)), without a sign that is 64 bits wide: of the difference's 40 bits the upper one is
// the sign.
inline uint64_t zigzag_generation(uint64_t to, uint64_t from) {
  const uint64_t difference = (to - from) & kGenerationMask;
  const bool negative = difference >> (63 - kVersionBits) != 0;
  const uint64_t size = negative ? ~difference & kGenerationMask : difference;
  return size << 1 | (negative ? 1 : 0);
}
inline uint64_t zigzag32(uint32_t to, uint32_t from) { return zigzag(static_cast<int32_t>(to - from)); }

// A window as its significant bits << 4 | trailing zeros, at most 15: scaled windows end in zeros.
inline uint64_t pack_window(uint32_t window) {
  const uint32_t s8 = (window & 0xff) == 0 ? 8 : 0;
  const uint32_t w8 = window >> s8;
  const uint32_t s4 = (w8 & 0xf) == 0 ? 4 : 0;
  const uint32_t w4 = w8 >> s4;
  const uint32_t s2 = (w4 & 3) == 0 ? 2 : 0;
  const uint32_t w2 = w4 >> s2;
  const uint32_t s1 = (w2 & 1) == 0 ? 1 : 0;
  const uint64_t packed = static_cast<uint64_t>(w2 >> s1) << 4 | (s8 + s4 + s2 + s1);
  return window == 0 ? 0 : packed;
}

// Where a responder's endpoint lives in the dictionary: the exclusive or of what would be the digits of a number to the
// base 64, so that neighbours lie apart, and no multiplication.
inline uint32_t dictionary_index(uint64_t hi, uint64_t lo, uint16_t port) {
  const uint64_t x = hi ^ lo ^ static_cast<uint64_t>(port) << 40;
  const uint64_t digits6 = x ^ x >> 36;
  const uint64_t digits3 = digits6 ^ digits6 >> 18;
  return static_cast<uint32_t>(digits3 ^ digits3 >> 6 ^ digits3 >> 12) & 63;
}
static_assert(kDictionaryEntries == 64, "dictionary_index gives six bits");

}  // namespace delta
}  // namespace hls
}  // namespace phalanx

#endif
