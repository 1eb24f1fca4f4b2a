// phalanx-newflows: opens new flows at a rate, UDP (one datagram each) or TCP (a whole handshake). No two flows of a
// run have the same addresses and ports until all sources, source ports and destination ports have been used up.
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "tests/lab/tools/echo.hpp"

namespace phalanx::lab {
namespace {

constexpr uint16_t kSourcePortLow = 10000;  // up to 59999
constexpr uint64_t kSourcePorts = 50000;
constexpr size_t kHeldMax = 20000;  // TCP connections open at once; the oldest is closed for the next
constexpr size_t kBatchMax = 256;   // flows in one go after being held up

struct Counts {
  uint64_t attempted = 0, opened = 0, failed = 0, busy = 0;
};

class NewFlows {
 public:
  explicit NewFlows(const Options& options)
      : tcp_(options.text("protocol") == "tcp"),
        to_(parse_address(options.text("to"), 0)),
        sources_(parse_addresses(options.text("bind"))),
        port_(static_cast<uint16_t>(options.number("port", 1, 65535))),
        ports_(static_cast<uint64_t>(options.number("ports", 1, 65536 - port_))),
        rate_(options.number("rate", 1, 1'000'000)),
        hold_ns_(options.number("hold-ms", 0, 3'600'000) * 1'000'000),
        epoll_(epoll_create1(0)) {
    if (!tcp_ && options.text("protocol") != "udp") fail("--protocol must be udp or tcp");
    if (sources_.empty()) fail("--bind must be given, see --help");
  }
  ~NewFlows() { close(epoll_); }
  void run(int64_t seconds);
  Json result() const;

 private:
  struct Held {
    int fd = -1;
    bool opened = false;
    int64_t until_ns = 0;
  };
  void open_one(int64_t now);
  void open_tcp(int fd, int64_t now);
  void poll_tcp(int64_t now, int timeout_ms);
  void close_held(Held& held);

  bool tcp_;
  Address to_;
  std::vector<Address> sources_;
  uint16_t port_;
  uint64_t ports_;
  int64_t rate_;
  int64_t hold_ns_;
  int epoll_;
  std::vector<Held> held_ = std::vector<Held>(kHeldMax);
  size_t next_held_ = 0, oldest_held_ = 0;
  Counts counts_;
  double elapsed_s_ = 0;
};

// Flow n: sources first, then source ports, then destination ports.
void NewFlows::open_one(int64_t now) {
  const uint64_t n = counts_.attempted++;
  Address source = sources_[n % sources_.size()];
  const uint64_t round = n / sources_.size();
  source.set_port(static_cast<uint16_t>(kSourcePortLow + round % kSourcePorts));
  to_.set_port(static_cast<uint16_t>(port_ + round / kSourcePorts % ports_));
  const int fd = socket(to_.family(), (tcp_ ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0);
  const int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (fd < 0 || bind(fd, source.get(), source.length) != 0) {
    ++counts_.busy;
    if (fd >= 0) close(fd);
    return;
  }
  if (tcp_) return open_tcp(fd, now);
  const uint64_t payload[2] = {kProbeMagic, n};
  if (sendto(fd, payload, sizeof payload, 0, to_.get(), to_.length) > 0) {
    ++counts_.opened;
  } else {
    ++counts_.failed;
  }
  close(fd);
}

void NewFlows::open_tcp(int fd, int64_t now) {
  // Closing by reset leaves no TIME_WAIT that would hold the port.
  const linger at_once = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  if (connect(fd, to_.get(), to_.length) != 0 && errno != EINPROGRESS) {
    ++counts_.failed;
    close(fd);
    return;
  }
  Held& held = held_[next_held_];
  if (held.fd >= 0) {
    close_held(held);
    oldest_held_ = (next_held_ + 1) % kHeldMax;
  }
  held = {fd, false, now + std::max<int64_t>(hold_ns_, 1'000'000'000)};
  epoll_event event = {EPOLLOUT, {.u64 = next_held_}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  next_held_ = (next_held_ + 1) % kHeldMax;
}

void NewFlows::close_held(Held& held) {
  if (held.fd < 0) return;
  if (!held.opened) ++counts_.failed;
  close(held.fd);
  held = {};
}

void NewFlows::poll_tcp(int64_t now, int timeout_ms) {
  std::array<epoll_event, 256> ready;
  const int count = epoll_wait(epoll_, ready.data(), static_cast<int>(ready.size()), timeout_ms);
  for (int i = 0; i < count; ++i) {
    Held& held = held_[ready[static_cast<size_t>(i)].data.u64];
    if (held.fd < 0) continue;
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(held.fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) {
      close_held(held);
      continue;
    }
    held.opened = true;
    ++counts_.opened;
    held.until_ns = now + hold_ns_;
    epoll_ctl(epoll_, EPOLL_CTL_DEL, held.fd, nullptr);
    if (hold_ns_ == 0) close_held(held);
  }
  // Oldest first, up to the first that may stay.
  while (oldest_held_ != next_held_ && (held_[oldest_held_].fd < 0 || held_[oldest_held_].until_ns <= now)) {
    close_held(held_[oldest_held_]);
    oldest_held_ = (oldest_held_ + 1) % kHeldMax;
  }
}

void NewFlows::run(int64_t seconds) {
  const int64_t start_ns = now_ns(), end_ns = start_ns + seconds * 1'000'000'000;
  int64_t base_ns = start_ns;
  uint64_t base = 0;
  int64_t now = start_ns;
  for (; !stopped() && now < end_ns; now = now_ns()) {
    const auto due =
        base + static_cast<uint64_t>(static_cast<double>(now - base_ns) / 1e9 * static_cast<double>(rate_));
    for (size_t i = 0; i < kBatchMax && counts_.attempted < due; ++i) open_one(now);
    if (due > counts_.attempted) {
      // Held up: the rate goes on from here.
      base_ns = now;
      base = counts_.attempted;
    }
    if (tcp_) poll_tcp(now, 0);
    sleep_until(now + std::clamp<int64_t>(1'000'000'000 / rate_, 50'000, 1'000'000));
  }
  elapsed_s_ = static_cast<double>(now - start_ns) / 1e9;
  if (!tcp_) return;
  const int64_t drain_end_ns = now + 500'000'000;
  while (now_ns() < drain_end_ns && counts_.opened + counts_.failed + counts_.busy < counts_.attempted) {
    poll_tcp(now_ns(), 10);
  }
  for (Held& held : held_) close_held(held);
}

Json NewFlows::result() const {
  Json json;
  json.add("attempted", counts_.attempted).add("opened", counts_.opened).add("failed", counts_.failed);
  json.add("busy", counts_.busy).add("seconds", elapsed_s_);
  json.add("distinct_max", uint64_t{sources_.size()} * kSourcePorts * ports_);
  json.add("rate", elapsed_s_ > 0 ? static_cast<double>(counts_.opened) / elapsed_s_ : 0.0);
  return json;
}

// Takes what comes: TCP connections are accepted and closed when the client closes them, UDP datagrams counted.
int run_server(const Options& options) {
  const Address local = parse_address(options.text("bind"), static_cast<uint16_t>(options.number("port", 1, 65535)));
  const bool tcp = options.text("protocol") == "tcp";
  const int fd = socket(local.family(), (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0);
  const int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (fd < 0 || bind(fd, local.get(), local.length) != 0 || (tcp && listen(fd, 4096) != 0)) fail_errno("bind");
  const int epoll = epoll_create1(0);
  epoll_event event = {EPOLLIN, {.fd = fd}};
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  if (options.flag("follow")) Json().add("ready", true).print();
  uint64_t count = 0;
  const int64_t end_ns = now_ns() + options.number("seconds", 1, kSecondsMax) * 1'000'000'000;
  while (!stopped() && now_ns() < end_ns) {
    std::array<epoll_event, 256> ready;
    const int events = epoll_wait(epoll, ready.data(), static_cast<int>(ready.size()), 100);
    for (int i = 0; i < events; ++i) {
      const int one_fd = ready[static_cast<size_t>(i)].data.fd;
      std::array<uint8_t, 2048> bytes;
      if (one_fd != fd) {
        if (recv(one_fd, bytes.data(), bytes.size(), MSG_DONTWAIT) <= 0) close(one_fd);
        continue;
      }
      for (int n = 0; n < 256; ++n) {
        const int got = tcp ? accept4(fd, nullptr, nullptr, SOCK_NONBLOCK)
                            : static_cast<int>(recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT));
        if (got < 0) break;
        ++count;
        event = {EPOLLIN, {.fd = got}};
        if (tcp) epoll_ctl(epoll, EPOLL_CTL_ADD, got, &event);
      }
    }
  }
  Json().add("received", count).print();
  return 0;
}

}  // namespace
}  // namespace phalanx::lab

int main(int argc, char** argv) {
  using namespace phalanx::lab;
  const Options options(argc, argv, "new flows at a rate", {"client", "server"},
                        {{"to", "", "client: destination address"},
                         {"bind", "", "own address; client: a range \"A-B\" or a list; server: required"},
                         {"protocol", "udp", "udp or tcp"},
                         {"port", "7004", "destination port, the first of --ports"},
                         {"ports", "1", "number of destination ports to use"},
                         {"rate", "1000", "flows a second"},
                         {"hold-ms", "0", "tcp: how long a connection stays open"},
                         {"seconds", "10", "how long"},
                         {"follow", "false", "server: a line when ready"}});
  catch_signals();
  if (options.mode() == "server") return run_server(options);
  NewFlows flows(options);
  flows.run(options.number("seconds", 1, kSecondsMax));
  flows.result().print();
  return 0;
}
