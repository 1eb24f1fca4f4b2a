#include "drivers/cpu/esp/gcm.hpp"

#include <intel-ipsec-mb.h>

#include <cassert>

#include "absl/strings/str_cat.h"

namespace phalanx {

struct Gcm::Manager {
  Manager() : manager(alloc_mb_mgr(0)) {}
  ~Manager() {
    if (manager != nullptr) free_mb_mgr(manager);
  }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  IMB_MGR* manager;
};

void GcmKey::Wipe::operator()(gcm_key_data* key) const {
  imb_clear_mem(key, sizeof *key);
  ::operator delete (key, std::align_val_t{64});
}

absl::StatusOr<Gcm> Gcm::make() {
  auto manager = std::make_shared<Manager>();
  if (manager->manager == nullptr) return absl::UnavailableError("intel-ipsec-mb: no memory for its manager");
  IMB_ARCH chosen = IMB_ARCH_NONE;
  init_mb_mgr_auto(manager->manager, &chosen);
  const int error = imb_get_errno(manager->manager);
  if (chosen == IMB_ARCH_NONE || error != 0) {
    return absl::UnavailableError(absl::StrCat("intel-ipsec-mb: ", imb_get_strerror(error)));
  }
  return Gcm(std::move(manager));
}

absl::StatusOr<GcmKey> Gcm::expand(absl::Span<const uint8_t> key) const {
  if (key.size() != 16 && key.size() != 32) {
    return absl::InvalidArgumentError(absl::StrCat("AES-GCM: key of ", key.size(), " bytes instead of 16 or 32"));
  }
  GcmKey expanded;
  expanded.data.reset(new (std::align_val_t{64}) gcm_key_data);
  expanded.bytes = key.size();
  if (key.size() == 16) {
    IMB_AES128_GCM_PRE(manager_->manager, key.data(), expanded.data.get());
  } else {
    IMB_AES256_GCM_PRE(manager_->manager, key.data(), expanded.data.get());
  }
  return expanded;
}

GcmTag Gcm::seal(const GcmKey& key, const GcmNonce& nonce, absl::Span<const uint8_t> aad, absl::Span<const uint8_t> in,
                 uint8_t* out) const {
  GcmTag tag;
  gcm_context_data context;
  IMB_MGR* m = manager_->manager;
  const auto call = key.bytes == 16 ? m->gcm128_enc : m->gcm256_enc;
  call(key.data.get(), &context, out, in.data(), in.size(), nonce.data(), aad.data(), aad.size(), tag.data(),
       tag.size());
  return tag;
}

GcmTag Gcm::open(const GcmKey& key, const GcmNonce& nonce, absl::Span<const uint8_t> aad, absl::Span<const uint8_t> in,
                 uint8_t* out) const {
  GcmTag tag;
  gcm_context_data context;
  IMB_MGR* m = manager_->manager;
  const auto call = key.bytes == 16 ? m->gcm128_dec : m->gcm256_dec;
  call(key.data.get(), &context, out, in.data(), in.size(), nonce.data(), aad.data(), aad.size(), tag.data(),
       tag.size());
  return tag;
}

bool tags_equal(const GcmTag& a, const GcmTag& b) {
  unsigned difference = 0;
  for (size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned>(a[i] ^ b[i]);
  return difference == 0;
}

}  // namespace phalanx
