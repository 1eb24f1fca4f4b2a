#include <algorithm>

#include "absl/hash/hash.h"
#include "host/packet/bytes.hpp"
#include "host/sync/full_sync.hpp"
#include "host/sync/full_sync_message.hpp"

namespace phalanx::sync {

size_t SnapshotSink::KeyHash::operator()(const hls::FlowKey& key) const {
  return absl::HashOf(key.a_hi, key.a_lo, key.b_hi, key.b_lo, key.tail);
}

SnapshotSink::SnapshotSink(size_t tombstones_max) : tombstones_max_(tombstones_max) {}

void SnapshotSink::start(uint64_t snapshot_id) {
  finish();
  snapshot_id_ = snapshot_id;
  running_ = true;
  overflowed_ = trailer_in_ = false;
  chunks_ = 0;
  records_ = 0;
}

void SnapshotSink::finish() {
  if (running_ && trailer_in_) counters_.add(Counter::kFullSyncs);
  running_ = false;
  decltype(tombstones_)().swap(tombstones_);
}

void SnapshotSink::on_delta(absl::Span<const abi::Record> records) {
  if (!running_ || trailer_in_ || overflowed_) return;  // behind the trailer nothing old can come
  for (const abi::Record& record : records) {
    const hls::Session& s = record.session;
    if (s.state != hls::kStateDeleted) continue;
    const auto found = tombstones_.find(s.key);
    if (found != tombstones_.end()) {
      if (hls::newer(s.order, found->second)) found->second = s.order;
    } else if (tombstones_.size() < tombstones_max_) {
      tombstones_.emplace(s.key, s.order);
    } else {
      overflowed_ = true;
      counters_.add(Counter::kTombstonesFull);
      return;
    }
  }
}

absl::Status SnapshotSink::fail(absl::Status status) {
  running_ = false;
  decltype(tombstones_)().swap(tombstones_);
  return status;
}

absl::Status SnapshotSink::on_message(std::string_view message, uint32_t now_ms, std::vector<abi::Record>* records,
                                      std::vector<std::string>* answers) {
  if (!running_) return absl::FailedPreconditionError("no full sync is running");
  if (overflowed_) return fail(absl::ResourceExhaustedError("too many sessions ended during the full sync"));
  const std::optional<FullSyncHeader> header = read_full_sync_message(message);
  if (!header.has_value()) {
    counters_.add(Counter::kChunkChecksum);
    return fail(absl::DataLossError("a damaged message of full sync"));
  }
  const bool chunk = header->kind == FullSyncKind::kChunk;
  if (header->snapshot_id != snapshot_id_ || header->number != chunks_ || trailer_in_ ||
      (!chunk && header->kind != FullSyncKind::kTrailer)) {
    counters_.add(Counter::kChunkOrder);
    return fail(absl::FailedPreconditionError("a message of full sync out of order, or of another one"));
  }
  const std::string_view body = message.substr(kFullSyncHeaderBytes);
  const absl::Status taken = chunk ? take_chunk(body, header->records, now_ms, records) : take_trailer(body);
  if (!taken.ok()) {
    counters_.add(Counter::kChunkChecksum);
    return fail(taken);
  }
  std::string answer(kFullSyncHeaderBytes, '\0');
  seal_full_sync_message({FullSyncKind::kConfirmation, snapshot_id_, header->number, 0}, &answer);
  answers->push_back(std::move(answer));
  return absl::OkStatus();
}

absl::Status SnapshotSink::take_chunk(std::string_view body, uint32_t count, uint32_t now_ms,
                                      std::vector<abi::Record>* records) {
  if (body.size() < kChunkBaseBytes || body.size() > kChunkBytes) {
    return absl::DataLossError("a chunk of impossible length");
  }
  const uint8_t* p = reinterpret_cast<const uint8_t*>(body.data());
  const uint64_t base = static_cast<uint64_t>(p[0]) << 32 | load32(p + 1);
  decoder_.begin({p + kChunkBaseBytes, body.size() - kChunkBaseBytes}, base, Content::kSnapshot, now_ms);
  uint32_t found = 0;
  while (!decoder_.done()) {
    abi::Record record;
    const DecodeError error = decoder_.next(&record);
    if (error != DecodeError::kNone) return absl::DataLossError(std::string(to_string(error)));
    ++found;
    const auto tombstone = tombstones_.find(record.session.key);
    if (tombstone != tombstones_.end() && !hls::newer(record.session.order, tombstone->second)) {
      counters_.add(Counter::kTombstoned);
      continue;
    }
    records->push_back(record);
    counters_.add(Counter::kSnapshotRecords);
  }
  if (found != count) return absl::DataLossError("a chunk with fewer or more records than it says");
  counters_.add(Counter::kChunksReceived);
  ++chunks_;
  records_ += found;
  return absl::OkStatus();
}

absl::Status SnapshotSink::take_trailer(std::string_view body) {
  if (body.size() != kTrailerBytes) return absl::DataLossError("a trailer of impossible length");
  const uint8_t* p = reinterpret_cast<const uint8_t*>(body.data());
  if (load64(p) != records_ || load32(p + 8) != chunks_) {
    return absl::DataLossError("the trailer's totals are not what has come");
  }
  trailer_ = {load64(p + 12), load32(p + 20), load64(p + 24)};
  trailer_in_ = true;
  return absl::OkStatus();
}

bool SnapshotSink::complete(const DeltaPosition& received) const {
  return running_ && trailer_in_ && received.incarnation == trailer_.incarnation &&
         received.stream == trailer_.stream && received.sequence >= trailer_.sequence;
}

}  // namespace phalanx::sync
