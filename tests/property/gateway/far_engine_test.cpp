// A data plane whose engine answers at once, and one whose engine is far away and has many batches in flight: the same
// frames in give the same frames out, in order within each flow, the same drops and the same sessions.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <tuple>

#include "host/packet/arp.hpp"
#include "tests/property/gateway/late_engine.hpp"
#include "tests/unit/gateway/gateway_harness.hpp"

namespace phalanx::gateway::harness {
namespace {

using testing::LateEngine;
using Bytes = std::vector<uint8_t>;
using KeyWords = std::tuple<uint64_t, uint64_t, uint64_t, uint64_t, uint64_t>;

KeyWords words(const hls::FlowKey& key) {
  KeyWords w;
  static_assert(sizeof(w) == sizeof(key));
  uint64_t raw[5];
  std::memcpy(raw, &key, sizeof(raw));
  return {raw[0], raw[1], raw[2], raw[3], raw[4]};
}

// Sees to it that nothing of a session leaves before the session has been told of.
class Watched : public Gateway {
 public:
  explicit Watched(const Options& options) : Gateway(options), nat_(!options.nat.empty()) {}

  void send(PortIndex device, const Frame& frame) override {
    Gateway::send(device, frame);
    Bytes bytes(frame.data, frame.data + frame.length);
    ParsedPacket packet;
    if (parse(frame_of(bytes), 0, packet) != DropReason::kNone || packet.kind != FrameKind::kIp) return;
    if (nat_ || packet.is_fragment || packet.is_icmp_error()) return;
    queued_.insert(words(packet.meta.key));
  }
  void changed(int64_t now, absl::Span<const abi::Record> records) override {
    Gateway::changed(now, records);
    for (const abi::Record& record : records) told_.insert(words(record.session.key));
  }
  void flush() override {
    for (const KeyWords& key : queued_) early_ += told_.contains(key) ? 0 : 1;
    queued_.clear();
  }
  uint64_t early() const { return early_; }

 private:
  const bool nat_;
  std::set<KeyWords> queued_, told_;
  uint64_t early_ = 0;
};

// Draws bursts: new and known flows, packets that open nothing, fragments in any order, answers to what was sent.
class Traffic {
 public:
  Traffic(uint64_t seed, const Gateway& gateway) : random_(seed), gateway_(gateway) {}

  uint32_t draw(uint32_t below) { return static_cast<uint32_t>(random_() % below); }
  std::vector<Bytes> burst(DeviceIndex device, const std::vector<Sent>& sent) {
    std::vector<Bytes> frames;
    const uint32_t count = 1 + draw(draw(3) == 0 ? 600 : 20);
    while (frames.size() < count) {
      if (device == 1) {
        if (auto answer = answer_to(sent)) frames.push_back(*answer);
        if (sent.empty() || draw(8) == 0)
          frames.push_back(gateway_.from_server("10.2.0.2", "10.1.0.2").udp(9, 9).build());
      } else if (draw(12) == 0) {
        datagram(frames);
      } else {
        frames.push_back(request());
      }
    }
    return frames;
  }

 private:
  Bytes request() {
    static constexpr const char* kServers[] = {"10.2.0.2",  "10.2.0.2",  "10.2.0.3",
                                               "10.2.0.99", "192.0.2.1", "224.0.0.9"};
    // Nothing that ends a session: a packet that begins the next one on the same ports is then in a later wave.
    static constexpr uint8_t kFlags[] = {hls::kTcpSyn, hls::kTcpSyn, hls::kTcpAck};
    const auto port = static_cast<uint16_t>(1000 + draw(60));
    if (draw(6) == 0) {
      return gateway_.from_client("2001:db8:1::2", "2001:db8:2::2").udp(port, 53).payload("x").build();
    }
    PacketBuilder packet = gateway_.from_client("10.1.0.2", kServers[draw(draw(4) == 0 ? 6 : 3)]);
    if (draw(10) == 0) return packet.echo(true, port, 1).build();
    // UDP alone: of a TCP flow that has been refused once, whether a session counts the packet first is a matter of
    // chance.
    if (draw(20) == 0) return packet.ttl(1).udp(port, 53).payload("question").build();
    if (draw(2) == 0) return packet.udp(port, 53).payload("question").build();
    return packet.tcp(port, 80, kFlags[draw(std::size(kFlags))], draw(3), draw(3)).build();
  }

  // A datagram in three pieces, now and then with one left out.
  void datagram(std::vector<Bytes>& frames) {
    const auto port = static_cast<uint16_t>(1000 + draw(60));
    const uint32_t id = ++id_;
    std::vector<Bytes> pieces;
    for (uint16_t i = 0; i < 3; ++i) {
      const auto begin = static_cast<uint16_t>(i * 400);
      pieces.push_back(
          gateway_.from_client("10.1.0.2", draw(2) == 0 && i == 0 && id % 3 == 0 ? "192.0.2.1" : "10.2.0.2")
              .udp(port, 54)
              .payload_size(1192)
              .fragment(id, begin, i != 2)
              .cut(begin, i == 2 ? 1200u : begin + 400u)
              .build());
    }
    std::shuffle(pieces.begin(), pieces.end(), random_);
    if (draw(4) == 0) pieces.pop_back();
    for (Bytes& piece : pieces) frames.push_back(std::move(piece));
  }

  // As the server it went to would.
  std::optional<Bytes> answer_to(const std::vector<Sent>& sent) {
    if (sent.empty()) return std::nullopt;
    const Sent& one = sent[draw(static_cast<uint32_t>(sent.size()))];
    const ParsedPacket& packet = one.packet;
    if (one.device != 1 || packet.kind != FrameKind::kIp || packet.is_fragment) return std::nullopt;
    PacketBuilder answer = PacketBuilder().macs(kOutsideMac, kServerMac).ip(packet.destination, packet.source);
    if (packet.protocol == hls::kProtocolUdp) {
      return answer.udp(packet.destination_port, packet.source_port).payload("answer").build();
    }
    if (packet.protocol != hls::kProtocolTcp) return std::nullopt;
    return answer.tcp(packet.destination_port, packet.source_port, hls::kTcpSyn | hls::kTcpAck, draw(3), draw(3))
        .build();
  }

  std::mt19937_64 random_;
  const Gateway& gateway_;
  uint32_t id_ = 0;
};

std::vector<Sent> send_through(Gateway& gateway, DeviceIndex device, std::vector<Bytes> burst) {
  std::vector<Frame> frames;
  for (Bytes& bytes : burst) frames.push_back(frame_of(bytes));
  gateway.dataplane->receive(gateway.now_ns, device, frames);
  gateway.dataplane->tick(gateway.now_ns);
  return gateway.take();
}

// What left: of each flow in order, fragments in any.
std::map<std::string, std::vector<Bytes>> by_flow(const std::vector<Sent>& sent) {
  std::map<std::string, std::vector<Bytes>> flows;
  for (const Sent& one : sent) {
    const auto key = words(one.packet.meta.key);
    std::string name = std::to_string(one.device) + (one.packet.kind == FrameKind::kIp ? " ip " : " other ");
    if (!one.packet.is_fragment) {
      for (const uint64_t w :
           {std::get<0>(key), std::get<1>(key), std::get<2>(key), std::get<3>(key), std::get<4>(key)}) {
        name += std::to_string(w) + " ";
      }
    }
    flows[name].push_back(one.bytes);
  }
  for (auto& [name, frames] : flows) {
    if (!name.ends_with(" ")) continue;
    if (name.find(" ip ") + 4 == name.size()) std::sort(frames.begin(), frames.end());
  }
  return flows;
}

// Names the flows that differ.
std::string difference(const std::map<std::string, std::vector<Bytes>>& want,
                       const std::map<std::string, std::vector<Bytes>>& got) {
  std::string text;
  for (const auto& [name, frames] : want) {
    const auto found = got.find(name);
    if (found == got.end() || found->second != frames) {
      text += name + ": " + std::to_string(frames.size()) + " frames, " +
              std::to_string(found == got.end() ? 0 : found->second.size()) + "\n";
    }
  }
  for (const auto& [name, frames] : got) text += want.contains(name) ? "" : name + ": none expected\n";
  return text;
}

std::map<KeyWords, std::tuple<int, uint32_t, uint32_t>> sessions_of(Gateway& gateway) {
  std::map<KeyWords, std::tuple<int, uint32_t, uint32_t>> sessions;
  uint64_t next = 0;
  do {
    for (const abi::Record& r : gateway.dataplane->scan(gateway.now_ns, next, 4096, &next)) {
      sessions[words(r.session.key)] = {r.session.state, r.session.packets[0], r.session.packets[1]};
    }
  } while (next != 0);
  return sessions;
}

Options options_of(uint64_t seed) {
  Options options;
  if (seed % 3 == 0) {
    policy::NatRule hide;
    hide.name = "hide";
    hide.kind = policy::NatKind::kHide;
    hide.address = *parse_ip("10.2.0.1");
    hide.match.to = policy::port_bit(1);
    hide.match.sources = {*parse_prefix("10.1.0.0/16")};
    options.nat = {hide};
  }
  return options;
}

// `late` is the engine of the gateway that is made of these.
Options with_late_engine(Options options, size_t ahead, uint64_t seed, LateEngine*& late) {
  options.front = [ahead, seed, &late](Accelerator* engine) {
    auto made = std::make_unique<LateEngine>(engine, ahead, seed);
    late = made.get();
    return made;
  };
  return options;
}

class FarEngine : public ::testing::TestWithParam<uint64_t> {};

TEST_P(FarEngine, GivesTheSameAsANearOne) {
  const uint64_t seed = GetParam();
  Watched near(options_of(seed));
  LateEngine* late = nullptr;
  Watched far(with_late_engine(options_of(seed), 1 + seed % (kGroupsMax + 3), seed, late));
  Traffic traffic(seed, near);
  std::vector<Sent> sent;
  for (int i = 0; i < 30; ++i) {
    near.now_ns = far.now_ns = near.now_ns + traffic.draw(40) * kMs;
    const auto device = static_cast<DeviceIndex>(traffic.draw(3) == 0 ? 1 : 0);
    const std::vector<Bytes> burst = traffic.burst(device, sent);
    sent = send_through(near, device, burst);
    const std::vector<Sent> got = send_through(far, device, burst);
    ASSERT_EQ(difference(by_flow(sent), by_flow(got)), "") << "burst " << i;
    for (size_t r = 0; r < kDropReasons; ++r) {
      const auto reason = static_cast<DropReason>(r);
      ASSERT_EQ(near.dropped(reason), far.dropped(reason)) << "burst " << i << ": " << drop_name(reason);
    }
    ASSERT_EQ(near.dataplane->counters().opened, far.dataplane->counters().opened);
    ASSERT_EQ(near.dataplane->counters().forwarded, far.dataplane->counters().forwarded);
    ASSERT_TRUE(sessions_of(near) == sessions_of(far)) << "burst " << i;
    ASSERT_EQ(late->waiting(), 0u);
  }
  EXPECT_EQ(near.early(), 0u);
  EXPECT_EQ(far.early(), 0u);
  EXPECT_EQ(late->most_waiting() > 1, seed % (kGroupsMax + 3) != 0);
}

INSTANTIATE_TEST_SUITE_P(Seeds, FarEngine, ::testing::Range<uint64_t>(0, 66));

TEST(FarEngine, ThatRefusesLosesPacketsAndNothingElse) {
  LateEngine* late = nullptr;
  Watched far(with_late_engine({}, kGroupsMax, 1, late));
  late->refuse_one_in(5);
  Traffic traffic(7, far);
  std::vector<Sent> sent;
  for (int i = 0; i < 60; ++i) {
    far.now_ns += 10 * kMs;
    const auto device = static_cast<DeviceIndex>(i % 3 == 0 ? 1 : 0);
    sent = send_through(far, device, traffic.burst(device, sent));
  }
  EXPECT_GT(late->refused(), 10u);
  EXPECT_GT(far.dropped(DropReason::kEngine), 10u);
  EXPECT_GT(far.dataplane->counters().forwarded, 100u);
  EXPECT_EQ(far.early(), 0u);
}

TEST(FarEngine, WhoseAnswerComesAfterTheLeaseForwardsNothing) {
  for (const bool known : {false, true}) {
    Options options;
    options.front = [](Accelerator* engine) { return std::make_unique<LateEngine>(engine, 4, 3); };
    Watched far(options);
    Bytes bytes = far.from_client("10.1.0.2", "10.2.0.2").udp(1000, 53).build();
    if (known) {
      ASSERT_EQ(far.receive(0, far.from_client("10.1.0.2", "10.2.0.2").udp(1000, 53)).size(), 1u);
    }
    far.dataplane->set_lease(far.now_ns + 10 * kMs);
    const Frame frame = frame_of(bytes);
    far.dataplane->take(far.now_ns, 0, absl::MakeConstSpan(&frame, 1));
    while (far.dataplane->advance(far.now_ns + 10 * kMs)) {
    }
    EXPECT_TRUE(far.take().empty());
    EXPECT_EQ(far.dropped(DropReason::kLeaseExpired), 1u) << known;
    EXPECT_EQ(far.engine->counters().sessions, known ? 1u : 0u);
  }
}

// A flood of packets that open nothing, all of one flow, costs three rounds and not one each.
TEST(FarEngine, IsNotAskedOnceForEachPacketOfAFlowThatOpensNothing) {
  LateEngine* late = nullptr;
  Watched far(with_late_engine({}, kGroupsMax, 5, late));
  std::vector<Bytes> flood(kRoundMax - 1, far.from_client("10.1.0.2", "10.2.0.2").tcp(1000, 80, hls::kTcpAck).build());
  flood.push_back(far.from_client("10.1.0.2", "10.2.0.2").tcp(1000, 80, hls::kTcpSyn).build());
  std::vector<Sent> sent = send_through(far, 0, flood);
  std::erase_if(sent, [](const Sent& one) { return one.packet.kind != FrameKind::kIp; });
  EXPECT_EQ(sent.size(), 1u);  // the SYN, behind all the others
  EXPECT_EQ(far.dropped(DropReason::kTcpNotSyn), kRoundMax - 1);
  EXPECT_LT(late->submitted(), 2 * kGroupsMax);
}

}  // namespace
}  // namespace phalanx::gateway::harness
