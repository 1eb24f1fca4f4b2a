// Sound inputs of the fuzz target for bitstreams. An input's first byte says what the rest is.
#ifndef PHALANX_TESTS_FUZZ_BITSTREAM_CORPUS_HPP
#define PHALANX_TESTS_FUZZ_BITSTREAM_CORPUS_HPP

#include <cstdint>
#include <string>
#include <vector>

#include "bitstreams/xclbin_writer/xclbin_file.hpp"
#include "drivers/bitstream/contents.hpp"
#include "drivers/bitstream/manifest.hpp"

namespace phalanx::bitstream::test {

enum class InputKind : uint8_t { kXclbin, kManifest, kMetadata, kKeys };
inline constexpr uint8_t kInputKinds = 4;

inline std::vector<SectionBytes> corpus_sections() {
  return emulation_sections("\177ELF" + std::string(60, 'k'), kKernels);
}
inline std::string corpus_xclbin(const std::vector<SectionBytes>& sections) {
  return assemble(BuildTarget::kSwEmu, kEmulatedPlatform.xrt_name, sections);
}
inline std::string corpus_manifest() {
  const std::string xclbin = corpus_xclbin(corpus_sections());
  const absl::StatusOr<Contents> contents = check_contents(xclbin, "corpus");
  Manifest manifest = describe(xclbin, contents.value());
  manifest.signer = std::string(16, 'a');
  manifest.signature = std::string(128, 'b');
  return render(manifest);
}
// A public key of RFC 8032's test vectors (RFC 8410's form), twice.
inline std::string corpus_keys() {
  const std::string key =
      "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\n-----END PUBLIC "
      "KEY-----\n";
  return key + "between them\n" + key;
}

}  // namespace phalanx::bitstream::test

#endif
