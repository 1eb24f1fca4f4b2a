// Which ports of a hide address a member may give out, and in which order it tries them. docs/policy.md has the proof
// that no binding is given twice.
#ifndef PHALANX_HOST_POLICY_PORT_BLOCKS_HPP
#define PHALANX_HOST_POLICY_PORT_BLOCKS_HPP

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "hls/flow_key.hpp"

namespace phalanx::policy {

inline constexpr uint32_t kHidePortFirst = 1024;
inline constexpr uint32_t kHidePortLast = 65535;
inline constexpr uint32_t kBlockPorts = 64;
inline constexpr uint32_t kPortBlocks = (kHidePortLast - kHidePortFirst + 1) / kBlockPorts;  // 1008
static_assert(kPortBlocks * kBlockPorts == kHidePortLast - kHidePortFirst + 1);
// At most so many members hold leases, so that each has at least 63 blocks, 4032 ports of each hide address.
inline constexpr uint32_t kLeaseholdersMax = 16;
// With the share u of a member's ports taken towards one peer endpoint, all tries fail with probability u^32: one flow
// in 10,000 at u = 0.75, one in 30 at u = 0.9. Each try costs an INSERT.
inline constexpr uint32_t kPortAttemptsMax = 32;

// The permanent lease: block b of every hide address belongs to member b mod members_max, whether that member lives or
// not.
class PortBlocks {
 public:
  // `members_max` is the cluster's bound, not its present size: the same on every member, never changed while sessions
  // live. `member` counts from 0. InvalidArgument unless 0 <= member < members_max <= kLeaseholdersMax.
  static absl::StatusOr<PortBlocks> make(uint32_t member, uint32_t members_max);

  bool owns(uint16_t port) const;
  // How many ports this member has on each hide address.
  uint32_t ports() const { return ports_; }
  // The own ports are numbered 0..ports()-1.
  uint16_t port_at(uint32_t index) const;
  uint32_t index_of(uint16_t port) const;  // only of owned ports

 private:
  PortBlocks(uint32_t member, uint32_t members_max);
  uint32_t member_;
  uint32_t members_max_;
  uint32_t ports_;
};

// The candidate ports (or ICMP echo ids) of a new flow: a walk through the member's own ports from the original port,
// if that is its own, or else from a secret place, by a secret step that has no factor in common with their number. So
// candidates never repeat before all were tried, and cannot be predicted without the seed (RFC 6056).
class PortChooser {
 public:
  // `seed`: secret, random, of this start of the member.
  PortChooser(PortBlocks blocks, const uint64_t seed[2]) : blocks_(blocks), seed_{seed[0], seed[1]} {}

  // Attempt 0, 1, ...; none from kPortAttemptsMax on: drop the packet with reason nat_no_port. `key` is the
  // untranslated flow's; `original` its source port or echo id.
  std::optional<uint16_t> candidate(const hls::FlowKey& key, uint16_t original, uint32_t attempt) const;
  const PortBlocks& blocks() const { return blocks_; }

 private:
  PortBlocks blocks_;
  uint64_t seed_[2];
};

}  // namespace phalanx::policy

#endif
