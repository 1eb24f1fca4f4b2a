#include <algorithm>
#include <cassert>

#include "host/packet/bytes.hpp"
#include "host/sync/full_sync.hpp"
#include "host/sync/full_sync_message.hpp"

namespace phalanx::sync {

SnapshotSource::SnapshotSource(uint64_t snapshot_id, uint32_t engines, uint64_t slots_per_engine,
                               std::optional<DeltaPosition> start)
    : snapshot_id_(snapshot_id), engines_(engines), slots_(slots_per_engine), start_(start) {}

bool SnapshotSource::wants_records() const { return !scanned() && chunks_ - confirmed_ < kChunksInFlight; }

double SnapshotSource::progress() const {
  if (scanned() || slots_ == 0) return 1;
  const double done = static_cast<double>(cursor_.engine) * static_cast<double>(slots_) +
                      static_cast<double>(std::min(cursor_.first_slot, slots_));
  return done / (static_cast<double>(engines_) * static_cast<double>(slots_));
}

void SnapshotSource::begin_chunk(uint64_t base_generation, uint32_t now_ms) {
  chunk_.resize(kChunkBytes + kRecordBytesMax);
  uint8_t* base = reinterpret_cast<uint8_t*>(chunk_.data()) + kFullSyncHeaderBytes;
  base[0] = static_cast<uint8_t>(base_generation >> 32);
  store32(base + 1, static_cast<uint32_t>(base_generation));
  chunk_fill_ = kFullSyncHeaderBytes + kChunkBaseBytes;
  chunk_records_ = 0;
  encoder_.begin(base_generation, Content::kSnapshot, now_ms);
}

void SnapshotSource::end_chunk(std::vector<std::string>* out) {
  if (chunk_fill_ == 0) return;
  chunk_.resize(chunk_fill_);
  seal_full_sync_message({FullSyncKind::kChunk, snapshot_id_, chunks_, chunk_records_}, &chunk_);
  ++chunks_;
  records_ += chunk_records_;
  counters_.add(Counter::kChunksSent);
  counters_.add(Counter::kSnapshotRecordsSent, chunk_records_);
  out->push_back(std::move(chunk_));
  chunk_ = {};
  chunk_fill_ = 0;
}

void SnapshotSource::add(absl::Span<const abi::Record> records, uint64_t next, uint32_t now_ms,
                         std::vector<std::string>* out) {
  assert(!scanned());
  // Ages refer to the receiver's clock when it reads the chunk, so a chunk must not gather for long: it is closed when
  // time has moved on by more than ages may be wrong.
  if (chunk_fill_ != 0 && now_ms - chunk_ms_ > kChunkGatherMs) end_chunk(out);
  for (const abi::Record& record : records) {
    if (record.session.state == hls::kStateFree || record.session.state == hls::kStateDeleted) continue;
    const uint64_t generation = record.session.order >> hls::kVersionBits;
    const auto start = [&] {
      begin_chunk(generation, now_ms);
      chunk_ms_ = now_ms;
    };
    if (chunk_fill_ == 0) start();
    size_t bytes = encoder_.encode(record, reinterpret_cast<uint8_t*>(chunk_.data()) + chunk_fill_);
    if (chunk_fill_ + bytes > kChunkBytes) {
      end_chunk(out);
      start();
      bytes = encoder_.encode(record, reinterpret_cast<uint8_t*>(chunk_.data()) + chunk_fill_);
    }
    chunk_fill_ += bytes;
    ++chunk_records_;
  }
  cursor_.first_slot = next;
  if (next == 0) ++cursor_.engine;
}

bool SnapshotSource::finish(const DeltaPosition& position, std::vector<std::string>* out) {
  assert(scanned() && !finished_);
  const bool replaced =
      start_.has_value() && (position.incarnation != start_->incarnation || position.stream != start_->stream);
  if (replaced) return false;
  finished_ = true;
  end_chunk(out);
  std::string trailer(kFullSyncHeaderBytes + kTrailerBytes, '\0');
  uint8_t* p = reinterpret_cast<uint8_t*>(trailer.data()) + kFullSyncHeaderBytes;
  store64(p, records_);
  store32(p + 8, chunks_);
  store64(p + 12, position.incarnation);
  store32(p + 20, position.stream);
  store64(p + 24, position.sequence);
  seal_full_sync_message({FullSyncKind::kTrailer, snapshot_id_, chunks_, 0}, &trailer);
  out->push_back(std::move(trailer));
  return true;
}

absl::Status SnapshotSource::on_confirmation(std::string_view message) {
  const std::optional<FullSyncHeader> header = read_full_sync_message(message);
  if (!header.has_value() || header->kind != FullSyncKind::kConfirmation) {
    counters_.add(Counter::kChunkChecksum);
    return absl::InvalidArgumentError("not a confirmation of full sync");
  }
  const bool trailer = finished_ && confirmed_ == chunks_ && !trailer_confirmed_;
  if (header->snapshot_id != snapshot_id_ || header->number != confirmed_ || (confirmed_ == chunks_ && !trailer)) {
    counters_.add(Counter::kChunkOrder);
    return absl::InvalidArgumentError("a confirmation of what has not been sent");
  }
  if (trailer) {
    trailer_confirmed_ = true;
    counters_.add(Counter::kFullSyncs);
  } else {
    ++confirmed_;
  }
  return absl::OkStatus();
}

}  // namespace phalanx::sync
