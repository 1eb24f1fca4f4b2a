// What the management server spends at most: it must never take the member's memory or threads from forwarding.
#ifndef PHALANX_MGMT_SERVICE_LIMITS_HPP
#define PHALANX_MGMT_SERVICE_LIMITS_HPP

#include "absl/time/time.h"
#include "mgmt/service/control.hpp"

namespace phalanx::mgmt {

inline constexpr int kThreadsMax = 32;   // gRPC's own: 8 watchers, 7 joiners with a reader each, 1 a card, short calls
inline constexpr int kWatchersMax = 8;   // streams of Cluster.Watch
inline constexpr int kFullSyncsMax = 7;  // streams of Sync.FullSync: 8 members less this one
inline constexpr int kStreamsMax = 32;   // calls at once of one connection
inline constexpr int kRequestBytesMax = 64 * 1024;  // a request: the largest is a filter or a reason, below 1 KiB
inline constexpr int kChunkMessageBytesMax =
    static_cast<int>(kFullSyncChunkBytesMax) + 64 * 1024;  // chunk and its frame
inline constexpr size_t kReasonBytesMax = 255;             // an operator's reason, as it goes to the log
inline constexpr int kSessionsPerMessage = 64;             // of List: some 10 KiB a message

inline constexpr absl::Duration kPollInterval =
    absl::Milliseconds(100);                                          // how soon a stream notices cancel and shutdown
inline constexpr absl::Duration kConfirmTimeout = absl::Seconds(30);  // a joiner that installs 2 MiB slower is stuck
// A file of 512 MiB in that time is 14 Mbit/s; nobody else can work on the card meanwhile.
inline constexpr absl::Duration kUploadTimeout = absl::Minutes(5);
inline constexpr absl::Duration kCloseTimeout = absl::Seconds(2);  // for the joiner's last word
inline constexpr absl::Duration kShutdownMax = absl::Seconds(2);   // then calls are cancelled

}  // namespace phalanx::mgmt

#endif
