#include "host/daemon/bitstream_trust.hpp"

#include <string>

#include "drivers/bitstream/platform.hpp"

namespace phalanx::daemon {

absl::StatusOr<bitstream::TrustPolicy> trust_policy(const v1::Card& card) {
  bitstream::TrustPolicy policy;
  policy.allow_unsigned = card.allow_unsigned();
  if (card.device() == "emulated") policy.platform = std::string(bitstream::kEmulatedPlatform.xrt_name);
  if (card.trusted_keys().empty()) return policy;
  auto keys = bitstream::read_public_keys(card.trusted_keys());
  if (!keys.ok()) return keys.status();
  policy.keys = *std::move(keys);
  return policy;
}

void describe_bitstream(const bitstream::Bitstream& checked, v1::BitstreamInfo& out) {
  out.set_platform(checked.manifest.platform);
  out.set_xclbin_uuid(checked.contents.uuid);
  out.set_abi_version(checked.manifest.abi_version);
  for (const bitstream::ManifestKernel& kernel : checked.manifest.kernels) {
    v1::CardKernel* const one = out.add_kernels();
    one->set_name(kernel.name);
    one->set_version(kernel.version);
    one->set_compute_units(kernel.compute_units);
  }
  out.set_xclbin_sha256(checked.manifest.xclbin_sha256);
  out.set_signer(checked.manifest.signer);
  out.set_trusted(checked.trusted);
}

}  // namespace phalanx::daemon
