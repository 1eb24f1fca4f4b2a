// What bitstreams the configuration lets onto its card, and what management says of one.
#ifndef PHALANX_HOST_DAEMON_BITSTREAM_TRUST_HPP
#define PHALANX_HOST_DAEMON_BITSTREAM_TRUST_HPP

#include "absl/status/statusor.h"
#include "drivers/bitstream/bitstream.hpp"
#include "phalanx/v1/card.pb.h"
#include "phalanx/v1/config.pb.h"

namespace phalanx::daemon {

// Reads the trusted keys. The emulated card's platform is known; a real card's is not before it is asked: any of ours.
absl::StatusOr<bitstream::TrustPolicy> trust_policy(const v1::Card& card);
// All but `file`.
void describe_bitstream(const bitstream::Bitstream& checked, v1::BitstreamInfo& out);

}  // namespace phalanx::daemon

#endif
