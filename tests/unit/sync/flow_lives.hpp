// Sessions for tests of sync: random ones, and the whole lives of UDP and TCP flows as hls/ tracks them.
#ifndef PHALANX_TESTS_UNIT_SYNC_FLOW_LIVES_HPP
#define PHALANX_TESTS_UNIT_SYNC_FLOW_LIVES_HPP

#include <cstdint>
#include <random>
#include <vector>

#include "hls/track.hpp"
#include "kernels/abi/operation.hpp"

namespace phalanx::sync {

// Any session that an engine can hold, as random as it may be.
inline abi::Record random_record(std::mt19937_64& random) {
  const auto chance = [&random](unsigned percent) { return random() % 100 < percent; };
  abi::Record r = {};
  hls::Session& s = r.session;
  const bool v6 = chance(40);
  s.state = static_cast<uint8_t>(1 + random() % (hls::kStates - 1));
  uint8_t protocol = static_cast<uint8_t>(random());
  if (chance(80)) {
    protocol = s.state <= hls::kStateTcpClosed   ? hls::kProtocolTcp
               : s.state <= hls::kStateUdpStream ? hls::kProtocolUdp
               : s.state == hls::kStateIcmp      ? (v6 ? hls::kProtocolIcmpV6 : hls::kProtocolIcmp)
                                                 : protocol;
  }
  const auto address = [&](hls::Endpoint& e) {
    e.hi = v6 ? (chance(50) ? 0x20010db800000001ull : random()) : 0;
    e.lo = v6 ? random() : (chance(50) ? 0x0a010000u + random() % 512 : static_cast<uint32_t>(random()));
  };
  hls::Endpoint originator = {0, 0, static_cast<uint16_t>(random())};
  hls::Endpoint responder = {0, 0, static_cast<uint16_t>(chance(40) ? 443 : chance(30) ? 0 : random())};
  address(originator);
  address(responder);
  const uint16_t virtual_system = chance(20) ? static_cast<uint16_t>(random()) : 0;
  const hls::DirectedKey key = hls::make_key(originator, responder, protocol, v6 ? 6 : 4, virtual_system);
  s.key = key.key;
  s.flags = key.from_b ? hls::kOriginatorIsB : 0;
  s.order = (chance(70) ? 5000 + random() % 100 : random()) << hls::kVersionBits |
            (chance(70) ? random() % 8 : random() & hls::kVersionMask);
  s.last_seen = static_cast<uint32_t>(random());
  const auto some = [&](int of) { s.flags = static_cast<uint8_t>(s.flags | (random() & static_cast<unsigned>(of))); };
  some(hls::kDirty | hls::kReanchorOriginator | hls::kPickedUp);
  if (chance(40)) some(hls::kNatSource | hls::kNatDestination);
  if (v6 && (s.flags & (hls::kNatSource | hls::kNatDestination))) {
    s.flags |= hls::kNatWide;
    r.wide = {random(), random(), random(), random()};
  }
  s.scales = static_cast<uint8_t>(random());
  s.tcp_flags = static_cast<uint8_t>(random());
  s.rule = static_cast<uint16_t>(chance(50) ? random() % 20 : random());
  s.synced = static_cast<uint16_t>(random());
  s.nat_source_port = static_cast<uint16_t>(random());
  s.nat_destination_port = static_cast<uint16_t>(random());
  s.nat_source = chance(50) ? 0xc0000201u : static_cast<uint32_t>(random());
  s.nat_destination = static_cast<uint32_t>(random());
  for (hls::TcpSide& side : s.side) {
    const auto number = [&] { return chance(20) ? 0 : static_cast<uint32_t>(random()); };
    side = {number(), number(), chance(50) ? 65535u : number(), number()};
  }
  for (int i = 0; i < 2; ++i) {
    s.traffic[i] = chance(50) ? random() % 100000 : random();
    s.packets[i] = static_cast<uint32_t>(random());
  }
  return r;
}

// Makes flows one after the other: inner clients of one /16, outer servers anywhere, and what EXTRACT would give of
// each.
class FlowLives {
 public:
  struct Mix {
    uint32_t servers = 0;           // popular servers that flows go to; 0: a new address each time
    bool random_clients = false;    // clients anywhere instead of in one /16
    uint64_t first_generation = 1;  // of the first flow
  };
  FlowLives(uint64_t seed, const Mix& mix) : random_(seed), mix_(mix), generation_(mix.first_generation - 1) {}

  // create, [answered,] delete
  std::vector<abi::Record> udp(bool answered) {
    std::vector<abi::Record> life;
    Flow f = begin(hls::kProtocolUdp, 53);
    hls::PacketMeta p = packet(f, 0, hls::kPacketUdp);
    hls::open_session(f.session, p, 1000, config_);
    life.push_back(extract(f));
    p = packet(f, 1, hls::kPacketUdp);
    hls::track_packet(f.session, p, 1, 1000, config_);
    if (answered) life.push_back(extract(f));
    life.push_back(end(f));
    return life;
  }

  // SYN, established, closing, delete; with `every_change` also SYN/ACK, second FIN and TIME-WAIT, which otherwise fall
  // together with the next within a flush.
  std::vector<abi::Record> tcp(bool every_change) {
    std::vector<abi::Record> life;
    Flow f = begin(hls::kProtocolTcp, 443);
    const uint32_t isn[2] = {static_cast<uint32_t>(random_()), static_cast<uint32_t>(random_())};
    hls::PacketMeta p = segment(f, 0, isn[0], 0, hls::kTcpSyn, 64240);
    p.window_scale = 7;
    hls::open_session(f.session, p, 1000, config_);
    life.push_back(extract(f));
    p = segment(f, 1, isn[1], isn[0] + 1, hls::kTcpSyn | hls::kTcpAck, 65160);
    p.window_scale = 7;
    step(f, p);
    if (every_change) life.push_back(extract(f));
    step(f, segment(f, 0, isn[0] + 1, isn[1] + 1, hls::kTcpAck, 502));
    life.push_back(extract(f));
    const uint32_t request = 200 + static_cast<uint32_t>(random_() % 1000);
    const uint32_t answer = 1400 * (1 + static_cast<uint32_t>(random_() % 30));
    uint32_t o = isn[0] + 1 + request;
    uint32_t r = isn[1] + 1 + answer;
    p = segment(f, 0, isn[0] + 1, isn[1] + 1, hls::kTcpAck, 502);
    p.payload = request;
    step(f, p);
    p = segment(f, 1, isn[1] + 1, o, hls::kTcpAck, 509);
    p.payload = answer;
    step(f, p);
    step(f, segment(f, 0, o, r, hls::kTcpAck, 501));
    step(f, segment(f, 0, o++, r, hls::kTcpAck | hls::kTcpFin, 501));
    if (every_change) life.push_back(extract(f));
    step(f, segment(f, 1, r++, o, hls::kTcpAck | hls::kTcpFin, 509));
    if (every_change) life.push_back(extract(f));
    step(f, segment(f, 0, o, r, hls::kTcpAck, 501));
    life.push_back(extract(f));
    life.push_back(end(f));
    return life;
  }

  // How many packets tracking refused; a test that relies on the lives wants none.
  uint64_t refused() const { return refused_; }

 private:
  struct Flow {
    hls::Session session;
    hls::Endpoint ends[2];
  };

  Flow begin(uint8_t protocol, uint16_t port) {
    Flow f = {};
    const uint32_t client = mix_.random_clients ? static_cast<uint32_t>(random_())
                                                : 0x0a140000u | static_cast<uint32_t>(random_() & 0xffff);
    uint32_t server = static_cast<uint32_t>(random_()) | 0x40000000u;
    if (mix_.servers != 0) server = 0x5db80000u + 977u * static_cast<uint32_t>(random_() % mix_.servers);
    f.ends[0] = {0, client, static_cast<uint16_t>(32768 + random_() % 28000)};
    f.ends[1] = {0, server, port};
    const hls::DirectedKey key = hls::make_key(f.ends[0], f.ends[1], protocol, 4, 0);
    f.session.key = key.key;
    f.session.flags = key.from_b ? hls::kOriginatorIsB : 0;
    f.session.rule = static_cast<uint16_t>(1 + random_() % 40);
    f.session.order = ++generation_ << hls::kVersionBits;
    return f;
  }
  hls::PacketMeta packet(const Flow& f, uint8_t direction, uint8_t kind) const {
    hls::PacketMeta p = {};
    p.key = f.session.key;
    p.kind = kind;
    p.from_b = ((f.session.flags & hls::kOriginatorIsB) != 0) != (direction != 0) ? 1 : 0;
    p.segments = 1;
    p.bytes = 60;
    p.window_scale = hls::kNoWindowScale;
    return p;
  }
  hls::PacketMeta segment(const Flow& f, uint8_t direction, uint32_t seq, uint32_t ack, uint8_t flags,
                          uint16_t window) {
    hls::PacketMeta p = packet(f, direction, hls::kPacketTcp);
    p.seq = seq;
    p.ack = ack;
    p.tcp_flags = flags;
    p.window = window;
    return p;
  }
  void step(Flow& f, const hls::PacketMeta& p) {
    const uint8_t originator_is_b = (f.session.flags & hls::kOriginatorIsB) != 0 ? 1 : 0;
    const hls::Track track =
        hls::track_packet(f.session, p, static_cast<uint8_t>(p.from_b ^ originator_is_b), 1000, config_);
    refused_ += track.pass ? 0 : 1;
  }
  static abi::Record extract(const Flow& f) {
    abi::Record r = {};
    r.session = f.session;
    return r;
  }
  static abi::Record end(Flow& f) {
    f.session.order = hls::next_version(f.session.order);
    f.session.state = hls::kStateDeleted;
    return extract(f);
  }

  std::mt19937_64 random_;
  Mix mix_;
  uint64_t generation_;
  uint64_t refused_ = 0;
  hls::TrackConfig config_ = hls::default_track_config();
};

}  // namespace phalanx::sync

#endif
