#include "host/sync/delta_receiver.hpp"

#include <algorithm>
#include <cassert>

#include "absl/status/status.h"
#include "host/packet/bytes.hpp"

namespace phalanx::sync {

absl::StatusOr<std::unique_ptr<DeltaReceiver>> DeltaReceiver::create(const DeltaReceiverConfig& config,
                                                                     DatagramSink* out, RecordSink* records) {
  const Identity& id = config.identity;
  if (id.incarnation == 0) return absl::InvalidArgumentError("an incarnation of 0 names no life of a member");
  if (id.member == id.peer) return absl::InvalidArgumentError("a member cannot be its own peer");
  if (out == nullptr || records == nullptr) return absl::InvalidArgumentError("a receiver needs both its sinks");
  absl::StatusOr<SealingKey> key = SealingKey::derive(
      config.key, {id.cluster, id.member, id.peer, id.channel, 0, id.incarnation}, SealingKey::Use::kSeal);
  if (!key.ok()) return key.status();
  return std::unique_ptr<DeltaReceiver>(new DeltaReceiver(config, *std::move(key), out, records));
}

DeltaReceiver::DeltaReceiver(const DeltaReceiverConfig& config, SealingKey seal, DatagramSink* out, RecordSink* records)
    : config_(config), seal_(std::move(seal)), out_(out), records_(records), decoded_(kRecordsPerDatagramMax + 1) {
  held_.reserve(kHeldDeletesMax);
}

bool DeltaReceiver::is_current(const ClearHeader& header) const {
  return joined_ && header.incarnation == sender_incarnation_ && header.stream == stream_;
}

// What can be told without a key.
bool DeltaReceiver::acceptable(absl::Span<const uint8_t> datagram, const ClearHeader& header) {
  const auto refuse = [this](Counter reason) {
    counters_.add(reason);
    return false;
  };
  const Identity& id = config_.identity;
  const bool solicit = header.kind == MessageKind::kSolicit;
  if (header.kind != MessageKind::kDelta && !solicit) return refuse(Counter::kRefusedFormat);
  if (header.cluster != id.cluster) return refuse(Counter::kRefusedCluster);
  if (header.source != id.peer || header.destination != id.member || header.channel != id.channel) {
    return refuse(Counter::kRefusedMember);
  }
  if (!listening_) return refuse(Counter::kRefusedRole);
  const size_t text = datagram.size() - kSealedAt - kTagBytes;
  if (solicit ? text != kSolicitBytes : text < kDeltaHeaderBytes) return refuse(Counter::kRefusedShort);
  if (header.stream == 0 || header.incarnation == 0 || header.counter == 0) return refuse(Counter::kRefusedFormat);
  if (!joined_) return true;
  const bool older = header.incarnation < sender_incarnation_ ||
                     (header.incarnation == sender_incarnation_ && header.stream < stream_);
  return older ? refuse(Counter::kRefusedOldStream) : true;
}

// Of the stream that has been joined: whether the datagram brings anything new. Not authenticated yet, so all that
// happens is that an ack is due, for a duplicate says that the sender has missed one.
bool DeltaReceiver::fresh(int64_t now_ns, const ClearHeader& header) {
  if (header.kind == MessageKind::kSolicit) {
    if (header.counter > solicit_counter_) return true;
    counters_.add(Counter::kRefusedReplay);
    return false;
  }
  if (header.counter > cumulative_ + kRetainedDatagrams) {
    counters_.add(Counter::kRefusedWindow);
    return false;
  }
  if (!seen(header.counter)) return true;
  counters_.add(Counter::kDuplicates);
  ack_due_ns_ = std::min(ack_due_ns_, now_ns + kAckDelayNs);
  return false;
}

SealingKey* DeltaReceiver::select_key(const ClearHeader& header) {
  if (is_current(header)) return &*key_;
  if (!candidate_key_.has_value() || candidate_incarnation_ != header.incarnation ||
      candidate_stream_ != header.stream) {
    const Identity& id = config_.identity;
    candidate_key_.reset();
    absl::StatusOr<SealingKey> key =
        SealingKey::derive(config_.key, {id.cluster, id.peer, id.member, id.channel, header.stream, header.incarnation},
                           SealingKey::Use::kOpen);
    if (!key.ok()) return counters_.add(Counter::kSealFailures), nullptr;
    candidate_key_ = *std::move(key);
    candidate_incarnation_ = header.incarnation;
    candidate_stream_ = header.stream;
  }
  return &*candidate_key_;
}

void DeltaReceiver::on_datagram(int64_t now_ns, absl::Span<const uint8_t> datagram) {
  counters_.add(Counter::kBytesReceived, datagram.size());
  if (datagram.size() < kSealedAt + kTagBytes || datagram.size() > kDatagramBytes) {
    counters_.add(Counter::kRefusedShort);
    return;
  }
  const std::optional<ClearHeader> header = read_clear_header(datagram);
  if (!header.has_value()) {
    counters_.add(Counter::kRefusedFormat);
    return;
  }
  if (!acceptable(datagram, *header)) return;
  if (is_current(*header) && !fresh(now_ns, *header)) return;
  SealingKey* key = select_key(*header);
  if (key == nullptr) return;
  uint8_t buffer[kSealedBytes];
  const size_t bytes = datagram.size() - kSealedAt - kTagBytes;
  std::copy_n(datagram.data() + kSealedAt, bytes, buffer);
  const absl::Span<uint8_t> text(buffer, bytes);
  if (!key->open(static_cast<uint32_t>(header->kind), header->counter, datagram.first(kSealedAt), text,
                 datagram.data() + kSealedAt + bytes)) {
    counters_.add(Counter::kRefusedNotAuthentic);
    return;
  }
  if (header->kind == MessageKind::kSolicit) {
    take_solicit(now_ns, *header, text);
  } else {
    take_delta(now_ns, *header, text);
  }
}

void DeltaReceiver::take_solicit(int64_t now_ns, const ClearHeader& header, absl::Span<const uint8_t> text) {
  const std::optional<Solicit> solicit = read_solicit(text);
  if (!solicit.has_value()) return counters_.add(Counter::kRefusedMalformed);
  if (solicit->receiver_incarnation != config_.identity.incarnation) return answer_stranger(now_ns, header);
  if (!is_current(header)) join(header);
  solicit_counter_ = header.counter;
  if (solicit->last_sequence > cumulative_ + kRetainedDatagrams) return counters_.add(Counter::kRefusedWindow);
  if (solicit->last_sequence > highest_) {
    counters_.add(Counter::kGaps);
    highest_ = solicit->last_sequence;
  }
  send_ack(now_ns);
}

void DeltaReceiver::take_delta(int64_t now_ns, const ClearHeader& header, absl::Span<const uint8_t> text) {
  if (load64(text.data()) != config_.identity.incarnation) {
    counters_.add(Counter::kRefusedNotForUs);
    return answer_stranger(now_ns, header);
  }
  if (!is_current(header)) {
    if (header.counter > kRetainedDatagrams) return counters_.add(Counter::kRefusedWindow);
    join(header);
  }
  const std::optional<Decoded> decoded = decode(now_ns, text);
  if (decoded.has_value() && !hand_on(header.counter, *decoded)) return counters_.add(Counter::kRefusedHeld);
  counters_.add(Counter::kDatagramsReceived);
  const bool new_gap = header.counter > highest_ + 1;
  if (header.counter != cumulative_ + 1) counters_.add(Counter::kOutOfOrder);
  mark(header.counter);
  release_held(cumulative_);
  if (new_gap) {
    counters_.add(Counter::kGaps);
    return send_ack(now_ns);
  }
  if (++unacknowledged_ >= kAckEvery) return send_ack(now_ns);
  ack_due_ns_ = std::min(ack_due_ns_, now_ns + kAckDelayNs);
}

// All or nothing: a datagram with a record that cannot be read comes from a sender that speaks another language, and
// what it meant can only be had by a full sync. It counts as arrived, for sending it again would not help.
std::optional<DeltaReceiver::Decoded> DeltaReceiver::decode(int64_t now_ns, absl::Span<const uint8_t> text) {
  const uint64_t base = static_cast<uint64_t>(text[8]) << 32 | load32(text.data() + 9);
  decoder_.begin(text.subspan(kDeltaHeaderBytes), base, Content::kDelta, static_cast<uint32_t>(now_ns / 1'000'000));
  Decoded decoded = {0, 0};
  while (!decoder_.done()) {
    assert(decoded.records < decoded_.size());
    abi::Record& record = decoded_[decoded.records];
    if (decoder_.next(&record) != DecodeError::kNone) {
      counters_.add(Counter::kRefusedMalformed);
      need_full_sync();
      return std::nullopt;
    }
    ++decoded.records;
    decoded.deletes += record.session.state == hls::kStateDeleted ? 1 : 0;
  }
  return decoded;
}

// False if the datagram is behind a gap and its deletes find no room to wait: nothing of it has been handed on then.
bool DeltaReceiver::hand_on(uint64_t sequence, const Decoded& decoded) {
  size_t count = decoded.records;
  if (sequence != cumulative_ + 1 && decoded.deletes != 0) {
    if (held_.size() + decoded.deletes > kHeldDeletesMax) return false;
    count = 0;
    for (size_t i = 0; i < decoded.records; ++i) {
      if (decoded_[i].session.state == hls::kStateDeleted) {
        held_.push_back({sequence, decoded_[i]});
      } else {
        if (count != i) decoded_[count] = decoded_[i];
        ++count;
      }
    }
  }
  counters_.add(Counter::kRecordsReceived, decoded.records);
  if (count != 0) records_->apply({decoded_.data(), count});
  return true;
}

void DeltaReceiver::release_held(uint64_t up_to) {
  if (held_.empty()) return;
  size_t kept = 0;
  for (const Held& held : held_) {
    if (held.sequence <= up_to) {
      records_->apply({&held.record, 1});
    } else {
      held_[kept++] = held;
    }
  }
  held_.resize(kept);
}

void DeltaReceiver::set_listening(bool listening) {
  listening_ = listening;
  if (!listening) release_held(UINT64_MAX);
}

bool DeltaReceiver::seen(uint64_t sequence) const {
  if (sequence <= cumulative_) return true;
  const uint64_t bit = sequence % kRetainedDatagrams;
  return (window_[bit / 64] >> (bit % 64) & 1) != 0;
}

// Bits stand for sequences in (cumulative, cumulative + kRetainedDatagrams]; one is cleared as it falls behind.
void DeltaReceiver::mark(uint64_t sequence) {
  const auto word = [this](uint64_t s) -> uint64_t& { return window_[s % kRetainedDatagrams / 64]; };
  const auto mask = [](uint64_t s) { return uint64_t{1} << (s % 64); };
  word(sequence) |= mask(sequence);
  highest_ = std::max(highest_, sequence);
  while (word(cumulative_ + 1) & mask(cumulative_ + 1)) {
    ++cumulative_;
    word(cumulative_) &= ~mask(cumulative_);
  }
}

void DeltaReceiver::join(const ClearHeader& header) {
  assert(candidate_key_.has_value());
  release_held(UINT64_MAX);  // the stream they belong to is over
  key_ = std::move(candidate_key_);
  candidate_key_.reset();
  joined_ = true;
  sender_incarnation_ = header.incarnation;
  stream_ = header.stream;
  cumulative_ = highest_ = solicit_counter_ = unacknowledged_ = 0;
  window_.fill(0);
  ack_due_ns_ = INT64_MAX;
  gap_reported_ns_ = INT64_MIN / 2;
  counters_.add(Counter::kStreamsJoined);
  need_full_sync();
}

void DeltaReceiver::need_full_sync() {
  ++full_sync_request_;
  counters_.add(Counter::kFullSyncsNeeded);
}

void DeltaReceiver::full_synced(uint64_t request) {
  assert(request <= full_sync_request_);
  full_sync_done_ = std::max(full_sync_done_, request);
}

int64_t DeltaReceiver::next_deadline_ns() const {
  return has_gap() ? std::min(ack_due_ns_, gap_reported_ns_ + kGapReportNs) : ack_due_ns_;
}

void DeltaReceiver::poll(int64_t now_ns) {
  if (joined_ && listening_ && now_ns >= next_deadline_ns()) send_ack(now_ns);
}

void DeltaReceiver::send_ack(int64_t now_ns) {
  Ack ack;
  ack.sender_incarnation = sender_incarnation_;
  ack.sender_stream = stream_;
  ack.cumulative = cumulative_;
  ack.highest = highest_;
  ack.gap = has_gap();
  if (ack.gap) {
    const uint64_t last = std::min(highest_, cumulative_ + kAckBitmapBits);
    for (uint64_t s = cumulative_ + 1; s <= last; ++s) {
      const uint64_t bit = s - cumulative_ - 1;
      if (seen(s)) ack.received[bit / 64] |= uint64_t{1} << (bit % 64);
    }
    gap_reported_ns_ = now_ns;
    counters_.add(Counter::kRetransmitRequestsSent);
  }
  unacknowledged_ = 0;
  ack_due_ns_ = INT64_MAX;
  seal_and_send(ack);
}

// A sender that knows no or another life of this member: told which one it is now, it starts anew. Nothing of what it
// sends is taken before it names this life, so recordings of earlier days stay without effect.
void DeltaReceiver::answer_stranger(int64_t now_ns, const ClearHeader& header) {
  if (now_ns - stranger_answered_ns_ < kStrangerAnswerNs) return;
  stranger_answered_ns_ = now_ns;
  Ack ack;
  ack.sender_incarnation = header.incarnation;
  ack.sender_stream = header.stream;
  seal_and_send(ack);
}

void DeltaReceiver::seal_and_send(const Ack& ack) {
  if (next_control_ > kCounterMax) return counters_.add(Counter::kSealFailures);
  const Identity& id = config_.identity;
  ClearHeader header;
  header.cluster = id.cluster;
  header.source_interface = id.interface;
  header.source = id.member;
  header.destination = id.peer;
  header.kind = MessageKind::kAck;
  header.channel = id.channel;
  header.incarnation = id.incarnation;
  header.counter = next_control_++;
  uint8_t datagram[kSealedAt + kAckBytes + kTagBytes];
  write_clear_header(header, datagram);
  write_ack(ack, datagram + kSealedAt);
  if (!seal_.seal(static_cast<uint32_t>(MessageKind::kAck), header.counter, {datagram, kSealedAt},
                  {datagram + kSealedAt, kAckBytes}, datagram + kSealedAt + kAckBytes)) {
    return counters_.add(Counter::kSealFailures);
  }
  counters_.add(Counter::kAcksSent);
  counters_.add(Counter::kBytesSent, sizeof(datagram));
  out_->send_datagram(datagram);
}

}  // namespace phalanx::sync
