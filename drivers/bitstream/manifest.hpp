// A bitstream's manifest: what the xclbin beside it is, and who says so.
#ifndef PHALANX_DRIVERS_BITSTREAM_MANIFEST_HPP
#define PHALANX_DRIVERS_BITSTREAM_MANIFEST_HPP

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "drivers/bitstream/contents.hpp"

namespace phalanx::bitstream {

inline constexpr uint32_t kManifestFormat = 1;
inline constexpr size_t kManifestBytesMax = 64u * 1024;  // ours has under 1 KiB
inline constexpr size_t kManifestKernelsMax = 32;

struct ManifestKernel {
  std::string name;
  uint32_t version = 0;
  uint32_t compute_units = 0;
  bool operator==(const ManifestKernel&) const = default;
};

struct Manifest {
  uint32_t abi_version = 0;
  std::string platform;
  std::vector<ManifestKernel> kernels;
  std::string xclbin_sha256;
  std::string signer;     // empty: not signed
  std::string signature;  // hex digits
  bool is_signed() const { return !signature.empty(); }
  bool operator==(const Manifest&) const = default;
};

// The manifest, not signed, of an xclbin of this tree's kernels that check_contents has taken.
Manifest describe(std::string_view xclbin, const Contents& contents);

// Refuses what is not of the schema and words with anything but letters, digits and ._- in them: InvalidArgument that
// names file, field and reason.
absl::StatusOr<Manifest> parse_manifest(std::string_view json, std::string_view file);
// Equal manifests give equal bytes.
std::string render(const Manifest& manifest);
// What is signed: everything but signer and signature, a line each, in one order. Words cannot hold a line's end.
std::string canonical_text(const Manifest& manifest);

}  // namespace phalanx::bitstream

#endif
