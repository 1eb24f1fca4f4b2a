#include "host/daemon/full_sync_hub.hpp"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "host/daemon/log.hpp"
#include "host/sync/full_sync_message.hpp"

namespace phalanx::daemon {
namespace {

// A worker installs a chunk of some 10,000 records in a few ms; longer than this and it is gone.
constexpr absl::Duration kInstallTimeout = absl::Seconds(5);

}  // namespace

void MessageQueue::push(std::string message) {
  const std::lock_guard lock(mutex_);
  messages_.push_back(std::move(message));
  ready_.notify_one();
}

std::optional<std::string> MessageQueue::pop(absl::Time deadline) {
  std::unique_lock lock(mutex_);
  ready_.wait_until(lock, absl::ToChronoTime(deadline), [this] { return closed_ || !messages_.empty(); });
  if (closed_ || messages_.empty()) return std::nullopt;
  std::string message = std::move(messages_.front());
  messages_.pop_front();
  return message;
}

void MessageQueue::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  ready_.notify_all();
}

bool MessageQueue::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

// The giver's stream to one joiner. Chunks are numbered from 1 on the stream, from 0 in host/sync.
class FullSyncHub::Feed final : public mgmt::FullSyncFeed {
 public:
  Feed(Worker* worker, gateway::FullSyncOpen open, std::shared_ptr<MessageQueue> messages)
      : worker_(worker), open_(open), messages_(std::move(messages)) {}

  ~Feed() override {
    worker_->tasks().post(
        [open = open_](Worker& worker, int64_t) { worker.data().sync().end_giving(open.joiner, open.snapshot); });
  }

  absl::StatusOr<std::optional<Message>> next(absl::Time deadline) override {
    std::optional<std::string> message = messages_->pop(deadline);
    if (!message) {
      if (messages_->closed()) return absl::AbortedError("another full sync of the same member has begun");
      return std::optional<Message>();
    }
    const auto header = sync::read_full_sync_message(*message);
    if (!header) return absl::InternalError("a full sync message of this member's own is damaged");
    if (header->kind == sync::FullSyncKind::kTrailer) {
      v1::FullSyncTrailer trailer;
      trailer.set_trailer(std::move(*message));
      return std::optional<Message>(std::move(trailer));
    }
    v1::FullSyncChunk chunk;
    chunk.set_number(++sent_);
    chunk.set_records(std::move(*message));
    return std::optional<Message>(std::move(chunk));
  }

  absl::Status confirm(uint64_t number) override {
    // One for each chunk up to `number`: host/sync takes them one by one.
    for (; confirmed_ < number; ++confirmed_) {
      std::string confirmation(sync::kFullSyncHeaderBytes, '\0');
      sync::seal_full_sync_message(
          {sync::FullSyncKind::kConfirmation, open_.snapshot, static_cast<uint32_t>(confirmed_), 0}, &confirmation);
      const auto result = worker_->tasks().call([open = open_, confirmation](Worker& worker, int64_t) {
        return worker.data().sync().full_sync_confirmed(open.joiner, open.snapshot, confirmation);
      });
      if (!result.ok()) return result.status();
      if (!result->ok()) return *result;
    }
    return absl::OkStatus();
  }

 private:
  Worker* worker_;
  gateway::FullSyncOpen open_;
  std::shared_ptr<MessageQueue> messages_;
  uint64_t sent_ = 0;
  uint64_t confirmed_ = 0;
};

FullSyncHub::~FullSyncHub() { stop(); }

void FullSyncHub::stop() {
  end_joining();
  const std::lock_guard lock(mutex_);
  for (auto& [joiner, feed] : feeds_) feed.second->close();
}

void FullSyncHub::end_joining() {
  std::unique_ptr<Joining> old;
  {
    const std::lock_guard lock(mutex_);
    old = std::move(joining_);
  }
  if (old == nullptr) return;
  old->client->cancel();
  old->answers->close();
  if (old->thread.joinable()) old->thread.join();
}

void FullSyncHub::open(cluster::MemberId active, const gateway::FullSyncOpen& open) {
  const auto peer = std::find_if(settings_.peers.begin(), settings_.peers.end(),
                                 [active](const PeerSettings& p) { return p.id == active; });
  if (peer == settings_.peers.end()) return;
  // The stream before it is ended by a thread of its own: the worker does not wait for it.
  std::unique_ptr<Joining> old;
  auto fresh = std::make_unique<Joining>();
  fresh->snapshot = open.snapshot;
  fresh->answers = std::make_shared<MessageQueue>();
  mgmt::FullSyncOptions options;
  options.address = peer->management_address;
  options.peer_name = peer->name;
  options.tls = settings_.config.management().tls();
  options.request.set_member_id(open.joiner);
  options.request.set_incarnation(open.incarnation);
  options.request.set_delta_stream(open.delta_stream);
  options.request.set_cluster_id(settings_.config.cluster().id());
  options.request.set_snapshot(open.snapshot);
  fresh->client = std::make_unique<mgmt::FullSyncClient>(std::move(options));
  const std::lock_guard lock(mutex_);
  old = std::move(joining_);
  joining_ = std::move(fresh);
  Joining* joining = joining_.get();
  joining->thread = std::thread([this, joining, peer = *peer, open, old = std::move(old)]() mutable {
    if (old != nullptr) {
      old->client->cancel();
      old->answers->close();
      if (old->thread.joinable()) old->thread.join();
      old.reset();
    }
    join(peer, open, *joining);
  });
}

void FullSyncHub::join(const PeerSettings& peer, gateway::FullSyncOpen open, Joining& joining) {
  log::info(absl::StrCat("full sync from ", peer.name, " begins"));
  const absl::Time begun = absl::Now();
  const auto trailer = joining.client->run(
      [&](const v1::FullSyncChunk& chunk) { return install(open.snapshot, chunk.records(), *joining.answers); });
  if (trailer.ok()) (void)install(open.snapshot, trailer->trailer(), *joining.answers);
  worker_->tasks().post(
      [snapshot = open.snapshot](Worker& worker, int64_t) { worker.data().sync().full_sync_closed(snapshot); });
  log::info(absl::StrCat("full sync from ", peer.name, " ", trailer.ok() ? "ended" : "failed", " after ",
                         absl::ToInt64Milliseconds(absl::Now() - begun), " ms",
                         trailer.ok() ? "" : absl::StrCat(": ", std::string(trailer.status().message()))));
}

// Hands a message to the worker and waits for its confirmation, which is that of the chunk on the stream.
absl::Status FullSyncHub::install(uint64_t snapshot, const std::string& message, MessageQueue& answers) {
  const bool posted = worker_->tasks().post([snapshot, message](Worker& worker, int64_t now_ns) {
    worker.data().sync().full_sync_message(now_ns, snapshot, message);
  });
  if (!posted) return absl::ResourceExhaustedError("the worker does not keep up");
  if (!answers.pop(absl::Now() + kInstallTimeout)) return absl::AbortedError("the worker did not take the chunk");
  return absl::OkStatus();
}

void FullSyncHub::answer(uint64_t snapshot, std::string message) {
  const std::lock_guard lock(mutex_);
  if (joining_ != nullptr && joining_->snapshot == snapshot) joining_->answers->push(std::move(message));
}

void FullSyncHub::give(cluster::MemberId joiner, uint64_t snapshot, std::string message) {
  const std::lock_guard lock(mutex_);
  const auto feed = feeds_.find(joiner);
  if (feed != feeds_.end() && feed->second.first == snapshot) feed->second.second->push(std::move(message));
}

absl::StatusOr<std::unique_ptr<mgmt::FullSyncFeed>> FullSyncHub::open_feed(const v1::FullSyncRequest& request) {
  if (request.cluster_id() != settings_.config.cluster().id()) {
    return absl::FailedPreconditionError(absl::StrCat("this is cluster ", settings_.config.cluster().id()));
  }
  const gateway::FullSyncOpen open{.joiner = static_cast<cluster::MemberId>(request.member_id()),
                                   .incarnation = request.incarnation(),
                                   .delta_stream = static_cast<uint32_t>(request.delta_stream()),
                                   .snapshot = request.snapshot()};
  auto messages = std::make_shared<MessageQueue>();
  {
    const std::lock_guard lock(mutex_);
    auto& feed = feeds_[open.joiner];
    if (feed.second != nullptr) feed.second->close();
    feed = {open.snapshot, messages};
  }
  const auto result = worker_->tasks().call(
      [open](Worker& worker, int64_t now_ns) { return worker.data().sync().give_full_sync(now_ns, open); });
  if (!result.ok()) return result.status();
  if (!result->ok()) return *result;
  return std::unique_ptr<mgmt::FullSyncFeed>(std::make_unique<Feed>(worker_, open, std::move(messages)));
}

}  // namespace phalanx::daemon
