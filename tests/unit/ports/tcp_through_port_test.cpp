// TCP of two kernels through a pair of ports that hand every frame on: the kernels judge whether frames are still
// right.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>

#include "gtest/gtest.h"
#include "host/ports/af_packet_port.hpp"
#include "host/ports/interface.hpp"
#include "host/ports/simple_port.hpp"
#include "host/ports/socket_address.hpp"
#include "tests/unit/ports/test_network.hpp"

namespace phalanx {
namespace {

constexpr size_t kTransferBytes = 24 << 20;
constexpr Endpoint kServer = {{0, 0x0a000002, 4}, 5001};

struct Case {
  const char* name;
  bool ring;
  bool offloads;  // of the hosts: off means full checksums and MTU-sized frames, which the receiver verifies
};

class TcpThroughPort : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    test::add_veth(client_, "host", gateway_, "inside");
    test::add_veth(server_, "host", gateway_, "outside");
    server_.run("ip link set host address 02:00:00:00:00:0c");
    client_.run("ip address add 10.0.0.1/24 dev host");
    server_.run("ip address add 10.0.0.2/24 dev host");
    if (!GetParam().offloads) {
      client_.run("ethtool -K host tx off tso off gso off >/dev/null");
      server_.run("ethtool -K host tx off tso off gso off >/dev/null");
    }
    gateway_.inside([&] {
      for (const char* name : {"inside", "outside"}) ports_.push_back(open(name));
    });
    bridge_ = std::thread([this] { bridge(); });
  }
  void TearDown() override {
    stop_ = true;
    bridge_.join();
  }

  std::unique_ptr<Port> open(const char* name) {
    if (GetParam().ring) {
      auto port = AfPacketPort::open({.interface = name});
      EXPECT_TRUE(port.ok()) << port.status();
      return std::move(*port);
    }
    auto port = SimplePort::open({.interface = name});
    EXPECT_TRUE(port.ok()) << port.status();
    return std::move(*port);
  }

  void bridge() {
    std::vector<Frame> burst(kBurstMax);
    while (!stop_) {
      pollfd wait[2] = {{ports_[0]->fd(), POLLIN, 0}, {ports_[1]->fd(), POLLIN, 0}};
      poll(wait, 2, 20);
      for (size_t side = 0; side < 2; ++side) {
        const size_t count = ports_[side]->receive(absl::MakeSpan(burst));
        for (size_t i = 0; i < count; ++i) {
          longest_ = std::max<uint32_t>(longest_, burst[i].ethernet_length());
          ports_[1 - side]->queue(burst[i]);
        }
        ports_[1 - side]->flush();
        ports_[side]->release();
      }
    }
  }

  test::NetworkNamespace client_, gateway_, server_;
  std::vector<std::unique_ptr<Port>> ports_;
  std::atomic<bool> stop_ = false;
  std::atomic<uint32_t> longest_ = 0;
  std::thread bridge_;
};

uint8_t byte_at(size_t position) { return static_cast<uint8_t>(position * 2654435761u >> 13); }

// Sends the whole pattern; false if the connection failed.
bool send_pattern(int fd) {
  std::vector<uint8_t> chunk(1 << 16);
  for (size_t sent = 0; sent < kTransferBytes;) {
    for (size_t i = 0; i < chunk.size(); ++i) chunk[i] = byte_at(sent + i);
    const ssize_t n = send(fd, chunk.data(), std::min(chunk.size(), kTransferBytes - sent), MSG_NOSIGNAL);
    if (n <= 0) return false;
    sent += static_cast<size_t>(n);
  }
  return shutdown(fd, SHUT_WR) == 0;
}

// How many bytes came that are right, up to the first wrong one.
size_t receive_pattern(int fd) {
  std::vector<uint8_t> chunk(1 << 16);
  size_t got = 0;
  for (ssize_t n = 0; (n = recv(fd, chunk.data(), chunk.size(), 0)) > 0;) {
    for (ssize_t i = 0; i < n; ++i, ++got) {
      if (chunk[static_cast<size_t>(i)] != byte_at(got)) return got;
    }
  }
  return got;
}

TEST_P(TcpThroughPort, EveryByteArrives) {
  sockaddr_storage address;
  const socklen_t length = to_sockaddr(kServer, address);
  UniqueFd listener, connection;
  const timeval patience = {10, 0};
  server_.inside([&] {
    listener = UniqueFd(socket(AF_INET, SOCK_STREAM, 0));
    setsockopt(listener.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
    ASSERT_EQ(listen(listener.get(), 1), 0);
  });
  client_.inside([&] {
    connection = UniqueFd(socket(AF_INET, SOCK_STREAM, 0));
    setsockopt(connection.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    ASSERT_EQ(connect(connection.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
  });
  std::thread sender([&] { EXPECT_TRUE(send_pattern(connection.get())); });
  UniqueFd accepted(accept(listener.get(), nullptr, nullptr));
  setsockopt(accepted.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  EXPECT_EQ(receive_pattern(accepted.get()), kTransferBytes);
  sender.join();
  // The receiver's kernel found no segment with a wrong checksum.
  server_.run("nstat -az TcpInCsumErrors TcpInErrs | grep -q \"TcpInCsumErrors *0 \"");
  if (GetParam().offloads) {
    EXPECT_GT(longest_, 16384u) << "segments were cut on the way";
  } else {
    EXPECT_LE(longest_, 1514u);
  }
}

INSTANTIATE_TEST_SUITE_P(Ports, TcpThroughPort,
                         testing::Values(Case{"ring_offloads", true, true}, Case{"ring_plain", true, false},
                                         Case{"simple_offloads", false, true}, Case{"simple_plain", false, false}),
                         [](const auto& c) { return c.param.name; });

TEST(Interface, SaysWhatItIsAndSwitchesOffloadsOn) {
  test::NetworkNamespace space;
  test::add_veth(space, "left", space, "right");
  space.run(
      "ip link set right mtu 9000 && ip link set left down && ethtool -K right gro off tso off gso off >/dev/null");
  space.inside([] {
    const auto left = query_interface("left"), right = query_interface("right");
    ASSERT_TRUE(left.ok() && right.ok());
    EXPECT_EQ(left->mac, (MacAddress{2, 0, 0, 0, 0, 0x0a}));
    EXPECT_FALSE(left->up);
    EXPECT_TRUE(right->up);
    EXPECT_FALSE(right->carrier);
    EXPECT_EQ(right->mtu, 9000u);
    EXPECT_NE(left->index, right->index);
    EXPECT_TRUE(ensure_offloads("right").ok());
    EXPECT_EQ(query_interface("nowhere").status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(ensure_offloads("nowhere").code(), absl::StatusCode::kNotFound);
  });
  // ethtool judges.
  space.run(
      "test $(ethtool -k right | grep -cE \"^(generic-receive|generic-segmentation|tcp-segmentation)-offload: on\") = "
      "3");
}

}  // namespace
}  // namespace phalanx
