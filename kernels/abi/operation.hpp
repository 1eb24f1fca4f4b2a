// What crosses between host and engine: operations in, completions out. Plain structs of fixed layout, little-endian,
// no pointers; the same bytes on PCIe, in shared memory and between a caller and the CPU engine.
#ifndef PHALANX_KERNELS_ABI_OPERATION_HPP
#define PHALANX_KERNELS_ABI_OPERATION_HPP

#include "hls/rewrite.hpp"
#include "hls/session.hpp"
#include "hls/track_reason.hpp"

namespace phalanx {
namespace abi {

const uint32_t kAbiVersion = 1;

// A session and, if it has kNatWide, its long rewrite: what INSERT and APPLY take and EXTRACT and SCAN give.
struct Record {
  hls::Session session;
  hls::WideNat wide;
};
static_assert(sizeof(Record) == 160, "fixed layout");

enum class Opcode : uint8_t {
  kLookup = 1,  // packet: find its session and apply the packet to it
  kInsert =
      2,  // record: a new session (order's generation 0: the engine gives the next); then `packet` is applied to it
  kDelete = 3,   // packet.key (either direction's): end the session; it goes through the change log as deleted
  kApply = 4,    // record: a replicated record; installed if newer; state kStateDeleted removes; never logged
  kAge = 5,      // `argument` = first slot, `count` = slots: end what has timed out
  kExtract = 6,  // up to `count` changed records to the batch's output, each cleared before it is read
  kScan = 7,     // `argument` = first slot, `count` = slots: every record of the range to the output, unchanged
};

struct Operation {
  Opcode opcode;
  uint8_t reserved[3];
  uint32_t record;  // INSERT, APPLY: index into the batch's records
  uint64_t argument;
  hls::PacketMeta packet;
  uint64_t count;
  uint64_t reserved2;
};
static_assert(sizeof(Operation) == 96, "fixed layout");

enum class Result : uint8_t {
  kDone = 0,      // LOOKUP: the packet is the session's and may pass, rewritten as said; others: as asked
  kMiss = 1,      // LOOKUP, DELETE: no such session
  kDrop = 2,      // LOOKUP: the session refuses the packet, `reason` says why; INSERT: of its first packet
  kExists = 3,    // INSERT: the key, or the translated key, belongs to another session already
  kFull = 4,      // INSERT, APPLY: no slot, or no place within the bounded search; nothing was changed
  kStale = 5,     // APPLY: the table's record is as new or newer
  kHalfOpen = 6,  // INSERT: the bound on half-open sessions is reached
  kInvalid = 7,   // a malformed operation
};

using hls::Rewrite;
using hls::TrackReason;

struct Completion {
  Result result;
  TrackReason reason;
  uint8_t direction;  // LOOKUP: 0 from the originator, 1 from the responder
  uint8_t state;      // the session's state afterwards
  uint32_t slot;      // the session's slot
  uint16_t rule;      // the session's rule
  uint8_t rewritten;  // LOOKUP: 1 if `rewrite` is set
  uint8_t changed;    // the operation entered the session into the change log
  uint32_t count;     // AGE: sessions ended; EXTRACT, SCAN: records given
  uint64_t next;      // EXTRACT: changes still in the log; SCAN, AGE: first slot of what is left, 0 at the table's end
  Rewrite rewrite;
};
static_assert(sizeof(Completion) == 64, "one cache line");

}  // namespace abi
}  // namespace phalanx

#endif
