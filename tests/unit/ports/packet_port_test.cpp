// Both ports on AF_PACKET, on a veth pair: whatever one end is given, the other must hand up.
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <memory>
#include <numeric>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host/ports/af_packet_port.hpp"
#include "host/ports/packet_socket.hpp"
#include "host/ports/simple_port.hpp"
#include "tests/unit/ports/test_network.hpp"

namespace phalanx {
namespace {

using test::Bytes;
using test::receive_copies;
using test::send_one;

constexpr MacAddress kMember = {2, 0, 0, 0, 0, 0x0b}, kVirtual = {0, 0x1c, 0x7f, 0, 0, 1}, kOther = {2, 9, 9, 9, 9, 9};
constexpr size_t kVnet = sizeof(VirtioNetHeader);

struct Kind {
  const char* name;
  bool ring;
};

class PacketPortTest : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    test::add_veth(space_, "left", space_, "right");
    left_ = open("left", {});
    right_ = open("right", {});
  }

  std::unique_ptr<Port> open(const std::string& interface, std::optional<AcceptFilter> accept) {
    std::unique_ptr<Port> port;
    space_.inside([&] {
      if (GetParam().ring) {
        auto opened = AfPacketPort::open({.interface = interface, .ring_slots = 64, .accept = accept});
        ASSERT_TRUE(opened.ok()) << opened.status();
        port = std::move(*opened);
      } else {
        auto opened = SimplePort::open({.interface = interface, .accept = accept});
        ASSERT_TRUE(opened.ok()) << opened.status();
        port = std::move(*opened);
      }
    });
    return port;
  }
  void set_accept(Port& port, const AcceptFilter& filter) {
    const absl::Status status = GetParam().ring ? dynamic_cast<AfPacketPort&>(port).set_accept(filter)
                                                : dynamic_cast<SimplePort&>(port).set_accept(filter);
    ASSERT_TRUE(status.ok()) << status;
  }

  test::NetworkNamespace space_;
  std::unique_ptr<Port> left_, right_;
};

TEST_P(PacketPortTest, FramesArriveAsSentAndInOrder) {
  std::vector<Bytes> sent;
  for (const size_t payload : {18, 19, 100, 1471, 1472}) sent.push_back(test::udp_frame(kVirtual, payload));
  for (Bytes& frame : sent) left_->queue({frame.data(), static_cast<uint32_t>(frame.size())});
  left_->flush();
  EXPECT_EQ(receive_copies(*right_, sent.size()), sent);
  EXPECT_EQ(left_->stats().sent, sent.size());
  EXPECT_EQ(left_->stats().tx_dropped, 0u);
  EXPECT_EQ(right_->stats().received, sent.size());
  EXPECT_EQ(right_->stats().received_bytes, left_->stats().sent_bytes);
  EXPECT_EQ(left_->stats().received, 0u) << "a port must not hear itself";
}

TEST_P(PacketPortTest, ManyRoundsOfOddBurstsKeepOrder) {
  uint16_t sent = 0, expected = 0;
  std::vector<Frame> burst(kBurstMax);
  for (size_t round = 0; round < 200; ++round) {
    const size_t count = round * 7 % 23 + 1;
    std::vector<Bytes> frames;
    for (size_t i = 0; i < count; ++i) frames.push_back(test::udp_frame(kVirtual, 20, ++sent));
    for (Bytes& frame : frames) left_->queue({frame.data(), static_cast<uint32_t>(frame.size())});
    left_->flush();
    // Taken in two pieces, given back together.
    size_t got = 0;
    while (got < count) {
      ASSERT_TRUE(test::readable(right_->fd(), 2000));
      const size_t want = std::max<size_t>(1, (count - got) / 2);
      const size_t now = right_->receive(absl::MakeSpan(burst).subspan(got, want));
      ASSERT_GT(now, 0u);
      got += now;
    }
    for (size_t i = 0; i < count; ++i) {
      const uint8_t* port = burst[i].ethernet() + 36;
      ASSERT_EQ(port[0] << 8 | port[1], ++expected);
    }
    right_->release();
  }
  EXPECT_FALSE(test::readable(right_->fd(), 0)) << "everything was given back, so there is nothing to wake up for";
}

TEST_P(PacketPortTest, MoreThanABurstCanBeQueued) {
  std::vector<Bytes> frames;
  for (uint16_t i = 0; i < 3 * kBurstMax / 2; ++i) frames.push_back(test::udp_frame(kVirtual, 30, i));
  for (size_t half = 0; half < 2; ++half) {
    const size_t first = half * 48;
    for (size_t i = first; i < first + 48; ++i) {
      left_->queue({frames[i].data(), static_cast<uint32_t>(frames[i].size())});
    }
    left_->flush();
    EXPECT_THAT(receive_copies(*right_, 48),
                testing::ElementsAreArray(frames.begin() + first, frames.begin() + first + 48));
  }
  for (Bytes& frame : frames) left_->queue({frame.data(), static_cast<uint32_t>(frame.size())});
  left_->flush();
  EXPECT_EQ(left_->stats().sent, 4 * 48u);
}

TEST_P(PacketPortTest, GsoFramesPassWhole) {
  Bytes frame = test::tcp_gso_frame(kVirtual, 65000, 1448);
  send_one(*left_, frame);
  const std::vector<Bytes> got = receive_copies(*right_, 1);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_TRUE(std::equal(frame.begin() + kVnet, frame.end(), got[0].begin() + kVnet, got[0].end()));
  Bytes copy = got[0];
  const VirtioNetHeader vnet = Frame{copy.data(), 0}.vnet();
  EXPECT_EQ(vnet.flags & kNeedsChecksum, kNeedsChecksum);
  EXPECT_EQ(vnet.gso_type, kGsoTcpV4);
  EXPECT_EQ(vnet.gso_size, 1448);
  EXPECT_EQ(vnet.checksum_start, 34);
  EXPECT_EQ(vnet.checksum_offset, 16);
  // What was received can be sent on as it is.
  send_one(*right_, copy);
  EXPECT_EQ(right_->stats().sent, 1u);
  EXPECT_EQ(receive_copies(*left_, 1).size(), 1u);
}

// Past the qdisc the kernel doesn't segment: such frames must not vanish.
TEST_P(PacketPortTest, GsoFramesTheDriverRefusesAreCut) {
  struct Case {
    const char* preparation;
    size_t payload;
  };
  for (const Case& c : {Case{"true", 65535 - 40}, Case{"ethtool -K left tso off >/dev/null", 30000}}) {
    space_.run(c.preparation);
    const uint64_t cut_before = left_->stats().tx_segmented;
    Bytes frame = test::tcp_gso_frame(kVirtual, c.payload, 1000);
    send_one(*left_, frame);
    const size_t pieces = (c.payload + 999) / 1000;
    size_t payload = 0;
    for (const Bytes& piece : receive_copies(*right_, pieces)) payload += piece.size() - kVnet - 54;
    EXPECT_EQ(payload, c.payload) << c.preparation;
    EXPECT_EQ(left_->stats().tx_segmented, cut_before + 1);
    EXPECT_EQ(left_->stats().tx_dropped, 0u);
  }
}

TEST_P(PacketPortTest, VlanTagsAreInTheFrame) {
  Bytes small = test::udp_frame(kVirtual, 50);
  const uint8_t tag[4] = {0x81, 0x00, 0x60, 0x2a};  // priority 3, VLAN 42
  small.insert(small.begin() + kVnet + 12, tag, tag + 4);
  Bytes large = test::tcp_gso_frame(kVirtual, 30000, 1400, 42);
  for (Bytes* frame : {&small, &large}) {
    send_one(*left_, *frame);
    const std::vector<Bytes> got = receive_copies(*right_, 1);
    ASSERT_EQ(got.size(), 1u);
    EXPECT_TRUE(std::equal(frame->begin() + kVnet, frame->end(), got[0].begin() + kVnet, got[0].end()));
  }
  send_one(*left_, large);
  Bytes got = receive_copies(*right_, 1).at(0);
  const VirtioNetHeader vnet = Frame{got.data(), 0}.vnet();
  EXPECT_EQ(vnet.checksum_start, 38) << "the offload header counts the tag";
  EXPECT_EQ(vnet.gso_size, 1400);
  send_one(*right_, got);
  EXPECT_EQ(right_->stats().tx_dropped, 0u);
  EXPECT_EQ(receive_copies(*left_, 1).at(0).size(), large.size());
}

TEST_P(PacketPortTest, FilterTakesOnlyWhatIsAskedFor) {
  struct Case {
    const char* what;
    MacAddress destination, source;
    bool taken;
  };
  const std::vector<Case> cases = {
      {"virtual MAC", kVirtual, kOther, true},
      {"the member's own MAC", kMember, kOther, false},
      {"broadcast", kBroadcastMac, kOther, true},
      {"multicast", {1, 0, 0x5e, 1, 2, 3}, kOther, true},
      {"somebody else's", kOther, kMember, false},
      {"differs from the virtual MAC in its last byte", {0, 0x1c, 0x7f, 0, 0, 2}, kOther, false},
      {"differs from the virtual MAC in its first two bytes", {0, 0x1d, 0x7f, 0, 0, 1}, kOther, false},
      {"forwarded by another member", kMember, {0, 0, 0, 0, 0xfd, 1}, true},
      {"magic not ours", kMember, {0, 0, 0, 0, 0xfc, 1}, false},
      {"like a magic, but not zeros before it", kMember, {0, 0, 0, 4, 0xfd, 1}, false},
  };
  set_accept(*right_, {.group = true, .destinations = {kOther, kVirtual}, .source_magics = {0xfe, 0xfd}});
  set_accept(*right_, {.group = true, .destinations = {kVirtual}, .source_magics = {0xfe, 0xfd}});
  const Bytes last = test::udp_frame(kBroadcastMac, 99);
  for (const Case& c : cases) {
    Bytes frame = test::udp_frame(c.destination, 20, 9, c.source);
    Bytes end = last;
    left_->queue({frame.data(), static_cast<uint32_t>(frame.size())});
    left_->queue({end.data(), static_cast<uint32_t>(end.size())});
    left_->flush();
    std::vector<Bytes> got = receive_copies(*right_, 1);
    if (c.taken) {
      EXPECT_THAT(got, testing::ElementsAre(frame)) << c.what;
      got = receive_copies(*right_, 1);
    }
    EXPECT_THAT(got, testing::ElementsAre(last)) << c.what;
  }
  set_accept(*right_, {.group = false, .destinations = {}, .source_magics = {}});
  Bytes frame = last;
  send_one(*left_, frame);
  EXPECT_FALSE(test::readable(right_->fd(), 50)) << "a filter that names nothing takes nothing";
}

TEST_P(PacketPortTest, FilterOfTheOptionsHoldsFromTheStart) {
  std::unique_ptr<Port> filtered = open("right", AcceptFilter{.group = false, .destinations = {kVirtual}});
  Bytes not_taken = test::udp_frame(kMember, 20), taken = test::udp_frame(kVirtual, 21);
  send_one(*left_, not_taken);
  send_one(*left_, taken);
  EXPECT_THAT(receive_copies(*filtered, 1), testing::ElementsAre(taken));
}

TEST_P(PacketPortTest, LinkDownIsCountedAndSurvived) {
  Bytes frame = test::udp_frame(kVirtual, 20);
  space_.run("ip link set left down");
  for (int i = 0; i < 3; ++i) left_->queue({frame.data(), static_cast<uint32_t>(frame.size())});
  left_->flush();
  EXPECT_EQ(left_->stats().tx_error_link_down, 3u);
  EXPECT_EQ(left_->stats().tx_dropped, 3u);
  EXPECT_EQ(left_->stats().sent, 0u);
  // The other end has lost its carrier: nothing is sent, after a bounded number of tries.
  send_one(*right_, frame);
  EXPECT_EQ(right_->stats().sent, 0u);
  EXPECT_EQ(right_->stats().tx_dropped, 1u);
  EXPECT_LE(right_->stats().tx_retries, kSendRetriesMax);

  // The receiver is woken once by the error, and then sleeps again.
  std::vector<Frame> burst(4);
  EXPECT_TRUE(test::readable(left_->fd(), 2000));
  EXPECT_EQ(left_->receive(absl::MakeSpan(burst)), 0u);
  EXPECT_EQ(left_->stats().rx_errors, 1u);
  EXPECT_FALSE(test::readable(left_->fd(), 0));

  space_.run("ip link set left up");
  send_one(*right_, frame);
  EXPECT_THAT(receive_copies(*left_, 1), testing::ElementsAre(frame));
  send_one(*left_, frame);
  EXPECT_THAT(receive_copies(*right_, 1), testing::ElementsAre(frame));
}

TEST_P(PacketPortTest, RefusedFramesAreCountedAndTheOthersSent) {
  Bytes good = test::udp_frame(kVirtual, 20), too_long = test::udp_frame(kVirtual, 1600);
  Bytes invalid = test::udp_frame(kVirtual, 20);
  Frame{invalid.data(), 0}.vnet().gso_type = 0x55;
  for (Bytes* frame : {&good, &too_long, &invalid, &good}) {
    left_->queue({frame->data(), static_cast<uint32_t>(frame->size())});
  }
  left_->flush();
  EXPECT_EQ(left_->stats().tx_error_too_long, 1u);
  EXPECT_EQ(left_->stats().tx_error_invalid, 1u);
  EXPECT_EQ(left_->stats().tx_dropped, 2u);
  EXPECT_EQ(left_->stats().sent, 2u);
  EXPECT_THAT(receive_copies(*right_, 2), testing::ElementsAre(good, good));
}

TEST_P(PacketPortTest, HeaderLengthBeyondAShortenedFrameIsPutRight) {
  Bytes frame = test::udp_frame(kVirtual, 20);
  Frame{frame.data(), 0}.vnet().header_length = 500;
  send_one(*left_, frame);
  EXPECT_EQ(left_->stats().sent, 1u);
}

INSTANTIATE_TEST_SUITE_P(Ports, PacketPortTest, testing::Values(Kind{"ring", true}, Kind{"simple", false}),
                         [](const auto& c) { return c.param.name; });

class RingTest : public testing::Test {
 protected:
  std::unique_ptr<AfPacketPort> open(const AfPacketOptions& options) {
    std::unique_ptr<AfPacketPort> port;
    space_.inside([&] {
      auto opened = AfPacketPort::open(options);
      ASSERT_TRUE(opened.ok()) << opened.status();
      port = std::move(*opened);
    });
    return port;
  }
  test::NetworkNamespace space_;
};

TEST_F(RingTest, FullRingIsCountedByTheKernelAndRecovers) {
  test::add_veth(space_, "left", space_, "right");
  auto left = open({.interface = "left", .ring_slots = 15}), right = open({.interface = "right", .ring_slots = 1});
  Bytes frame = test::udp_frame(kVirtual, 20);
  std::vector<Frame> burst(40);
  size_t held = 0;
  for (int i = 0; i < 20; ++i) {
    send_one(*left, frame);
    held += right->receive(absl::MakeSpan(burst).subspan(held, 1));
  }
  EXPECT_EQ(held, 15u) << "one slot asked for is rounded up to a block";
  EXPECT_EQ(right->receive(absl::MakeSpan(burst)), 0u) << "slots that are held are not handed out twice";
  EXPECT_EQ(right->stats().rx_dropped_kernel, 5u);
  right->release();
  send_one(*left, frame);
  EXPECT_THAT(receive_copies(*right, 1), testing::ElementsAre(frame));
}

// The slots' memory is rewritten in place and sent by another port, as the data plane does it.
TEST_F(RingTest, FramesAreSentFromTheSlotsOfAnotherPort) {
  test::add_veth(space_, "left", space_, "right");
  space_.run("ip link add near type veth peer name far && ip link set near up && ip link set far up");
  auto left = open({.interface = "left"}), right = open({.interface = "right"});
  auto near = open({.interface = "near"}), far = open({.interface = "far"});
  std::vector<Bytes> sent;
  for (uint16_t i = 0; i < 40; ++i) sent.push_back(test::udp_frame(kVirtual, 20u + i, i));
  for (Bytes& frame : sent) left->queue({frame.data(), static_cast<uint32_t>(frame.size())});
  left->flush();
  std::vector<Frame> burst(kBurstMax);
  size_t moved = 0;
  while (moved < sent.size()) {
    ASSERT_TRUE(test::readable(right->fd(), 2000));
    const size_t got = right->receive(absl::MakeSpan(burst));
    for (size_t i = 0; i < got; ++i) {
      burst[i].ethernet()[5] = 0x77;
      near->queue(burst[i]);
    }
    near->flush();
    right->release();
    moved += got;
  }
  for (Bytes& frame : sent) frame[kVnet + 5] = 0x77;
  EXPECT_EQ(receive_copies(*far, sent.size()), sent);
}

TEST_F(RingTest, QdiscSwitchMakesSentFramesVisibleToTcpdump) {
  test::add_veth(space_, "left", space_, "right");
  auto left = open({.interface = "left"});
  UniqueFd tap;
  space_.inside([&] {
    tap = UniqueFd(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0));
    ASSERT_TRUE(bind_packet(tap.get(), left->interface_index(), ETH_P_ALL).ok());
  });
  Bytes frame = test::udp_frame(kVirtual, 20);
  send_one(*left, frame);
  EXPECT_FALSE(test::readable(tap.get(), 50));
  ASSERT_TRUE(left->set_bypass_qdisc(false).ok());
  send_one(*left, frame);
  EXPECT_TRUE(test::readable(tap.get(), 2000));
}

TEST_F(RingTest, WrongOptionsAreRefusedWithAReason) {
  space_.inside([] {
    EXPECT_EQ(AfPacketPort::open({.interface = "nowhere"}).status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(AfPacketPort::open({.interface = "a-name-that-is-too-long"}).status().code(),
              absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(AfPacketPort::open({.interface = "lo", .ring_slots = 0}).status().code(),
              absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(AfPacketPort::open({.interface = "lo", .ring_slots = kRingSlotsMax + 1}).status().code(),
              absl::StatusCode::kInvalidArgument);
    AcceptFilter filter;
    filter.destinations.resize(kAcceptMacsMax + 1);
    EXPECT_EQ(AfPacketPort::open({.interface = "lo", .accept = filter}).status().code(),
              absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(SimplePort::open({.interface = "nowhere"}).status().code(), absl::StatusCode::kNotFound);
  });
}

TEST_F(RingTest, FilterAtItsLimitsIsTakenByTheKernel) {
  test::add_veth(space_, "left", space_, "right");
  AcceptFilter filter;
  for (uint8_t i = 0; i < kAcceptMacsMax; ++i) filter.destinations.push_back({2, 0, 0, 0, 1, i});
  for (uint8_t i = 0; i < kAcceptMagicsMax; ++i) filter.source_magics.push_back(static_cast<uint8_t>(0xe0 + i));
  auto left = open({.interface = "left"}), right = open({.interface = "right", .accept = filter});
  Bytes first = test::udp_frame({2, 0, 0, 0, 1, 0}, 20), last = test::udp_frame(kOther, 21, 9, {0, 0, 0, 0, 0xef, 1});
  Bytes none = test::udp_frame(kOther, 20);
  for (Bytes* frame : {&first, &none, &last}) send_one(*left, *frame);
  EXPECT_THAT(receive_copies(*right, 2), testing::ElementsAre(first, last));
}

}  // namespace
}  // namespace phalanx
