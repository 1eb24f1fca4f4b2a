// What goes through the FIFOs of the lookup pipeline. Every stream ends with an end token, by which its reader stops.
#ifndef PHALANX_KERNELS_SESSION_ENGINE_TOKENS_HPP
#define PHALANX_KERNELS_SESSION_ENGINE_TOKENS_HPP

#include "hls/stream.hpp"
#include "kernels/session_engine/sizes.hpp"
#include "kernels/session_engine/words.hpp"

namespace phalanx {
namespace session_engine {

enum class Token : uint8_t {
  kWork = 0,
  kEnd = 1,
  kBubble = 2,  // a cycle that passes, so that a session's lookups keep their distance
};

struct Request {  // fetch -> hash
  Token token;
  hls::PacketMeta packet;
};
struct Hashed {  // hash -> match_tags
  Token token;
  hls::PacketMeta packet;
  uint64_t hash;
};
struct Candidates {  // match_tags -> spread: bit i of `mask`: slot[i] may be it
  Token token;
  hls::PacketMeta packet;
  uint32_t mask;
  uint32_t slot[kCandidates];
};
struct Candidate {  // spread -> compare: beside it, the candidate's record
  Token token;
  bool present;  // false: the lookup has none
  bool last;     // of the lookup
  uint32_t slot;
  hls::PacketMeta packet;
};
struct Work {  // compare -> hold -> execute
  Token token;
  bool matched;
  uint8_t direction;
  uint32_t slot;
  hls::PacketMeta packet;
  Session session;  // as memory had it
  WideNat wide;
};
struct Address {  // to a reader of memory
  bool end;
  uint32_t at;
};
struct LineWrite {  // to a writer of memory
  bool end;
  uint32_t at;
  Line line;
};

using hls::Stream;
// What waits while reads are on their way.
typedef Stream<Request, kReadsInFlight> RequestFifo;
typedef Stream<Hashed, kReadsInFlight> HashedFifo;
typedef Stream<Candidate, kReadsInFlight> CandidateFifo;
typedef Stream<Address, kShortFifo> AddressFifo;
typedef Stream<Line, kReadsInFlight> LineFifo;
typedef Stream<WideNat, kReadsInFlight> WideFifo;
typedef Stream<Work, kShortFifo> WorkFifo;
typedef Stream<LineWrite, kWriteFifo> WriteFifo;

}  // namespace session_engine
}  // namespace phalanx

#endif
