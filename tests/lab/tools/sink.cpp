// phalanx-sink: counts UDP packets to a port that arrive at an interface, at next to no cost: a BPF program picks them,
// and the kernel's own count of what the socket was offered is read; no packet is. Count at an interface whose host has
// no interest in the packets (destination address not its own), or its answers will be part of the picture.
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "tests/lab/tools/echo.hpp"

namespace phalanx::lab {
namespace {

int open_counter(const std::string& interface, uint16_t port) {
  const int fd = socket(AF_PACKET, SOCK_RAW, 0);
  std::array<sock_filter, 9> program = {{
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 6),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 4),
      BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 14),
      BPF_STMT(BPF_LD | BPF_H | BPF_IND, 16),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
  }};
  const sock_fprog whole = {static_cast<unsigned short>(program.size()), program.data()};
  const int one = 1, smallest = 0;
  sockaddr_ll link = {};
  link.sll_family = AF_PACKET;
  link.sll_protocol = htons(ETH_P_ALL);
  link.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
  if (link.sll_ifindex == 0) fail("no interface \"" + interface + "\"");
  packet_mreq promiscuous = {link.sll_ifindex, PACKET_MR_PROMISC, 0, {}};
  // A buffer that is full from the second packet on: what is dropped is counted all the same, and costs no copy.
  if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one) != 0 ||
      setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &smallest, sizeof smallest) != 0 ||
      setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &whole, sizeof whole) != 0 ||
      setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof promiscuous) != 0 ||
      bind(fd, reinterpret_cast<const sockaddr*>(&link), sizeof link) != 0) {
    fail_errno("AF_PACKET socket");
  }
  return fd;
}

uint64_t take_count(int fd) {
  tpacket_stats stats = {};
  socklen_t length = sizeof stats;
  if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &length) != 0) fail_errno("PACKET_STATISTICS");
  return stats.tp_packets;  // taken and dropped
}

}  // namespace
}  // namespace phalanx::lab

int main(int argc, char** argv) {
  using namespace phalanx::lab;
  const Options options(argc, argv, "counts UDP packets that arrive", {},
                        {{"interface", nullptr, "where to count"},
                         {"port", "9000", "UDP destination port"},
                         {"seconds", "10", "how long"},
                         {"follow", "false", "a JSON line when ready and each second"}});
  catch_signals();
  const int fd = open_counter(options.text("interface"), static_cast<uint16_t>(options.number("port", 1, 65535)));
  const bool follow = options.flag("follow");
  if (follow) Json().add("ready", true).print();
  const int64_t start_ns = now_ns(), end_ns = start_ns + options.number("seconds", 1, kSecondsMax) * 1'000'000'000;
  uint64_t received = 0;
  std::vector<std::string> per_second;
  uint64_t best = 0;
  for (int64_t second_end_ns = start_ns + 1'000'000'000; !stopped() && second_end_ns <= end_ns;
       second_end_ns += 1'000'000'000) {
    sleep_until(second_end_ns);
    const uint64_t count = take_count(fd);
    received += count;
    best = std::max(best, count);
    per_second.push_back(std::to_string(count));
    if (follow) Json().add("received", count).print();
  }
  received += take_count(fd);  // of a second that a signal cut short
  close(fd);
  Json()
      .add("received", received)
      .add("seconds", static_cast<double>(now_ns() - start_ns) / 1e9)
      .add("best_kpps", static_cast<double>(best) / 1e3)
      .add_raw("per_second", json_array(per_second))
      .print();
  return 0;
}
