// Loads a bitstream from disk or memory and refuses whatever may not be given to XRT, which crashes on a damaged file
// and cannot know a wrong one. A bitstream is NAME.xclbin with NAME.manifest beside it.
//
// Each refusal names file, field and reason. Codes: NotFound (a file is not there), DataLoss (truncated or damaged,
// wrong digest), FailedPrecondition (sound, but for another ABI, platform or set of kernels), PermissionDenied
// (signature), InvalidArgument (a manifest that is none).
#ifndef PHALANX_DRIVERS_BITSTREAM_BITSTREAM_HPP
#define PHALANX_DRIVERS_BITSTREAM_BITSTREAM_HPP

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "drivers/bitstream/contents.hpp"
#include "drivers/bitstream/manifest.hpp"
#include "drivers/bitstream/signing.hpp"

namespace phalanx::bitstream {

// Largest xclbin that is read: those of Alveo cards have up to some 100 MB.
inline constexpr uint64_t kXclbinBytesMax = 512ull << 20;

// What is accepted.
struct TrustPolicy {
  // Whether a manifest without a signature, or signed by a key that is not among `keys`, will do. A signature that is
  // wrong for a key of `keys` is refused in any case.
  bool allow_unsigned = false;
  std::vector<PublicKey> keys;
  // The card's platform as XRT names it ("xilinx_u55c_gen3x16_xdma_base_3"). Empty: any of the platforms that this
  // tree builds for (drivers/bitstream/platform.hpp); the caller compares Bitstream::manifest.platform later.
  std::string platform;
};

// A checked bitstream.
struct Bitstream {
  std::string file;    // as given
  std::string xclbin;  // its bytes: give XRT these, not the file, which may have changed since
  Manifest manifest;
  Contents contents;
  bool trusted = false;  // signed by one of the policy's keys
};

// The file's name with .manifest for .xclbin.
std::string manifest_path(std::string_view xclbin_path);

absl::StatusOr<Bitstream> load_bitstream(const std::string& xclbin_path, const TrustPolicy& policy);

// The same for bytes that came by another way. `file` is for messages.
absl::StatusOr<Bitstream> load_bitstream(std::string file, std::string xclbin, std::string_view manifest_json,
                                         const TrustPolicy& policy);

}  // namespace phalanx::bitstream

#endif
