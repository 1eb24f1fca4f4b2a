#include "host/sync/seal.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include "absl/status/status.h"
#include "host/packet/bytes.hpp"

namespace phalanx::sync {

namespace {

constexpr char kInfoLabel[] = "phalanx delta sync 1";
constexpr size_t kInfoBytes = sizeof(kInfoLabel) + 2 + 2 + 2 + 1 + 4 + 8;
constexpr size_t kIvBytes = 12;

bool hkdf(const ClusterKey& key, absl::Span<const uint8_t> info, uint8_t* out, size_t out_bytes) {
  std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context(EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, nullptr),
                                                                      EVP_PKEY_CTX_free);
  size_t bytes = out_bytes;
  return context != nullptr && EVP_PKEY_derive_init(context.get()) > 0 &&
         EVP_PKEY_CTX_set_hkdf_md(context.get(), EVP_sha256()) > 0 &&
         EVP_PKEY_CTX_set1_hkdf_key(context.get(), key.data(), static_cast<int>(key.size())) > 0 &&
         EVP_PKEY_CTX_add1_hkdf_info(context.get(), info.data(), static_cast<int>(info.size())) > 0 &&
         EVP_PKEY_derive(context.get(), out, &bytes) > 0 && bytes == out_bytes;
}

void write_iv(uint32_t kind, uint64_t counter, uint8_t* iv) {
  store32(iv, kind);
  store64(iv + 4, counter);
}

}  // namespace

void SealingKey::ContextFree::operator()(evp_cipher_ctx_st* context) const { EVP_CIPHER_CTX_free(context); }

absl::StatusOr<SealingKey> SealingKey::derive(const ClusterKey& key, const StreamName& name, Use use) {
  std::array<uint8_t, kInfoBytes> info;
  std::memcpy(info.data(), kInfoLabel, sizeof(kInfoLabel));
  uint8_t* at = info.data() + sizeof(kInfoLabel);
  store16(at, name.cluster);
  store16(at + 2, name.member);
  store16(at + 4, name.peer);
  at[6] = name.channel;
  store32(at + 7, name.stream);
  store64(at + 11, name.incarnation);

  std::array<uint8_t, 32> derived;
  Context context(EVP_CIPHER_CTX_new());
  bool ok = context != nullptr && hkdf(key, info, derived.data(), derived.size());
  if (ok) {
    ok = (use == Use::kSeal
              ? EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, derived.data(), nullptr)
              : EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, derived.data(), nullptr)) == 1;
  }
  OPENSSL_cleanse(derived.data(), derived.size());
  if (!ok) return absl::InternalError("cannot set up AES-256-GCM for the sync stream");
  return SealingKey(std::move(context), use);
}

bool SealingKey::seal(uint32_t kind, uint64_t counter, absl::Span<const uint8_t> clear, absl::Span<uint8_t> text,
                      uint8_t* tag) {
  if (use_ != Use::kSeal) return false;
  uint8_t iv[kIvBytes];
  write_iv(kind, counter, iv);
  int bytes = 0;
  EVP_CIPHER_CTX* c = context_.get();
  return EVP_EncryptInit_ex(c, nullptr, nullptr, nullptr, iv) == 1 &&
         EVP_EncryptUpdate(c, nullptr, &bytes, clear.data(), static_cast<int>(clear.size())) == 1 &&
         EVP_EncryptUpdate(c, text.data(), &bytes, text.data(), static_cast<int>(text.size())) == 1 &&
         EVP_EncryptFinal_ex(c, text.data() + text.size(), &bytes) == 1 &&
         EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, kTagBytes, tag) == 1;
}

bool SealingKey::open(uint32_t kind, uint64_t counter, absl::Span<const uint8_t> clear, absl::Span<uint8_t> text,
                      const uint8_t* tag) {
  if (use_ != Use::kOpen) return false;
  uint8_t iv[kIvBytes];
  write_iv(kind, counter, iv);
  uint8_t expected[kTagBytes];
  std::memcpy(expected, tag, kTagBytes);
  int bytes = 0;
  EVP_CIPHER_CTX* c = context_.get();
  return EVP_DecryptInit_ex(c, nullptr, nullptr, nullptr, iv) == 1 &&
         EVP_DecryptUpdate(c, nullptr, &bytes, clear.data(), static_cast<int>(clear.size())) == 1 &&
         EVP_DecryptUpdate(c, text.data(), &bytes, text.data(), static_cast<int>(text.size())) == 1 &&
         EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, kTagBytes, expected) == 1 &&
         EVP_DecryptFinal_ex(c, text.data() + text.size(), &bytes) == 1;
}

}  // namespace phalanx::sync
