// phalanx-stream: long-lived TCP connections whose every byte, both ways, is checked. Each end sends a pseudo-random
// stream that the other end can compute; a byte that is lost, doubled or changed is seen at once.
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "tests/lab/tools/echo.hpp"

namespace phalanx::lab {
namespace {

constexpr int64_t kTickNs = 20'000'000;
constexpr size_t kConnectionsMax = 4096;
constexpr size_t kChunk = 16384;
constexpr int64_t kConnectPatienceNs = 10'000'000'000;
constexpr int64_t kStalledNs = 1'000'000'000;  // a connection that says nothing for so long stands still
constexpr uint64_t kHelloMagic = 0x6d72747378687000;

// The client's first bytes: how the server computes both streams.
struct Hello {
  uint64_t magic = kHelloMagic;
  uint64_t seed = 0;
  uint64_t rate = 0;  // bytes a second each way
};
uint64_t to_server_seed(uint64_t seed) { return mix64(seed) << 1; }
uint64_t to_client_seed(uint64_t seed) { return mix64(seed) << 1 | 1; }

enum class State { kConnecting, kOpen, kFinished, kLost };

class Connection {
 public:
  Connection(int fd, State state) : fd_(fd), state_(state) {}
  ~Connection() { end(State::kFinished); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const { return fd_; }
  State state() const { return state_; }
  bool live() const { return fd_ >= 0; }
  const char* error() const { return error_ == 0 ? "" : std::strerror(error_); }
  uint64_t sent() const { return sent_; }
  uint64_t received() const { return received_; }
  uint64_t wrong() const { return wrong_; }
  double longest_stall_ms() const { return static_cast<double>(longest_stall_ns_) / 1e6; }
  int64_t last_received_ns() const { return last_ns_; }

  // The client's side knows all from the start; the server's learns it from the hello.
  void begin_client(uint64_t seed, uint64_t rate, int64_t now) {
    hello_ = {kHelloMagic, seed, rate};
    out_seed_ = to_server_seed(seed);
    in_seed_ = to_client_seed(seed);
    const ssize_t n = send(fd_, &hello_, sizeof hello_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n != static_cast<ssize_t>(sizeof hello_)) return end(State::kLost, errno);
    hello_bytes_ = sizeof hello_;
    end_is_loss_ = true;
    begin(now);
  }
  void receive(int64_t now);
  void send_due(int64_t now);
  void finish() {
    if (fd_ >= 0 && state_ == State::kOpen) shutdown(fd_, SHUT_WR);
  }
  void account_stall(int64_t now) {
    if (state_ == State::kOpen && started()) longest_stall_ns_ = std::max(longest_stall_ns_, now - last_ns_);
  }
  void end(State state, int error = 0) {
    if (fd_ < 0) return;
    close(fd_);
    fd_ = -1;
    state_ = state;
    error_ = error;
  }
  bool started() const { return hello_bytes_ == sizeof hello_; }

 private:
  void begin(int64_t now) {
    state_ = State::kOpen;
    start_ns_ = last_ns_ = now;
  }
  bool receive_hello(int64_t now);

  int fd_;
  State state_;
  int error_ = 0;
  bool end_is_loss_ = false;
  Hello hello_;
  size_t hello_bytes_ = 0;
  uint64_t out_seed_ = 0, in_seed_ = 0;
  uint64_t sent_ = 0, received_ = 0, wrong_ = 0;
  int64_t start_ns_ = 0, last_ns_ = 0, longest_stall_ns_ = 0;
};

bool Connection::receive_hello(int64_t now) {
  const ssize_t n =
      recv(fd_, reinterpret_cast<uint8_t*>(&hello_) + hello_bytes_, sizeof hello_ - hello_bytes_, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (n <= 0) {
    end(State::kLost, n < 0 ? errno : 0);
    return false;
  }
  hello_bytes_ += static_cast<size_t>(n);
  if (!started()) return false;
  if (hello_.magic != kHelloMagic || hello_.rate > 1'000'000'000) {
    end(State::kLost, EPROTO);
    return false;
  }
  out_seed_ = to_client_seed(hello_.seed);
  in_seed_ = to_server_seed(hello_.seed);
  begin(now);
  return true;
}

void Connection::receive(int64_t now) {
  if (fd_ < 0 || (!started() && !receive_hello(now))) return;
  static std::array<uint8_t, 1 << 16> bytes;
  for (int round = 0; round < 16; ++round) {
    const ssize_t n = recv(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n < 0) return end(State::kLost, errno);
    // It is the client that ends a run; a server's end is the loss of its connections.
    if (n == 0) return end_is_loss_ ? end(State::kLost, ECONNABORTED) : end(State::kFinished);
    account_stall(now);
    last_ns_ = now;
    for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
      wrong_ += bytes[i] != stream_byte(in_seed_, received_ + i);
    }
    received_ += static_cast<uint64_t>(n);
  }
}

void Connection::send_due(int64_t now) {
  if (fd_ < 0 || state_ != State::kOpen) return;
  const auto due = static_cast<uint64_t>(static_cast<double>(now - start_ns_) / 1e9 * static_cast<double>(hello_.rate));
  std::array<uint8_t, kChunk> bytes;
  while (sent_ < due) {
    const size_t length = std::min<uint64_t>(kChunk, due - sent_);
    for (size_t i = 0; i < length; ++i) bytes[i] = stream_byte(out_seed_, sent_ + i);
    const ssize_t n = send(fd_, bytes.data(), length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n < 0) return end(State::kLost, errno);
    sent_ += static_cast<uint64_t>(n);
  }
}

// Connections in one epoll, moved on by readiness and by a tick.
class Streams {
 public:
  explicit Streams(bool follow) : epoll_(epoll_create1(0)), follow_(follow) {}
  ~Streams() { close(epoll_); }
  size_t size() const { return all_.size(); }
  size_t live() const {
    return static_cast<size_t>(std::count_if(all_.begin(), all_.end(), [](const auto& c) { return c->live(); }));
  }
  Connection& add(int fd, State state);
  Connection& at(size_t i) { return *all_[i]; }
  void listen_on(int fd) { watch(fd, kListener); }
  // Waits for at most one tick; accepts, receives, sends.
  void turn(int64_t until_ns);
  void finish_all() {
    for (auto& c : all_) c->finish();
  }
  Json summary();

 private:
  static constexpr uint64_t kListener = UINT64_MAX;
  void watch(int fd, uint64_t token) {
    epoll_event event = {EPOLLIN, {.u64 = token}};
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) fail_errno("epoll_ctl");
    if (token == kListener) listener_ = fd;
  }
  void accept_all();
  void follow(int64_t now);

  int epoll_;
  int listener_ = -1;
  bool follow_;
  int64_t next_tick_ns_ = 0, next_line_ns_ = 0;
  size_t refused_ = 0, line_lost_ = 0;
  uint64_t line_received_ = 0;
  std::vector<std::unique_ptr<Connection>> all_;
};

Connection& Streams::add(int fd, State state) {
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  all_.push_back(std::make_unique<Connection>(fd, state));
  watch(fd, all_.size() - 1);
  return *all_.back();
}

void Streams::accept_all() {
  for (int fd = 0; (fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
    if (all_.size() < kConnectionsMax) {
      add(fd, State::kOpen);
    } else {
      ++refused_;
      close(fd);
    }
  }
}

void Streams::turn(int64_t until_ns) {
  int64_t now = now_ns();
  const int64_t wake_ns = std::min(std::max(next_tick_ns_, now), until_ns);
  std::array<epoll_event, 128> ready;
  const int timeout_ms = static_cast<int>(std::max<int64_t>(wake_ns - now, 0) / 1'000'000);
  const int count = epoll_wait(epoll_, ready.data(), static_cast<int>(ready.size()), timeout_ms);
  now = now_ns();
  for (int i = 0; i < count; ++i) {
    const uint64_t token = ready[static_cast<size_t>(i)].data.u64;
    if (token == kListener) {
      accept_all();
    } else {
      all_[token]->receive(now);
    }
  }
  if (now < next_tick_ns_) return;
  next_tick_ns_ = now + kTickNs;
  for (auto& c : all_) {
    c->send_due(now);
    c->account_stall(now);
  }
  if (follow_ && now >= next_line_ns_) follow(now);
}

void Streams::follow(int64_t now) {
  next_line_ns_ = now + 1'000'000'000;
  uint64_t received = 0;
  uint64_t wrong = 0;
  size_t lost = 0;
  size_t stalled = 0;
  int64_t silent_ns = 0;
  for (const auto& c : all_) {
    received += c->received();
    wrong += c->wrong();
    lost += c->state() == State::kLost;
    if (!c->live() || !c->started()) continue;
    silent_ns = std::max(silent_ns, now - c->last_received_ns());
    stalled += now - c->last_received_ns() > kStalledNs;
  }
  Json()
      .add("alive", uint64_t{live()})
      .add("lost", uint64_t{lost})
      .add("newly_lost", uint64_t{lost - line_lost_})
      .add("stalled", uint64_t{stalled})
      .add("received_bytes", received - line_received_)
      .add("wrong_bytes", wrong)
      .add("longest_silence_ms", static_cast<double>(silent_ns) / 1e6)
      .print();
  line_received_ = received;
  line_lost_ = lost;
}

Json Streams::summary() {
  uint64_t sent = 0, received = 0, wrong = 0, lost = 0;
  double longest = 0;
  std::vector<std::string> stalls, errors;
  for (const auto& c : all_) {
    sent += c->sent();
    received += c->received();
    wrong += c->wrong();
    longest = std::max(longest, c->longest_stall_ms());
    char stall[32];
    std::snprintf(stall, sizeof stall, "%.1f", c->longest_stall_ms());
    stalls.push_back(stall);
    if (c->state() != State::kLost) continue;
    ++lost;
    errors.push_back(std::string(1, '"').append(c->error()).append(1, '"'));
  }
  Json json;
  json.add("connections_lost", lost).add("connections_refused", uint64_t{refused_}).add("sent_bytes", sent);
  json.add("received_bytes", received).add("wrong_bytes", wrong).add("longest_stall_ms", longest);
  json.add_raw("stalls_ms", json_array(stalls)).add_raw("errors", json_array(errors));
  return json;
}

int run_server(const Options& options) {
  const Address local = parse_address(options.text("bind"), static_cast<uint16_t>(options.number("port", 1, 65535)));
  const int fd = socket(local.family(), SOCK_STREAM | SOCK_NONBLOCK, 0);
  const int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (fd < 0 || bind(fd, local.get(), local.length) != 0 || listen(fd, 4096) != 0) fail_errno("listen");
  Streams streams(options.flag("follow"));
  streams.listen_on(fd);
  if (options.flag("follow")) Json().add("ready", true).print();
  const int64_t end_ns = now_ns() + options.number("seconds", 1, kSecondsMax) * 1'000'000'000;
  while (!stopped() && now_ns() < end_ns) streams.turn(end_ns);
  Json json = streams.summary();
  json.add("connections", uint64_t{streams.size()}).add("connections_open", uint64_t{streams.live()}).print();
  close(fd);
  return 0;
}

// Blocking with a limit: connections are to be there before the test begins.
int connect_one(const Address& to, const Address* source) {
  const int fd = socket(to.family(), SOCK_STREAM, 0);
  if (fd < 0) fail_errno("socket");
  const timeval patience = {kConnectPatienceNs / 1'000'000'000, 0};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const int one = 1;
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  if ((source != nullptr && bind(fd, source->get(), source->length) != 0) || connect(fd, to.get(), to.length) != 0) {
    std::perror("connect");
    close(fd);
    return -1;
  }
  return fd;
}

int run_client(const Options& options) {
  const Address to = parse_address(options.text("to"), static_cast<uint16_t>(options.number("port", 1, 65535)));
  const std::vector<Address> sources = parse_addresses(options.text("bind"));
  const auto wanted = static_cast<size_t>(options.number("connections", 1, kConnectionsMax));
  const auto rate = static_cast<uint64_t>(options.number("rate", 1, 1'000'000'000));
  const auto seed = static_cast<uint64_t>(options.number("seed", 0, INT64_MAX));
  const bool follow = options.flag("follow");
  Streams streams(follow);
  const int64_t connect_end_ns = now_ns() + kConnectPatienceNs;
  for (size_t i = 0; i < wanted && !stopped() && now_ns() < connect_end_ns; ++i) {
    const int fd = connect_one(to, sources.empty() ? nullptr : &sources[i % sources.size()]);
    if (fd >= 0) streams.add(fd, State::kConnecting).begin_client(mix64(seed + i), rate, now_ns());
  }
  const size_t before = streams.live();
  if (follow) Json().add("ready", true).add("connections", uint64_t{before}).print();
  const int64_t end_ns = now_ns() + options.number("seconds", 1, kSecondsMax) * 1'000'000'000;
  while (!stopped() && now_ns() < end_ns) streams.turn(end_ns);
  const size_t after = streams.live();
  streams.finish_all();
  Json json = streams.summary();
  json.add("connections_wanted", uint64_t{wanted}).add("connections_before", uint64_t{before});
  json.add("connections_after", uint64_t{after}).print();
  return 0;
}

}  // namespace
}  // namespace phalanx::lab

int main(int argc, char** argv) {
  using namespace phalanx::lab;
  const Options options(argc, argv, "long-lived TCP connections, every byte checked", {"client", "server"},
                        {{"to", "", "client: the server's address"},
                         {"bind", "", "own address; client: a range \"A-B\" or a list; server: required"},
                         {"port", "7003", "TCP port of the server"},
                         {"connections", "64", "how many"},
                         {"rate", "20000", "bytes a second, each connection, each way"},
                         {"seconds", "10", "how long"},
                         {"seed", "1", "of the streams"},
                         {"follow", "false", "a JSON line when ready and each second"}});
  catch_signals();
  return options.mode() == "server" ? run_server(options) : run_client(options);
}
