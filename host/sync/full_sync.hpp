// Full sync: the whole table, in numbered and confirmed chunks, beside a running delta stream. Pure: messages are byte
// strings that a reliable, ordered, authenticated stream carries (gRPC over mutual TLS in the daemon).
//
// Order of things: the receiver joins a delta stream, asks for a full sync, the sender scans. What changes meanwhile
// comes by delta; the sink keeps the ends of sessions it heard of, so that an older snapshot record cannot bring them
// back.
#ifndef PHALANX_HOST_SYNC_FULL_SYNC_HPP
#define PHALANX_HOST_SYNC_FULL_SYNC_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "host/sync/delta_sender.hpp"
#include "host/sync/record_codec.hpp"
#include "host/sync/sync_counters.hpp"

namespace phalanx::sync {

inline constexpr size_t kChunkBytes = 256 * 1024;
// Chunks on their way: 8 x 256 KiB are 2 MiB, 16 ms of 1 Gb/s: a sync network's round trip and a chunk being installed.
inline constexpr uint32_t kChunksInFlight = 8;
// A chunk gathers records no longer than this: it is how wrong the age of a record may be.
inline constexpr uint32_t kChunkGatherMs = 1000;
// Ends of sessions kept during a full sync: 200 k ends/s for the 5 s that 10 M sessions take at 2 M/s; 80 bytes each
// are 80 MiB at most, held only then.
inline constexpr size_t kTombstonesMax = 1'000'000;

// The sender's side. It says which slots to SCAN next; the caller gives it what SCAN gave.
class SnapshotSource {
 public:
  // `slots` as Accelerator::slots(); `engines` tables are scanned one after the other (one a worker). `start` is the
  // delta sender's position; its may_snapshot() must have said yes to the stream that the receiver has joined, or
  // changes between the scan and the stream would be lost. Without `start` the caller watches over that.
  SnapshotSource(uint64_t snapshot_id, uint32_t engines, uint64_t slots_per_engine,
                 std::optional<DeltaPosition> start = std::nullopt);

  // Where to go on: SCAN `engine` from `first_slot`.
  struct Cursor {
    uint32_t engine;
    uint64_t first_slot;
  };
  // Whether more records are wanted: false once all is scanned or while kChunksInFlight chunks are not confirmed.
  bool wants_records() const;
  Cursor cursor() const { return cursor_; }
  // What SCAN of the cursor gave; `next` is its completion's (0: this engine's end). Complete chunks are appended to
  // `out`.
  void add(absl::Span<const abi::Record> records, uint64_t next, uint32_t now_ms, std::vector<std::string>* out);
  bool scanned() const { return cursor_.engine == engines_; }
  // All is scanned: the last chunk and the trailer. `position` is the delta sender's after a flush() that followed the
  // last SCAN. Only once, after scanned(). FailedPrecondition if the delta stream is not the one of the start: start
  // over.
  bool finish(const DeltaPosition& position, std::vector<std::string>* out);
  // The sink's confirmation. InvalidArgument for what is none; the sync must then be started over.
  absl::Status on_confirmation(std::string_view message);
  // The trailer has been confirmed.
  bool confirmed() const { return trailer_confirmed_; }

  uint64_t records() const { return records_; }
  double progress() const;  // 0..1, of slots
  const SyncCounters& counters() const { return counters_; }

 private:
  void begin_chunk(uint64_t base_generation, uint32_t now_ms);
  void end_chunk(std::vector<std::string>* out);

  uint64_t snapshot_id_;
  uint32_t engines_;
  uint64_t slots_;
  std::optional<DeltaPosition> start_;
  Cursor cursor_{0, 0};
  RecordEncoder encoder_;
  std::string chunk_;      // being filled
  size_t chunk_fill_ = 0;  // 0: none
  uint32_t chunk_ms_ = 0;  // when it was begun
  uint32_t chunk_records_ = 0;
  uint32_t chunks_ = 0;     // sent
  uint32_t confirmed_ = 0;  // of them
  uint64_t records_ = 0;
  bool finished_ = false;
  bool trailer_confirmed_ = false;
  SyncCounters counters_;
};

// The receiver's side.
class SnapshotSink {
 public:
  explicit SnapshotSink(size_t tombstones_max = kTombstonesMax);

  // Starts over: forgets everything of a full sync before. What the delta stream brings must come through on_delta()
  // from now.
  void start(uint64_t snapshot_id);
  bool running() const { return running_; }  // not after an error: start() again
  // Records of the delta stream, before or after they are applied: remembers the ends among them. Cheap when not
  // running.
  void on_delta(absl::Span<const abi::Record> records);
  // One message of the stream. Records to APPLY are appended to `records`, answers for the source to `answers`. An
  // error means the full sync has failed and must be started over: DataLoss for damaged bytes, FailedPrecondition for
  // wrong order, ResourceExhausted when more sessions ended than can be remembered.
  absl::Status on_message(std::string_view message, uint32_t now_ms, std::vector<abi::Record>* records,
                          std::vector<std::string>* answers);
  // The trailer is in and the delta receiver has handed on everything up to the trailer's position.
  bool complete(const DeltaPosition& received) const;
  // After complete(): forgets the tombstones.
  void finish();

  uint64_t records() const { return records_; }
  // Nothing more comes by the stream.
  bool trailer_in() const { return trailer_in_; }
  size_t tombstones() const { return tombstones_.size(); }
  const SyncCounters& counters() const { return counters_; }

 private:
  struct KeyHash {
    size_t operator()(const hls::FlowKey& key) const;
  };
  struct KeyEqual {
    bool operator()(const hls::FlowKey& x, const hls::FlowKey& y) const { return hls::same_key(x, y); }
  };
  absl::Status take_chunk(std::string_view body, uint32_t count, uint32_t now_ms, std::vector<abi::Record>* records);
  absl::Status take_trailer(std::string_view body);
  absl::Status fail(absl::Status status);

  size_t tombstones_max_;
  uint64_t snapshot_id_ = 0;
  bool running_ = false;
  bool overflowed_ = false;
  bool trailer_in_ = false;
  DeltaPosition trailer_;
  uint32_t chunks_ = 0;
  uint64_t records_ = 0;
  RecordDecoder decoder_;
  absl::flat_hash_map<hls::FlowKey, uint64_t, KeyHash, KeyEqual> tombstones_;  // key to order
  SyncCounters counters_;
};

}  // namespace phalanx::sync

#endif
