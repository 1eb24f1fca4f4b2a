#include "tests/unit/ports/test_network.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"

namespace phalanx::test {
namespace {

constexpr size_t kVnet = sizeof(VirtioNetHeader);

void put16(uint8_t* at, size_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

// The Internet checksum's sum of 16-bit words, not complemented.
uint16_t sum16(const uint8_t* bytes, size_t length, uint32_t sum = 0) {
  for (size_t i = 0; i + 1 < length; i += 2) sum += static_cast<uint32_t>(bytes[i] << 8 | bytes[i + 1]);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

void put_ipv4(uint8_t* ip, size_t total, uint8_t protocol) {
  const uint8_t source[4] = {10, 0, 0, 1}, destination[4] = {10, 0, 0, 2};
  ip[0] = 0x45;
  put16(ip + 2, total);
  ip[8] = 64;
  ip[9] = protocol;
  std::memcpy(ip + 12, source, 4);
  std::memcpy(ip + 16, destination, 4);
  put16(ip + 10, static_cast<uint16_t>(~sum16(ip, 20)));
}

}  // namespace

NetworkNamespace::NetworkNamespace() {
  std::thread([this] {
    ASSERT_EQ(unshare(CLONE_NEWNET), 0) << std::strerror(errno);
    fd_ = UniqueFd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(fd_);
  }).join();
  run("ip link set lo up && sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1");
}

void NetworkNamespace::inside(const std::function<void()>& work) const {
  std::thread([&] {
    ASSERT_EQ(setns(fd_.get(), CLONE_NEWNET), 0) << std::strerror(errno);
    work();
  }).join();
}

void NetworkNamespace::run(const std::string& command) const {
  const std::string whole = absl::StrCat("nsenter --net=", path(), " sh -c '", command, "'");
  ASSERT_EQ(std::system(whole.c_str()), 0) << whole;
}

std::string NetworkNamespace::path() const { return absl::StrCat("/proc/", getpid(), "/fd/", fd_.get()); }

void add_veth(const NetworkNamespace& a, const std::string& name_a, const NetworkNamespace& b,
              const std::string& name_b) {
  a.run(absl::StrCat("ip link add ", name_a, " address 02:00:00:00:00:0a type veth peer name ", name_b,
                     " address 02:00:00:00:00:0b netns ", b.path()));
  a.run(absl::StrCat("ip link set ", name_a, " up"));
  b.run(absl::StrCat("ip link set ", name_b, " up"));
}

Bytes udp_frame(const MacAddress& destination, size_t payload, uint16_t destination_port, const MacAddress& source) {
  Bytes frame(kVnet + 14 + 28 + payload);
  uint8_t* ethernet = frame.data() + kVnet;
  std::copy(destination.begin(), destination.end(), ethernet);
  std::copy(source.begin(), source.end(), ethernet + 6);
  put16(ethernet + 12, 0x0800);
  put_ipv4(ethernet + 14, 28 + payload, 17);
  put16(ethernet + 34, 40000);
  put16(ethernet + 36, destination_port);
  put16(ethernet + 38, 8 + payload);
  for (size_t i = 0; i < payload; ++i) ethernet[42 + i] = static_cast<uint8_t>(i * 7 + payload);
  return frame;
}

Bytes tcp_gso_frame(const MacAddress& destination, size_t payload, uint16_t gso_size, uint16_t vlan) {
  const size_t link = vlan == 0 ? 14 : 18;
  Bytes frame(kVnet + link + 40 + payload);
  uint8_t* ethernet = frame.data() + kVnet;
  const MacAddress source = {2, 0, 0, 0, 0, 0x0a};
  std::copy(destination.begin(), destination.end(), ethernet);
  std::copy(source.begin(), source.end(), ethernet + 6);
  if (vlan != 0) {
    put16(ethernet + 12, 0x8100);
    put16(ethernet + 14, vlan);
  }
  put16(ethernet + link - 2, 0x0800);
  uint8_t* ip = ethernet + link;
  put_ipv4(ip, 40 + payload, 6);
  uint8_t* tcp = ip + 20;
  put16(tcp, 1000);
  put16(tcp + 2, 2000);
  tcp[12] = 5 << 4;
  tcp[13] = 0x10;
  put16(tcp + 14, 1000);
  put16(tcp + 16, sum16(ip + 12, 8, static_cast<uint32_t>(6 + 20 + payload)));  // the pseudo-header's sum
  for (size_t i = 0; i < payload; ++i) tcp[20 + i] = static_cast<uint8_t>(i * 13);
  const Frame view = {frame.data(), static_cast<uint32_t>(frame.size())};
  view.vnet() = {
      kNeedsChecksum, kGsoTcpV4, static_cast<uint16_t>(link + 40), gso_size, static_cast<uint16_t>(link + 20), 16};
  return frame;
}

void send_one(Port& port, Bytes& frame) {
  port.queue({frame.data(), static_cast<uint32_t>(frame.size())});
  port.flush();
}

bool readable(int fd, int timeout_ms) {
  pollfd wait = {fd, POLLIN, 0};
  return poll(&wait, 1, timeout_ms) == 1;
}

std::vector<Bytes> receive_copies(Port& port, size_t count) {
  std::vector<Bytes> copies;
  std::vector<Frame> burst(kBurstMax);
  while (copies.size() < count) {
    if (port.fd() >= 0 && !readable(port.fd(), 2000)) break;
    const size_t got = port.receive(absl::MakeSpan(burst).first(std::min<size_t>(count - copies.size(), kBurstMax)));
    if (got == 0 && port.fd() < 0) break;
    for (size_t i = 0; i < got; ++i) copies.emplace_back(burst[i].data, burst[i].data + burst[i].length);
    port.release();
  }
  return copies;
}

}  // namespace phalanx::test
