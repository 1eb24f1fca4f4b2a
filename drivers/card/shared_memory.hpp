// card::Shared in a memfd whose size is sealed: neither side can take pages away from under the other.
#ifndef PHALANX_DRIVERS_CARD_SHARED_MEMORY_HPP
#define PHALANX_DRIVERS_CARD_SHARED_MEMORY_HPP

#include <memory>

#include "absl/status/statusor.h"
#include "drivers/card/rings.hpp"

namespace phalanx::card {

class SharedMemory {
 public:
  // The client's: new, zero, header filled but for the gateway's configuration.
  static absl::StatusOr<std::unique_ptr<SharedMemory>> create(const EngineConfig& config);
  // The server's: maps `fd`, which it takes over. InvalidArgument for one that is too small, not sealed, or no memfd.
  static absl::StatusOr<std::unique_ptr<SharedMemory>> open(int fd);
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  Shared* get() const { return shared_; }
  int fd() const { return fd_; }

 private:
  SharedMemory(int fd, Shared* shared) : fd_(fd), shared_(shared) {}

  int fd_;
  Shared* shared_;
};

}  // namespace phalanx::card

#endif
