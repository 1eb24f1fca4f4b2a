// The pieces of a packed record, and the numbers in them.
#ifndef PHALANX_HLS_DELTA_PIECE_HPP
#define PHALANX_HLS_DELTA_PIECE_HPP

#include "hls/delta_layout.hpp"

namespace phalanx {
namespace hls {
namespace delta {

// The fields in their order, and the bytes that each may have at most. kHead: first and second byte, version;
// kExtensions: extension and protocol; kOriginator, kResponder, kSource, kDestination: IPv4 address if there is one,
// and port (or the responder's index), the wider addresses being the two before; kProfile: profile and TCP bits.
#define PHALANX_DELTA_PIECES(X) \
  X(kHead, 6)                   \
  X(kGeneration, 6)             \
  X(kExtensions, 2)             \
  X(kVirtualSystem, 3)          \
  X(kOriginatorHi, 8)           \
  X(kOriginatorLo, 8)           \
  X(kOriginator, 6)             \
  X(kResponderHi, 8)            \
  X(kResponderLo, 8)            \
  X(kResponder, 6)              \
  X(kRule, 3)                   \
  X(kSourceHi, 8)               \
  X(kSourceLo, 8)               \
  X(kSource, 6)                 \
  X(kDestinationHi, 8)          \
  X(kDestinationLo, 8)          \
  X(kDestination, 6)            \
  X(kProfile, 3)                \
  X(kEnds, 8)                   \
  X(kWindow0, 6)                \
  X(kWindow1, 6)                \
  X(kAcked0, 5)                 \
  X(kAcked1, 5)                 \
  X(kMaxEnd0, 5)                \
  X(kMaxEnd1, 5)                \
  X(kAge, 5)                    \
  X(kBytes0, 7)                 \
  X(kPackets0, 7)               \
  X(kBytes1, 7)                 \
  X(kPackets1, 7)
enum Piece : uint32_t {
#define X(id, bytes) id,
  PHALANX_DELTA_PIECES(X)
#undef X
      kPieces
};

// Longest record: header 2, version 4, generation 6, extension 1, protocol 1, virtual system 3, endpoints 2 x 18, rule
// 3, NAT 2 x 18, TCP 2 + 1 + 2 x 4 + 2 x 6 + 4 x 5, age 5, counters 4 x 7 = 168: 21 words. (Address pieces exclude
// each other, so the sum of the table above is more.)
const uint32_t kRecordBytes = 168;
const uint32_t kRecordWords = kRecordBytes / 8;

// What a container's records have in common.
struct Options {
  bool snapshot;    // counters and age: what full sync sends
  uint32_t now_ms;  // what ages refer to
};

inline uint64_t big16(uint16_t v) { return static_cast<uint16_t>(v << 8 | v >> 8); }
inline uint64_t big32(uint32_t v) { return (v & 0xff) << 24 | (v & 0xff00) << 8 | (v >> 8 & 0xff00) | v >> 24; }
inline uint64_t big64(uint64_t v) {
  return big32(static_cast<uint32_t>(v)) << 32 | big32(static_cast<uint32_t>(v >> 32));
}

struct Varint {
  uint64_t bytes;
  uint32_t length;
};

// `v` < 2^49 in groups of seven bits, the least first, each but the last with its top bit set: spread by halves.
inline Varint varint(uint64_t v) {
  Varint result = {v, 1};
  if (v < 0x80) return result;
  if (v < 0x4000) {  // most of the longer ones: nothing to gain for hardware, half of the work for a CPU
    result.bytes = (v & 0x7f) | 0x80 | v >> 7 << 8;
    result.length = 2;
    return result;
  }
  uint32_t more = 2;  // bytes but the last
  for (uint32_t i = 3; i < 7; ++i) {
    more += v >> (7 * i) != 0 ? 1 : 0;
  }
  const uint64_t by_28 = (v & 0xfffffffull) | (v & ~0xfffffffull) << 4;
  const uint64_t by_14 = (by_28 & 0x00003fff00003fffull) | (by_28 & 0x0fffc0000fffc000ull) << 2;
  const uint64_t by_7 = (by_14 & 0x007f007f007f007full) | (by_14 & 0x3f803f803f803f80ull) << 1;
  result.bytes = by_7 | (0x0080808080808080ull & ((1ull << (8 * more)) - 1));
  result.length = more + 1;
  return result;
}

template <typename Sink>
inline void put_varint(Sink& sink, Piece piece, uint64_t v) {
  const Varint packed = varint(v);
  sink.put(piece, packed.bytes, packed.length);
}

}  // namespace delta
}  // namespace hls
}  // namespace phalanx

#endif
