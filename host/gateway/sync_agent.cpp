#include "host/gateway/sync_agent.hpp"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace phalanx::gateway {

struct SyncAgent::Peer final : public sync::DatagramSink {
  Peer(cluster::MemberId id_in, SyncOutput* out_in) : id(id_in), out(out_in) {}
  void send_datagram(absl::Span<const uint8_t> datagram) override { out->send_datagram(id, datagram); }

  cluster::MemberId id;
  SyncOutput* out;
  std::unique_ptr<sync::DeltaSender> sender;
  std::unique_ptr<sync::DeltaReceiver> receiver;
  // Full sync given to this peer.
  std::unique_ptr<sync::SnapshotSource> source;
  uint64_t snapshot = 0;
  bool trailer_sent = false;
};

SyncAgent::SyncAgent(const SyncConfig& config, SyncOutput* out) : config_(config), out_(out) {}
SyncAgent::~SyncAgent() = default;

absl::StatusOr<std::unique_ptr<SyncAgent>> SyncAgent::create(const SyncConfig& config, SyncOutput* out) {
  auto agent = std::unique_ptr<SyncAgent>(new SyncAgent(config, out));
  for (const cluster::MemberId id : config.peers) {
    auto peer = std::make_unique<Peer>(id, out);
    // Machine ids on the wire count from 0.
    const sync::Identity identity{.cluster = config.cluster,
                                  .member = static_cast<uint16_t>(config.member - 1),
                                  .peer = static_cast<uint16_t>(id - 1),
                                  .interface = 0,
                                  .incarnation = config.incarnation};
    auto sender = sync::DeltaSender::create({.identity = identity, .key = config.key}, peer.get());
    if (!sender.ok()) return sender.status();
    auto receiver = sync::DeltaReceiver::create({.identity = identity, .key = config.key}, peer.get(), agent.get());
    if (!receiver.ok()) return receiver.status();
    peer->sender = std::move(*sender);
    peer->receiver = std::move(*receiver);
    agent->peers_.push_back(std::move(peer));
  }
  auto neighbours = NeighbourSync::create({.cluster = config.cluster,
                                           .member = static_cast<uint16_t>(config.member - 1),
                                           .incarnation = config.incarnation,
                                           .key = config.key});
  if (!neighbours.ok()) return neighbours.status();
  agent->neighbours_ = std::move(*neighbours);
  return agent;
}

SyncAgent::Peer* SyncAgent::find(cluster::MemberId id) const {
  for (const auto& peer : peers_) {
    if (peer->id == id) return peer.get();
  }
  return nullptr;
}

void SyncAgent::changed(int64_t now_ns, absl::Span<const abi::Record> records) {
  for (const auto& peer : peers_) {
    for (const abi::Record& record : records) peer->sender->add(record, now_ns);
  }
}

void SyncAgent::burst_done(int64_t now_ns) {
  for (const auto& peer : peers_) {
    if (peer->sender->should_flush(now_ns)) peer->sender->flush_due(now_ns);
  }
}

void SyncAgent::on_datagram(int64_t now_ns, cluster::MemberId id, absl::Span<const uint8_t> datagram) {
  now_ns_ = now_ns;
  Peer* peer = find(id);
  if (peer == nullptr) return;
  if (NeighbourSync::is_neighbours(datagram)) {
    if (!dataplane_->deciding(now_ns)) {
      dataplane_->install_neighbours(now_ns, neighbours_->open(id - 1u, datagram));
    }
    return;
  }
  if (sync::message_kind(datagram) == sync::MessageKind::kAck) {
    peer->sender->on_datagram(now_ns, datagram);
    return;
  }
  receiving_from_followed_ = peer == following_;
  peer->receiver->on_datagram(now_ns, datagram);
  receiving_from_followed_ = false;
  if (peer == following_) watch_stream();
}

// The followed member has begun another stream: one that continues from a handover needs no full sync, any other does,
// and a full sync under way was for the stream before.
void SyncAgent::watch_stream() {
  sync::DeltaReceiver& receiver = *following_->receiver;
  if (receiver.sender_incarnation() != following_incarnation_ || receiver.stream() == followed_stream_) return;
  if (joining_) {
    const bool again = !cleared_;  // nothing is lost yet: ask again, on the new stream
    stop_joining(!again);
    wanted_ = again;
  }
  if (!continuing_) return;
  continuing_ = false;
  if (sync::continues(receiver.stream())) {
    receiver.full_synced(receiver.full_sync_request());
  } else {
    complete_ = false;
  }
}

void SyncAgent::stop_joining(bool failed) {
  wanted_ = joining_ = false;
  failed_ = failed;
  snapshot_sink_.finish();
}

void SyncAgent::start_deciding(int64_t now_ns, cluster::MemberId taken_from) {
  now_ns_ = now_ns;
  stop_joining(false);
  complete_ = continuing_ = false;
  for (const auto& peer : peers_) {
    // What waits behind a gap of the former active member's stream is taken now.
    receiving_from_followed_ = peer.get() == following_;
    peer->receiver->set_listening(false);
    receiving_from_followed_ = false;
    if (peer->id == taken_from && peer->receiver->joined()) {
      peer->sender->start_continuing(now_ns, peer->receiver->sender_incarnation());
    } else if (peer->sender->state() == sync::SenderState::kIdle) {
      peer->sender->start(now_ns);
    }
  }
}

void SyncAgent::stop_deciding() {
  for (const auto& peer : peers_) {
    peer->receiver->set_listening(true);
    peer->source.reset();
  }
}

// Records of the member that is followed; of any other they are what it decided without the right to.
void SyncAgent::apply(absl::Span<const abi::Record> records) {
  if (!receiving_from_followed_ || following_->receiver->sender_incarnation() != following_incarnation_) {
    ignored_ += records.size();
    return;
  }
  if (snapshot_sink_.running()) snapshot_sink_.on_delta(records);
  if (joining_ && !cleared_) {
    if (early_.size() + records.size() > kEarlyDeltasMax) return stop_joining(true);
    early_.insert(early_.end(), records.begin(), records.end());
  }
  dataplane_->apply(now_ns_, records);
}

void SyncAgent::poll(int64_t now_ns) {
  now_ns_ = now_ns;
  for (const auto& peer : peers_) {
    if (now_ns >= peer->sender->next_deadline_ns()) peer->sender->poll(now_ns);
    if (now_ns >= peer->receiver->next_deadline_ns()) peer->receiver->poll(now_ns);
    if (peer->source != nullptr) give(now_ns, *peer);
  }
  if (wanted_ && now_ns >= retry_ns_) join();
  if (joining_ && following_ != nullptr &&
      snapshot_sink_.complete({.incarnation = following_->receiver->sender_incarnation(),
                               .stream = following_->receiver->stream(),
                               .sequence = following_->receiver->position()})) {
    snapshot_sink_.finish();
    following_->receiver->full_synced(request_);
    joining_ = false;
    complete_ = true;
  }
  if (dataplane_->deciding(now_ns) && neighbours_->due(now_ns)) {
    const auto known = dataplane_->next_hops().neighbours().snapshot(now_ns);
    neighbours_->seal(now_ns, known, [this](absl::Span<const uint8_t> datagram) {
      for (const auto& peer : peers_) out_->send_datagram(peer->id, datagram);
    });
  }
}

int64_t SyncAgent::next_deadline_ns() const {
  int64_t deadline_ns = INT64_MAX;
  for (const auto& peer : peers_) {
    deadline_ns = std::min({deadline_ns, peer->sender->next_deadline_ns(), peer->receiver->next_deadline_ns()});
    if (peer->source != nullptr && peer->source->wants_records()) deadline_ns = 0;
  }
  return deadline_ns;
}

void SyncAgent::follow(cluster::MemberId active, uint64_t incarnation) {
  Peer* peer = find(active);
  if (peer != following_ || incarnation != following_incarnation_) {
    complete_ = continuing_ = false;
    if (joining_ || wanted_) stop_joining(true);
  }
  following_ = peer;
  following_incarnation_ = incarnation;
  for (const auto& each : peers_) each->sender->stop();
}

void SyncAgent::handed_over(cluster::MemberId active) {
  Peer* peer = find(active);
  if (peer == nullptr || peer->sender->peer_incarnation() == 0) return;
  following_ = peer;
  following_incarnation_ = peer->sender->peer_incarnation();
  followed_stream_ = peer->receiver->sender_incarnation() == following_incarnation_ ? peer->receiver->stream() : 0;
  complete_ = continuing_ = true;
  failed_ = false;
  for (const auto& each : peers_) each->sender->stop();
}

void SyncAgent::start_full_sync(cluster::MemberId from, uint32_t sync_id) {
  sync_id_ = sync_id;
  stop_joining(false);
  complete_ = continuing_ = false;
  Peer* peer = find(from);
  if (peer == nullptr) {
    failed_ = true;
    return;
  }
  if (peer != following_) follow(from, peer->receiver->sender_incarnation());
  // What is here is kept until the other's first message is: should that member die before it, it is all there is.
  wanted_ = true;
  tries_ = 0;
  retry_ns_ = 0;
  join();
}

// Deltas must be coming before the snapshot is taken, or what changes in between would be in neither.
void SyncAgent::join() {
  if (following_ == nullptr) return;
  const sync::DeltaReceiver& receiver = *following_->receiver;
  if (!receiver.joined() || receiver.sender_incarnation() != following_incarnation_) return;
  wanted_ = false;
  joining_ = true;
  request_ = receiver.full_sync_request();
  followed_stream_ = receiver.stream();
  cleared_ = false;
  early_.clear();
  ++snapshot_;
  snapshot_sink_.start(snapshot_);
  out_->open_full_sync(following_->id, {.joiner = config_.member,
                                        .incarnation = config_.incarnation,
                                        .delta_stream = receiver.stream(),
                                        .snapshot = snapshot_});
}

void SyncAgent::full_sync_message(int64_t now_ns, uint64_t snapshot, std::string_view message) {
  if (!joining_ || snapshot != snapshot_) return;
  now_ns_ = now_ns;
  records_.clear();
  answers_.clear();
  const absl::Status status =
      snapshot_sink_.on_message(message, static_cast<uint32_t>(now_ns / 1'000'000), &records_, &answers_);
  if (!status.ok()) return stop_joining(true);
  if (!cleared_) {
    cleared_ = true;
    dataplane_->engine().clear();
    dataplane_->apply(now_ns, early_);
    early_ = {};
  }
  dataplane_->apply(now_ns, records_);
  for (std::string& answer : answers_) out_->answer_full_sync(snapshot, std::move(answer));
}

void SyncAgent::full_sync_closed(uint64_t snapshot) {
  if (!joining_ || snapshot != snapshot_) return;
  // With the trailer in, only deltas before its position are still on their way, and those need no stream.
  if (snapshot_sink_.trailer_in()) return;
  const bool again = !cleared_ && ++tries_ < kJoinTriesMax;
  stop_joining(!again);
  wanted_ = again;
  retry_ns_ = now_ns_ + kJoinRetryNs;
}

absl::Status SyncAgent::give_full_sync(int64_t now_ns, const FullSyncOpen& open) {
  Peer* peer = find(open.joiner);
  if (peer == nullptr) return absl::NotFoundError(absl::StrCat("member ", open.joiner, " is no peer"));
  if (!dataplane_->deciding(now_ns)) return absl::FailedPreconditionError("this member is not active");
  if (!peer->sender->may_snapshot(open.delta_stream)) {
    return absl::FailedPreconditionError("the joiner does not listen to the present delta stream");
  }
  peer->source = std::make_unique<sync::SnapshotSource>(open.snapshot, 1, dataplane_->engine().slots(),
                                                        peer->sender->delta_position());
  peer->snapshot = open.snapshot;
  peer->trailer_sent = false;
  return absl::OkStatus();
}

void SyncAgent::give(int64_t now_ns, Peer& peer) {
  std::vector<std::string> messages;
  const auto now_ms = static_cast<uint32_t>(now_ns / 1'000'000);
  if (peer.source->wants_records()) {
    uint64_t next = 0;
    const auto records = dataplane_->scan(now_ns, peer.source->cursor().first_slot, kScanSlots, &next);
    peer.source->add(records, next, now_ms, &messages);
  }
  if (peer.source->scanned() && !peer.trailer_sent) {
    dataplane_->publish(now_ns);
    peer.sender->flush(now_ns);
    // The joiner sees by itself that the stream is another, and asks anew.
    if (!peer.source->finish(peer.sender->delta_position(), &messages)) return peer.source.reset();
    peer.trailer_sent = true;
  }
  for (std::string& message : messages) out_->give_full_sync(peer.id, peer.snapshot, std::move(message));
}

absl::Status SyncAgent::full_sync_confirmed(cluster::MemberId joiner, uint64_t snapshot, std::string_view message) {
  Peer* peer = find(joiner);
  if (peer == nullptr || peer->source == nullptr || peer->snapshot != snapshot) {
    return absl::NotFoundError("no such full sync");
  }
  absl::Status status = peer->source->on_confirmation(message);
  if (!status.ok() || peer->source->confirmed()) peer->source.reset();
  return status;
}

void SyncAgent::end_giving(cluster::MemberId joiner, uint64_t snapshot) {
  Peer* peer = find(joiner);
  if (peer != nullptr && peer->snapshot == snapshot) peer->source.reset();
}

bool SyncAgent::drained(int64_t now_ns, cluster::MemberId id) {
  Peer* peer = find(id);
  return peer != nullptr && peer->sender->drained(now_ns);
}

void SyncAgent::flush(int64_t now_ns) {
  for (const auto& peer : peers_) peer->sender->flush(now_ns);
}

uint64_t SyncAgent::position_sent(cluster::MemberId id) const {
  const Peer* peer = find(id);
  return peer == nullptr ? 0 : peer->sender->position();
}

uint64_t SyncAgent::unacknowledged(cluster::MemberId id) const {
  const Peer* peer = find(id);
  return peer == nullptr ? 0 : peer->sender->unacknowledged();
}

uint64_t SyncAgent::position_taken() const { return following_ == nullptr ? 0 : following_->receiver->position(); }

bool SyncAgent::whole() const {
  if (continuing_) return complete_;
  return complete_ && following_ != nullptr && !following_->receiver->needs_full_sync() &&
         following_->receiver->sender_incarnation() == following_incarnation_;
}

bool SyncAgent::needs_full_sync() const { return failed_ || (!wanted_ && !joining_ && !whole()); }

sync::SyncCounters SyncAgent::counters() const {
  sync::SyncCounters sum;
  for (const auto& peer : peers_) {
    sum.merge(peer->sender->counters());
    sum.merge(peer->receiver->counters());
    if (peer->source != nullptr) sum.merge(peer->source->counters());
  }
  sum.merge(snapshot_sink_.counters());
  return sum;
}

}  // namespace phalanx::gateway
