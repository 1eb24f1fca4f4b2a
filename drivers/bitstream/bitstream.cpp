#include "drivers/bitstream/bitstream.hpp"

#include <algorithm>
#include <array>
#include <fstream>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "drivers/bitstream/kernel_description.hpp"
#include "drivers/bitstream/platform.hpp"

namespace phalanx::bitstream {
namespace {

absl::StatusOr<std::string> read_file(const std::string& path, uint64_t bytes_max) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  const std::streamoff size = in ? static_cast<std::streamoff>(in.tellg()) : -1;
  if (size < 0) return absl::NotFoundError(absl::StrFormat("%s: file: cannot be read", path));
  if (static_cast<uint64_t>(size) > bytes_max) {
    return absl::DataLossError(absl::StrFormat("%s: size: %d bytes, more than %u", path, size, bytes_max));
  }
  std::string bytes(static_cast<size_t>(size), '\0');
  in.seekg(0);
  in.read(bytes.data(), size);
  if (in.gcount() != size) return absl::DataLossError(absl::StrFormat("%s: file: cannot be read whole", path));
  return bytes;
}

absl::Status other(std::string_view file, std::string_view field, std::string_view reason) {
  return absl::FailedPreconditionError(absl::StrFormat("%s: %s: %s", file, field, reason));
}

// Whether a key of the policy has signed.
absl::StatusOr<bool> check_signature(const Manifest& manifest, const std::string& file, const TrustPolicy& policy) {
  if (!manifest.is_signed()) {
    if (policy.allow_unsigned) return false;
    return absl::PermissionDeniedError(absl::StrFormat("%s: signature: is missing", file));
  }
  const auto key = std::find_if(policy.keys.begin(), policy.keys.end(),
                                [&](const PublicKey& k) { return k.id() == manifest.signer; });
  if (key == policy.keys.end()) {
    if (policy.allow_unsigned) return false;
    return absl::PermissionDeniedError(absl::StrFormat("%s: signer: key %s is not among the %u trusted ones", file,
                                                       manifest.signer, policy.keys.size()));
  }
  std::array<uint8_t, kSignatureBytes> signature{};
  const std::string bytes = absl::HexStringToBytes(manifest.signature);  // parse_manifest has seen 128 hex digits
  std::copy(bytes.begin(), bytes.end(), signature.begin());
  if (!verify(canonical_text(manifest), *key, signature)) {
    return absl::PermissionDeniedError(
        absl::StrFormat("%s: signature: is not that of key %s for these contents", file, manifest.signer));
  }
  return true;
}

absl::Status check_manifest_kernels(const Manifest& manifest, const std::string& file) {
  for (const ManifestKernel& kernel : manifest.kernels) {
    const KernelDescription* known = find_kernel(kernel.name);
    if (known == nullptr) return other(file, "kernels", absl::StrFormat("%s is none of this program's", kernel.name));
    if (kernel.version != known->version) {
      return other(
          file, "kernels",
          absl::StrFormat("%s has version %u, this program needs %u", kernel.name, kernel.version, known->version));
    }
  }
  for (const KernelDescription& known : kKernels) {
    const bool there = std::any_of(manifest.kernels.begin(), manifest.kernels.end(),
                                   [&](const ManifestKernel& k) { return k.name == known.name; });
    if (!there) return other(file, "kernels", absl::StrFormat("%s is missing", known.name));
  }
  return absl::OkStatus();
}

// Whether the bitstream that the manifest describes is one for this program and this card.
absl::Status check_manifest(const Manifest& manifest, const std::string& file, const TrustPolicy& policy) {
  if (manifest.abi_version != abi::kAbiVersion) {
    return other(file, "abi_version",
                 absl::StrFormat("%u, this program needs %u", manifest.abi_version, abi::kAbiVersion));
  }
  const Platform* platform = find_platform(manifest.platform);
  if (platform == nullptr) {
    return other(file, "platform", absl::StrFormat("%s is none that Phalanx is built for", manifest.platform));
  }
  if (!policy.platform.empty() && platform != find_platform(policy.platform)) {
    return other(file, "platform", absl::StrFormat("%s, but the card is %s", manifest.platform, policy.platform));
  }
  return check_manifest_kernels(manifest, file);
}

// Whether the xclbin is the one that the manifest describes.
absl::Status check_agreement(const Manifest& manifest, const Contents& contents, const std::string& file) {
  if (find_platform(manifest.platform) != find_platform(contents.platform)) {
    return other(file, "m_platformVBNV",
                 absl::StrFormat("%s, but the manifest says %s", contents.platform, manifest.platform));
  }
  for (const ManifestKernel& kernel : manifest.kernels) {
    const auto units = std::count_if(contents.compute_units.begin(), contents.compute_units.end(),
                                     [&](const ComputeUnit& unit) { return unit.kernel == kernel.name; });
    if (units != static_cast<int64_t>(kernel.compute_units)) {
      return other(file, "IP_LAYOUT",
                   absl::StrFormat("%d compute units of %s, but the manifest says %u", units, kernel.name,
                                   kernel.compute_units));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string manifest_path(std::string_view xclbin_path) {
  constexpr std::string_view kSuffix = ".xclbin";
  if (xclbin_path.ends_with(kSuffix)) xclbin_path.remove_suffix(kSuffix.size());
  return std::string(xclbin_path) + ".manifest";
}

absl::StatusOr<Bitstream> load_bitstream(const std::string& xclbin_path, const TrustPolicy& policy) {
  absl::StatusOr<std::string> xclbin = read_file(xclbin_path, kXclbinBytesMax);
  if (!xclbin.ok()) return xclbin.status();
  const absl::StatusOr<std::string> manifest = read_file(manifest_path(xclbin_path), kManifestBytesMax);
  if (!manifest.ok()) return manifest.status();
  return load_bitstream(xclbin_path, *std::move(xclbin), *manifest, policy);
}

absl::StatusOr<Bitstream> load_bitstream(std::string file, std::string xclbin, std::string_view manifest_json,
                                         const TrustPolicy& policy) {
  const std::string manifest_file = manifest_path(file);
  if (xclbin.size() > kXclbinBytesMax) {
    return absl::DataLossError(
        absl::StrFormat("%s: size: %u bytes, more than %u", file, xclbin.size(), kXclbinBytesMax));
  }
  absl::StatusOr<Manifest> manifest = parse_manifest(manifest_json, manifest_file);
  if (!manifest.ok()) return manifest.status();
  const absl::StatusOr<bool> trusted = check_signature(*manifest, manifest_file, policy);
  if (!trusted.ok()) return trusted.status();
  if (absl::Status status = check_manifest(*manifest, manifest_file, policy); !status.ok()) return status;
  const std::string digest = sha256_hex(xclbin);
  if (digest != manifest->xclbin_sha256) {
    return absl::DataLossError(
        absl::StrFormat("%s: sha256: %s, but %s says %s", file, digest, manifest_file, manifest->xclbin_sha256));
  }
  absl::StatusOr<Contents> contents = check_contents(xclbin, file);
  if (!contents.ok()) return contents.status();
  if (absl::Status status = check_agreement(*manifest, *contents, file); !status.ok()) return status;
  return Bitstream{std::move(file), std::move(xclbin), *std::move(manifest), *std::move(contents), *trusted};
}

}  // namespace phalanx::bitstream
