// The half of the sender that listens: acks, gaps, timeouts, and who the peer is.
#include <algorithm>

#include "host/sync/delta_sender.hpp"

namespace phalanx::sync {

ClearHeader DeltaSender::clear_header(MessageKind kind, uint64_t counter) const {
  const Identity& id = config_.identity;
  ClearHeader header;
  header.cluster = id.cluster;
  header.source_interface = id.interface;
  header.source = id.member;
  header.destination = id.peer;
  header.kind = kind;
  header.channel = id.channel;
  header.stream = stream_;
  header.incarnation = id.incarnation;
  header.counter = counter;
  return header;
}

void DeltaSender::send(absl::Span<const uint8_t> datagram) {
  counters_.add(Counter::kBytesSent, datagram.size());
  out_->send_datagram(datagram);
}

void DeltaSender::send_solicit(int64_t now_ns) {
  solicited_ns_ = now_ns;
  if (!seal_.has_value() || next_control_ > kCounterMax) return;
  uint8_t datagram[kSealedAt + kSolicitBytes + kTagBytes];
  const uint64_t counter = next_control_++;
  write_clear_header(clear_header(MessageKind::kSolicit, counter), datagram);
  write_solicit({peer_incarnation_, position()}, datagram + kSealedAt);
  if (!seal_->seal(static_cast<uint32_t>(MessageKind::kSolicit), counter, {datagram, kSealedAt},
                   {datagram + kSealedAt, kSolicitBytes}, datagram + kSealedAt + kSolicitBytes)) {
    counters_.add(Counter::kSealFailures);
    return;
  }
  counters_.add(Counter::kSolicits);
  send(datagram);
}

int64_t DeltaSender::next_deadline_ns() const {
  switch (state_) {
    case SenderState::kConnecting:
    case SenderState::kOutOfSync:
      return solicited_ns_ + kSolicitNs;
    case SenderState::kStreaming:
      return std::min({flush_due_ns_, retransmit_due_ns_, solicited_ns_ + kIdleSolicitNs});
    default:
      return kNever;
  }
}

void DeltaSender::poll(int64_t now_ns) {
  if (state_ == SenderState::kIdle) return;
  if (state_ != SenderState::kStreaming) {
    if (now_ns - solicited_ns_ >= kSolicitNs) send_solicit(now_ns);
    return;
  }
  flush_due(now_ns);
  if (state_ != SenderState::kStreaming) return;
  if (now_ns >= retransmit_due_ns_) {
    retransmit_timeout(now_ns);
  } else if (now_ns - solicited_ns_ >= kIdleSolicitNs) {
    send_solicit(now_ns);
  }
}

// No ack came in time: the oldest datagram, the ack, or the peer is lost. One datagram and a question find out which.
void DeltaSender::retransmit_timeout(int64_t now_ns) {
  counters_.add(Counter::kRetransmitTimeouts);
  retransmit_timeout_ns_ = std::min(2 * retransmit_timeout_ns_, kRetransmitTimeoutMaxNs);
  retransmit_due_ns_ = now_ns + retransmit_timeout_ns_;
  retransmit(acknowledged_ + 1, now_ns);
  send_solicit(now_ns);
}

void DeltaSender::retransmit(uint64_t sequence, int64_t now_ns) {
  Retained& slot = retained(sequence);
  slot.sent_ns = now_ns;
  counters_.add(Counter::kRetransmitted);
  send({slot.data, slot.bytes});  // the very bytes of the first time: the nonce is used for nothing else
}

absl::StatusOr<SealingKey> DeltaSender::ack_key(uint64_t peer_incarnation) const {
  const Identity& id = config_.identity;
  return SealingKey::derive(config_.key, {id.cluster, id.peer, id.member, id.channel, 0, peer_incarnation},
                            SealingKey::Use::kOpen);
}

// What kind of datagram it is, and whether it is authentic. Sets peer_key_ for a peer that shows up in a new
// incarnation.
std::optional<Ack> DeltaSender::open_ack(absl::Span<const uint8_t> datagram, ClearHeader* header) {
  const auto refuse = [this](Counter reason) {
    counters_.add(reason);
    return std::nullopt;
  };
  const Identity& id = config_.identity;
  counters_.add(Counter::kBytesReceived, datagram.size());
  if (datagram.size() != kSealedAt + kAckBytes + kTagBytes) return refuse(Counter::kRefusedShort);
  const std::optional<ClearHeader> clear = read_clear_header(datagram);
  if (!clear.has_value() || clear->kind != MessageKind::kAck) return refuse(Counter::kRefusedFormat);
  if (clear->cluster != id.cluster) return refuse(Counter::kRefusedCluster);
  if (clear->source != id.peer || clear->destination != id.member || clear->channel != id.channel) {
    return refuse(Counter::kRefusedMember);
  }
  if (clear->incarnation < peer_incarnation_ || clear->incarnation == 0) return refuse(Counter::kRefusedOldStream);
  const bool known = clear->incarnation == peer_incarnation_;
  if (known && clear->counter <= peer_counter_) return refuse(Counter::kRefusedReplay);
  std::optional<SealingKey> candidate;
  if (!known) {
    absl::StatusOr<SealingKey> derived = ack_key(clear->incarnation);
    if (!derived.ok()) return refuse(Counter::kSealFailures);
    candidate = *std::move(derived);
  }
  uint8_t text[kAckBytes];
  std::copy_n(datagram.data() + kSealedAt, kAckBytes, text);
  SealingKey& key = known ? *peer_key_ : *candidate;
  if (!key.open(static_cast<uint32_t>(MessageKind::kAck), clear->counter, datagram.first(kSealedAt),
                absl::MakeSpan(text), datagram.data() + kSealedAt + kAckBytes)) {
    return refuse(Counter::kRefusedNotAuthentic);
  }
  const std::optional<Ack> ack = read_ack(text);
  if (!ack.has_value()) return refuse(Counter::kRefusedMalformed);
  // The echo of our own incarnation shows that the peer has heard us in this life: an ack of earlier days cannot have
  // it.
  if (ack->sender_incarnation != id.incarnation || ack->sender_stream > stream_)
    return refuse(Counter::kRefusedNotForUs);
  if (!known) peer_key_ = std::move(candidate);
  *header = *clear;
  return ack;
}

void DeltaSender::on_datagram(int64_t now_ns, absl::Span<const uint8_t> datagram) {
  if (state_ == SenderState::kIdle) {
    counters_.add(Counter::kRefusedRole);
    return;
  }
  ClearHeader header;
  const std::optional<Ack> ack = open_ack(datagram, &header);
  if (!ack.has_value()) return;
  follow_peer(header, *ack, now_ns);
  if (ack->sender_stream != stream_) {
    counters_.add(Counter::kRefusedOldStream);
    return;
  }
  if (ack->cumulative > position()) {
    counters_.add(Counter::kRefusedMalformed);
    return;
  }
  counters_.add(Counter::kAcksReceived);
  if (state_ != SenderState::kStreaming) {
    state_ = SenderState::kStreaming;
    counters_.add(Counter::kStreams);
    send_solicit(now_ns);  // it names the peer's incarnation, on which the peer joins
    return;
  }
  take_ack(*ack, now_ns);
}

// A peer that has restarted holds nothing of this stream: it gets a new one.
void DeltaSender::follow_peer(const ClearHeader& header, const Ack& ack, int64_t now_ns) {
  const bool restarted = peer_incarnation_ != 0 && header.incarnation != peer_incarnation_;
  peer_incarnation_ = header.incarnation;
  peer_counter_ = header.counter;
  if (!restarted) return;
  counters_.add(Counter::kPeerRestarts);
  if (state_ == SenderState::kStreaming || ack.sender_stream != stream_) new_stream(SenderState::kConnecting, now_ns);
}

void DeltaSender::take_ack(const Ack& ack, int64_t now_ns) {
  if (ack.cumulative > acknowledged_) {
    acknowledged_ = ack.cumulative;
    retransmit_timeout_ns_ = kRetransmitTimeoutNs;
    retransmit_due_ns_ = unacknowledged() == 0 ? kNever : now_ns + retransmit_timeout_ns_;
  }
  if (ack.cumulative < acknowledged_) return;
  const uint64_t last = std::min(position(), ack.cumulative + 1 + kAckBitmapBits);
  for (uint64_t sequence = ack.cumulative + 2; sequence <= last; ++sequence) {
    const uint64_t bit = sequence - ack.cumulative - 1;
    if (bit < kAckBitmapBits && (ack.received[bit / 64] >> (bit % 64) & 1)) retained(sequence).arrived = true;
  }
  if (ack.gap) fill_gap(ack, now_ns);
}

void DeltaSender::fill_gap(const Ack& ack, int64_t now_ns) {
  counters_.add(Counter::kRetransmitRequests);
  const uint64_t last = std::min(position(), ack.highest);
  uint64_t sent = 0;
  for (uint64_t sequence = ack.cumulative + 1; sequence <= last && sent < kRetransmitBurst; ++sequence) {
    const Retained& slot = retained(sequence);
    if (slot.arrived || now_ns - slot.sent_ns < kRetransmitHoldNs) continue;
    retransmit(sequence, now_ns);
    ++sent;
  }
}

}  // namespace phalanx::sync
