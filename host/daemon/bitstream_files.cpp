#include "host/daemon/bitstream_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "drivers/bitstream/bitstream.hpp"

namespace phalanx::daemon {
namespace {

constexpr mode_t kFileMode = 0644;  // a bitstream is no secret, and its signature says who made it

std::string staged(const std::string& path) { return path + ".new"; }
std::string former(const std::string& path) { return path + ".former"; }

absl::Status write_file(const std::string& path, std::string_view bytes) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, kFileMode);
  if (fd < 0) return absl::ErrnoToStatus(errno, path);
  int error = 0;
  while (!bytes.empty() && error == 0) {
    const ssize_t count = write(fd, bytes.data(), bytes.size());
    if (count > 0) bytes.remove_prefix(static_cast<size_t>(count));
    if (count < 0 && errno != EINTR) error = errno;
  }
  if (error == 0 && fsync(fd) != 0) error = errno;
  if (close(fd) != 0 && error == 0) error = errno;
  return error == 0 ? absl::OkStatus() : absl::ErrnoToStatus(error, path);
}

absl::Status move(const std::string& from, const std::string& to) {
  return std::rename(from.c_str(), to.c_str()) == 0 ? absl::OkStatus() : absl::ErrnoToStatus(errno, to);
}

// The names are on the disk too.
void sync_folder(const std::string& path) {
  const std::string folder = std::filesystem::absolute(path).parent_path().string();
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

}  // namespace

BitstreamFiles::BitstreamFiles(const std::string& xclbin_path)
    : paths_{xclbin_path, bitstream::manifest_path(xclbin_path)} {}

absl::StatusOr<std::unique_ptr<BitstreamFiles>> BitstreamFiles::stage(const std::string& xclbin_path,
                                                                      std::string_view xclbin,
                                                                      std::string_view manifest) {
  auto files = std::unique_ptr<BitstreamFiles>(new BitstreamFiles(xclbin_path));
  const std::string_view bytes[kFiles] = {xclbin, manifest};
  for (int i = 0; i < kFiles; ++i) {
    if (absl::Status status = write_file(staged(files->paths_[i]), bytes[i]); !status.ok()) return status;
  }
  return files;
}

BitstreamFiles::~BitstreamFiles() {
  if (exchanged_ && !kept_) restore().IgnoreError();
  for (const std::string& path : paths_) {
    unlink(staged(path).c_str());
    if (kept_) unlink(former(path).c_str());
  }
}

absl::Status BitstreamFiles::exchange() {
  absl::Status status;
  for (int i = 0; i < kFiles && status.ok(); ++i) {
    // A link, so that there is a file under the name at every moment.
    unlink(former(paths_[i]).c_str());
    had_[i] = link(paths_[i].c_str(), former(paths_[i]).c_str()) == 0;
    if (!had_[i] && errno != ENOENT) status = absl::ErrnoToStatus(errno, former(paths_[i]));
  }
  if (!status.ok()) return status;
  exchanged_ = true;
  for (int i = 0; i < kFiles && status.ok(); ++i) status = move(staged(paths_[i]), paths_[i]);
  if (!status.ok()) restore().IgnoreError();
  sync_folder(paths_[0]);
  return status;
}

absl::Status BitstreamFiles::restore() {
  if (!exchanged_) return absl::OkStatus();
  exchanged_ = false;
  absl::Status status;
  for (int i = 0; i < kFiles; ++i) {
    if (had_[i]) {
      status.Update(move(former(paths_[i]), paths_[i]));
      if (status.ok()) unlink(former(paths_[i]).c_str());  // left if both names were of one file
    } else {
      unlink(paths_[i].c_str());
    }
  }
  sync_folder(paths_[0]);
  return status;
}

}  // namespace phalanx::daemon
