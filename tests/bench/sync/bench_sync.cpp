// What delta sync costs a flow: CPU of sender and receiver, bytes on the wire. Whole lives of UDP and TCP flows as hls/
// tracks them, through the real sender and receiver, everything but sockets and the engine. Usage: bench_sync [--report
// FILE]
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "host/sync/delta_receiver.hpp"
#include "host/sync/delta_sender.hpp"
#include "tests/unit/sync/flow_lives.hpp"

namespace phalanx::sync {
namespace {

constexpr size_t kFlows = 40000;
constexpr size_t kOverlap = 2000;  // flows between one stage of a life and the next
constexpr int kRounds = 15;
constexpr double kHeadersBytes = 14 + 20 + 8;  // Ethernet, IPv4, UDP

// CPU time of this thread, so that a shared machine disturbs less.
double cpu_us() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

// Datagrams on their way, in memory taken before.
class Arena : public DatagramSink {
 public:
  Arena() : bytes_(2 * kRetainedDatagrams * kDatagramBytes) {}
  void send_datagram(absl::Span<const uint8_t> d) override {
    if (count_ >= 2 * kRetainedDatagrams) return;
    std::copy(d.begin(), d.end(), bytes_.begin() + static_cast<ptrdiff_t>(count_ * kDatagramBytes));
    sizes_[count_++] = static_cast<uint16_t>(d.size());
    total_ += static_cast<double>(d.size()) + kHeadersBytes;
  }
  template <typename To>
  void deliver(To to) {
    for (size_t i = 0; i < count_; ++i) to(absl::Span<const uint8_t>(bytes_.data() + i * kDatagramBytes, sizes_[i]));
    count_ = 0;
  }
  size_t count() const { return count_; }
  double total() const { return total_; }

 private:
  std::vector<uint8_t> bytes_;
  std::vector<uint16_t> sizes_ = std::vector<uint16_t>(2 * kRetainedDatagrams);
  size_t count_ = 0;
  double total_ = 0;
};

class CountingSink : public RecordSink {
 public:
  void apply(absl::Span<const abi::Record> records) override {
    for (const abi::Record& r : records) sum_ += r.session.order;
    count_ += records.size();
  }
  size_t count() const { return count_; }
  uint64_t sum() const { return sum_; }

 private:
  size_t count_ = 0;
  uint64_t sum_ = 0;
};

struct Costs {
  double sender_us, receiver_us, bytes;  // a flow
};

struct Ends {
  Ends() {
    ClusterKey key{};
    key.fill(0x42);
    sender = *DeltaSender::create({{7, 1, 2, 0, 0, 1000}, key, kRetainedDatagrams, kFlushCreateNs}, &forth);
    receiver = *DeltaReceiver::create({{7, 2, 1, 0, 0, 2000}, key}, &back, &records);
    sender->start(0);
    for (int i = 0; i < 4; ++i) {
      forth.deliver([&](absl::Span<const uint8_t> d) { receiver->on_datagram(i * kStrangerAnswerNs, d); });
      back.deliver([&](absl::Span<const uint8_t> d) { sender->on_datagram(i * kStrangerAnswerNs, d); });
    }
  }
  Arena forth, back;
  CountingSink records;
  std::unique_ptr<DeltaSender> sender;
  std::unique_ptr<DeltaReceiver> receiver;
};

// Records of kFlows lives in the order in which they happen.
std::vector<abi::Record> traffic(bool tcp, uint64_t seed) {
  FlowLives lives(seed, {0, false, 100000});
  std::vector<std::vector<abi::Record>> flows;
  for (size_t i = 0; i < kFlows; ++i) flows.push_back(tcp ? lives.tcp(false) : lives.udp(false));
  std::vector<abi::Record> out;
  const size_t stages = flows[0].size();
  for (size_t tick = 0; tick < kFlows + kOverlap * stages; ++tick) {
    for (size_t stage = 0; stage < stages; ++stage) {
      if (tick >= kOverlap * stage && tick - kOverlap * stage < kFlows)
        out.push_back(flows[tick - kOverlap * stage][stage]);
    }
  }
  return out;
}

// `ns_per_record` of simulated time pass between records; 0 fills every datagram.
std::optional<Costs> run(const std::vector<abi::Record>& traffic, int64_t ns_per_record) {
  Ends e;
  const int64_t start_ns = 100'000'000;
  int64_t now_ns = start_ns;
  const double bytes_before = e.forth.total();
  Costs costs = {0, 0, 0};
  constexpr size_t kStep = 32;
  for (size_t at = 0; at < traffic.size();) {
    const double t0 = cpu_us();
    while (at < traffic.size() && e.forth.count() < 512) {
      const size_t end = std::min(at + (ns_per_record == 0 ? kStep : 1), traffic.size());
      for (; at < end; ++at) e.sender->add(traffic[at], now_ns);
      now_ns += ns_per_record;
      if (e.sender->should_flush(now_ns)) e.sender->flush_due(now_ns);
    }
    if (at == traffic.size()) e.sender->flush(now_ns);
    const double t1 = cpu_us();
    e.forth.deliver([&](absl::Span<const uint8_t> d) { e.receiver->on_datagram(now_ns, d); });
    e.receiver->poll(now_ns + kAckDelayNs);
    const double t2 = cpu_us();
    e.back.deliver([&](absl::Span<const uint8_t> d) { e.sender->on_datagram(now_ns, d); });
    costs.sender_us += t1 - t0 + cpu_us() - t2;
    costs.receiver_us += t2 - t1;
  }
  if (e.records.count() + e.sender->counters()[Counter::kCoalesced] != traffic.size()) return std::nullopt;
  costs.bytes = e.forth.total() - bytes_before;
  costs.sender_us /= kFlows, costs.receiver_us /= kFlows, costs.bytes /= kFlows;
  return costs;
}

struct Figure {
  std::string name, unit;
  double ours, spread;
  std::optional<double> goal;
};

Figure figure(std::string name, std::string unit, std::vector<double> values, std::optional<double> goal) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  const double median = values[n / 2];
  return {std::move(name), std::move(unit), median, (values[n * 3 / 4] - values[n / 4]) / median, goal};
}

std::string first_line_with(const char* path, const std::string& start) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, start.size(), start) != 0) continue;
    const size_t colon = line.find(':');
    return colon == std::string::npos ? line : line.substr(colon + 2);
  }
  return "unknown";
}

std::string to_json(const std::vector<Figure>& figures) {
  std::string out = "{\"schema\":\"phalanx-bench/1\",\"figures\":[";
  for (size_t i = 0; i < figures.size(); ++i) {
    const Figure& f = figures[i];
    const std::string goal = f.goal ? absl::StrFormat("%g", *f.goal) : "null";
    const char* met = !f.goal ? "null" : f.ours <= *f.goal ? "true" : "false";
    out += absl::StrFormat(
        "%s\n{\"name\":\"%s\",\"unit\":\"%s\",\"ours\":%.4g,\"spread\":%.4g,\"peer\":\"conntrackd "
        "1.4.7\",\"theirs\":null,"
        "\"ratio\":null,\"goal\":%s,\"met\":%s}",
        i == 0 ? "" : ",", f.name, f.unit, f.ours, f.spread, goal, met);
  }
  return out + absl::StrFormat("],\n\"machine\":\"%s\",\"load\":\"%s\"}\n",
                               first_line_with("/proc/cpuinfo", "model name"), first_line_with("/proc/loadavg", ""));
}

int measure(const char* report) {
  std::vector<Figure> figures;
  for (const bool tcp : {false, true}) {
    const std::string name = tcp ? "tcp" : "udp";
    const std::vector<abi::Record> records = traffic(tcp, 1);
    std::vector<double> sender, receiver, bytes, paced;
    for (int round = 0; round < kRounds; ++round) {
      const std::optional<Costs> costs = run(records, 0);
      if (!costs) return std::fprintf(stderr, "records were lost on the way\n"), 1;
      sender.push_back(costs->sender_us);
      receiver.push_back(costs->receiver_us);
      bytes.push_back(costs->bytes);
    }
    const int64_t pace_ns = 50'000 / (tcp ? 4 : 2);  // 20 k flows/s
    const std::optional<Costs> costs = run(records, pace_ns);
    if (!costs) return std::fprintf(stderr, "records were lost on the way\n"), 1;
    figures.push_back(figure("sync_sender_cpu_" + name + "_flow", "us", sender, tcp ? 3.0 : 1.5));
    figures.push_back(figure("sync_receiver_cpu_" + name + "_flow", "us", receiver, tcp ? 2.0 : 1.0));
    figures.push_back(figure("sync_bytes_" + name + "_flow", "bytes", bytes, tcp ? 90.0 : 40.0));
    figures.push_back(figure("sync_bytes_" + name + "_flow_at_20k_flows_s", "bytes", {costs->bytes}, std::nullopt));
  }
  for (const Figure& f : figures) {
    std::printf("%-38s %9.3f %-6s spread %4.1f %%  goal %s %s\n", f.name.c_str(), f.ours, f.unit.c_str(),
                100 * f.spread, f.goal ? absl::StrFormat("<= %g", *f.goal).c_str() : "none",
                !f.goal             ? ""
                : f.ours <= *f.goal ? "met"
                                    : "MISSED");
  }
  if (report == nullptr) return 0;
  std::ofstream file(report);
  file << to_json(figures);
  return file.good() ? 0 : 1;
}

}  // namespace
}  // namespace phalanx::sync

int main(int argc, char** argv) {
  const char* report = argc == 3 && std::string(argv[1]) == "--report" ? argv[2] : nullptr;
  if (argc != 1 && report == nullptr) return std::fprintf(stderr, "usage: bench_sync [--report FILE]\n"), 2;
  return phalanx::sync::measure(report);
}
