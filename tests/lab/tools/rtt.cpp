// phalanx-rtt: latency of one UDP packet at a time, there and back.
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "tests/lab/tools/echo.hpp"

namespace phalanx::lab {
namespace {

struct Result {
  uint64_t sent = 0, received = 0, lost = 0;
  Histogram rtt;
};

// Sends one and waits for its echo; echoes that come after their time are passed over.
void ping(int fd, uint64_t run, std::vector<uint8_t>& packet, int64_t timeout_ns, Result& result) {
  const ProbePayload payload = {kProbeMagic, result.sent++, now_ns(), 0, run};
  std::memcpy(packet.data(), &payload, sizeof payload);
  [[maybe_unused]] const ssize_t sent = send(fd, packet.data(), packet.size(), 0);
  const int64_t deadline_ns = payload.sent_ns + timeout_ns;
  std::array<uint8_t, 2048> bytes;
  for (int64_t now = now_ns(); now < deadline_ns && !stopped(); now = now_ns()) {
    pollfd wait = {fd, POLLIN, 0};
    const timespec left = {(deadline_ns - now) / 1'000'000'000, (deadline_ns - now) % 1'000'000'000};
    if (ppoll(&wait, 1, &left, nullptr) <= 0) continue;
    const ssize_t length = recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
    ProbePayload echo;
    if (length < static_cast<ssize_t>(sizeof echo)) continue;
    std::memcpy(&echo, bytes.data(), sizeof echo);
    if (echo.magic != kProbeMagic || echo.run != run || echo.sequence != payload.sequence) continue;
    result.rtt.add(now_ns() - payload.sent_ns);
    ++result.received;
    return;
  }
  ++result.lost;
}

}  // namespace
}  // namespace phalanx::lab

int main(int argc, char** argv) {
  using namespace phalanx::lab;
  const Options options(argc, argv, "UDP round trips, one at a time", {"client", "server"},
                        {{"to", "", "client: the server's address"},
                         {"bind", "", "own address; server: required"},
                         {"port", "7002", "UDP port of the server"},
                         {"seconds", "5", "how long at most"},
                         {"count", "1000000000", "round trips at most"},
                         {"size", "64", "payload bytes"},
                         {"timeout-ms", "200", "a round trip not back by then is lost"},
                         {"fifo", "0", "SCHED_FIFO priority"},
                         {"follow", "false", "server: a line when ready"}});
  catch_signals();
  set_fifo(options.number("fifo", 0, 99));
  const auto port = static_cast<uint16_t>(options.number("port", 1, 65535));
  const int64_t seconds = options.number("seconds", 1, kSecondsMax);
  if (options.mode() == "server") {
    return run_echo_server(parse_address(options.text("bind"), port), seconds, options.flag("follow"));
  }
  const int fd = open_probe_socket(parse_address(options.text("to"), port), parse_addresses(options.text("bind")));
  std::vector<uint8_t> packet(static_cast<size_t>(options.number("size", sizeof(ProbePayload), 1472)));
  const auto count = static_cast<uint64_t>(options.number("count", 1, 1'000'000'000));
  const int64_t timeout_ns = options.number("timeout-ms", 1, 60000) * 1'000'000;
  const int64_t end_ns = now_ns() + seconds * 1'000'000'000;
  const uint64_t run = static_cast<uint64_t>(now_ns());
  Result result;
  while (!stopped() && result.sent < count && now_ns() < end_ns) ping(fd, run, packet, timeout_ns, result);
  close(fd);
  Json()
      .add("sent", result.sent)
      .add("received", result.received)
      .add("lost", result.lost)
      .add("rtt_p50_us", result.rtt.quantile_us(0.5))
      .add("rtt_p99_us", result.rtt.quantile_us(0.99))
      .add("rtt_p999_us", result.rtt.quantile_us(0.999))
      .add("rtt_max_us", result.rtt.max_us())
      .print();
  return 0;
}
