#include "host/policy/port_blocks.hpp"

#include <cassert>
#include <numeric>

#include "absl/strings/str_format.h"
#include "host/policy/keyed_hash.hpp"

namespace phalanx::policy {

absl::StatusOr<PortBlocks> PortBlocks::make(uint32_t member, uint32_t members_max) {
  if (members_max == 0 || members_max > kLeaseholdersMax || member >= members_max) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "port blocks of member %d of %d: members count from 0 to less than %d", member, members_max, kLeaseholdersMax));
  }
  return PortBlocks(member, members_max);
}

PortBlocks::PortBlocks(uint32_t member, uint32_t members_max)
    : member_(member),
      members_max_(members_max),
      ports_((kPortBlocks - member + members_max - 1) / members_max * kBlockPorts) {}

bool PortBlocks::owns(uint16_t port) const {
  return port >= kHidePortFirst && (port - kHidePortFirst) / kBlockPorts % members_max_ == member_;
}

uint16_t PortBlocks::port_at(uint32_t index) const {
  assert(index < ports_);
  const uint32_t block = index / kBlockPorts * members_max_ + member_;
  return static_cast<uint16_t>(kHidePortFirst + block * kBlockPorts + index % kBlockPorts);
}

uint32_t PortBlocks::index_of(uint16_t port) const {
  assert(owns(port));
  const uint32_t offset = port - kHidePortFirst;
  return offset / kBlockPorts / members_max_ * kBlockPorts + offset % kBlockPorts;
}

std::optional<uint16_t> PortChooser::candidate(const hls::FlowKey& key, uint16_t original, uint32_t attempt) const {
  if (attempt >= kPortAttemptsMax) return std::nullopt;
  const uint64_t words[] = {key.a_hi, key.a_lo, key.b_hi, key.b_lo, key.tail};
  const uint64_t hash = keyed_hash(seed_, words);
  const uint32_t ports = blocks_.ports();
  const uint32_t start =
      blocks_.owns(original) ? blocks_.index_of(original) : static_cast<uint32_t>(hash & 0xffffffff) % ports;
  // 1..ports-1, then the next one without a common factor: `attempt * step` meets every number modulo `ports` once.
  uint32_t step = 1 + static_cast<uint32_t>(hash >> 32) % (ports - 1);
  while (std::gcd(step, ports) != 1) step = step % (ports - 1) + 1;
  return blocks_.port_at((start + attempt * step) % ports);
}

}  // namespace phalanx::policy
