// Sealing of sync datagrams: AES-256-GCM (NIST SP 800-38D) under a key derived from the cluster key by HKDF-SHA256 (RFC
// 5869).
//
// Each (sender, incarnation, stream) has its own key, and in it each kind of message its own count, so a nonce never
// repeats.
#ifndef PHALANX_HOST_SYNC_SEAL_HPP
#define PHALANX_HOST_SYNC_SEAL_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

struct evp_cipher_ctx_st;

namespace phalanx::sync {

inline constexpr size_t kTagBytes = 16;
using ClusterKey = std::array<uint8_t, 32>;

// Whose datagrams a key seals. `incarnation` grows with every start of the member's daemon and never comes back.
struct StreamName {
  uint16_t cluster = 0;
  uint16_t member = 0;  // the sender
  uint16_t peer = 0;    // the receiver
  uint8_t channel = 0;  // tells several streams between two members apart
  uint32_t stream = 0;  // counts the streams of one incarnation, from 1; 0 are the acks for the other direction
  uint64_t incarnation = 0;
  friend bool operator==(const StreamName&, const StreamName&) = default;
};

// One key, ready to seal or to open; only the IV is set per datagram. Not for several threads at once.
class SealingKey {
 public:
  enum class Use : uint8_t { kSeal, kOpen };
  // Fails if OpenSSL cannot derive the key or set up the cipher (Internal).
  static absl::StatusOr<SealingKey> derive(const ClusterKey& key, const StreamName& name, Use use);

  // Encrypts `text` in place and writes the tag. `kind` and `counter` make the nonce; the pair must never repeat for
  // other bytes. False if the cipher fails; `text` is then undefined.
  bool seal(uint32_t kind, uint64_t counter, absl::Span<const uint8_t> clear, absl::Span<uint8_t> text, uint8_t* tag);
  // Decrypts `text` in place. False if the tag does not verify: `text` must not be used then.
  bool open(uint32_t kind, uint64_t counter, absl::Span<const uint8_t> clear, absl::Span<uint8_t> text,
            const uint8_t* tag);

 private:
  struct ContextFree {
    void operator()(evp_cipher_ctx_st* context) const;
  };
  using Context = std::unique_ptr<evp_cipher_ctx_st, ContextFree>;
  SealingKey(Context context, Use use) : context_(std::move(context)), use_(use) {}
  Context context_;
  Use use_;
};

}  // namespace phalanx::sync

#endif
