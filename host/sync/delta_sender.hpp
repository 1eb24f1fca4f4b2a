// The active member's end of delta sync: gathers changed sessions, seals them into numbered datagrams, keeps those
// until the peer has acknowledged them. Pure: time is an argument, datagrams leave through a sink.
#ifndef PHALANX_HOST_SYNC_DELTA_SENDER_HPP
#define PHALANX_HOST_SYNC_DELTA_SENDER_HPP

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "host/sync/datagram.hpp"
#include "host/sync/pending_updates.hpp"
#include "host/sync/record_codec.hpp"
#include "host/sync/seal.hpp"
#include "host/sync/sync_counters.hpp"

namespace phalanx::sync {

// How long a record may wait for company.
inline constexpr int64_t kFlushCreateNs = 20'000;  // a new session: a fifth of the lag we promise (p50 0.1 ms)
inline constexpr int64_t kFlushUpdateNs = 1'000'000;
inline constexpr int64_t kFlushDeleteNs = 10'000'000;  // a session that outlives its end by 10 ms harms nobody
// Datagrams kept until acknowledged: 200 k TCP flows/s at 80 bytes are 11.4 k datagrams/s, so this is 0.7 s of them, or
// 7 s at 20 k flows/s; 8192 x 1.7 KiB = 13.6 MiB. A power of two; the receiver's window is as large.
inline constexpr uint64_t kRetainedDatagrams = 8192;
// Retransmission: a gap is filled at once, but not twice within the time the first filling needs to arrive and be
// acknowledged.
inline constexpr int64_t kRetransmitHoldNs = 2'000'000;
inline constexpr int64_t kRetransmitTimeoutNs = 10'000'000;  // four ack delays and a round trip; doubles up to the next
inline constexpr int64_t kRetransmitTimeoutMaxNs = 160'000'000;
inline constexpr uint64_t kRetransmitBurst = 128;  // datagrams sent again per ack or timeout: 192 KB, 1.5 ms of 1 Gb/s
inline constexpr int64_t kSolicitNs = 20'000'000;  // while connecting
inline constexpr int64_t kIdleSolicitNs =
    200'000'000;  // heartbeat: finds a peer that has restarted while nothing changes
inline constexpr int64_t kDrainSolicitNs = 1'000'000;  // while a handover waits for drained()

// A stream's number is even if its receiver held everything when it began (start_continuing), odd if it needs a full
// sync.
inline bool continues(uint32_t stream) { return stream % 2 == 0; }

// Where the stream stands.
#define PHALANX_SENDER_STATES(X)                                                                \
  X(kIdle, "Idle")             /* not started: the member is no sender */                       \
  X(kConnecting, "Connecting") /* no peer has answered; changes are not kept */                 \
  X(kStreaming, "Streaming")   /* every change since the stream's start is sent and retained */ \
  X(kOutOfSync, "Out of sync") /* the retained datagrams ran out; a new stream is being offered */
enum class SenderState : uint8_t {
#define X(id, name) id,
  PHALANX_SENDER_STATES(X)
#undef X
      kCount
};
std::string_view to_string(SenderState state);

// Which delta stream, and how far: what a snapshot is consistent with.
struct DeltaPosition {
  uint64_t incarnation = 0;
  uint32_t stream = 0;
  uint64_t sequence = 0;
};

struct DeltaSenderConfig {
  Identity identity;
  ClusterKey key{};
  uint64_t retained_datagrams = kRetainedDatagrams;  // a power of two, 64..kRetainedDatagrams
  int64_t flush_create_ns = kFlushCreateNs;          // 0..kFlushUpdateNs: longer makes fuller datagrams and more lag
};

class DeltaSender {
 public:
  // InvalidArgument for a configuration that makes no sense, Internal if the cipher cannot be set up. `out` outlives
  // it.
  static absl::StatusOr<std::unique_ptr<DeltaSender>> create(const DeltaSenderConfig& config, DatagramSink* out);

  // Offers a new stream to the peer: this member is the active one now. From kStreaming on, changes are kept for the
  // peer.
  void start(int64_t now_ns);
  // The same, after `peer_incarnation` has handed the role over without loss: it holds all that this member holds, so
  // every change is kept for it from now on, before it has answered, and the stream's number says that it needs no full
  // sync.
  void start_continuing(int64_t now_ns, uint64_t peer_incarnation);
  // This member is a sender no more; whatever waits is forgotten. start() may follow, with another stream.
  void stop();

  // Takes one changed record, as EXTRACT gives it. Sends at once whatever fills a datagram.
  void add(const abi::Record& record, int64_t now_ns);
  // Whether something has waited long enough. Cheap; to be asked after every burst.
  bool should_flush(int64_t now_ns) const { return now_ns >= flush_due_ns_; }
  // Sends what has waited long enough.
  void flush_due(int64_t now_ns);
  // Sends everything that has been added.
  void flush(int64_t now_ns);
  // Timers: sends what is due, connects, retransmits, solicits.
  void poll(int64_t now_ns);
  // When poll() has something to do, at the latest; INT64_MAX when idle.
  int64_t next_deadline_ns() const;
  // A datagram of kind kAck from the peer. Anything else is refused and counted.
  void on_datagram(int64_t now_ns, absl::Span<const uint8_t> datagram);

  SenderState state() const { return state_; }
  uint32_t stream() const { return stream_; }
  uint64_t peer_incarnation() const { return peer_incarnation_; }  // that answered last; 0: none
  // Whether a full sync for a receiver of `stream` may start scanning: what changes from now on is kept for it. A
  // receiver can have joined a moment before the sender knows of it.
  bool may_snapshot(uint32_t stream) const { return state_ == SenderState::kStreaming && stream == stream_; }
  // Sequence number of the last datagram sent. A snapshot scanned after flush() is covered up to here.
  uint64_t position() const { return next_sequence_ - 1; }
  DeltaPosition delta_position() const { return {config_.identity.incarnation, stream_, position()}; }
  uint64_t acknowledged() const { return acknowledged_; }
  uint64_t unacknowledged() const { return position() - acknowledged_; }
  // Nothing waits and the peer has everything: a planned handover may go on. Solicits an ack if one is outstanding.
  bool drained(int64_t now_ns);
  const SyncCounters& counters() const { return counters_; }

 private:
  struct Retained {
    int64_t sent_ns;
    uint16_t bytes;
    bool arrived;
    uint8_t data[kDatagramBytes + kRecordBytesMax];  // room for the record that turns out not to fit
  };
  DeltaSender(const DeltaSenderConfig& config, DatagramSink* out);

  Retained& retained(uint64_t sequence) { return ring_[sequence & (config_.retained_datagrams - 1)]; }
  bool write(const abi::Record& record, int64_t now_ns);
  bool open_datagram(uint64_t generation, int64_t now_ns);
  bool close_datagram(int64_t now_ns);
  bool write_pending(int64_t now_ns);
  int64_t pending_due_ns() const;
  void update_flush_due();
  void send(absl::Span<const uint8_t> datagram);
  void send_solicit(int64_t now_ns);
  void retransmit(uint64_t sequence, int64_t now_ns);
  void retransmit_timeout(int64_t now_ns);
  void lose_sync(int64_t now_ns);
  void forget();
  void new_stream(SenderState state, int64_t now_ns, bool continuing = false);
  absl::StatusOr<SealingKey> ack_key(uint64_t peer_incarnation) const;
  ClearHeader clear_header(MessageKind kind, uint64_t counter) const;
  std::optional<Ack> open_ack(absl::Span<const uint8_t> datagram, ClearHeader* header);
  void follow_peer(const ClearHeader& header, const Ack& ack, int64_t now_ns);
  void take_ack(const Ack& ack, int64_t now_ns);
  void fill_gap(const Ack& ack, int64_t now_ns);

  DeltaSenderConfig config_;
  std::optional<SealingKey> seal_;  // of stream_; nothing if it could not be derived
  DatagramSink* out_;
  std::vector<Retained> ring_;  // sized once
  RecordEncoder encoder_;
  PendingUpdates pending_;
  SyncCounters counters_;

  SenderState state_ = SenderState::kIdle;
  uint32_t stream_ = 0;
  uint64_t peer_incarnation_ = 0;  // 0: not known
  std::optional<SealingKey> peer_key_;
  uint64_t peer_counter_ = 0;  // of the last ack taken

  uint64_t next_sequence_ = 1;
  uint64_t acknowledged_ = 0;
  uint64_t next_control_ = 1;
  size_t open_bytes_ = 0;  // of the datagram being filled; 0: none

  static constexpr int64_t kNever = INT64_MAX;
  int64_t create_due_ns_ = kNever;
  int64_t flush_due_ns_ = kNever;
  int64_t retransmit_timeout_ns_ = kRetransmitTimeoutNs;
  int64_t retransmit_due_ns_ = kNever;
  int64_t solicited_ns_ = 0;
};

}  // namespace phalanx::sync

#endif
