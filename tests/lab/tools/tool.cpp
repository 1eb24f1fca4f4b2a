#include "tests/lab/tools/tool.hpp"

#include <arpa/inet.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace phalanx::lab {
namespace {

volatile std::sig_atomic_t stop_requested = 0;
void request_stop(int) { stop_requested = 1; }

constexpr size_t kAddressesMax = 65536;

void print_help(const char* program, const char* purpose, const std::vector<const char*>& modes,
                const std::vector<OptionSpec>& specs) {
  std::printf("%s: %s\n\nusage: %s ", program, purpose, program);
  for (size_t i = 0; i < modes.size(); ++i) std::printf("%s%s", i ? "|" : "", modes[i]);
  std::printf(" [options]\n");
  for (const OptionSpec& spec : specs) {
    const std::string standard = spec.standard == nullptr ? "required" : spec.standard;
    std::printf("  --%-16s %s (%s)\n", spec.name, spec.help, standard.empty() ? "none" : standard.c_str());
  }
}

}  // namespace

void fail(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(2);
}

void fail_errno(const std::string& what) { fail(what + ": " + std::strerror(errno)); }

Options::Options(int argc, char** argv, const char* purpose, const std::vector<const char*>& modes,
                 const std::vector<OptionSpec>& specs) {
  int next = 1;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) != "--help") continue;
    print_help(argv[0], purpose, modes, specs);
    std::exit(0);
  }
  if (!modes.empty()) {
    mode_ = argc > 1 ? argv[next++] : "";
    if (std::find(modes.begin(), modes.end(), mode_) == modes.end()) fail("which mode? see --help");
  }
  for (const OptionSpec& spec : specs) {
    if (spec.standard != nullptr) values_[spec.name] = spec.standard;
  }
  while (next < argc) {
    const std::string word = argv[next++];
    const auto spec = std::find_if(specs.begin(), specs.end(),
                                   [&](const OptionSpec& s) { return "--" + std::string(s.name) == word; });
    if (spec == specs.end()) fail("unknown option " + word + ", see --help");
    const bool is_flag = spec->standard != nullptr && std::string_view(spec->standard) == "false";
    if (!is_flag && next == argc) fail(word + " needs a value");
    values_[spec->name] = is_flag ? "true" : argv[next++];
  }
}

const std::string& Options::text(const std::string& name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) fail("--" + name + " must be given, see --help");
  return found->second;
}

int64_t Options::number(const std::string& name, int64_t low, int64_t high) const {
  const std::string& value = text(name);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || number < low || number > high) {
    fail("--" + name + " must be a number from " + std::to_string(low) + " to " + std::to_string(high));
  }
  return number;
}

void catch_signals() {
  struct sigaction action = {};
  action.sa_handler = request_stop;  // without SA_RESTART: calls that wait return
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

bool stopped() { return stop_requested != 0; }

int64_t now_ns() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

void sleep_until(int64_t at_ns) {
  const timespec at = {at_ns / 1'000'000'000, at_ns % 1'000'000'000};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
}

void set_fifo(int64_t priority) {
  if (priority == 0) return;
  const sched_param parameters = {static_cast<int>(priority)};
  if (sched_setscheduler(0, SCHED_FIFO, &parameters) != 0) std::perror("SCHED_FIFO");
}

void Address::set_port(uint16_t port) {
  if (family() == AF_INET) reinterpret_cast<sockaddr_in&>(storage).sin_port = htons(port);
  if (family() == AF_INET6) reinterpret_cast<sockaddr_in6&>(storage).sin6_port = htons(port);
}

Address parse_address(const std::string& text, uint16_t port) {
  Address address;
  auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
  if (inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    address.length = sizeof v4;
  } else if (inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    address.length = sizeof v6;
  } else {
    fail("\"" + text + "\" is no IP address");
  }
  address.set_port(port);
  return address;
}

std::vector<Address> parse_addresses(const std::string& text) {
  std::vector<Address> addresses;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find(',', start), text.size());
    const std::string item = text.substr(start, end - start);
    start = end + 1;
    const size_t dash = item.find('-');
    Address first = parse_address(item.substr(0, dash), 0);
    if (dash == std::string::npos) {
      addresses.push_back(first);
      continue;
    }
    Address last = parse_address(item.substr(dash + 1), 0);
    if (first.family() != AF_INET || last.family() != AF_INET) fail("a range must be of IPv4 addresses: " + item);
    const uint32_t low = ntohl(reinterpret_cast<sockaddr_in&>(first.storage).sin_addr.s_addr);
    const uint32_t high = ntohl(reinterpret_cast<sockaddr_in&>(last.storage).sin_addr.s_addr);
    if (high < low || high - low >= kAddressesMax) fail("a range of 1 to 65536 addresses, please: " + item);
    for (uint64_t a = low; a <= high; ++a) {
      reinterpret_cast<sockaddr_in&>(first.storage).sin_addr.s_addr = htonl(static_cast<uint32_t>(a));
      addresses.push_back(first);
    }
  }
  if (addresses.size() > kAddressesMax) fail("too many addresses");
  return addresses;
}

std::array<uint8_t, 6> parse_mac(const std::string& text) {
  std::array<unsigned, 6> parts = {};
  char behind = 0;
  if (std::sscanf(text.c_str(), "%2x:%2x:%2x:%2x:%2x:%2x%c", &parts[0], &parts[1], &parts[2], &parts[3], &parts[4],
                  &parts[5], &behind) != 6) {
    fail("\"" + text + "\" is no MAC address");
  }
  std::array<uint8_t, 6> mac = {};
  std::transform(parts.begin(), parts.end(), mac.begin(), [](unsigned part) { return static_cast<uint8_t>(part); });
  return mac;
}

// Bucket e*64+m holds values with the highest bit e+5 (below 64: exactly themselves).
void Histogram::add(int64_t ns) {
  const uint64_t value = static_cast<uint64_t>(std::max<int64_t>(ns, 0));
  const unsigned width = static_cast<unsigned>(std::bit_width(value | 63));  // 6 and up
  const unsigned shift = width > 7 ? width - 7 : 0;
  const size_t bucket = size_t{shift} * 64 + static_cast<size_t>(value >> shift);
  ++buckets_[std::min(bucket, buckets_.size() - 1)];
  ++count_;
  max_ = std::max(max_, ns);
}

double Histogram::quantile_us(double q) const {
  if (count_ == 0) return 0;
  const auto wanted = static_cast<uint64_t>(q * static_cast<double>(count_ - 1)) + 1;
  uint64_t seen = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen < wanted) continue;
    // Mantissas run from 64 to 127 above the first 64 buckets: bucket = shift*64 + mantissa.
    const size_t shift = i < 128 ? 0 : i / 64 - 1;
    const double low = static_cast<double>((i - shift * 64) << shift);
    return std::min(low + static_cast<double>(uint64_t{1} << shift) / 2, static_cast<double>(max_)) / 1e3;
  }
  return max_us();
}

void Histogram::clear() { *this = Histogram(); }

Json& Json::add_raw(std::string_view key, const std::string& json) {
  if (!body_.empty()) body_ += ',';
  body_.append(1, '"').append(key).append("\":").append(json);
  return *this;
}
Json& Json::add(std::string_view key, uint64_t value) { return add_raw(key, std::to_string(value)); }
Json& Json::add(std::string_view key, int64_t value) { return add_raw(key, std::to_string(value)); }
Json& Json::add(std::string_view key, bool value) { return add_raw(key, value ? "true" : "false"); }
Json& Json::add(std::string_view key, double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.3f", value);
  return add_raw(key, text);
}
Json& Json::add(std::string_view key, std::string_view value) {
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return add_raw(key, quoted.append(1, '"'));
}

void Json::print() const {
  std::printf("%s\n", text().c_str());
  std::fflush(stdout);
}

std::string json_array(const std::vector<std::string>& items) {
  std::string text(1, '[');
  for (size_t i = 0; i < items.size(); ++i) text.append(i > 0 ? 1 : 0, ',').append(items[i]);
  return text.append(1, ']');
}

uint64_t mix64(uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
  value = (value ^ value >> 27) * 0x94d049bb133111eb;
  return value ^ value >> 31;
}

uint8_t stream_byte(uint64_t seed, uint64_t position) {
  return static_cast<uint8_t>(mix64(seed + position / 8) >> position % 8 * 8);
}

}  // namespace phalanx::lab
