// A sound bitstream in memory, to be damaged by tests.
#ifndef PHALANX_TESTS_UNIT_BITSTREAM_SAMPLE_HPP
#define PHALANX_TESTS_UNIT_BITSTREAM_SAMPLE_HPP

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "bitstreams/xclbin_writer/xclbin_file.hpp"
#include "drivers/bitstream/bitstream.hpp"
#include "drivers/bitstream/manifest.hpp"

namespace phalanx::bitstream::test {

// What stands for a shared object: the reader looks at its first bytes only.
inline const std::string& object() {
  static const std::string bytes = "\177ELF" + std::string(500, 'k');
  return bytes;
}

inline std::vector<SectionBytes> sound_sections() { return emulation_sections(object(), kKernels); }

inline std::string assembled(const std::vector<SectionBytes>& sections) {
  return assemble(BuildTarget::kSwEmu, kEmulatedPlatform.xrt_name, sections);
}

struct KeyPair {
  std::string private_pem;
  std::string public_pem;
};

inline KeyPair make_keys(const char* type = "ED25519") {
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(EVP_PKEY_Q_keygen(nullptr, nullptr, type), EVP_PKEY_free);
  const std::unique_ptr<BIO, int (*)(BIO*)> out(BIO_new(BIO_s_mem()), BIO_free);
  const auto text = [&] {
    char* bytes = nullptr;
    const auto size = BIO_get_mem_data(out.get(), &bytes);
    std::string copy(bytes, static_cast<size_t>(size));
    BIO_reset(out.get());
    return copy;
  };
  KeyPair pair;
  PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  pair.private_pem = text();
  PEM_write_bio_PUBKEY(out.get(), key.get());
  pair.public_pem = text();
  return pair;
}

// The manifest that fits `xclbin`, whether the reader would take it or not.
inline Manifest manifest_of(const std::string& xclbin) {
  Manifest manifest;
  manifest.abi_version = abi::kAbiVersion;
  manifest.platform = kEmulatedPlatform.xrt_name;
  for (const KernelDescription& kernel : kKernels) {
    manifest.kernels.push_back({std::string(kernel.name), kernel.version, kernel.compute_units});
  }
  manifest.xclbin_sha256 = sha256_hex(xclbin);
  return manifest;
}

inline Manifest signed_by(Manifest manifest, const KeyPair& keys) {
  const absl::StatusOr<Signature> signature = sign(canonical_text(manifest), keys.private_pem, "key.pem");
  if (!signature.ok()) return manifest;
  manifest.signer = signature->signer;
  manifest.signature = absl::BytesToHexString(
      std::string(reinterpret_cast<const char*>(signature->bytes.data()), signature->bytes.size()));
  return manifest;
}

inline TrustPolicy trusting(const KeyPair& keys) {
  TrustPolicy policy;
  policy.keys = parse_public_keys(keys.public_pem, "pub.pem").value();
  return policy;
}

inline TrustPolicy trusting_all() {
  TrustPolicy policy;
  policy.allow_unsigned = true;
  return policy;
}

}  // namespace phalanx::bitstream::test

#endif
