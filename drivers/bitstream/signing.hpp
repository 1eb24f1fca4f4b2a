// Ed25519 keys and signatures of bitstreams (RFC 8032), by OpenSSL. Keys are PEM: private ones PKCS #8, public ones
// SubjectPublicKeyInfo (RFC 8410), as `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout` write them.
#ifndef PHALANX_DRIVERS_BITSTREAM_SIGNING_HPP
#define PHALANX_DRIVERS_BITSTREAM_SIGNING_HPP

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace phalanx::bitstream {

inline constexpr size_t kKeyBytes = 32;
inline constexpr size_t kSignatureBytes = 64;
inline constexpr size_t kTrustedKeysMax = 64;       // of one file
inline constexpr size_t kPemBytesMax = 64u * 1024;  // of one file: a key has 113 bytes, so 64 of them with comments

struct PublicKey {
  std::array<uint8_t, kKeyBytes> bytes;
  // The first 16 hex digits of its SHA-256: how manifests and logs name it.
  std::string id() const;
  bool operator==(const PublicKey&) const = default;
};

// All public keys of a PEM text, at least one. `file` is for messages.
absl::StatusOr<std::vector<PublicKey>> parse_public_keys(std::string_view pem, std::string_view file);
absl::StatusOr<std::vector<PublicKey>> read_public_keys(const std::string& path);

// Signs with the private key of a PEM text.
struct Signature {
  std::string signer;  // PublicKey::id
  std::array<uint8_t, kSignatureBytes> bytes;
};
absl::StatusOr<Signature> sign(std::string_view message, std::string_view private_pem, std::string_view file);

bool verify(std::string_view message, const PublicKey& key, const std::array<uint8_t, kSignatureBytes>& signature);

// In lower-case hex digits.
std::string sha256_hex(std::string_view bytes);

}  // namespace phalanx::bitstream

#endif
