// What crosses between host and engine: operations in, completions out. Plain structs of fixed layout, little-endian,
// no pointers; the same bytes on PCIe, in shared memory and between a caller and the CPU engine.
#ifndef PHALANX_KERNELS_ABI_OPERATION_HPP
#define PHALANX_KERNELS_ABI_OPERATION_HPP

#include "hls/rewrite.hpp"
#include "hls/session.hpp"
#include "hls/track_reason.hpp"

namespace phalanx {
namespace abi {

const uint32_t kAbiVersion = 2;

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
  // Between a card's driver and its kernel alone, so that what an earlier run left in the card's memory is not taken
  // for what was sent; 0 before.
  uint32_t run;           // the driver's number of the run, given back in TableState::run
  uint32_t record_check;  // INSERT, APPLY: check_of() the record
};
static_assert(sizeof(Operation) == 96, "fixed layout");

// A record as words, for its check: the XOR of the words, each turned by its place, and the sum of its halves. Of pairs
// of records that differ, one in some 2^32 has the same.
const uint32_t kRecordWords = sizeof(Record) / 8;
struct RecordWords {
  uint64_t word[kRecordWords];
};
inline uint32_t check_of(const RecordWords& record) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < kRecordWords; ++i) {
    const uint32_t turn = 1 + 3 * i;
    sum ^= record.word[i] << turn | record.word[i] >> (64 - turn);
  }
  return static_cast<uint32_t>(sum) + static_cast<uint32_t>(sum >> 32);
}

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
