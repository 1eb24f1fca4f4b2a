#include "host/sync/delta_sender.hpp"

#include <algorithm>
#include <cassert>

#include "absl/status/status.h"
#include "host/packet/bytes.hpp"

namespace phalanx::sync {

namespace {

constexpr std::string_view kSenderStateNames[] = {
#define X(id, name) name,
    PHALANX_SENDER_STATES(X)
#undef X
};

void write_delta_header(uint64_t receiver_incarnation, uint64_t base_generation, uint8_t* out) {
  store64(out, receiver_incarnation);
  out[8] = static_cast<uint8_t>(base_generation >> 32);
  store32(out + 9, static_cast<uint32_t>(base_generation));
}

}  // namespace

std::string_view to_string(SenderState state) {
  const size_t i = static_cast<size_t>(state);
  return i < static_cast<size_t>(SenderState::kCount) ? kSenderStateNames[i] : "unknown";
}

absl::StatusOr<std::unique_ptr<DeltaSender>> DeltaSender::create(const DeltaSenderConfig& config, DatagramSink* out) {
  const uint64_t n = config.retained_datagrams;
  if (n < 64 || n > kRetainedDatagrams || (n & (n - 1)) != 0) {
    return absl::InvalidArgumentError("retained_datagrams must be a power of two from 64 to 8192");
  }
  if (config.flush_create_ns < 0 || config.flush_create_ns > kFlushUpdateNs) {
    return absl::InvalidArgumentError("flush_create_ns must be from 0 to a millisecond");
  }
  if (config.identity.incarnation == 0)
    return absl::InvalidArgumentError("an incarnation of 0 names no life of a member");
  if (config.identity.member == config.identity.peer)
    return absl::InvalidArgumentError("a member cannot be its own peer");
  if (out == nullptr) return absl::InvalidArgumentError("a sender needs a sink for its datagrams");
  return std::unique_ptr<DeltaSender>(new DeltaSender(config, out));
}

DeltaSender::DeltaSender(const DeltaSenderConfig& config, DatagramSink* out)
    : config_(config), out_(out), ring_(config.retained_datagrams) {}

void DeltaSender::start(int64_t now_ns) { new_stream(SenderState::kConnecting, now_ns); }

void DeltaSender::start_continuing(int64_t now_ns, uint64_t peer_incarnation) {
  absl::StatusOr<SealingKey> key = ack_key(peer_incarnation);
  if (!key.ok()) {
    counters_.add(Counter::kSealFailures);
    return start(now_ns);
  }
  if (peer_incarnation != peer_incarnation_) peer_counter_ = 0;
  peer_incarnation_ = peer_incarnation;
  peer_key_ = *std::move(key);
  counters_.add(Counter::kStreams);
  new_stream(SenderState::kStreaming, now_ns, true);
}

void DeltaSender::stop() {
  forget();
  state_ = SenderState::kIdle;
}

void DeltaSender::add(const abi::Record& record, int64_t now_ns) {
  if (state_ != SenderState::kStreaming) {
    counters_.add(Counter::kUnsentUpdates);
    return;
  }
  if (record_kind(record.session) == RecordKind::kCreate) {
    if (!write(record, now_ns)) return;
    create_due_ns_ = std::min(create_due_ns_, now_ns + config_.flush_create_ns);
  } else {
    if (pending_.add(record, now_ns) != PendingUpdates::Added::kNew) counters_.add(Counter::kCoalesced);
    if (pending_.full() && !write_pending(now_ns)) return;
  }
  update_flush_due();
}

int64_t DeltaSender::pending_due_ns() const {
  const auto due = [](int64_t since, int64_t wait) { return since == kNever ? kNever : since + wait; };
  return std::min(due(pending_.oldest_update_ns(), kFlushUpdateNs), due(pending_.oldest_delete_ns(), kFlushDeleteNs));
}

void DeltaSender::update_flush_due() { flush_due_ns_ = std::min(create_due_ns_, pending_due_ns()); }

void DeltaSender::flush_due(int64_t now_ns) {
  if (!should_flush(now_ns)) return;
  if (pending_due_ns() <= now_ns && !write_pending(now_ns)) return;
  if (!close_datagram(now_ns)) return;
  update_flush_due();
}

void DeltaSender::flush(int64_t now_ns) {
  if (state_ != SenderState::kStreaming) return;
  if (!write_pending(now_ns) || !close_datagram(now_ns)) return;
  update_flush_due();
}

// False, as of write(), open_datagram() and close_datagram(): sync was lost on the way, everything is forgotten.
bool DeltaSender::write_pending(int64_t now_ns) {
  for (const abi::Record& record : pending_.records()) {
    if (!write(record, now_ns)) return false;
  }
  // What has been written leaves with the datagram, which must not wait longer than its records would have.
  if (!pending_.empty()) create_due_ns_ = std::min(create_due_ns_, now_ns + config_.flush_create_ns);
  pending_.clear();
  return true;
}

bool DeltaSender::write(const abi::Record& record, int64_t now_ns) {
  const uint64_t generation = record.session.order >> hls::kVersionBits;
  if (open_bytes_ == 0 && !open_datagram(generation, now_ns)) return false;
  size_t bytes = encoder_.encode(record, retained(next_sequence_).data + open_bytes_);
  if (open_bytes_ + bytes > kDatagramBytes - kTagBytes) {
    if (!close_datagram(now_ns) || !open_datagram(generation, now_ns)) return false;
    bytes = encoder_.encode(record, retained(next_sequence_).data + open_bytes_);
  }
  open_bytes_ += bytes;
  switch (record_kind(record.session)) {
    case RecordKind::kCreate:
      counters_.add(Counter::kCreates);
      break;
    case RecordKind::kUpdate:
      counters_.add(Counter::kUpdates);
      break;
    case RecordKind::kDelete:
      counters_.add(Counter::kDeletes);
      break;
  }
  return true;
}

bool DeltaSender::open_datagram(uint64_t generation, int64_t now_ns) {
  if (unacknowledged() >= config_.retained_datagrams || next_sequence_ > kCounterMax) return lose_sync(now_ns), false;
  Retained& slot = retained(next_sequence_);
  write_delta_header(peer_incarnation_, generation, slot.data + kSealedAt);
  open_bytes_ = kSealedAt + kDeltaHeaderBytes;
  encoder_.begin(generation, Content::kDelta);
  return true;
}

bool DeltaSender::close_datagram(int64_t now_ns) {
  create_due_ns_ = kNever;
  if (open_bytes_ == 0) return true;
  Retained& slot = retained(next_sequence_);
  write_clear_header(clear_header(MessageKind::kDelta, next_sequence_), slot.data);
  const absl::Span<uint8_t> text(slot.data + kSealedAt, open_bytes_ - kSealedAt);
  if (!seal_->seal(static_cast<uint32_t>(MessageKind::kDelta), next_sequence_, {slot.data, kSealedAt}, text,
                   slot.data + open_bytes_)) {
    counters_.add(Counter::kSealFailures);
    return lose_sync(now_ns), false;
  }
  slot.bytes = static_cast<uint16_t>(open_bytes_ + kTagBytes);
  slot.sent_ns = now_ns;
  slot.arrived = false;
  open_bytes_ = 0;
  ++next_sequence_;
  if (retransmit_due_ns_ == kNever) retransmit_due_ns_ = now_ns + retransmit_timeout_ns_;
  counters_.add(Counter::kDatagramsSent);
  send({slot.data, slot.bytes});
  return true;
}

bool DeltaSender::drained(int64_t now_ns) {
  if (state_ != SenderState::kStreaming || !pending_.empty() || open_bytes_ != 0) return false;
  if (unacknowledged() == 0) return true;
  if (now_ns - solicited_ns_ >= kDrainSolicitNs) send_solicit(now_ns);
  return false;
}

void DeltaSender::lose_sync(int64_t now_ns) {
  counters_.add(Counter::kOutOfSync);
  new_stream(SenderState::kOutOfSync, now_ns);
}

void DeltaSender::forget() {
  counters_.add(Counter::kUnsentUpdates, pending_.size());
  pending_.clear();
  open_bytes_ = 0;
  next_sequence_ = 1;
  acknowledged_ = 0;
  next_control_ = 1;
  create_due_ns_ = flush_due_ns_ = retransmit_due_ns_ = kNever;
  retransmit_timeout_ns_ = kRetransmitTimeoutNs;
}

// A stream that has lost a change must not go on as if it had not: its successor has another name, another key, and
// makes the peer full-sync.
void DeltaSender::new_stream(SenderState state, int64_t now_ns, bool continuing) {
  forget();
  state_ = state;
  seal_.reset();
  if (stream_ < UINT32_MAX - 1) {
    stream_ += continues(stream_ + 1) == continuing ? 1 : 2;
    const Identity& id = config_.identity;
    absl::StatusOr<SealingKey> key = SealingKey::derive(
        config_.key, {id.cluster, id.member, id.peer, id.channel, stream_, id.incarnation}, SealingKey::Use::kSeal);
    if (key.ok()) seal_ = *std::move(key);
  }
  if (!seal_.has_value()) counters_.add(Counter::kSealFailures);
  send_solicit(now_ns);
}

}  // namespace phalanx::sync
