// Session records on the wire: from abi::Record to some 11 to 30 bytes and back. docs/protocol-sync.md has the layout.
//
// Every record stands for itself: whatever arrives can be installed, in any order, whether or not the receiver knows
// the session; (generation, version) decides. Compression refers to earlier records of the same container (a datagram
// or a chunk) and to nothing else, so that each container decodes alone.
#ifndef PHALANX_HOST_SYNC_RECORD_CODEC_HPP
#define PHALANX_HOST_SYNC_RECORD_CODEC_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/types/span.h"
#include "hls/delta_piece.hpp"
#include "kernels/abi/operation.hpp"

namespace phalanx::sync {

// What a container's records carry besides the session's identity and state.
enum class Content : uint8_t {
  kDelta = 0,     // no counters, no age: the change has just happened, the receiver counts from its own clock
  kSnapshot = 1,  // counters and age: what full sync sends
};

// What a record is on the wire. Both ends derive it from state and version; there is no field for it.
enum class RecordKind : uint8_t { kCreate = 0, kUpdate = 1, kDelete = 2 };

// Versions up to this one are a session's beginning: INSERT gives 0, the first change 1. It decides how soon the record
// leaves and what it is counted as, never what the record carries, so a session that changed before it was first
// extracted loses nothing by being called an update.
inline constexpr uint32_t kCreateVersionMax = 0;
inline RecordKind record_kind(const hls::Session& session) {
  if (session.state == hls::kStateDeleted) return RecordKind::kDelete;
  return (session.order & hls::kVersionMask) <= kCreateVersionMax ? RecordKind::kCreate : RecordKind::kUpdate;
}

using hls::delta::kReplicatedFlags;

// Longest record: hls::delta::kRecordBytes = 168 and the 8 that an encoder writes a piece with. An encoder's buffer has
// this much to spare.
inline constexpr size_t kRecordBytesMax = 192;
static_assert(kRecordBytesMax >= hls::delta::kRecordBytes + 8);
// Shortest record: header 2, generation 1, endpoints 2 + 2 + 1, for a delete.
inline constexpr size_t kRecordBytesMin = 8;

// Why bytes are no records.
#define PHALANX_DECODE_ERRORS(X)                                         \
  X(kNone, "none")                                                       \
  X(kTruncated, "the record goes on behind the end")                     \
  X(kVarint, "a number is longer than its field")                        \
  X(kState, "no such state, or a state that its protocol does not have") \
  X(kReference, "refers to an address or port that has not been sent")   \
  X(kExtension, "extension bits that contradict each other")
enum class DecodeError : uint8_t {
#define X(id, text) id,
  PHALANX_DECODE_ERRORS(X)
#undef X
      kCount
};
std::string_view to_string(DecodeError error);

namespace codec {
using hls::delta::DictionaryEntry;
using hls::delta::kDictionaryEntries;
using hls::delta::kStateContexts;
using hls::delta::StateContext;
// What both ends remember of the records before, reset at each container's start.
struct Context : hls::delta::Registers {
  std::array<StateContext, kStateContexts> states{};
  std::array<DictionaryEntry, kDictionaryEntries> responders{};

  Context() : hls::delta::Registers(hls::delta::begin_registers(0)) {}
  void begin(uint64_t base_generation);
};
}  // namespace codec

// Writes records into one container after the other. No allocation, no failure.
class RecordEncoder {
 public:
  // Starts a container. `base_generation` travels in the container's header; `now_ms` is the engine time that ages of
  // snapshot records refer to.
  void begin(uint64_t base_generation, Content content, uint32_t now_ms = 0);
  // Writes `record` to `out`, which has kRecordBytesMax bytes, and gives the bytes written. Its key is canonical and
  // its state is one of hls::kState..., not kStateFree. If the container turns out to be full, the caller starts the
  // next one and writes the record there.
  size_t encode(const abi::Record& record, uint8_t* out);

 private:
  codec::Context context_;
  Content content_ = Content::kDelta;
  uint32_t now_ms_ = 0;
};

// Reads a container's records. Takes any bytes: what is no record is refused with a reason, nothing is read behind the
// end.
class RecordDecoder {
 public:
  // `now_ms` is the receiver's engine time: last_seen becomes now_ms, less the record's age in a snapshot.
  void begin(absl::Span<const uint8_t> bytes, uint64_t base_generation, Content content, uint32_t now_ms);
  bool done() const { return at_ == end_; }
  // Reads the next record, if not done(). On an error nothing that follows can be read either.
  DecodeError next(abi::Record* record);

 private:
  codec::Context context_;
  const uint8_t* at_ = nullptr;
  const uint8_t* end_ = nullptr;
  Content content_ = Content::kDelta;
  uint32_t now_ms_ = 0;
};

// `record` as a receiver gets it: only what `content` replicates, the rest zero. What codec, digest and tests agree on.
abi::Record replicated(const abi::Record& record, Content content);

}  // namespace phalanx::sync

#endif
