// What the management services need of the member they speak for; the daemon implements it. mgmt/ knows nothing else of
// it.
#ifndef PHALANX_MGMT_SERVICE_CONTROL_HPP
#define PHALANX_MGMT_SERVICE_CONTROL_HPP

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "phalanx/v1/card.pb.h"
#include "phalanx/v1/cluster.pb.h"
#include "phalanx/v1/session.pb.h"
#include "phalanx/v1/sync.pb.h"
#include "phalanx/v1/system.pb.h"

namespace phalanx::mgmt {

// Ends a subscription when it is destroyed: once the destructor has returned, the callback is not running and will not
// run.
class Subscription {
 public:
  virtual ~Subscription() = default;
};

// One full sync to one joiner, as the active member's side produces it. Used by one thread; destroying it ends the full
// sync, whether finished or not.
class FullSyncFeed {
 public:
  using Message = std::variant<v1::FullSyncChunk, v1::FullSyncTrailer, v1::FullSyncRefused>;

  virtual ~FullSyncFeed() = default;

  // The next message to the joiner. nullopt: nothing until `deadline`, ask again. A trailer or a refusal is the last;
  // next() is not called after it. Called with at most kFullSyncChunksInFlightMax chunks not yet confirmed. An error
  // ends the stream with its code. Must return by `deadline`.
  virtual absl::StatusOr<std::optional<Message>> next(absl::Time deadline) = 0;
  // The joiner has installed chunk `number` and all before it. An error (a number never sent is refused by the service
  // already) ends the stream.
  virtual absl::Status confirm(uint64_t number) = 0;
};

// Who asked for work on a card. Any thread.
class CardListener {
 public:
  virtual ~CardListener() = default;
  // How far it is. Returns soon, also when nobody listens any more.
  virtual void tell(const v1::CardProgress& progress) = 0;
  // Nobody waits for the answer any more: heeded only while nothing has been touched.
  virtual bool gone() = 0;
  // The member stops: the work is to end within a second, with the former files in place if it has not succeeded.
  virtual bool stopping() = 0;
};

// A bitstream as a client sent it, not checked.
struct BitstreamUpload {
  std::string file;      // its name at the client, for messages
  std::string xclbin;    // its bytes, kBitstreamBytesMax at most
  std::string manifest;  // the manifest's text, kManifestTextBytesMax at most
};

// One card, taken by one caller until it is destroyed. Used by one thread. Each call takes as long as the card takes,
// bounded by named limits of the implementer, and leaves the card in use, or says in its error that it could not.
class CardWork {
 public:
  virtual ~CardWork() = default;
  // Codes as drivers/bitstream has them for a bitstream that is refused, with nothing touched; Aborted if the card did
  // not start with it and has the former one again; Cancelled if the listener has gone in time.
  virtual absl::Status load(BitstreamUpload upload, CardListener& listener) = 0;
  // OK also if a test failed, which its TESTED message says.
  virtual absl::Status self_test(CardListener& listener) = 0;
  virtual absl::StatusOr<v1::SensorList> sensors(CardListener& listener) = 0;
  // Unimplemented for a card that cannot be reset.
  virtual absl::Status reset(CardListener& listener) = 0;
};

// Called from threads of gRPC, several at a time: the implementer synchronizes. Every function returns within a bounded
// time (about a second; list_sessions and delete_sessions as long as a walk over the table takes). Errors reach the
// client with their code and message.
class Control {
 public:
  virtual ~Control() = default;

  virtual absl::StatusOr<v1::ClusterStatus> cluster_status() = 0;
  // Calls `changed` after each change of the status, on any thread; it returns at once and does not call back into
  // Control. Not called for the status at the time of subscribing. Null if no more subscriptions are possible.
  virtual std::unique_ptr<Subscription> subscribe(std::function<void(const v1::ClusterStatus&)> changed) = 0;
  // FailedPrecondition if this member is not active, or no other is ready.
  virtual absl::Status failover(const v1::FailoverRequest& request) = 0;
  // The service has checked that the state is UP or DOWN.
  virtual absl::Status set_member_state(const v1::SetMemberStateRequest& request) = 0;

  // Gives the sessions that fit to `sink`, `limit` at most (0: all), until it returns false. The service has checked
  // the filter's syntax (prefixes, ports up to 65535). A sink that returns false is no error. No lock of the packet
  // path may be held while `sink` runs: it waits for the client.
  virtual absl::Status list_sessions(const v1::SessionFilter& filter, uint64_t limit,
                                     std::function<bool(const v1::Session&)> sink) = 0;
  virtual absl::StatusOr<uint64_t> count_sessions(const v1::SessionFilter& filter) = 0;
  // Gives how many were ended. FailedPrecondition on a member that is not active.
  virtual absl::StatusOr<uint64_t> delete_sessions(const v1::SessionFilter& filter) = 0;

  virtual absl::StatusOr<v1::Counters> counters() = 0;
  virtual absl::StatusOr<v1::LinkList> links() = 0;
  virtual absl::StatusOr<v1::Version> version() = 0;
  // Whether the member is active, or a standby that is ready to take over. Cheap: asked after each change of status
  // too.
  virtual bool healthy() = 0;

  // A joiner asks for a copy of the sessions. FailedPrecondition (the reason is told to the joiner as `refused`) if
  // this member is not active or the joiner not of this cluster; ResourceExhausted if too many are joining.
  virtual absl::StatusOr<std::unique_ptr<FullSyncFeed>> open_full_sync(const v1::FullSyncRequest& request) = 0;

  // As a member without a card answers: NotFound.
  virtual absl::StatusOr<v1::CardList> cards() { return absl::NotFoundError(kNoCard); }
  // `card` is a CardStatus.device, or empty for the only one. NotFound if there is none such; FailedPrecondition while
  // another has it. CardWork must be gone before this Control is.
  virtual absl::StatusOr<std::unique_ptr<CardWork>> take_card(const std::string& card) {
    return absl::NotFoundError(card.empty() ? kNoCard : absl::StrCat("card ", card, ": ", kNoCard));
  }

  static constexpr char kNoCard[] = "this member has no card (engine.kind is CPU)";
};

// Largest xclbin taken, as drivers/bitstream has it: those of Alveo cards have up to some 100 MB. One card a member,
// one call a card: so much memory at most, for as long as the call.
inline constexpr uint64_t kBitstreamBytesMax = 512ull << 20;
// A manifest has under 1 KiB; it goes in one request with the header.
inline constexpr size_t kManifestTextBytesMax = 32 * 1024;
// Bytes of a chunk: with its frame well below the limit of a request, 64 KiB.
inline constexpr size_t kBitstreamChunkBytesMax = 48 * 1024;

// Chunks sent and not yet confirmed. 8 of 256 KiB keep 2 MiB in flight: 1 Gbit/s at 16 ms round trip.
inline constexpr uint64_t kFullSyncChunksInFlightMax = 8;
// Bytes of records in a chunk: some 1600 records of 160 bytes; well below gRPC's limit of a message.
inline constexpr size_t kFullSyncChunkBytesMax = 256 * 1024;

}  // namespace phalanx::mgmt

#endif
