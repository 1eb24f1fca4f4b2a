// phalanx-probe: how long, and how often, traffic stood still. UDP probes at a steady rate, echoed by a server.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "tests/lab/tools/echo.hpp"

namespace phalanx::lab {
namespace {

constexpr size_t kGapsListedMax = 1000;      // more are counted, not listed
constexpr int64_t kDrainNs = 1'000'000'000;  // for the last echoes

struct Arrival {
  int64_t client_ns = 0, server_ns = 0;
  uint64_t sequence = 0;
};

class ProbeClient {
 public:
  explicit ProbeClient(const Options& options)
      : rate_(options.number("rate", 1, 100000)),
        total_(static_cast<uint64_t>(rate_ * options.number("seconds", 1, kSecondsMax))),
        gap_ns_(std::max<int64_t>(options.number("gap-ms", 1, 60000) * 1'000'000, 2'000'000'000 / rate_)),
        follow_(options.flag("follow")),
        packet_(static_cast<size_t>(options.number("size", sizeof(ProbePayload), 1472))),
        seen_(total_, false) {
    const Address to = parse_address(options.text("to"), static_cast<uint16_t>(options.number("port", 1, 65535)));
    fd_ = open_probe_socket(to, parse_addresses(options.text("bind")));
    run_ = static_cast<uint64_t>(now_ns()) ^ static_cast<uint64_t>(getpid()) << 48;
  }

  void run();
  Json result() const;

 private:
  void send_due(int64_t now);
  void receive_all();
  void take(const ProbePayload& payload, int64_t now);
  void add_gap(const Arrival& from, int64_t client_ns, int64_t server_ns, uint64_t lost, bool open);
  void tick(int64_t now);

  int fd_ = -1;
  int64_t rate_;
  uint64_t total_;
  int64_t gap_ns_;
  bool follow_;
  std::vector<uint8_t> packet_;
  std::vector<bool> seen_;
  uint64_t run_ = 0;
  int64_t start_ns_ = 0, end_ns_ = 0, next_tick_ns_ = 0;
  uint64_t next_ = 0;  // sequence to send next
  uint64_t sent_ = 0, send_errors_ = 0, received_ = 0, duplicated_ = 0, reordered_ = 0, foreign_ = 0;
  uint64_t gap_count_ = 0;
  int64_t longest_gap_ns_ = 0;
  std::vector<std::string> gaps_;
  Arrival last_;  // with the highest sequence so far
  bool any_ = false;
  Histogram rtt_;
  uint64_t tick_sent_ = 0, tick_received_ = 0;
  Histogram tick_rtt_;
};

int64_t due_ns(int64_t start_ns, uint64_t sequence, int64_t rate) {
  const auto s = static_cast<int64_t>(sequence);
  return start_ns + s / rate * 1'000'000'000 + s % rate * 1'000'000'000 / rate;
}

void ProbeClient::run() {
  start_ns_ = now_ns();
  next_tick_ns_ = start_ns_ + 1'000'000'000;
  last_ = {start_ns_, start_ns_, 0};
  while (!stopped() && next_ < total_) {
    const int64_t now = now_ns();
    send_due(now);
    receive_all();
    tick(now);
    if (next_ == total_) break;
    const int64_t wait_ns = std::max<int64_t>(due_ns(start_ns_, next_, rate_) - now_ns(), 0);
    const timespec timeout = {wait_ns / 1'000'000'000, wait_ns % 1'000'000'000};
    pollfd wait = {fd_, POLLIN, 0};
    ppoll(&wait, 1, &timeout, nullptr);
  }
  end_ns_ = now_ns();
  for (int64_t now = end_ns_; now < end_ns_ + kDrainNs && received_ < sent_; now = now_ns()) {
    pollfd wait = {fd_, POLLIN, 0};
    poll(&wait, 1, 10);
    receive_all();
  }
  // An outage that the end of the run cut off.
  const uint64_t behind = any_ ? next_ - last_.sequence - 1 : next_;
  if (behind > 0 && end_ns_ - last_.client_ns > gap_ns_) add_gap(last_, end_ns_, end_ns_, behind, true);
  close(fd_);
}

void ProbeClient::send_due(int64_t now) {
  while (next_ < total_ && due_ns(start_ns_, next_, rate_) <= now) {
    const ProbePayload payload = {kProbeMagic, next_, now_ns(), 0, run_};
    std::memcpy(packet_.data(), &payload, sizeof payload);
    // A refusal (an ICMP error of before, no route) is a probe that is lost, and says so.
    if (send(fd_, packet_.data(), packet_.size(), MSG_DONTWAIT) < 0) ++send_errors_;
    ++sent_;
    ++next_;
  }
}

void ProbeClient::receive_all() {
  std::array<uint8_t, 2048> bytes;
  for (int i = 0; i < 256; ++i) {
    const ssize_t length = recv(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (length < static_cast<ssize_t>(sizeof(ProbePayload))) continue;
    ProbePayload payload;
    std::memcpy(&payload, bytes.data(), sizeof payload);
    if (payload.magic != kProbeMagic || payload.run != run_ || payload.sequence >= next_) {
      ++foreign_;
      continue;
    }
    take(payload, now_ns());
  }
}

void ProbeClient::take(const ProbePayload& payload, int64_t now) {
  if (seen_[payload.sequence]) {
    ++duplicated_;
    return;
  }
  seen_[payload.sequence] = true;
  ++received_;
  rtt_.add(now - payload.sent_ns);
  tick_rtt_.add(now - payload.sent_ns);
  if (any_ && payload.sequence < last_.sequence) {
    ++reordered_;
    return;
  }
  if (now - last_.client_ns > gap_ns_ || payload.echoed_ns - last_.server_ns > gap_ns_) {
    add_gap(last_, now, payload.echoed_ns, any_ ? payload.sequence - last_.sequence - 1 : payload.sequence, false);
  }
  last_ = {now, payload.echoed_ns, payload.sequence};
  any_ = true;
}

void ProbeClient::add_gap(const Arrival& from, int64_t client_ns, int64_t server_ns, uint64_t lost, bool open) {
  ++gap_count_;
  longest_gap_ns_ = std::max(longest_gap_ns_, client_ns - from.client_ns);
  Json gap;
  gap.add("start_s", static_cast<double>(from.client_ns - start_ns_) / 1e9)
      .add("ms", static_cast<double>(client_ns - from.client_ns) / 1e6)
      .add("server_ms", static_cast<double>(server_ns - from.server_ns) / 1e6)
      .add("lost", lost)
      .add("open", open);
  if (gaps_.size() < kGapsListedMax) gaps_.push_back(gap.text());
  if (follow_) Json().add_raw("gap", gap.text()).print();
}

void ProbeClient::tick(int64_t now) {
  if (now < next_tick_ns_) return;
  next_tick_ns_ += 1'000'000'000;
  if (follow_) {
    Json()
        .add("t_s", static_cast<double>(now - start_ns_) / 1e9)
        .add("sent", sent_ - tick_sent_)
        .add("received", received_ - tick_received_)
        .add("lost", any_ ? last_.sequence + 1 - received_ : 0)  // since the start, of those before the latest echo
        .add("rtt_p50_us", tick_rtt_.quantile_us(0.5))
        .add("rtt_p99_us", tick_rtt_.quantile_us(0.99))
        .add("silent_ms", static_cast<double>(now - last_.client_ns) / 1e6)
        .print();
  }
  tick_sent_ = sent_;
  tick_received_ = received_;
  tick_rtt_.clear();
}

Json ProbeClient::result() const {
  Json json;
  json.add("sent", sent_).add("received", received_).add("lost", sent_ - received_).add("duplicated", duplicated_);
  json.add("reordered", reordered_).add("send_errors", send_errors_).add("foreign", foreign_).add("rate", rate_);
  json.add("seconds", static_cast<double>(end_ns_ - start_ns_) / 1e9);
  json.add("rtt_p50_us", rtt_.quantile_us(0.5)).add("rtt_p99_us", rtt_.quantile_us(0.99));
  json.add("rtt_max_us", rtt_.max_us()).add("gap_threshold_ms", static_cast<double>(gap_ns_) / 1e6);
  json.add("gap_count", gap_count_).add("longest_gap_ms", static_cast<double>(longest_gap_ns_) / 1e6);
  json.add_raw("gaps", json_array(gaps_));
  return json;
}

}  // namespace
}  // namespace phalanx::lab

int main(int argc, char** argv) {
  using namespace phalanx::lab;
  const Options options(argc, argv, "steady UDP probes and their gaps", {"client", "server"},
                        {{"to", "", "client: the server's address"},
                         {"bind", "", "own address; server: required"},
                         {"port", "7001", "UDP port of the server"},
                         {"rate", "1000", "probes a second"},
                         {"seconds", "10", "how long"},
                         {"size", "64", "payload bytes"},
                         {"gap-ms", "5", "silence longer than this (and two intervals) is a gap"},
                         {"fifo", "0", "SCHED_FIFO priority"},
                         {"follow", "false", "a JSON line for each gap and each second"}});
  catch_signals();
  set_fifo(options.number("fifo", 0, 99));
  if (options.mode() == "server") {
    const auto port = static_cast<uint16_t>(options.number("port", 1, 65535));
    return run_echo_server(parse_address(options.text("bind"), port), options.number("seconds", 1, kSecondsMax),
                           options.flag("follow"));
  }
  ProbeClient client(options);
  client.run();
  client.result().print();
  return 0;
}
