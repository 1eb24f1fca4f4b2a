// The joiner's side of a full sync: takes the copy of the sessions from the active member.
#ifndef PHALANX_MGMT_SERVICE_FULL_SYNC_CLIENT_HPP
#define PHALANX_MGMT_SERVICE_FULL_SYNC_CLIENT_HPP

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "phalanx/v1/config.pb.h"
#include "phalanx/v1/sync.pb.h"

namespace phalanx::mgmt {

struct FullSyncOptions {
  std::string address;    // the active member's management_address, "10.99.0.2:8117"
  std::string peer_name;  // its name; its certificate must be of this name
  v1::Tls tls;            // this member's files
  v1::FullSyncRequest request;
  absl::Duration connect_timeout = absl::Seconds(5);
  absl::Duration total_timeout = absl::Minutes(10);  // 16 M sessions at 5 MB/s
};

class FullSyncClient {
 public:
  explicit FullSyncClient(FullSyncOptions options);
  ~FullSyncClient();
  FullSyncClient(const FullSyncClient&) = delete;
  FullSyncClient& operator=(const FullSyncClient&) = delete;

  // Runs the whole stream on the caller's thread, once: connects, gives each chunk in order to `install` and confirms
  // it when `install` has returned ok; gives the trailer. Errors: Unavailable (not reached, or broken),
  // FailedPrecondition (refused; the message is the reason), DataLoss (a chunk missing, out of order or too large),
  // Cancelled, DeadlineExceeded, or what `install` returned, which ends the stream.
  absl::StatusOr<v1::FullSyncTrailer> run(const std::function<absl::Status(const v1::FullSyncChunk&)>& install);

  // Makes run() return Cancelled soon, whether it has begun or not. Any thread, any number of times.
  void cancel();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace phalanx::mgmt

#endif
