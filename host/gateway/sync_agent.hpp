// The member's end of all state sync: deltas to and from each peer, full sync as giver and as taker. Pure.
#ifndef PHALANX_HOST_GATEWAY_SYNC_AGENT_HPP
#define PHALANX_HOST_GATEWAY_SYNC_AGENT_HPP

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "host/cluster/member_state.hpp"
#include "host/gateway/dataplane.hpp"
#include "host/gateway/neighbour_sync.hpp"
#include "host/sync/delta_receiver.hpp"
#include "host/sync/delta_sender.hpp"
#include "host/sync/full_sync.hpp"

namespace phalanx::gateway {

struct SyncConfig {
  uint16_t cluster = 0;
  cluster::MemberId member = 0;
  std::vector<cluster::MemberId> peers;
  uint64_t incarnation = 0;  // as in sync::StreamName
  sync::ClusterKey key{};
};

// What a joiner says to the active member when it asks for a full sync.
struct FullSyncOpen {
  cluster::MemberId joiner = 0;
  uint64_t incarnation = 0;   // the joiner's
  uint32_t delta_stream = 0;  // that it listens to already
  uint64_t snapshot = 0;      // name of this attempt
};

// Where the agent's messages leave. Full sync messages go over a reliable, ordered, authenticated stream.
class SyncOutput {
 public:
  virtual ~SyncOutput() = default;
  virtual void send_datagram(cluster::MemberId peer, absl::Span<const uint8_t> datagram) = 0;
  // As joiner: open a stream to `active` and send this first; close any stream opened before.
  virtual void open_full_sync(cluster::MemberId active, const FullSyncOpen& open) = 0;
  // As joiner, to the active member: a confirmation.
  virtual void answer_full_sync(uint64_t snapshot, std::string message) = 0;
  // As giver: a chunk or the trailer, to `joiner`.
  virtual void give_full_sync(cluster::MemberId joiner, uint64_t snapshot, std::string message) = 0;
};

// Slots scanned for full sync between two bursts of packets: 8192 x 128 bytes, some 300 us of a worker.
inline constexpr uint64_t kScanSlots = 8192;

// Deltas kept while a full sync's first message is awaited: 200 k a second for a third of one, 10 MiB.
inline constexpr size_t kEarlyDeltasMax = 65536;
// A full sync that is refused before it began (the active member has just changed, or has not begun its delta stream)
// is asked for again this soon and this often, before the state machine is told that it failed.
inline constexpr int64_t kJoinRetryNs = 50'000'000;
inline constexpr int kJoinTriesMax = 10;

class SyncAgent final : public ChangeSink, public sync::RecordSink {
 public:
  static absl::StatusOr<std::unique_ptr<SyncAgent>> create(const SyncConfig& config, SyncOutput* out);
  ~SyncAgent() override;
  // The data plane that changes come from and records go to; before anything else is called.
  void attach(Dataplane* dataplane) { dataplane_ = dataplane; }

  // ChangeSink: changes of this member's own, which it makes only while it decides.
  void changed(int64_t now_ns, absl::Span<const abi::Record> records) override;
  void burst_done(int64_t now_ns) override;

  void on_datagram(int64_t now_ns, cluster::MemberId peer, absl::Span<const uint8_t> datagram);
  void poll(int64_t now_ns);
  // When poll() has something to do; now, while a full sync is given as fast as the joiner takes it.
  int64_t next_deadline_ns() const;

  // This member decides from now on and streams its changes to all peers. `taken_from`: the peer that handed over, and
  // so holds all that this member holds; kNoMember if there is none.
  void start_deciding(int64_t now_ns, cluster::MemberId taken_from);
  // It decides no longer, but still holds the latest state: what it has sent is still brought to the peers, until
  // another member is followed.
  void stop_deciding();
  // Whose deltas are taken from now on; kNoMember: nobody's.
  void follow(cluster::MemberId active, uint64_t incarnation);
  // This member decided until now and handed over without loss: it holds all that the new active member holds.
  void handed_over(cluster::MemberId active);

  // Joiner. Forgets all state and takes `from`'s; `sync_id` is the state machine's.
  void start_full_sync(cluster::MemberId from, uint32_t sync_id);
  void full_sync_message(int64_t now_ns, uint64_t snapshot, std::string_view message);
  void full_sync_closed(uint64_t snapshot);

  // Giver. FailedPrecondition if this member doesn't decide or doesn't stream to the joiner yet.
  absl::Status give_full_sync(int64_t now_ns, const FullSyncOpen& open);
  // A confirmation; an error ends the full sync.
  absl::Status full_sync_confirmed(cluster::MemberId joiner, uint64_t snapshot, std::string_view message);
  void end_giving(cluster::MemberId joiner, uint64_t snapshot);

  // Everything has been sent to `peer` and it has acknowledged it.
  bool drained(int64_t now_ns, cluster::MemberId peer);
  void flush(int64_t now_ns);
  // Sequence number of the last delta sent to the peer, or taken from the one followed.
  uint64_t position_sent(cluster::MemberId peer) const;
  uint64_t position_taken() const;
  uint64_t unacknowledged(cluster::MemberId peer) const;
  bool whole() const;
  // Cannot become whole without another full sync.
  bool needs_full_sync() const;
  uint32_t sync_id() const { return sync_id_; }
  bool full_sync_running() const { return joining_; }
  uint64_t full_sync_records() const { return snapshot_sink_.records(); }

  sync::SyncCounters counters() const;
  uint64_t ignored_deltas() const { return ignored_; }
  const NeighbourSync& neighbour_sync() const { return *neighbours_; }

 private:
  struct Peer;
  explicit SyncAgent(const SyncConfig& config, SyncOutput* out);
  void apply(absl::Span<const abi::Record> records) override;
  Peer* find(cluster::MemberId id) const;
  void join();
  void stop_joining(bool failed);
  void watch_stream();
  void give(int64_t now_ns, Peer& peer);

  SyncConfig config_;
  SyncOutput* out_;
  Dataplane* dataplane_ = nullptr;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::unique_ptr<NeighbourSync> neighbours_;
  int64_t now_ns_ = 0;
  Peer* following_ = nullptr;
  uint64_t following_incarnation_ = 0;
  bool receiving_from_followed_ = false;
  uint64_t ignored_ = 0;  // records of members that aren't followed

  sync::SnapshotSink snapshot_sink_;
  uint32_t sync_id_ = 0;
  bool wanted_ = false;   // a full sync was asked for, and the stream isn't open yet
  bool joining_ = false;  // chunks are coming
  bool failed_ = false;
  bool complete_ = false;  // all of the followed member's state is here
  // This member has handed over, and the stream of the new active member hasn't begun yet.
  bool continuing_ = false;
  uint32_t followed_stream_ =
      0;  // while joining: the stream that the full sync goes with; while continuing: the one before
  uint64_t snapshot_ = 0;
  uint64_t request_ = 0;            // the receiver's full_sync_request() that this one answers
  bool cleared_ = false;            // this full sync's first message is in, and the table before it thrown away
  std::vector<abi::Record> early_;  // deltas between the request and that message: they are newer than the snapshot
  int tries_ = 0;
  int64_t retry_ns_ = 0;
  std::vector<abi::Record> records_;
  std::vector<std::string> answers_;
};

}  // namespace phalanx::gateway

#endif
