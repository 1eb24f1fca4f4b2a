#include "drivers/card/shared_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>

#include "absl/strings/str_cat.h"

namespace phalanx::card {
namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

absl::Status system_error(const char* call) { return absl::ErrnoToStatus(errno, absl::StrCat("card rings: ", call)); }

absl::StatusOr<Shared*> map(int fd) {
  void* const memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (memory == MAP_FAILED) return system_error("mmap");
  return static_cast<Shared*>(memory);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SharedMemory>> SharedMemory::create(const EngineConfig& config) {
  const int fd = memfd_create("phalanx-card", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return system_error("memfd_create");
  absl::Status status;
  absl::StatusOr<Shared*> shared = static_cast<Shared*>(nullptr);
  if (ftruncate(fd, sizeof(Shared)) != 0) {
    status = system_error("ftruncate");
  } else if (fcntl(fd, F_ADD_SEALS, kSeals) != 0) {
    status = system_error("F_ADD_SEALS");
  } else {
    shared = map(fd);
    status = shared.status();
  }
  if (!status.ok()) {
    close(fd);
    return status;
  }
  Header& header = *new (&(*shared)->header) Header{};  // starts the atomics' lives; the rest is zero already
  header.magic = kMagic;
  header.layout_version = kLayoutVersion;
  header.abi_version = abi::kAbiVersion;
  header.bytes = sizeof(Shared);
  header.gateway_pid = static_cast<uint64_t>(getpid());
  header.config = to_shared(config);
  return std::unique_ptr<SharedMemory>(new SharedMemory(fd, *shared));
}

absl::StatusOr<std::unique_ptr<SharedMemory>> SharedMemory::open(int fd) {
  struct stat about;
  if (fstat(fd, &about) != 0) return system_error("fstat");
  if (about.st_size != static_cast<off_t>(sizeof(Shared))) {
    return absl::InvalidArgumentError(absl::StrCat("card rings: ", about.st_size, " bytes, not ", sizeof(Shared)));
  }
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
    return absl::InvalidArgumentError("card rings: not a memfd whose size is sealed");
  }
  const absl::StatusOr<Shared*> shared = map(fd);
  if (!shared.ok()) return shared.status();
  return std::unique_ptr<SharedMemory>(new SharedMemory(fd, *shared));
}

SharedMemory::~SharedMemory() {
  munmap(shared_, sizeof(Shared));
  close(fd_);
}

}  // namespace phalanx::card
