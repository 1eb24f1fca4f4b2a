// Whatever comes as a bitstream, a manifest or a file of keys: nothing outside it is touched, and what is accepted
// keeps the reader's promises.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "drivers/bitstream/bitstream.hpp"
#include "drivers/bitstream/container.hpp"
#include "drivers/bitstream/kernel_description.hpp"
#include "drivers/bitstream/metadata.hpp"
#include "tests/fuzz/bitstream_corpus.hpp"

namespace phalanx::bitstream::test {
namespace {

constexpr const char* kFile = "input";

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

void check_refusal(const absl::Status& status) {
  require(status.message().find(kFile) == 0, "a refusal begins with the file");
}

void check_units(const std::vector<ComputeUnit>& units) {
  for (const KernelDescription& kernel : kKernels) {
    bool found = false;
    for (const ComputeUnit& unit : units) found |= unit.kernel == kernel.name;
    require(found, "every kernel has a compute unit");
  }
}

void try_xclbin(std::string_view bytes) {
  const absl::StatusOr<Container> container = parse_container(bytes, kFile);
  const absl::StatusOr<Contents> contents = check_contents(bytes, kFile);
  if (!container.ok()) {
    require(contents.status() == container.status(), "a broken container has no contents");
    return check_refusal(container.status());
  }
  for (const Section& section : container->sections) {
    require(section.bytes.data() >= bytes.data() &&
                section.bytes.data() + section.bytes.size() <= bytes.data() + bytes.size(),
            "sections are inside the file");
  }
  if (!contents.ok()) return check_refusal(contents.status());
  check_units(contents->compute_units);
  require(!contents->banks.empty(), "there is memory");
  // With a manifest of its own it loads, and only if no signature is needed.
  const std::string manifest = render(describe(bytes, *contents));
  TrustPolicy policy;
  require(!load_bitstream(kFile, std::string(bytes), manifest, policy).ok(), "unsigned is refused");
  policy.allow_unsigned = true;
  require(load_bitstream(kFile, std::string(bytes), manifest, policy).ok(), "what is sound loads");
}

void try_manifest(std::string_view json) {
  const absl::StatusOr<Manifest> manifest = parse_manifest(json, kFile);
  if (!manifest.ok()) return check_refusal(manifest.status());
  const absl::StatusOr<Manifest> again = parse_manifest(render(*manifest), kFile);
  require(again.ok() && *again == *manifest, "a manifest is read as it is written");
  require(
      load_bitstream(kFile, "no xclbin", json, TrustPolicy{}).status().code() == absl::StatusCode::kPermissionDenied,
      "nobody is trusted");
}

void try_one(InputKind kind, std::string_view bytes) {
  switch (kind) {
    case InputKind::kXclbin:
      return try_xclbin(bytes);
    case InputKind::kManifest:
      return try_manifest(bytes);
    case InputKind::kMetadata: {
      const absl::StatusOr<std::vector<ComputeUnit>> units = check_metadata(bytes, kFile);
      return units.ok() ? check_units(*units) : check_refusal(units.status());
    }
    case InputKind::kKeys: {
      const absl::StatusOr<std::vector<PublicKey>> keys = parse_public_keys(bytes, kFile);
      if (!keys.ok()) return check_refusal(keys.status());
      return require(!keys->empty() && keys->size() <= kTrustedKeysMax, "1 to 64 keys");
    }
  }
}

}  // namespace
}  // namespace phalanx::bitstream::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  // Memory of exactly the input's size: a sanitizer sees one byte too many.
  const auto memory = std::make_unique<char[]>(size - 1);
  if (size > 1) std::memcpy(memory.get(), data + 1, size - 1);
  phalanx::bitstream::test::try_one(
      static_cast<phalanx::bitstream::test::InputKind>(data[0] % phalanx::bitstream::test::kInputKinds),
      {memory.get(), size - 1});
  return 0;
}
