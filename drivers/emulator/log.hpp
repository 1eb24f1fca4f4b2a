// The device model's log: one line an event, appended to a file of the run directory.
#ifndef PHALANX_DRIVERS_EMULATOR_LOG_HPP
#define PHALANX_DRIVERS_EMULATOR_LOG_HPP

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace phalanx::emulator {

// Thread-safe; raw() may be called in a signal handler.
class Log {
 public:
  // Standard error if the file can't be opened or the path is empty.
  explicit Log(const std::string& path);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // A line: seconds since the epoch, the text. After kLogBytesMax lines are dropped, and one says so.
  void line(absl::string_view text);
  // As it is.
  void raw(const char* text, std::size_t size);

 private:
  static constexpr std::uint64_t kLogBytesMax = 4u << 20;  // 40,000 lines of 100 bytes

  int descriptor_;
  bool owned_;
  std::atomic<std::uint64_t> bytes_{0};
};

}  // namespace phalanx::emulator

#endif
