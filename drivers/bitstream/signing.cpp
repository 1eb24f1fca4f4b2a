#include "drivers/bitstream/signing.hpp"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <fstream>
#include <iterator>
#include <memory>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"

namespace phalanx::bitstream {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

Owned<BIO> reader_of(std::string_view text) {
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

const uint8_t* bytes_of(std::string_view text) { return reinterpret_cast<const uint8_t*>(text.data()); }

absl::StatusOr<PublicKey> raw_key(const EVP_PKEY* key, std::string_view file) {
  if (EVP_PKEY_get_id(key) != EVP_PKEY_ED25519) {
    return absl::InvalidArgumentError(absl::StrFormat("%s: key: not an Ed25519 key", file));
  }
  PublicKey raw{};
  size_t bytes = raw.bytes.size();
  if (EVP_PKEY_get_raw_public_key(key, raw.bytes.data(), &bytes) != 1 || bytes != raw.bytes.size()) {
    return absl::InvalidArgumentError(absl::StrFormat("%s: key: OpenSSL gives no public key", file));
  }
  return raw;
}

// The next block of a PEM text as a public key; null at the text's end.
absl::StatusOr<Owned<EVP_PKEY>> next_key(BIO* bio, std::string_view file) {
  char* label = nullptr;
  char* header = nullptr;
  uint8_t* der = nullptr;
  long bytes = 0;  // NOLINT(google-runtime-int): OpenSSL's
  const bool found = PEM_read_bio(bio, &label, &header, &der, &bytes) == 1;
  const uint64_t error = ERR_peek_last_error();
  const uint8_t* at = der;
  const bool is_public = found && std::string_view(label) == PEM_STRING_PUBLIC;
  Owned<EVP_PKEY> key(is_public ? d2i_PUBKEY(nullptr, &at, bytes) : nullptr);
  OPENSSL_free(label);
  OPENSSL_free(header);
  OPENSSL_free(der);
  ERR_clear_error();
  // "No start line" is how PEM says that the text has ended.
  if (!found && ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE) return nullptr;
  if (key == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: key: %s", file, found && !is_public ? "not a public key" : "is damaged"));
  }
  return key;
}

// A passphrase is never asked for: this runs in daemons and builds.
int no_passphrase(char*, int, int, void*) { return 0; }

}  // namespace

std::string PublicKey::id() const {
  return sha256_hex({reinterpret_cast<const char*>(bytes.data()), bytes.size()}).substr(0, 16);
}

absl::StatusOr<std::vector<PublicKey>> parse_public_keys(std::string_view pem, std::string_view file) {
  if (pem.size() > kPemBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: %u bytes, more than %u of a file of keys", file, pem.size(), kPemBytesMax));
  }
  const Owned<BIO> bio = reader_of(pem);
  std::vector<PublicKey> keys;
  absl::StatusOr<Owned<EVP_PKEY>> key = next_key(bio.get(), file);
  while (key.ok() && *key != nullptr) {
    if (keys.size() == kTrustedKeysMax) {
      return absl::InvalidArgumentError(absl::StrFormat("%s: more than %u keys", file, kTrustedKeysMax));
    }
    const absl::StatusOr<PublicKey> raw = raw_key(key->get(), file);
    if (!raw.ok()) return raw.status();
    keys.push_back(*raw);
    key = next_key(bio.get(), file);
  }
  if (!key.ok()) return key.status();
  if (keys.empty()) return absl::InvalidArgumentError(absl::StrFormat("%s: no PEM public key in it", file));
  return keys;
}

absl::StatusOr<std::vector<PublicKey>> read_public_keys(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return absl::NotFoundError(absl::StrFormat("%s: cannot be read", path));
  std::string pem(kPemBytesMax + 1, '\0');
  in.read(pem.data(), static_cast<std::streamsize>(pem.size()));
  pem.resize(static_cast<size_t>(in.gcount()));
  return parse_public_keys(pem, path);
}

absl::StatusOr<Signature> sign(std::string_view message, std::string_view private_pem, std::string_view file) {
  const Owned<BIO> bio = reader_of(private_pem);
  const Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  if (key == nullptr) {
    return absl::InvalidArgumentError(absl::StrFormat("%s: no PEM private key without a passphrase in it", file));
  }
  const absl::StatusOr<PublicKey> own = raw_key(key.get(), file);
  if (!own.ok()) return own.status();
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  Signature signature{own->id(), {}};
  size_t bytes = signature.bytes.size();
  if (EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), signature.bytes.data(), &bytes, bytes_of(message), message.size()) != 1 ||
      bytes != signature.bytes.size()) {
    ERR_clear_error();
    return absl::InternalError(absl::StrFormat("%s: OpenSSL does not sign", file));
  }
  return signature;
}

bool verify(std::string_view message, const PublicKey& key, const std::array<uint8_t, kSignatureBytes>& signature) {
  const Owned<EVP_PKEY> evp(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.bytes.data(), key.bytes.size()));
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  const bool good =
      evp != nullptr && context != nullptr &&
      EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, evp.get()) == 1 &&
      EVP_DigestVerify(context.get(), signature.data(), signature.size(), bytes_of(message), message.size()) == 1;
  ERR_clear_error();
  return good;
}

std::string sha256_hex(std::string_view bytes) {
  std::string digest(32, '\0');
  uint32_t size = 0;
  // SHA-256 is always there and the context is on the heap: this fails only without memory.
  if (EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<uint8_t*>(digest.data()), &size, EVP_sha256(), nullptr) !=
      1) {
    return {};
  }
  return absl::BytesToHexString(digest);
}

}  // namespace phalanx::bitstream
