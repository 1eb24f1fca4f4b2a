#include "drivers/emulator/card_memory.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace phalanx::emulator {
namespace {

std::uint64_t page_up(std::uint64_t size) { return (size + kPageBytes - 1) / kPageBytes * kPageBytes; }

// A guard on both sides: a kernel that leaves the card's range by a little is still seen.
constexpr std::uint64_t kGuardBytes = 1u << 30;

}  // namespace

absl::StatusOr<std::unique_ptr<CardMemory>> CardMemory::create() {
  void* memory =
      mmap(nullptr, kCardBytesMax + 2 * kGuardBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    return absl::ResourceExhaustedError(absl::StrCat("card memory: mmap: ", std::strerror(errno)));
  }
  return std::unique_ptr<CardMemory>(new CardMemory(static_cast<char*>(memory) + kGuardBytes));
}

CardMemory::~CardMemory() { munmap(base_ - kGuardBytes, kCardBytesMax + 2 * kGuardBytes); }

absl::Status CardMemory::set_banks(const std::vector<std::uint64_t>& bank_bytes) {
  std::uint64_t sum = 0;
  for (const auto bytes : bank_bytes) {
    if (bytes > kCardBytesMax - sum) {
      return absl::InvalidArgumentError(absl::StrCat("banks: more than ", kCardBytesMax, " bytes"));
    }
    sum += bytes;
  }
  const std::lock_guard lock(mutex_);
  if (!buffers_.empty() && buffers_.rbegin()->first + page_up(buffers_.rbegin()->second) > sum) {
    return absl::FailedPreconditionError("banks: a buffer would be outside");
  }
  bytes_ = sum;
  return absl::OkStatus();
}

absl::Status CardMemory::allocate(std::uint64_t address, std::uint64_t size) {
  const std::lock_guard lock(mutex_);
  const auto where = absl::StrCat("allocate ", absl::Hex(address), ", ", size, " bytes: ");
  if (size == 0 || size > bytes_ || address % kPageBytes != 0 || address > bytes_ - size) {
    return absl::OutOfRangeError(absl::StrCat(where, "outside the banks or not at a page"));
  }
  if (buffers_.size() == kBuffersMax) {
    return absl::ResourceExhaustedError(absl::StrCat(where, "there are ", kBuffersMax, " buffers"));
  }
  const auto next = buffers_.lower_bound(address);
  if (next != buffers_.end() && next->first < address + page_up(size)) {
    return absl::AlreadyExistsError(absl::StrCat(where, "a buffer is there"));
  }
  if (next != buffers_.begin() && std::prev(next)->first + page_up(std::prev(next)->second) > address) {
    return absl::AlreadyExistsError(absl::StrCat(where, "a buffer is there"));
  }
  if (mprotect(base_ + address, page_up(size), PROT_READ | PROT_WRITE) != 0) {
    return absl::ResourceExhaustedError(absl::StrCat(where, "mprotect: ", std::strerror(errno)));
  }
  buffers_.emplace(address, size);
  return absl::OkStatus();
}

absl::Status CardMemory::free(std::uint64_t address) {
  const std::lock_guard lock(mutex_);
  const auto found = buffers_.find(address);
  if (found == buffers_.end()) {
    return absl::NotFoundError(absl::StrCat("free ", absl::Hex(address), ": no buffer is there"));
  }
  const auto bytes = page_up(found->second);
  buffers_.erase(found);
  if (madvise(base_ + address, bytes, MADV_DONTNEED) != 0 || mprotect(base_ + address, bytes, PROT_NONE) != 0) {
    return absl::InternalError(absl::StrCat("free ", absl::Hex(address), ": ", std::strerror(errno)));
  }
  return absl::OkStatus();
}

std::vector<std::pair<std::uint64_t, std::uint64_t>> CardMemory::buffers() const {
  const std::lock_guard lock(mutex_);
  return {buffers_.begin(), buffers_.end()};
}

absl::Status CardMemory::check(std::uint64_t address, std::uint64_t size) const {
  auto found = buffers_.upper_bound(address);
  if (found == buffers_.begin()) {
    return absl::OutOfRangeError(absl::StrCat("address ", absl::Hex(address), ": no buffer is there"));
  }
  --found;
  const auto bytes = page_up(found->second);
  const auto into = address - found->first;
  if (into >= bytes || size > bytes - into) {
    return absl::OutOfRangeError(
        absl::StrCat("address ", absl::Hex(address), ", ", size, " bytes: outside every buffer"));
  }
  return absl::OkStatus();
}

absl::Status CardMemory::write(std::uint64_t address, absl::string_view data) {
  const std::lock_guard lock(mutex_);
  if (auto status = check(address, data.size()); !status.ok()) {
    return status;
  }
  std::memcpy(base_ + address, data.data(), data.size());
  return absl::OkStatus();
}

absl::StatusOr<std::string> CardMemory::read(std::uint64_t address, std::uint64_t size) const {
  const std::lock_guard lock(mutex_);
  if (auto status = check(address, size); !status.ok()) {
    return status;
  }
  return std::string(base_ + address, size);
}

absl::Status CardMemory::flip(std::uint64_t address, unsigned bit) {
  const std::lock_guard lock(mutex_);
  if (bit > 7) {
    return absl::InvalidArgumentError(absl::StrCat("flip: bit ", bit, " is not 0 to 7"));
  }
  if (auto status = check(address, 1); !status.ok()) {
    return status;
  }
  base_[address] = static_cast<char>(base_[address] ^ (1 << bit));
  return absl::OkStatus();
}

absl::StatusOr<void*> CardMemory::translate(std::uint64_t address) const {
  const std::lock_guard lock(mutex_);
  if (auto status = check(address, 1); !status.ok()) {
    return status;
  }
  return base_ + address;
}

bool CardMemory::owns(const void* host, std::uint64_t& address) const {
  const auto at = reinterpret_cast<std::uintptr_t>(host);
  const auto base = reinterpret_cast<std::uintptr_t>(base_);
  if (at < base - kGuardBytes || at >= base + kCardBytesMax + kGuardBytes) {
    return false;
  }
  address = at - base;
  return true;
}

}  // namespace phalanx::emulator
