#include "mgmt/service/sync_service.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "mgmt/service/limits.hpp"

namespace phalanx::mgmt {
namespace {

using Stream = grpc::ServerReaderWriter<v1::FullSyncToJoiner, v1::FullSyncToActive>;

// Reads the joiner's confirmations on a thread of its own, as a write to a slow joiner blocks.
class Confirmations {
 public:
  Confirmations(grpc::ServerContext& context, Stream& stream) : context_(context) {
    thread_ = std::thread([this, &stream] { read(stream); });
  }
  ~Confirmations() {
    // A read can't be given up alone: a joiner that says no last word loses the call.
    if (!wait_closed(kCloseTimeout)) context_.TryCancel();
    thread_.join();
  }
  Confirmations(const Confirmations&) = delete;
  Confirmations& operator=(const Confirmations&) = delete;

  // Waits until more than `known` is confirmed, the joiner has closed, or the timeout. Gives the highest number
  // confirmed.
  uint64_t wait_beyond(uint64_t known, absl::Duration timeout) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, absl::ToChronoMilliseconds(timeout), [&] { return closed_ || confirmed_ > known; });
    return confirmed_;
  }
  bool closed() {
    const std::lock_guard lock(mutex_);
    return closed_;
  }
  // What the joiner has done wrong.
  absl::Status fault() {
    const std::lock_guard lock(mutex_);
    return fault_;
  }

 private:
  bool wait_closed(absl::Duration timeout) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, absl::ToChronoMilliseconds(timeout), [this] { return closed_; });
  }

  void read(Stream& stream) {
    v1::FullSyncToActive message;
    while (stream.Read(&message)) {
      const std::lock_guard lock(mutex_);
      if (message.has_confirm()) {
        confirmed_ = std::max(confirmed_, message.confirm().number());
      } else {
        fault_ = absl::InvalidArgumentError("a confirmation was expected");
      }
      changed_.notify_all();
    }
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

  grpc::ServerContext& context_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t confirmed_ = 0;
  bool closed_ = false;
  absl::Status fault_;
  std::thread thread_;
};

// One stream, from the request on.
class Sender {
 public:
  Sender(grpc::ServerContext& context, Stream& stream, FullSyncFeed& feed, const std::atomic<bool>& stopping)
      : context_(context), stream_(stream), feed_(feed), stopping_(stopping), confirmations_(context, stream) {}

  // Ok when the trailer is out. An error is told as `refused` too, so that the joiner knows the reason before it
  // closes.
  absl::Status run() {
    absl::Status status = send_all();
    if (!status.ok() && !told_) {
      v1::FullSyncToJoiner message;
      message.mutable_refused()->set_reason(std::string(status.message()));
      stream_.Write(message);
    }
    return status;
  }

 private:
  absl::Status send_all() {
    absl::Time progress = absl::Now();
    for (;;) {
      if (stopping_) return absl::UnavailableError("the member is stopping");
      if (context_.IsCancelled() || confirmations_.closed()) return absl::CancelledError("the joiner has gone");
      const uint64_t before = confirmed_;
      absl::Status status = take_confirmations(in_flight() == kFullSyncChunksInFlightMax || pending_);
      if (!status.ok()) return status;
      if (confirmed_ > before || in_flight() == 0) progress = absl::Now();
      if (absl::Now() - progress > kConfirmTimeout) return absl::DeadlineExceededError("the joiner confirms nothing");
      if (pending_ && in_flight() == 0) return send(*pending_);
      if (pending_ || in_flight() == kFullSyncChunksInFlightMax) continue;
      auto next = feed_.next(absl::Now() + kPollInterval);
      if (!next.ok()) return next.status();
      if (!next->has_value()) continue;
      status = take(**std::move(next));
      if (!status.ok()) return status;
    }
  }

  uint64_t in_flight() const { return sent_ - confirmed_; }

  absl::Status take_confirmations(bool wait) {
    const uint64_t number = confirmations_.wait_beyond(confirmed_, wait ? kPollInterval : absl::ZeroDuration());
    absl::Status status = confirmations_.fault();
    if (!status.ok() || number <= confirmed_) return status;
    if (number > sent_) return absl::InvalidArgumentError(absl::StrCat("chunk ", number, " was confirmed, never sent"));
    confirmed_ = number;
    return feed_.confirm(number);
  }

  absl::Status take(FullSyncFeed::Message message) {
    v1::FullSyncToJoiner out;
    if (auto* chunk = std::get_if<v1::FullSyncChunk>(&message)) {
      if (chunk->number() != sent_ + 1 || chunk->records().size() > kFullSyncChunkBytesMax) {
        return absl::InternalError(absl::StrCat("chunk ", chunk->number(), " of ", chunk->records().size(), " bytes"));
      }
      *out.mutable_chunk() = std::move(*chunk);
      ++sent_;
      return write(out);
    }
    if (auto* trailer = std::get_if<v1::FullSyncTrailer>(&message)) {
      *out.mutable_trailer() = std::move(*trailer);
      pending_ = std::move(out);
      return absl::OkStatus();
    }
    *out.mutable_refused() = std::move(std::get<v1::FullSyncRefused>(message));
    return send(out);
  }

  // The last message.
  absl::Status send(const v1::FullSyncToJoiner& message) {
    told_ = true;
    absl::Status status = write(message);
    if (status.ok() && message.has_refused()) return absl::FailedPreconditionError(message.refused().reason());
    return status;
  }

  absl::Status write(const v1::FullSyncToJoiner& message) {
    return stream_.Write(message) ? absl::OkStatus() : absl::CancelledError("the joiner has gone");
  }

  grpc::ServerContext& context_;
  Stream& stream_;
  FullSyncFeed& feed_;
  const std::atomic<bool>& stopping_;
  uint64_t sent_ = 0;
  uint64_t confirmed_ = 0;
  bool told_ = false;                            // the joiner knows how it ended
  std::optional<v1::FullSyncToJoiner> pending_;  // the trailer, until all chunks are confirmed
  Confirmations confirmations_;                  // last: ends before what it uses
};

}  // namespace

grpc::Status SyncService::FullSync(grpc::ServerContext* context, Stream* stream) {
  v1::FullSyncToActive first;
  if (!stream->Read(&first) || !first.has_request()) {
    return to_grpc(absl::InvalidArgumentError("a request was expected"));
  }
  const absl::Status admitted = admission_.admit_member(*context, first.request().member_id());
  if (!admitted.ok()) return to_grpc(admitted);
  absl::Status status = absl::ResourceExhaustedError(absl::StrCat("more than ", kFullSyncsMax, " members are joining"));
  if (streams_.fetch_add(1) < kFullSyncsMax) {
    auto feed = control_.open_full_sync(first.request());
    status = feed.ok() ? Sender(*context, *stream, **feed, stopping_).run() : feed.status();
  }
  streams_.fetch_sub(1);
  return to_grpc(status);
}

}  // namespace phalanx::mgmt
