// The one interface to an ESP engine: the CPU and a card look the same from above. Beside accelerator.hpp, which is the
// same for sessions.
#ifndef PHALANX_DRIVERS_CRYPTO_HPP
#define PHALANX_DRIVERS_CRYPTO_HPP

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/abi/esp.hpp"

namespace phalanx {

// What an SA is made of (RFC 4106, section 8.1: keying material is the key and then the salt).
struct EspSaConfig {
  uint32_t spi = 0;                  // 256 or more (RFC 4303, section 2.1)
  uint8_t direction = 0;             // abi::kEspSeal or abi::kEspOpen
  absl::Span<const uint8_t> key;     // 16 or 32 bytes
  std::array<uint8_t, 4> salt = {};  // as in the keying material
  bool esn = true;                   // extended sequence numbers
  uint32_t window_size = 1024;       // OPEN: replay window in packets, 64..1024 by 64; 0: no replay check
  uint64_t sequence = 0;             // SEAL: last one used. OPEN: highest authenticated
  uint64_t sequence_limit = 0;       // SEAL: last one of the lease
};

// The SA as the engines have it: key schedule and powers of H worked out. InvalidArgument names the field.
absl::StatusOr<abi::EspSa> make_sa(const EspSaConfig& config);

// Jobs that are carried out as if one after another. The spans must stay valid, and `input` unchanged, until the batch
// has been polled as done. Output ranges of a batch do not overlap each other or its input.
struct EspBatch {
  uint64_t tag = 0;  // the caller's name for it
  absl::Span<const abi::EspJob> jobs;
  absl::Span<const abi::Line> input;
  absl::Span<abi::Line> output;
  absl::Span<abi::EspResult> results;  // one a job, same order
};

// InvalidArgument, naming the job and the field, if a span or a job reaches beyond its buffers. Jobs that are malformed
// otherwise are the engine's to refuse, each by itself (abi::EspStatus::kInvalid).
absl::Status check_batch(const EspBatch& batch);

// Not for several threads at once; one engine a worker.
class EspEngine {
 public:
  virtual ~EspEngine() = default;

  virtual std::string name() const = 0;
  virtual uint32_t sa_max() const = 0;  // indices are below it

  // The SA table changes only while no batch is in flight (FailedPrecondition). OutOfRange: no such index.
  // `install` also renews an SA's lease: read, raise sequence_limit, install.
  virtual absl::Status install(uint32_t index, const abi::EspSa& sa) = 0;
  virtual absl::Status remove(uint32_t index) = 0;              // overwrites its keys
  virtual absl::StatusOr<abi::EspSa> read(uint32_t index) = 0;  // NotFound: not installed

  // InvalidArgument as check_batch says; ResourceExhausted when too many are in flight.
  virtual absl::Status submit(const EspBatch& batch) = 0;
  // Tags of batches that are done, oldest first, into `tags`; gives how many.
  virtual size_t poll(absl::Span<uint64_t> tags) = 0;
};

}  // namespace phalanx

#endif
