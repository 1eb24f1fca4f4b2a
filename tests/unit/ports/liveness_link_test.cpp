// Liveness connections over loopback: each member has an address of its own in 127/8. Time is what the test says it is.
#include "host/ports/liveness_link.hpp"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <memory>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/ports/test_network.hpp"

namespace phalanx {
namespace {

IpAddress address_of(uint8_t member) { return IpAddress::v4(0x7f000a00u + member); }

class LivenessTest : public testing::Test {
 protected:
  std::unique_ptr<LivenessLinks> open(uint8_t member, const std::vector<uint8_t>& peers) {
    LivenessOptions options = {.member = member, .local = address_of(member)};
    for (const uint8_t peer : peers) options.peers.push_back({peer, address_of(peer)});
    std::unique_ptr<LivenessLinks> links;
    space_.inside([&] {
      auto opened = LivenessLinks::open(options, now_ns_);
      ASSERT_TRUE(opened.ok()) << opened.status();
      links = std::move(*opened);
    });
    return links;
  }
  // Sockets that poll() opens must be inside, too.
  std::vector<LivenessEvent> poll_inside(LivenessLinks& links) {
    std::vector<LivenessEvent> events;
    space_.inside([&] { events = links.poll(now_ns_); });
    return events;
  }
  // Polls all until the wanted number of events of `watched` has come, at most 200 rounds.
  std::vector<LivenessEvent> run(std::vector<LivenessLinks*> all, LivenessLinks& watched, size_t wanted) {
    std::vector<LivenessEvent> got;
    for (int round = 0; round < 200 && got.size() < wanted; ++round) {
      for (LivenessLinks* links : all) {
        const auto events = poll_inside(*links);
        if (links == &watched) got.insert(got.end(), events.begin(), events.end());
      }
    }
    return got;
  }
  UniqueFd connect_from(uint8_t member, uint8_t to) {
    UniqueFd fd;
    space_.inside([&] {
      fd = UniqueFd(socket(AF_INET, SOCK_STREAM, 0));
      sockaddr_storage local, remote;
      socklen_t length = to_sockaddr({address_of(member), 0}, local);
      ASSERT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&local), length), 0);
      length = to_sockaddr({address_of(to), kLivenessTcpPort}, remote);
      ASSERT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&remote), length), 0);
    });
    return fd;
  }

  test::NetworkNamespace space_;
  int64_t now_ns_ = 1'000'000'000;
};

auto opened(uint8_t member) {
  return testing::AllOf(testing::Field(&LivenessEvent::member, member), testing::Field(&LivenessEvent::opened, true));
}
auto closed(uint8_t member, LivenessCloseReason reason) {
  return testing::AllOf(testing::Field(&LivenessEvent::member, member), testing::Field(&LivenessEvent::opened, false),
                        testing::Field(&LivenessEvent::reason, reason));
}

TEST_F(LivenessTest, ThreeMembersSeeEachOther) {
  auto one = open(1, {2, 3}), two = open(2, {1, 3}), three = open(3, {1, 2});
  const std::vector<LivenessLinks*> all = {one.get(), two.get(), three.get()};
  EXPECT_THAT(run(all, *two, 2), testing::UnorderedElementsAre(opened(1), opened(3)));
  run(all, *one, 1);
  for (LivenessLinks* links : all) EXPECT_EQ(links->stats().opened, 2u);
  EXPECT_TRUE(one->is_open(2) && one->is_open(3) && two->is_open(1) && two->is_open(3) && three->is_open(1));
  EXPECT_EQ(one->next_timer_ns(), INT64_MAX) << "nothing left to do by the clock";
}

TEST_F(LivenessTest, DeathOfAProcessIsSeenByBothRoles) {
  for (const uint8_t dying : {uint8_t{1}, uint8_t{2}}) {
    const uint8_t other = static_cast<uint8_t>(3 - dying);
    auto living = open(other, {dying});
    int to_parent[2];
    ASSERT_EQ(pipe(to_parent), 0);
    const pid_t child = fork();
    if (child == 0) {
      auto links = open(dying, {other});
      run({links.get()}, *links, 1);
      while (!links->is_open(other)) poll_inside(*links);
      [[maybe_unused]] const ssize_t n = write(to_parent[1], "x", 1);
      pause();
      _exit(0);
    }
    std::vector<LivenessEvent> events;
    for (int round = 0; round < 20000 && events.empty(); ++round, now_ns_ += 1'000'000) {
      usleep(100);
      events = poll_inside(*living);
    }
    EXPECT_THAT(events, testing::ElementsAre(opened(dying)));
    char byte;
    EXPECT_EQ(read(to_parent[0], &byte, 1), 1);
    EXPECT_FALSE(test::readable(living->fd(), 0)) << "quiet while both live";
    kill(child, SIGKILL);
    EXPECT_TRUE(test::readable(living->fd(), 5000)) << "the control thread's epoll must wake";
    events = poll_inside(*living);
    ASSERT_EQ(events.size(), 1u);
    EXPECT_FALSE(events[0].opened);
    EXPECT_EQ(events[0].member, dying);
    EXPECT_FALSE(living->is_open(dying));
    waitpid(child, nullptr, 0);
    close(to_parent[0]);
    close(to_parent[1]);
  }
}

TEST_F(LivenessTest, ReconnectsWithBackoff) {
  auto two = open(2, {1});
  std::vector<int64_t> waits_ms;
  for (int i = 0; i < 7; ++i) {
    const uint64_t failed = two->stats().connect_failed;
    for (int round = 0; round < 1000 && two->stats().connect_failed == failed; ++round) {
      test::readable(two->fd(), 2);
      poll_inside(*two);
    }
    ASSERT_EQ(two->stats().connect_failed, failed + 1) << "nobody listens: refused";
    waits_ms.push_back((two->next_timer_ns() - now_ns_) / 1'000'000);
    now_ns_ = two->next_timer_ns();
  }
  EXPECT_THAT(waits_ms, testing::ElementsAre(50, 100, 200, 400, 800, 1000, 1000));
  auto one = open(1, {2});
  EXPECT_THAT(run({one.get(), two.get()}, *two, 1), testing::ElementsAre(opened(1)));
  one.reset();
  EXPECT_THAT(run({two.get()}, *two, 1), testing::ElementsAre(closed(1, LivenessCloseReason::peer_closed)));
  EXPECT_EQ(two->next_timer_ns() - now_ns_, kLivenessBackoffMinNs) << "success starts the backoff anew";
}

TEST_F(LivenessTest, WrongHellosAreRefusedAndCounted) {
  auto one = open(1, {2, 3});
  struct Case {
    const char* what;
    uint8_t from;
    std::string hello;
    uint64_t LivenessStats::*counter;
  };
  const std::string of_3("PHXL\x01\x03\0\0", 8), bad("GET / HT", 8), version("PHXL\x02\x02\0\0", 8);
  for (const Case& c : {Case{"member 3's hello from 2's address", 2, of_3, &LivenessStats::refused_hello},
                        Case{"not our protocol", 2, bad, &LivenessStats::refused_hello},
                        Case{"a later version", 2, version, &LivenessStats::refused_hello},
                        Case{"no peer", 9, of_3, &LivenessStats::refused_address}}) {
    const uint64_t before = one->stats().*c.counter;
    UniqueFd fd = connect_from(c.from, 1);
    send(fd.get(), c.hello.data(), c.hello.size(), MSG_NOSIGNAL);
    for (int round = 0; round < 50; ++round) EXPECT_THAT(poll_inside(*one), testing::IsEmpty()) << c.what;
    EXPECT_EQ(one->stats().*c.counter, before + 1) << c.what;
    char byte;
    EXPECT_LE(recv(fd.get(), &byte, 1, 0), 0) << c.what << ": the connection is closed";
  }
  EXPECT_FALSE(one->is_open(2) || one->is_open(3));
}

TEST_F(LivenessTest, SilentAndTooManyConnectionsAreBounded) {
  auto one = open(1, {2});
  std::vector<UniqueFd> silent;
  for (size_t i = 0; i < kLivenessPendingMax + 4; ++i) {
    silent.push_back(connect_from(2, 1));
    poll_inside(*one);
  }
  poll_inside(*one);
  EXPECT_EQ(one->stats().refused_full, 4u);
  EXPECT_EQ(one->next_timer_ns(), now_ns_ + kLivenessHelloTimeoutNs);
  now_ns_ += kLivenessHelloTimeoutNs;
  poll_inside(*one);
  EXPECT_EQ(one->stats().hello_timeouts, kLivenessPendingMax);
  auto two = open(2, {1});
  EXPECT_THAT(run({one.get(), two.get()}, *one, 1), testing::ElementsAre(opened(2)));
}

TEST_F(LivenessTest, ANewConnectionOfAMemberReplacesTheOldOne) {
  auto one = open(1, {2});
  const std::string hello("PHXL\x01\x02\0\0", 8);
  UniqueFd first = connect_from(2, 1);
  send(first.get(), hello.data(), 3, MSG_NOSIGNAL);
  for (int i = 0; i < 5; ++i) EXPECT_THAT(poll_inside(*one), testing::IsEmpty()) << "half a hello";
  send(first.get(), hello.data() + 3, 5, MSG_NOSIGNAL);
  EXPECT_THAT(run({one.get()}, *one, 1), testing::ElementsAre(opened(2)));
  UniqueFd second = connect_from(2, 1);
  send(second.get(), hello.data(), 8, MSG_NOSIGNAL);
  EXPECT_THAT(run({one.get()}, *one, 2), testing::ElementsAre(closed(2, LivenessCloseReason::replaced), opened(2)));
  EXPECT_TRUE(one->is_open(2));
  send(second.get(), "?", 1, MSG_NOSIGNAL);
  EXPECT_THAT(run({one.get()}, *one, 1), testing::ElementsAre(closed(2, LivenessCloseReason::protocol_error)));
}

TEST_F(LivenessTest, AResetIsToldAsReset) {
  auto one = open(1, {2});
  UniqueFd peer = connect_from(2, 1);
  send(peer.get(), "PHXL\x01\x02\0", 8, MSG_NOSIGNAL);
  EXPECT_THAT(run({one.get()}, *one, 1), testing::ElementsAre(opened(2)));
  const linger at_once = {1, 0};
  setsockopt(peer.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  peer.reset();
  EXPECT_THAT(run({one.get()}, *one, 1), testing::ElementsAre(closed(2, LivenessCloseReason::reset)));
  EXPECT_STREQ(to_string(LivenessCloseReason::reset), "reset");
}

TEST_F(LivenessTest, WrongOptionsAreRefused) {
  space_.inside([&] {
    const IpAddress local = address_of(1);
    EXPECT_FALSE(LivenessLinks::open({.member = 1, .local = local, .peers = {{1, address_of(2)}}}, 0).ok());
    EXPECT_FALSE(
        LivenessLinks::open({.member = 1, .local = local, .peers = {{2, address_of(2)}, {2, address_of(3)}}}, 0).ok());
    EXPECT_FALSE(LivenessLinks::open({.member = 1, .local = local, .peers = {{2, IpAddress::v6(0, 1)}}}, 0).ok());
    EXPECT_FALSE(LivenessLinks::open({.member = 1, .local = {}, .peers = {}}, 0).ok());
  });
}

}  // namespace
}  // namespace phalanx
