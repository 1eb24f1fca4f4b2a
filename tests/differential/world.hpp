// A small world of clients, servers and translations, from which packets, records and whole streams of operations are
// drawn.
#ifndef PHALANX_TESTS_DIFFERENTIAL_WORLD_HPP
#define PHALANX_TESTS_DIFFERENTIAL_WORLD_HPP

#include <cstdint>
#include <random>

#include "hls/nat.hpp"
#include "tests/differential/engine_pair.hpp"

namespace phalanx::testing {

// A packet between two endpoints; `family` 4 or 6.
inline hls::PacketMeta packet_between(const hls::Endpoint& from, const hls::Endpoint& to, uint8_t protocol,
                                      uint8_t family) {
  const hls::DirectedKey k = hls::make_key(from, to, protocol, family, 0);
  hls::PacketMeta p = {};
  p.key = k.key;
  p.from_b = k.from_b;
  p.kind = protocol == hls::kProtocolTcp    ? hls::kPacketTcp
           : protocol == hls::kProtocolUdp  ? hls::kPacketUdp
           : protocol == hls::kProtocolIcmp ? hls::kPacketEchoRequest
                                            : hls::kPacketOther;
  p.bytes = 48;
  p.window = 1000;
  p.window_scale = hls::kNoWindowScale;
  p.segments = 1;
  return p;
}

// The record of a session that `packet` begins, with translation of source and destination if they are given.
inline abi::Record record_of(const hls::PacketMeta& packet, const hls::Endpoint* source = nullptr,
                             const hls::Endpoint* destination = nullptr) {
  abi::Record r = {};
  r.session.key = packet.key;
  r.session.flags = packet.from_b;
  const bool wide = hls::family(packet.key) == 6;
  const hls::Endpoint none = {};
  const hls::Endpoint s = source != nullptr ? *source : none, d = destination != nullptr ? *destination : none;
  if (source != nullptr) r.session.flags |= hls::kNatSource;
  if (destination != nullptr) r.session.flags |= hls::kNatDestination;
  r.session.nat_source_port = s.port;
  r.session.nat_destination_port = d.port;
  if (wide && (source != nullptr || destination != nullptr)) {
    r.session.flags |= hls::kNatWide;
    r.wide = {s.hi, s.lo, d.hi, d.lo};
  } else if (!wide) {
    r.session.nat_source = static_cast<uint32_t>(s.lo);
    r.session.nat_destination = static_cast<uint32_t>(d.lo);
  }
  return r;
}

// What a stream is made of.
struct WorldConfig {
  uint32_t clients = 3;
  uint32_t servers = 2;
  uint32_t ports = 3;       // of each client
  uint32_t hidden = 12;     // addresses and ports that clients are translated to
  uint32_t sequence = 100;  // about where TCP sequence numbers lie
  uint32_t longest_batch = 64;
  uint32_t lookups = 28;   // of 64 operations; the others share what is left as they do in kOtherWeights
  bool odd_times = false;  // time leaps, also backwards
};

// Draws streams, each given by its seed alone.
class World {
 public:
  World(const WorldConfig& config, uint64_t seed) : config_(config), random_(seed) {}

  // The next batch, of 1 to longest_batch operations. `slots` of the table, `generation` as it stands.
  Operations batch(uint64_t slots, uint64_t generation) {
    Operations given;
    const uint32_t count = 1 + draw(draw(4) == 0 ? config_.longest_batch : config_.longest_batch / 4 + 1);
    for (uint32_t i = 0; i < count; ++i) add(given, slots, generation);
    return given;
  }
  uint32_t now_ms() {
    if (!config_.odd_times) return now_ms_ += draw(8) == 0 ? draw(60'000) : draw(300);
    constexpr uint32_t kLeaps[] = {1, 127, 128, 300'000, 0x3fffffff, 0x7ffffffe, 0x7fffffff, 0x80000000, 0xfffffff0};
    return now_ms_ += draw(16) == 0 ? kLeaps[draw(std::size(kLeaps))] : draw(200);
  }
  uint32_t draw(uint64_t below) { return below == 0 ? 0 : static_cast<uint32_t>(random_() % below); }

 private:
  static uint64_t high(bool v6) { return v6 ? 0x20010db800000000u : 0; }
  hls::Endpoint client(bool v6) {
    return {high(v6), 0x0a000001u + draw(config_.clients), static_cast<uint16_t>(1000 + draw(config_.ports))};
  }
  hls::Endpoint server(bool v6) { return {high(v6), 0xc0000201u + draw(config_.servers), 80}; }
  // Among the translated clients are clients' own addresses.
  hls::Endpoint hidden(bool v6) {
    if (draw(8) == 0) return {high(v6), 0x0a000001u, 1000};
    return {high(v6), 0xcb007101u, static_cast<uint16_t>(4000 + draw(config_.hidden))};
  }

  void dress(hls::PacketMeta& p) {
    constexpr uint8_t kFlags[] = {
        hls::kTcpSyn, hls::kTcpSyn | hls::kTcpAck, hls::kTcpAck, hls::kTcpAck, hls::kTcpAck | hls::kTcpFin,
        hls::kTcpRst, hls::kTcpRst | hls::kTcpAck};
    p.tcp_flags = draw(8) == 0 ? static_cast<uint8_t>(draw(256)) : kFlags[draw(std::size(kFlags))];
    p.seq = config_.sequence + draw(4);
    p.ack = config_.sequence + draw(4);
    p.payload = draw(3);
    p.bytes = draw(64) == 0 ? 0xffffffff : 40 + p.payload;
    p.window = static_cast<uint16_t>(draw(4) == 0 ? draw(65536) : 1000);
    p.window_scale = static_cast<uint8_t>(draw(5) == 0 ? draw(16) : hls::kNoWindowScale);
    p.segments = static_cast<uint8_t>(draw(16) == 0 ? 255 : 1);
    if (p.kind == hls::kPacketEchoRequest && draw(2) == 0) p.kind = hls::kPacketEchoReply;
    if (draw(16) == 0) p.kind = hls::kPacketIcmpError;
  }

  void add(Operations& given, uint64_t slots, uint64_t generation) {
    constexpr uint8_t kProtocols[] = {hls::kProtocolTcp, hls::kProtocolTcp,  hls::kProtocolTcp,
                                      hls::kProtocolUdp, hls::kProtocolIcmp, 47};
    const bool v6 = draw(4) == 0;
    const uint8_t family = v6 ? 6 : 4, protocol = kProtocols[draw(std::size(kProtocols))];
    const hls::Endpoint c = client(v6), s = server(v6), h = hidden(v6);
    if (draw(64) < config_.lookups) {
      const uint32_t way = draw(4);  // from the client, from the server, from the server to a translated client
      hls::PacketMeta p =
          way < 2 ? packet_between(c, s, protocol, family) : packet_between(s, way == 2 ? c : h, protocol, family);
      dress(p);
      given.lookup(p);
      return;
    }
    const uint32_t what = draw(36);
    if (what < 16) {
      insert(given, packet_between(c, s, protocol, family), h, server(v6));
    } else if (what < 20) {
      given.remove(packet_between(s, draw(2) == 0 ? c : h, protocol, family));
    } else if (what < 28) {
      apply(given, packet_between(c, s, protocol, family), h, server(v6), generation);
    } else if (what < 31) {
      given.age(draw(slots + 2), draw(4) == 0 ? ~uint64_t{0} - draw(2) : draw(slots + 2));
    } else if (what < 33) {
      given.extract(draw(24));
    } else if (what < 35) {
      given.scan(draw(slots + 2), draw(4) == 0 ? ~uint64_t{0} : draw(slots + 2));
    } else {
      const uint8_t unknown = static_cast<uint8_t>(draw(256));
      given.then(abi::Opcode{unknown >= 1 && unknown <= 7 ? uint8_t{0} : unknown}, {});
    }
    if (draw(200) == 0) given.operations.back().record = 0xffffffffu - draw(2);  // there is none
  }

  // Mostly what opens a session; else what must be refused.
  void insert(Operations& given, hls::PacketMeta p, const hls::Endpoint& source, const hls::Endpoint& destination) {
    const uint8_t kind = p.kind;
    dress(p);
    if (draw(4) != 0) {
      p.tcp_flags = hls::kTcpSyn;
      p.kind = kind;
    }
    abi::Record r = record_of(p, draw(2) == 0 ? &source : nullptr, draw(4) == 0 ? &destination : nullptr);
    r.session.rule = static_cast<uint16_t>(draw(65536));
    r.session.state = static_cast<uint8_t>(draw(32) == 0 ? draw(256) : 0);
    if (draw(64) == 0) r.session.flags ^= hls::kNatWide;
    if (draw(64) == 0) p.from_b ^= 1;
    if (draw(32) == 0) r.session.order = static_cast<uint64_t>(draw(100)) << hls::kVersionBits | draw(3);
    given.insert(r, p);
  }

  void apply(Operations& given, const hls::PacketMeta& p, const hls::Endpoint& source, const hls::Endpoint& destination,
             uint64_t generation) {
    constexpr uint32_t kVersions[] = {0, 1, 2, 3, 0x7fffff, 0x800000, 0xfffffe, 0xffffff};
    abi::Record r = record_of(p, draw(2) == 0 ? &source : nullptr, draw(4) == 0 ? &destination : nullptr);
    r.session.rule = static_cast<uint16_t>(draw(65536));
    r.session.state = static_cast<uint8_t>(draw(hls::kStates + 1));  // one of them doesn't exist
    r.session.order = (draw(32) + generation / 2) << hls::kVersionBits | kVersions[draw(std::size(kVersions))];
    r.session.flags |= static_cast<uint8_t>(draw(256) & (hls::kDirty | hls::kReanchorOriginator | hls::kPickedUp));
    r.session.tcp_flags = static_cast<uint8_t>(draw(256));
    r.session.scales = static_cast<uint8_t>(draw(256));
    for (hls::TcpSide& side : r.session.side) {
      side = {config_.sequence + draw(4), config_.sequence + draw(2000), draw(70000), config_.sequence + draw(4)};
    }
    r.session.last_seen = draw(~0u);
    r.session.traffic[0] = draw(~0u);
    r.session.packets[1] = draw(2) == 0 ? ~0u - draw(3) : draw(100);
    if (draw(64) == 0) r.session.flags ^= hls::kNatWide;
    given.apply(r);
  }

  const WorldConfig config_;
  std::mt19937_64 random_;
  uint32_t now_ms_ = 0;
};

}  // namespace phalanx::testing

#endif
