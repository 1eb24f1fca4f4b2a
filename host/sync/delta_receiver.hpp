// The standby's end of delta sync: opens datagrams, hands their records on as they come, tells the sender what is
// missing. Pure: time is an argument, datagrams and records leave through sinks.
//
// Records are handed on as soon as they are here, in whatever order datagrams arrive: (generation, version) orders
// them, which is for APPLY to judge. All but the ends of sessions: behind a gap they wait until it is filled, for the
// gap may hold an older state of the same session, and nothing would be left to judge it by. Gaps are reported at once.
#ifndef PHALANX_HOST_SYNC_DELTA_RECEIVER_HPP
#define PHALANX_HOST_SYNC_DELTA_RECEIVER_HPP

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "host/sync/datagram.hpp"
#include "host/sync/delta_sender.hpp"
#include "host/sync/record_codec.hpp"
#include "host/sync/seal.hpp"
#include "host/sync/sync_counters.hpp"

namespace phalanx::sync {

inline constexpr uint64_t kAckEvery = 16;                // datagrams: 16 x 1500 bytes are answered by one of 200
inline constexpr int64_t kAckDelayNs = 1'000'000;        // and none waits longer than this
inline constexpr int64_t kGapReportNs = 2'000'000;       // a gap that stays is reported again after this
inline constexpr int64_t kStrangerAnswerNs = 5'000'000;  // a sender that doesn't know us yet is answered this often
// Ends of sessions that wait behind a gap. A gap lasts a round trip, or a few retransmission timeouts; 200 k ends/s for
// 80 ms. 16384 x 168 bytes = 2.6 MiB. A datagram that does not fit is not taken: it comes again when the gap is filled.
inline constexpr size_t kHeldDeletesMax = 16384;
inline constexpr size_t kRecordsPerDatagramMax = kDeltaRecordBytes / kRecordBytesMin;

// Where records go: to APPLY, and to the snapshot sink while a full sync runs. The span is valid during the call.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  virtual void apply(absl::Span<const abi::Record> records) = 0;
};

struct DeltaReceiverConfig {
  Identity identity;
  ClusterKey key{};
};

class DeltaReceiver {
 public:
  // InvalidArgument for a configuration that makes no sense, Internal if the cipher cannot be set up. Sinks outlive it.
  static absl::StatusOr<std::unique_ptr<DeltaReceiver>> create(const DeltaReceiverConfig& config, DatagramSink* out,
                                                               RecordSink* records);

  // Whether this member is a receiver; it is at first. An active member is none: what an earlier active still sends is
  // refused, and what waited behind a gap is handed on now, for nothing will fill it.
  void set_listening(bool listening);

  // A datagram of kind kDelta or kSolicit. Takes any bytes; whatever is refused is counted. `now_ns` gives last_seen.
  void on_datagram(int64_t now_ns, absl::Span<const uint8_t> datagram);
  // Sends the acks that are due.
  void poll(int64_t now_ns);
  int64_t next_deadline_ns() const;

  // Whether a stream has been joined, which one, and up to where everything of it has been handed on.
  bool joined() const { return joined_; }
  uint64_t sender_incarnation() const { return sender_incarnation_; }
  uint32_t stream() const { return stream_; }
  uint64_t position() const { return cumulative_; }
  DeltaPosition delta_position() const { return {sender_incarnation_, stream_, cumulative_}; }
  bool has_gap() const { return joined_ && highest_ != cumulative_; }
  // Only a full sync can make the tables equal: a new stream, or something that could not be decoded. Said until
  // full_synced() is called with the value of full_sync_request() that was current when the snapshot was started.
  bool needs_full_sync() const { return full_sync_request_ != full_sync_done_; }
  uint64_t full_sync_request() const { return full_sync_request_; }
  void full_synced(uint64_t request);
  const SyncCounters& counters() const { return counters_; }

 private:
  DeltaReceiver(const DeltaReceiverConfig& config, SealingKey seal, DatagramSink* out, RecordSink* records);
  SealingKey* select_key(const ClearHeader& header);
  bool is_current(const ClearHeader& header) const;
  bool acceptable(absl::Span<const uint8_t> datagram, const ClearHeader& header);
  bool fresh(int64_t now_ns, const ClearHeader& header);
  void join(const ClearHeader& header);
  void take_delta(int64_t now_ns, const ClearHeader& header, absl::Span<const uint8_t> text);
  void take_solicit(int64_t now_ns, const ClearHeader& header, absl::Span<const uint8_t> text);
  // What a delta holds: `deletes` of its `records` are ends of sessions. Nothing if it is malformed.
  struct Decoded {
    size_t records;
    size_t deletes;
  };
  std::optional<Decoded> decode(int64_t now_ns, absl::Span<const uint8_t> text);
  bool hand_on(uint64_t sequence, const Decoded& decoded);
  void release_held(uint64_t up_to);
  void mark(uint64_t sequence);
  bool seen(uint64_t sequence) const;
  void need_full_sync();
  void send_ack(int64_t now_ns);
  void seal_and_send(const Ack& ack);
  void answer_stranger(int64_t now_ns, const ClearHeader& header);

  DeltaReceiverConfig config_;
  SealingKey seal_;
  DatagramSink* out_;
  RecordSink* records_;
  RecordDecoder decoder_;
  SyncCounters counters_;
  std::vector<abi::Record> decoded_;                        // sized once; one more than fits, to find it broken
  std::array<uint64_t, kRetainedDatagrams / 64> window_{};  // bit sequence % kRetainedDatagrams: has arrived
  struct Held {
    uint64_t sequence;
    abi::Record record;
  };
  std::vector<Held> held_;  // reserved once
  bool listening_ = true;

  std::optional<SealingKey> key_;  // of the stream it has joined
  std::optional<SealingKey> candidate_key_;
  uint64_t candidate_incarnation_ = 0;
  uint32_t candidate_stream_ = 0;
  bool joined_ = false;
  uint64_t sender_incarnation_ = 0;
  uint32_t stream_ = 0;
  uint64_t solicit_counter_ = 0;
  uint64_t cumulative_ = 0;
  uint64_t highest_ = 0;  // that has arrived or was announced
  uint64_t unacknowledged_ = 0;
  uint64_t next_control_ = 1;
  uint64_t full_sync_request_ = 0;
  uint64_t full_sync_done_ = 0;
  int64_t ack_due_ns_ = INT64_MAX;
  int64_t gap_reported_ns_ = INT64_MIN / 2;
  int64_t stranger_answered_ns_ = INT64_MIN / 2;
};

}  // namespace phalanx::sync

#endif
