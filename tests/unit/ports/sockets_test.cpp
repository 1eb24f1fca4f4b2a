// The sockets beside the data ports: UDP of the sync network, CCP, and the helpers of a loop.
#include <linux/if_ether.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host/ports/ccp_socket.hpp"
#include "host/ports/epoll.hpp"
#include "host/ports/packet_socket.hpp"
#include "host/ports/realtime.hpp"
#include "host/ports/udp_socket.hpp"
#include "tests/unit/ports/test_network.hpp"

namespace phalanx {
namespace {

using test::Bytes;
using test::readable;

std::unique_ptr<UdpSocket> open_udp(const UdpOptions& options) {
  auto opened = UdpSocket::open(options);
  EXPECT_TRUE(opened.ok()) << opened.status();
  return opened.ok() ? std::move(*opened) : nullptr;
}

TEST(UdpSocket, CarriesDatagramsOfBothFamiliesInOrder) {
  for (const IpAddress& loopback : {IpAddress::v4(0x7f000001), IpAddress::v6(0, 1)}) {
    auto a = open_udp({.local = {loopback, 0}}), b = open_udp({.local = {loopback, 0}, .device = "lo"});
    ASSERT_TRUE(a && b);
    std::vector<Bytes> sent;
    for (size_t i = 0; i < 3 * kDatagramBurstMax / 2; ++i) sent.emplace_back(i * 180, static_cast<uint8_t>(i));
    for (const Bytes& bytes : sent) a->queue(b->local(), bytes);
    a->flush();
    EXPECT_EQ(a->stats().sent, sent.size());
    std::vector<Bytes> got;
    std::array<Datagram, kDatagramBurstMax> burst;
    while (got.size() < sent.size() && readable(b->fd(), 2000)) {
      const size_t count = b->receive(absl::MakeSpan(burst));
      for (size_t i = 0; i < count; ++i) {
        EXPECT_EQ(burst[i].from, a->local());
        got.emplace_back(burst[i].bytes.begin(), burst[i].bytes.end());
      }
    }
    EXPECT_EQ(got, sent);
    EXPECT_EQ(b->receive(absl::MakeSpan(burst)), 0u);
  }
}

TEST(UdpSocket, CountsWhatItCannotTakeOrSend) {
  auto a = open_udp({.local = {IpAddress::v4(0x7f000001), 0}});
  auto b = open_udp({.local = {IpAddress::v4(0x7f000001), 0}, .buffer_bytes = 4096});
  ASSERT_TRUE(a && b);
  std::array<Datagram, kDatagramBurstMax> burst;
  const Bytes too_long(kDatagramBytesMax + 1), beyond_udp(65536), full(1000), small(1);
  auto c = open_udp({.local = {IpAddress::v4(0x7f000001), 0}});
  a->queue(c->local(), too_long);
  a->queue(c->local(), beyond_udp);
  a->queue(c->local(), small);
  a->flush();
  EXPECT_EQ(a->stats().tx_dropped, 1u);
  EXPECT_EQ(a->stats().sent, 2u);
  ASSERT_TRUE(readable(c->fd(), 2000));
  EXPECT_EQ(c->receive(absl::MakeSpan(burst)), 1u);
  EXPECT_EQ(c->stats().rx_truncated, 1u);

  for (int i = 0; i < 50; ++i) a->queue(b->local(), full);
  a->flush();
  size_t got = b->receive(absl::MakeSpan(burst));
  EXPECT_GT(got, 0u);
  while (const size_t more = b->receive(absl::MakeSpan(burst))) got += more;
  a->queue(b->local(), small);  // the next datagram tells how many were lost before it
  a->flush();
  ASSERT_TRUE(readable(b->fd(), 2000));
  EXPECT_EQ(b->receive(absl::MakeSpan(burst)), 1u);
  EXPECT_EQ(b->stats().rx_dropped_kernel, 50 - got);
}

TEST(UdpSocket, RefusesWhatCannotBe) {
  EXPECT_EQ(UdpSocket::open({}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(UdpSocket::open({.local = {IpAddress::v4(0x7f000001), 0}, .device = "nowhere"}).ok());
  auto first = open_udp({.local = {IpAddress::v4(0x7f000001), 0}});
  EXPECT_EQ(UdpSocket::open({.local = first->local()}).status().code(), absl::StatusCode::kFailedPrecondition);
  // An address that isn't there yet is no error.
  EXPECT_TRUE(UdpSocket::open({.local = {IpAddress::v4(0x0afe0001), 0}}).ok());
}

class CcpSocketTest : public testing::Test {
 protected:
  void SetUp() override {
    test::add_veth(space_, "left", space_, "right");
    left_ = open("left");
    right_ = open("right");
  }
  std::unique_ptr<CcpSocket> open(const std::string& interface) {
    std::unique_ptr<CcpSocket> opened;
    space_.inside([&] {
      auto result = CcpSocket::open(interface);
      ASSERT_TRUE(result.ok()) << result.status();
      opened = std::move(*result);
    });
    return opened;
  }
  // As CCP comes: from 0.0.0.0.
  static Bytes ethernet(const Bytes& frame) {
    Bytes bytes(frame.begin() + sizeof(VirtioNetHeader), frame.end());
    std::fill(bytes.begin() + 26, bytes.begin() + 30, uint8_t{0});
    return bytes;
  }
  std::vector<Bytes> receive_all(CcpSocket& socket) {
    std::vector<Bytes> got;
    std::array<absl::Span<const uint8_t>, kCcpBurstMax> burst;
    const size_t count = socket.receive(absl::MakeSpan(burst));
    for (size_t i = 0; i < count; ++i) got.emplace_back(burst[i].begin(), burst[i].end());
    return got;
  }
  test::NetworkNamespace space_;
  std::unique_ptr<CcpSocket> left_, right_;
};

constexpr MacAddress kCcpMulticast = {1, 0, 0x5e, 0, 0, 1}, kCcpSource = {0, 0, 0, 0, 0xfe, 1};

TEST_F(CcpSocketTest, HearsCcpOfOthersAndNothingElse) {
  const Bytes ccp = ethernet(test::udp_frame(kCcpMulticast, 40, kCcpUdpPort, kCcpSource));
  Bytes options = ccp;  // IP header of 24 bytes: the port is 4 bytes further
  options[14] = 0x46;
  options.insert(options.begin() + 34, {1, 1, 1, 1});
  const Bytes unicast = ethernet(test::udp_frame({2, 0, 0, 0, 0, 0x0b}, 40, kCcpUdpPort, kCcpSource));
  const Bytes foreign = ethernet(test::udp_frame({2, 0, 0, 0, 0, 0x0c}, 40, kCcpUdpPort, kCcpSource));
  Bytes fragment = ccp, first_fragment = ccp, tcp = ccp, tagged = ccp, other = ccp, arp = ccp;
  fragment[21] = 5;
  first_fragment[20] = 0x20;
  tcp[23] = 6;
  tagged.insert(tagged.begin() + 12, {0x81, 0, 0, 7});
  other[37] ^= 1;
  arp[13] = 6;
  Bytes arp_reply = arp, arp_request = arp, delta_sync = ccp;
  arp_reply[20] = arp_request[20] = 0;
  arp_reply[21] = 2;
  arp_request[21] = 1;
  delta_sync[29] = 1;  // from a member's own address
  Bytes advertisement(86), solicitation(86), udp_v6(86);
  for (Bytes* frame : {&advertisement, &solicitation, &udp_v6}) {
    std::copy(unicast.begin(), unicast.begin() + 12, frame->begin());
    (*frame)[12] = 0x86, (*frame)[13] = 0xdd, (*frame)[14] = 0x60;
    (*frame)[20] = 58;
  }
  advertisement[54] = udp_v6[54] = 136;
  solicitation[54] = 135;
  udp_v6[20] = 17;
  for (const Bytes& frame : {fragment, first_fragment, tcp, tagged, other, arp_request, foreign, delta_sync,
                             solicitation, udp_v6, ccp, options, unicast, arp_reply, advertisement}) {
    EXPECT_TRUE(left_->send(frame));
  }
  ASSERT_TRUE(readable(right_->fd(), 2000));
  EXPECT_THAT(receive_all(*right_), testing::ElementsAre(ccp, options, unicast, arp_reply, advertisement));
  EXPECT_EQ(right_->stats().received, 5u);
  EXPECT_EQ(left_->stats().sent, 15u);
  EXPECT_THAT(receive_all(*left_), testing::IsEmpty()) << "a member must not hear its own reports";
}

TEST_F(CcpSocketTest, LinkDownIsCountedAndSurvived) {
  const Bytes ccp = ethernet(test::udp_frame(kBroadcastMac, 40, kCcpUdpPort, kCcpSource));
  space_.run("ip link set left down");
  EXPECT_FALSE(left_->send(ccp));
  EXPECT_EQ(left_->stats().tx_dropped, 1u);
  EXPECT_THAT(receive_all(*left_), testing::IsEmpty());
  EXPECT_EQ(left_->stats().rx_errors, 1u);
  EXPECT_FALSE(readable(left_->fd(), 0));
  space_.run("ip link set left up");
  EXPECT_TRUE(left_->send(ccp));
  ASSERT_TRUE(readable(right_->fd(), 2000));
  EXPECT_THAT(receive_all(*right_), testing::ElementsAre(ccp));
}

TEST_F(CcpSocketTest, LongFramesAreCountedNotCut) {
  space_.run("ip link set left mtu 3000 && ip link set right mtu 3000");
  EXPECT_TRUE(left_->send(ethernet(test::udp_frame(kBroadcastMac, 2000, kCcpUdpPort, kCcpSource))));
  ASSERT_TRUE(readable(right_->fd(), 2000));
  EXPECT_THAT(receive_all(*right_), testing::IsEmpty());
  EXPECT_EQ(right_->stats().rx_truncated, 1u);
}

TEST(CcpSocket, NeedsAnInterface) {
  EXPECT_EQ(CcpSocket::open("nowhere").status().code(), absl::StatusCode::kNotFound);
}

TEST(Loop, EpollTellsWhichDescriptorIsReady) {
  auto epoll = Epoll::create();
  auto event = make_event_fd(), timer = make_timer_fd();
  ASSERT_TRUE(epoll.ok() && event.ok() && timer.ok());
  ASSERT_TRUE(epoll->add(event->get(), EPOLLIN, 11).ok());
  ASSERT_TRUE(epoll->add(timer->get(), EPOLLIN, 22).ok());
  EXPECT_FALSE(epoll->add(timer->get(), EPOLLIN, 22).ok()) << "twice";
  std::array<epoll_event, 4> events;
  EXPECT_EQ(epoll->wait(absl::MakeSpan(events), 0), 0u);

  notify(event->get());
  notify(event->get());
  ASSERT_EQ(epoll->wait(absl::MakeSpan(events), 2000), 1u);
  EXPECT_EQ(events[0].data.u64, 11u);
  drain(event->get());
  EXPECT_EQ(epoll->wait(absl::MakeSpan(events), 0), 0u);

  ASSERT_TRUE(arm_timer(timer->get(), 1).ok());  // long past: at once
  ASSERT_EQ(epoll->wait(absl::MakeSpan(events), 2000), 1u);
  EXPECT_EQ(events[0].data.u64, 22u);
  drain(timer->get());
  ASSERT_TRUE(arm_timer(timer->get(), monotonic_ns() + 3'600'000'000'000).ok());
  EXPECT_EQ(epoll->wait(absl::MakeSpan(events), 0), 0u);
  ASSERT_TRUE(arm_timer(timer->get(), 1).ok());
  ASSERT_TRUE(arm_timer(timer->get(), 0).ok());
  EXPECT_EQ(epoll->wait(absl::MakeSpan(events), 0), 0u) << "disarmed";

  ASSERT_TRUE(epoll->modify(event->get(), EPOLLIN, 33).ok());
  notify(event->get());
  ASSERT_EQ(epoll->wait(absl::MakeSpan(events), 2000), 1u);
  EXPECT_EQ(events[0].data.u64, 33u);
  ASSERT_TRUE(epoll->remove(event->get()).ok());
  EXPECT_EQ(epoll->wait(absl::MakeSpan(events), 0), 0u);
}

TEST(Loop, UniqueFdClosesOnce) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  UniqueFd reader(ends[0]);
  {
    UniqueFd writer(ends[1]);
    UniqueFd moved = std::move(writer);
    EXPECT_FALSE(writer);
    EXPECT_TRUE(moved);
  }
  char byte;
  EXPECT_EQ(read(reader.get(), &byte, 1), 0) << "the writing end is closed";
  EXPECT_EQ(reader.release(), ends[0]);
  EXPECT_FALSE(reader);
  close(ends[0]);
}

TEST(Realtime, ChangesTheCallingThreadOnly) {
  std::thread([] {
    ASSERT_TRUE(set_realtime_priority(7).ok());
    EXPECT_EQ(sched_getscheduler(0), SCHED_FIFO);
    sched_param parameters;
    sched_getparam(0, &parameters);
    EXPECT_EQ(parameters.sched_priority, 7);
    ASSERT_TRUE(set_normal_priority().ok());
    EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
    ASSERT_TRUE(pin_to_cpu(0).ok());
    EXPECT_EQ(sched_getcpu(), 0);
    EXPECT_FALSE(pin_to_cpu(-1).ok());
  }).join();
  EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
}

}  // namespace
}  // namespace phalanx
