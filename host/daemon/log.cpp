#include "host/daemon/log.hpp"

#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

namespace phalanx::daemon::log {
namespace {

// A minute of lines at the limit.
constexpr size_t kLinesWaiting = 60 * kLinesPerSecond;

// spdlog keeps the logger; this limits what reaches it.
bool allowed() {
  static std::atomic<int64_t> second{0};
  static std::atomic<int> lines{0};
  static std::atomic<uint64_t> suppressed{0};
  const int64_t now =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
  if (second.exchange(now) != now) {
    lines.store(0);
    if (const uint64_t missing = suppressed.exchange(0); missing != 0) spdlog::info("{} lines left out", missing);
  }
  if (lines.fetch_add(1) < kLinesPerSecond) return true;
  suppressed.fetch_add(1);
  return false;
}

}  // namespace

void set_up(std::string_view member, v1::LogLevel level) {
  // Lines are written by a thread of their own, and lost rather than waited for: the control thread logs too.
  // Made by hand: Debian's spdlog has no instance of its factory for loggers that don't wait.
  spdlog::init_thread_pool(kLinesWaiting, 1);
  auto logger =
      std::make_shared<spdlog::async_logger>("phalanxd", std::make_shared<spdlog::sinks::stderr_sink_mt>(),
                                             spdlog::thread_pool(), spdlog::async_overflow_policy::overrun_oldest);
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%f %l " + std::string(member) + " %v");
  logger->set_level(level == v1::LOG_LEVEL_DEBUG     ? spdlog::level::debug
                    : level == v1::LOG_LEVEL_WARNING ? spdlog::level::warn
                    : level == v1::LOG_LEVEL_ERROR   ? spdlog::level::err
                                                     : spdlog::level::info);
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

void debug(std::string_view text) {
  if (allowed()) spdlog::debug("{}", text);
}
void info(std::string_view text) {
  if (allowed()) spdlog::info("{}", text);
}
void warning(std::string_view text) { spdlog::warn("{}", text); }
void error(std::string_view text) { spdlog::error("{}", text); }

}  // namespace phalanx::daemon::log
