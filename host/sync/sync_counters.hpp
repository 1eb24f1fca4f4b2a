// Every counter of delta and full sync, in one table, with the names operators know from "syncstat" style displays.
#ifndef PHALANX_HOST_SYNC_SYNC_COUNTERS_HPP
#define PHALANX_HOST_SYNC_SYNC_COUNTERS_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace phalanx::sync {

// X(enumerator, name shown, what it counts)
#define PHALANX_SYNC_COUNTERS(X)                                                                                  \
  X(kCreates, "creates_sent", "records of new sessions written to datagrams")                                     \
  X(kUpdates, "updates_sent", "records of changed sessions written to datagrams")                                 \
  X(kDeletes, "deletes_sent", "records of ended sessions written to datagrams")                                   \
  X(kCoalesced, "updates_coalesced", "changes that a later change of the same session replaced before they left") \
  X(kUnsentUpdates, "updates_not_sent", "changes while no peer listened; the peer's next full sync covers them")  \
  X(kDatagramsSent, "sync_messages_sent", "delta datagrams, first transmissions")                                 \
  X(kBytesSent, "sync_bytes_sent", "UDP payload bytes of everything sent, retransmissions and control included")  \
  X(kRetransmitted, "retransmission_updates_sent", "delta datagrams sent again")                                  \
  X(kRetransmitTimeouts, "retransmission_timeouts", "times the oldest datagram waited in vain for its ack")       \
  X(kRetransmitRequests, "retransmission_requests_received", "acks that reported a gap")                          \
  X(kSolicits, "ack_solicits_sent", "requests for the peer's position")                                           \
  X(kAcksReceived, "acks_received", "acks that were accepted")                                                    \
  X(kOutOfSync, "lost_bulk_update_events", "times the retained datagrams ran out: the peer must full-sync")       \
  X(kStreams, "streams_started", "delta streams that a peer has joined")                                          \
  X(kPeerRestarts, "peer_restarts", "times the peer answered with a new incarnation")                             \
  X(kSealFailures, "seal_failures", "datagrams the cipher refused to seal")                                       \
  X(kOversized, "oversized_updates_not_sent", "records that cannot be written to the wire")                       \
  X(kDatagramsReceived, "sync_messages_received", "delta datagrams taken, each once")                             \
  X(kBytesReceived, "sync_bytes_received", "UDP payload bytes of everything that came in, refused or not")        \
  X(kRecordsReceived, "updates_received", "records handed on to APPLY")                                           \
  X(kDuplicates, "duplicates_received", "delta datagrams that were there already")                                \
  X(kOutOfOrder, "out_of_order_received", "delta datagrams taken ahead of a gap")                                 \
  X(kGaps, "gaps_detected", "times a datagram revealed that earlier ones are missing")                            \
  X(kRetransmitRequestsSent, "retransmission_requests_sent", "acks sent at once because of a gap")                \
  X(kAcksSent, "acks_sent", "acks sent, gap reports included")                                                    \
  X(kStreamsJoined, "streams_joined", "new streams of the peer: each needs a full sync")                          \
  X(kFullSyncsNeeded, "full_syncs_needed", "times only a full sync could make the tables equal again")            \
  X(kRefusedShort, "refused_short", "datagrams shorter or longer than any message")                               \
  X(kRefusedFormat, "refused_format", "not a sync datagram, or of another version of the protocol")               \
  X(kRefusedCluster, "refused_cluster", "of another cluster")                                                     \
  X(kRefusedMember, "refused_member", "from or to a member that is not ours")                                     \
  X(kRefusedNotAuthentic, "refused_not_authentic", "the tag does not verify under the cluster key")               \
  X(kRefusedOldStream, "refused_old_stream", "of a stream or an incarnation that is over")                        \
  X(kRefusedNotForUs, "refused_other_incarnation", "meant for an earlier life of this member")                    \
  X(kRefusedReplay, "refused_replay", "control messages older than one already taken")                            \
  X(kRefusedWindow, "refused_beyond_window", "sequence numbers further ahead than the sender may retain")         \
  X(kRefusedHeld, "refused_held_full", "behind a gap, with more ends of sessions than can wait; it comes again")  \
  X(kRefusedRole, "refused_role", "while this member does not receive")                                           \
  X(kRefusedMalformed, "refused_malformed", "authentic, but not as the protocol says")                            \
  X(kChunksSent, "full_sync_chunks_sent", "chunks of full sync sent")                                             \
  X(kChunksReceived, "full_sync_chunks_received", "chunks of full sync taken")                                    \
  X(kSnapshotRecordsSent, "full_sync_records_sent", "records of full sync sent")                                  \
  X(kSnapshotRecords, "full_sync_records_received", "records of full sync handed on to APPLY")                    \
  X(kTombstoned, "full_sync_tombstoned", "snapshot records that a delete had overtaken")                          \
  X(kTombstonesFull, "full_sync_tombstones_full", "full syncs started over because too many sessions ended")      \
  X(kChunkChecksum, "full_sync_checksum_errors", "chunks or trailers whose checksum or totals are wrong")         \
  X(kChunkOrder, "full_sync_order_errors", "chunks or confirmations out of order")                                \
  X(kFullSyncs, "full_syncs_completed", "full syncs completed")

enum class Counter : uint8_t {
#define X(id, name, help) id,
  PHALANX_SYNC_COUNTERS(X)
#undef X
      kCount
};
inline constexpr size_t kCounterCount = static_cast<size_t>(Counter::kCount);

// A counter as it is shown and exported.
struct CounterInfo {
  std::string_view name;
  std::string_view help;
};
inline constexpr std::array<CounterInfo, kCounterCount> kCounterTable = {{
#define X(id, name, help) {name, help},
    PHALANX_SYNC_COUNTERS(X)
#undef X
}};

// The counters of one sender, receiver, source or sink. Single-threaded like its owner.
class SyncCounters {
 public:
  void add(Counter counter, uint64_t n = 1) { values_[static_cast<size_t>(counter)] += n; }
  uint64_t operator[](Counter counter) const { return values_[static_cast<size_t>(counter)]; }
  // Sums up, for a member that shows sender and receiver together.
  void merge(const SyncCounters& other) {
    for (size_t i = 0; i < kCounterCount; ++i) values_[i] += other.values_[i];
  }

 private:
  std::array<uint64_t, kCounterCount> values_{};
};

}  // namespace phalanx::sync

#endif
