// Delta encoding as a circuit: the packed record's numbers and its TCP fields (put_varint() and put_tcp() of
// delta_piece.hpp and delta_encode.hpp) with every alternative computed at once and no branch. Same bytes.
// The other fields: hls/delta_fields.hpp.
#ifndef PHALANX_HLS_DELTA_CIRCUIT_HPP
#define PHALANX_HLS_DELTA_CIRCUIT_HPP

#include "hls/delta_encode.hpp"

namespace phalanx {
namespace hls {
namespace delta {

// varint(): each byte tells by itself whether another follows. `v` < 2^49.
inline Varint varint_at_once(uint64_t v) {
  const bool more1 = v >> 7 != 0;
  const bool more2 = v >> 14 != 0;
  const bool more3 = v >> 21 != 0;
  const bool more4 = v >> 28 != 0;
  const bool more5 = v >> 35 != 0;
  const bool more6 = v >> 42 != 0;
  const uint64_t groups = (v & 0x7f) | (v & 0x7full << 7) << 1 | (v & 0x7full << 14) << 2 | (v & 0x7full << 21) << 3 |
                          (v & 0x7full << 28) << 4 | (v & 0x7full << 35) << 5 | (v & 0x7full << 42) << 6;
  const uint64_t low = (more1 ? 0x80ull : 0) | (more2 ? 0x80ull << 8 : 0) | (more3 ? 0x80ull << 16 : 0);
  const uint64_t high = (more4 ? 0x80ull << 24 : 0) | (more5 ? 0x80ull << 32 : 0) | (more6 ? 0x80ull << 40 : 0);
  const uint32_t two_three = more2 ? 3 : 2;
  const uint32_t one_to_three = more1 ? two_three : 1;
  const uint32_t four_five = more4 ? 5 : 4;
  const uint32_t six_seven = more6 ? 7 : 6;
  const uint32_t four_to_seven = more5 ? six_seven : four_five;
  const Varint result = {groups | low | high, more3 ? four_to_seven : one_to_three};
  return result;
}

// A varint that is there only if `present`.
inline Varint varint_if(bool present, uint64_t v) {
  const Varint packed = varint_at_once(v);
  const Varint result = {present ? packed.bytes : 0, present ? packed.length : 0};
  return result;
}

// The pieces kProfile to kMaxEnd1.
struct TcpPieces {
  Varint profile;
  Varint ends;
  Varint window0;
  Varint window1;
  Varint acked0;
  Varint acked1;
  Varint max_end0;
  Varint max_end1;
};

// put_tcp(). `window0` and `window1`: the state's context; `known_profile`: Known::profile.
inline TcpPieces tcp_pieces(const Session& s, bool known_profile, uint32_t window0, uint32_t window1) {
  const TcpSide& o = s.side[0];
  const TcpSide& r = s.side[1];
  const bool syn_received = s.state == kStateTcpSynReceived;
  const uint32_t acked0 = r.end - (syn_received ? 1 : 0);
  const uint32_t max_end0 = r.acked + r.max_window;
  const uint32_t from = syn_received ? r.end : o.acked;
  const uint32_t heard = from + o.max_window;
  const uint32_t max_end1 = s.state == kStateTcpSynSent ? 0 : heard;
  const bool end0 = o.end != 0;
  const bool end1 = r.end != 0;
  const bool has_window0 = o.max_window != window0;
  const bool has_window1 = r.max_window != window1;
  const bool has_acked0 = o.acked != acked0;
  const bool has_acked1 = r.acked != o.end;
  const bool has_max_end0 = o.max_end != max_end0;
  const bool has_max_end1 = r.max_end != max_end1;
  const uint32_t low = (end0 ? kTcpEnd0 : 0u) | (end1 ? kTcpEnd1 : 0u) | (has_window0 ? kTcpWindow0 : 0u) |
                       (has_window1 ? kTcpWindow1 : 0u);
  const uint32_t high = (has_acked0 ? kTcpAcked0 : 0u) | (has_acked1 ? kTcpAcked1 : 0u) |
                        (has_max_end0 ? kTcpMaxEnd0 : 0u) | (has_max_end1 ? kTcpMaxEnd1 : 0u);
  const uint64_t bits = low | high;
  const uint64_t whole = bits << 16 | static_cast<uint64_t>(s.scales) << 8 | s.tcp_flags;
  const uint64_t after_first = end0 ? big32(r.end) << 32 : big32(r.end);
  const uint64_t first = end0 ? big32(o.end) : 0;
  const uint64_t second = end1 ? after_first : 0;
  const TcpPieces pieces = {
      {known_profile ? bits : whole, known_profile ? 1u : 3u}, {first | second, (end0 ? 4u : 0u) + (end1 ? 4u : 0u)},
      varint_if(has_window0, pack_window(o.max_window)),       varint_if(has_window1, pack_window(r.max_window)),
      varint_if(has_acked0, zigzag32(o.acked, acked0)),        varint_if(has_acked1, zigzag32(r.acked, o.end)),
      varint_if(has_max_end0, zigzag32(o.max_end, max_end0)),  varint_if(has_max_end1, zigzag32(r.max_end, max_end1))};
  return pieces;
}

}  // namespace delta
}  // namespace hls
}  // namespace phalanx

#endif
