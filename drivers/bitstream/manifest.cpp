#include "drivers/bitstream/manifest.hpp"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "drivers/bitstream/kernel_description.hpp"
#include "drivers/bitstream/manifest.pb.h"
#include "drivers/bitstream/signing.hpp"

namespace phalanx::bitstream {
namespace {

constexpr size_t kWordBytesMax = 63;  // an xclbin's header has 64 bytes for the platform

absl::Status refuse(std::string_view file, std::string_view field, std::string_view reason) {
  return absl::InvalidArgumentError(absl::StrFormat("%s: %s: %s", file, field, reason));
}

absl::Status check_word(std::string_view file, std::string_view field, const std::string& word) {
  if (word.empty()) return refuse(file, field, "is missing");
  if (word.size() > kWordBytesMax) return refuse(file, field, absl::StrFormat("longer than %u", kWordBytesMax));
  const bool good = std::all_of(word.begin(), word.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
  });
  return good ? absl::OkStatus() : refuse(file, field, "has something else in it than letters, digits and ._-");
}

absl::Status check_hex(std::string_view file, std::string_view field, const std::string& text, size_t bytes) {
  const bool good = text.size() == 2 * bytes && std::all_of(text.begin(), text.end(), [](unsigned char c) {
                      return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
                    });
  return good ? absl::OkStatus() : refuse(file, field, absl::StrFormat("is not %u lower-case hex digits", 2 * bytes));
}

absl::Status check_kernels(std::string_view file, const Manifest& manifest) {
  if (manifest.kernels.empty()) return refuse(file, "kernels", "none");
  if (manifest.kernels.size() > kManifestKernelsMax) {
    return refuse(file, "kernels", absl::StrFormat("more than %u", kManifestKernelsMax));
  }
  std::set<std::string_view> names;
  for (const ManifestKernel& kernel : manifest.kernels) {
    if (absl::Status status = check_word(file, "kernels.name", kernel.name); !status.ok()) return status;
    if (!names.insert(kernel.name).second) return refuse(file, "kernels", kernel.name + " twice");
  }
  return absl::OkStatus();
}

absl::Status check_form(std::string_view file, const Manifest& manifest) {
  if (absl::Status status = check_word(file, "platform", manifest.platform); !status.ok()) return status;
  if (absl::Status status = check_kernels(file, manifest); !status.ok()) return status;
  if (absl::Status status = check_hex(file, "xclbin_sha256", manifest.xclbin_sha256, 32); !status.ok()) return status;
  if (manifest.signer.empty() && manifest.signature.empty()) return absl::OkStatus();
  if (absl::Status status = check_hex(file, "signer", manifest.signer, 8); !status.ok()) return status;
  return check_hex(file, "signature", manifest.signature, kSignatureBytes);
}

}  // namespace

Manifest describe(std::string_view xclbin, const Contents& contents) {
  Manifest manifest;
  manifest.abi_version = abi::kAbiVersion;
  manifest.platform = contents.platform;
  for (const KernelDescription& kernel : kKernels) {
    const auto units = std::count_if(contents.compute_units.begin(), contents.compute_units.end(),
                                     [&](const ComputeUnit& unit) { return unit.kernel == kernel.name; });
    manifest.kernels.push_back({std::string(kernel.name), kernel.version, static_cast<uint32_t>(units)});
  }
  manifest.xclbin_sha256 = sha256_hex(xclbin);
  return manifest;
}

absl::StatusOr<Manifest> parse_manifest(std::string_view json, std::string_view file) {
  if (json.size() > kManifestBytesMax) {
    return refuse(file, "size", absl::StrFormat("%u bytes, more than %u", json.size(), kManifestBytesMax));
  }
  file::Manifest message;
  const auto status = google::protobuf::util::JsonStringToMessage({json.data(), json.size()}, &message);
  if (!status.ok()) return refuse(file, "JSON", status.message().ToString());
  if (message.format() != kManifestFormat) {
    return refuse(file, "format", absl::StrFormat("%u, this program reads %u", message.format(), kManifestFormat));
  }
  Manifest manifest;
  manifest.abi_version = message.abi_version();
  manifest.platform = message.platform();
  for (const file::Manifest::Kernel& kernel : message.kernels()) {
    manifest.kernels.push_back({kernel.name(), kernel.version(), kernel.compute_units()});
  }
  manifest.xclbin_sha256 = message.xclbin_sha256();
  manifest.signer = message.signer();
  manifest.signature = message.signature();
  if (absl::Status form = check_form(file, manifest); !form.ok()) return form;
  return manifest;
}

std::string render(const Manifest& manifest) {
  std::string kernels;
  for (const ManifestKernel& kernel : manifest.kernels) {
    absl::StrAppendFormat(&kernels, "%s\n    {\"name\": \"%s\", \"version\": %u, \"compute_units\": %u}",
                          kernels.empty() ? "" : ",", kernel.name, kernel.version, kernel.compute_units);
  }
  // Words have nothing in them that JSON would escape.
  std::string text = absl::StrFormat(
      "{\n  \"format\": %u,\n  \"abi_version\": %u,\n  \"platform\": \"%s\",\n  \"kernels\": [%s\n  ],\n"
      "  \"xclbin_sha256\": \"%s\"",
      kManifestFormat, manifest.abi_version, manifest.platform, kernels, manifest.xclbin_sha256);
  if (manifest.is_signed()) {
    absl::StrAppendFormat(&text, ",\n  \"signer\": \"%s\",\n  \"signature\": \"%s\"", manifest.signer,
                          manifest.signature);
  }
  return text + "\n}\n";
}

std::string canonical_text(const Manifest& manifest) {
  std::string text = absl::StrFormat("phalanx bitstream %u\nabi_version %u\nplatform %s\n", kManifestFormat,
                                     manifest.abi_version, manifest.platform);
  for (const ManifestKernel& kernel : manifest.kernels) {
    absl::StrAppendFormat(&text, "kernel %s %u %u\n", kernel.name, kernel.version, kernel.compute_units);
  }
  absl::StrAppendFormat(&text, "xclbin_sha256 %s\n", manifest.xclbin_sha256);
  return text;
}

}  // namespace phalanx::bitstream
