// AES-GCM by intel-ipsec-mb, with 12-byte nonces and 16-byte tags.
#ifndef PHALANX_DRIVERS_CPU_ESP_GCM_HPP
#define PHALANX_DRIVERS_CPU_ESP_GCM_HPP

#include <array>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

struct gcm_key_data;

namespace phalanx {

using GcmTag = std::array<uint8_t, 16>;
using GcmNonce = std::array<uint8_t, 12>;

// The library's key schedule and powers of H; overwritten when it goes.
class GcmKey {
 public:
  struct Wipe {
    void operator()(gcm_key_data* key) const;
  };
  std::unique_ptr<gcm_key_data, Wipe> data;
  size_t bytes = 0;
};

// Not for several threads at once. The library works on up to 48 blocks of a packet side by side; for GCM its
// multi-buffer managers would only call the same code packet by packet, so it is called directly, and each packet sees
// what the one before did to its SA.
class Gcm {
 public:
  // Unavailable if the CPU has nothing that the library could use.
  static absl::StatusOr<Gcm> make();

  // `key`: 16 or 32 bytes.
  absl::StatusOr<GcmKey> expand(absl::Span<const uint8_t> key) const;
  // `out` is as long as `in`; gives the tag.
  GcmTag seal(const GcmKey& key, const GcmNonce& nonce, absl::Span<const uint8_t> aad, absl::Span<const uint8_t> in,
              uint8_t* out) const;
  // Gives the tag that the packet ought to have; the caller compares it before it lets `out` go anywhere.
  GcmTag open(const GcmKey& key, const GcmNonce& nonce, absl::Span<const uint8_t> aad, absl::Span<const uint8_t> in,
              uint8_t* out) const;

  struct Manager;

 private:
  explicit Gcm(std::shared_ptr<Manager> manager) : manager_(std::move(manager)) {}
  std::shared_ptr<Manager> manager_;
};

// In the same time whatever they are.
bool tags_equal(const GcmTag& a, const GcmTag& b);

}  // namespace phalanx

#endif
