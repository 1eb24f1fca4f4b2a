// The active member tells the others who is on its networks, so that a takeover doesn't wait for ARP and ND.
//
// A datagram of the sync port, sealed as deltas are, with a kind of its own: as many neighbours as fit, sent every
// second and soon after a change. Nothing is acknowledged; the next one says it all again. Layout in
// docs/protocol-sync.md.
#ifndef PHALANX_HOST_GATEWAY_NEIGHBOUR_SYNC_HPP
#define PHALANX_HOST_GATEWAY_NEIGHBOUR_SYNC_HPP

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "host/routing/neighbour_table.hpp"
#include "host/sync/datagram.hpp"
#include "host/sync/seal.hpp"

namespace phalanx::gateway {

struct NeighbourSyncConfig {
  uint16_t cluster = 0;
  uint16_t member = 0;  // as on the wire, from 0
  uint64_t incarnation = 0;
  sync::ClusterKey key{};
};

inline constexpr int64_t kNeighbourSyncNs = 1'000'000'000;
// Port 2, family 1, address 16, MAC 6.
inline constexpr size_t kNeighbourBytes = 25;
inline constexpr size_t kNeighboursPerDatagram = sync::kSealedBytes / kNeighbourBytes;
// Told in one round: 64 datagrams a second at most; a larger table is told in several rounds.
inline constexpr size_t kNeighboursPerRound = 64 * kNeighboursPerDatagram;
inline constexpr uint8_t kNeighboursKind = 4;
// Its own key: no worker's delta stream has this channel. All peers are sent the same.
inline constexpr uint8_t kNeighboursChannel = 0xff;
inline constexpr uint16_t kAllMembers = 0xfffe;

class NeighbourSync {
 public:
  static absl::StatusOr<std::unique_ptr<NeighbourSync>> create(const NeighbourSyncConfig& config);

  bool due(int64_t now_ns) const { return now_ns >= due_ns_; }
  void seal(int64_t now_ns, absl::Span<const routing::NeighbourView> neighbours,
            absl::FunctionRef<void(absl::Span<const uint8_t>)> send);

  static bool is_neighbours(absl::Span<const uint8_t> datagram);
  // Empty if it isn't authentic, is older than one already taken, or makes no sense; counted.
  std::vector<routing::NeighbourView> open(uint32_t member, absl::Span<const uint8_t> datagram);

  uint64_t sent() const { return sent_; }
  uint64_t received() const { return received_; }
  uint64_t refused() const { return refused_; }

 private:
  NeighbourSync(const NeighbourSyncConfig& config, sync::SealingKey key) : config_(config), seal_(std::move(key)) {}

  NeighbourSyncConfig config_;
  sync::SealingKey seal_;
  uint64_t counter_ = 0;
  size_t first_ = 0;
  int64_t due_ns_ = 0;
  // Of the member heard last.
  std::optional<sync::SealingKey> peer_key_;
  uint32_t peer_ = 0;
  uint64_t peer_incarnation_ = 0;
  uint64_t peer_counter_ = 0;
  uint64_t sent_ = 0, received_ = 0, refused_ = 0;
};

}  // namespace phalanx::gateway

#endif
