// Log lines, on standard error, rate-limited: a flood of packets must not become a flood of lines. Any thread.
#ifndef PHALANX_HOST_DAEMON_LOG_HPP
#define PHALANX_HOST_DAEMON_LOG_HPP

#include <string_view>

#include "phalanx/v1/config.pb.h"

namespace phalanx::daemon::log {

// Lines of informational level in one second; what is beyond is counted and told with the next second's first line.
inline constexpr int kLinesPerSecond = 100;

void set_up(std::string_view member, v1::LogLevel level);
void debug(std::string_view text);
void info(std::string_view text);
// Warnings and errors are not limited: what makes them is.
void warning(std::string_view text);
void error(std::string_view text);

}  // namespace phalanx::daemon::log

#endif
