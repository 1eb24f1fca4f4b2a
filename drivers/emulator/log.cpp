#include "drivers/emulator/log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace phalanx::emulator {

Log::Log(const std::string& path)
    : descriptor_(path.empty() ? -1 : open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)),
      owned_(descriptor_ >= 0) {
  if (!owned_) {
    descriptor_ = STDERR_FILENO;
  }
}

Log::~Log() {
  if (owned_) {
    close(descriptor_);
  }
}

void Log::line(absl::string_view text) {
  const auto full = absl::StrCat(absl::ToUnixSeconds(absl::Now()), " ", text, "\n");
  raw(full.data(), full.size());
}

void Log::raw(const char* text, std::size_t size) {
  constexpr absl::string_view kFull = "the log is full: what follows is lost\n";
  const auto before = bytes_.fetch_add(size);
  if (before >= kLogBytesMax) {
    return;
  }
  if (before + size >= kLogBytesMax) {
    text = kFull.data();
    size = kFull.size();
  }
  if (write(descriptor_, text, size) < 0) {
    return;  // nowhere left to say it
  }
}

}  // namespace phalanx::emulator
