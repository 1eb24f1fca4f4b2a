// The card's banks: one range of device addresses, sparse, of which only what the host has allocated can be touched.
#ifndef PHALANX_DRIVERS_EMULATOR_CARD_MEMORY_HPP
#define PHALANX_DRIVERS_EMULATOR_CARD_MEMORY_HPP

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace phalanx::emulator {

// All banks together; address space only, pages come with use. The largest card has 64 GiB (U250).
inline constexpr std::uint64_t kCardBytesMax = 64ull << 30;
inline constexpr std::size_t kBuffersMax = 1024;  // some 20 a driver, times the queues that it may have
inline constexpr std::uint64_t kPageBytes = 4096;

// Thread-safe, except that kernels touch the memory itself while the host transfers, as on a card.
class CardMemory {
 public:
  static absl::StatusOr<std::unique_ptr<CardMemory>> create();
  ~CardMemory();
  CardMemory(const CardMemory&) = delete;
  CardMemory& operator=(const CardMemory&) = delete;

  // Sum of the banks' sizes: what may be allocated from now on.
  absl::Status set_banks(const std::vector<std::uint64_t>& bank_bytes);

  // A buffer at a page's address. Its pages are zero.
  absl::Status allocate(std::uint64_t address, std::uint64_t size);
  absl::Status free(std::uint64_t address);
  std::vector<std::pair<std::uint64_t, std::uint64_t>> buffers() const;

  // Transfers lie within one buffer, rounded up to pages.
  absl::Status write(std::uint64_t address, absl::string_view data);
  absl::StatusOr<std::string> read(std::uint64_t address, std::uint64_t size) const;
  absl::Status flip(std::uint64_t address, unsigned bit);

  // Where a kernel finds a device address; an error if no buffer is there.
  absl::StatusOr<void*> translate(std::uint64_t address) const;
  // Whether an address of this process is in the card's range, allocated or not, and which device address it is.
  bool owns(const void* host, std::uint64_t& address) const;

 private:
  explicit CardMemory(char* base) : base_(base) {}
  absl::Status check(std::uint64_t address, std::uint64_t size) const;  // mutex_ is held

  char* const base_;
  mutable std::mutex mutex_;
  std::uint64_t bytes_ = 0;
  std::map<std::uint64_t, std::uint64_t> buffers_;  // address -> size
};

}  // namespace phalanx::emulator

#endif
