// What the lab's traffic tools share: options, clocks, addresses, latency histograms and JSON.
#ifndef PHALANX_TESTS_LAB_TOOLS_TOOL_HPP
#define PHALANX_TESTS_LAB_TOOLS_TOOL_HPP

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace phalanx::lab {

// One option of a tool: "--name VALUE", or "--name" alone if the default is "false".
struct OptionSpec {
  const char* name;
  const char* standard;  // default; nullptr: must be given
  const char* help;
};

// The command line. On --help, on an unknown option and on a value that is no number, prints why and ends the program.
class Options {
 public:
  // `modes` are the words of which one must come first; empty if there are none.
  Options(int argc, char** argv, const char* purpose, const std::vector<const char*>& modes,
          const std::vector<OptionSpec>& specs);
  const std::string& mode() const { return mode_; }
  const std::string& text(const std::string& name) const;
  // Between `low` and `high`, or the program ends.
  int64_t number(const std::string& name, int64_t low, int64_t high) const;
  bool flag(const std::string& name) const { return text(name) == "true"; }

 private:
  std::string mode_;
  std::map<std::string, std::string> values_;
};

[[noreturn]] void fail(const std::string& why);         // exit code 2
[[noreturn]] void fail_errno(const std::string& what);  // with errno's text

// True once SIGINT or SIGTERM has come. catch_signals() makes it so; calls that wait are interrupted.
void catch_signals();
bool stopped();

int64_t now_ns();  // CLOCK_MONOTONIC, the same in all network namespaces of a machine
void sleep_until(int64_t at_ns);
// SCHED_FIFO with that priority, 0: leave it. A refusal is told on stderr, and the tool goes on.
void set_fifo(int64_t priority);

struct Address {
  sockaddr_storage storage = {};
  socklen_t length = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
  void set_port(uint16_t port);
};
// An IPv4 or IPv6 address, or the program ends.
Address parse_address(const std::string& text, uint16_t port);
// "A", "A-B" (IPv4: every address from A to B) or "A,B,C"; empty text: none. At most 65536.
std::vector<Address> parse_addresses(const std::string& text);
// "02:00:00:00:00:01", or the program ends.
std::array<uint8_t, 6> parse_mac(const std::string& text);

// Values in nanoseconds by powers of two, each cut in 64: a quantile is right to 1.6 %.
class Histogram {
 public:
  void add(int64_t ns);
  uint64_t count() const { return count_; }
  double quantile_us(double q) const;  // 0 if empty
  double max_us() const { return static_cast<double>(max_) / 1e3; }
  void clear();

 private:
  std::array<uint64_t, 64 * 64> buckets_ = {};
  uint64_t count_ = 0;
  int64_t max_ = 0;
};

// Builds one JSON object; strings are names and numbers of ours and need no escapes beyond quotes.
class Json {
 public:
  Json& add(std::string_view key, uint64_t value);
  Json& add(std::string_view key, int64_t value);
  Json& add(std::string_view key, double value);  // three decimals
  Json& add(std::string_view key, bool value);
  Json& add(std::string_view key, std::string_view value);
  Json& add(std::string_view key, const char* value) { return add(key, std::string_view(value)); }
  Json& add_raw(std::string_view key, const std::string& json);
  std::string text() const { return std::string(1, '{').append(body_).append(1, '}'); }
  void print() const;  // a line on stdout, flushed

 private:
  std::string body_;
};
// "[a,b,c]" of JSON texts.
std::string json_array(const std::vector<std::string>& items);

// A deterministic stream of bytes: the same seed gives the same bytes at the same positions (splitmix64 of position/8).
uint8_t stream_byte(uint64_t seed, uint64_t position);
uint64_t mix64(uint64_t value);

}  // namespace phalanx::lab

#endif
