// Packets and records at their limits: every TCP flag, numbers that wrap, translations of both sides, conflicts.
#include <vector>

#include "tests/differential/cases/cases.hpp"

namespace phalanx::testing {
namespace {

hls::PacketMeta segment(uint32_t i, uint8_t flags, uint32_t seq, uint32_t ack, bool back) {
  hls::PacketMeta p = flow(i, hls::kProtocolTcp);
  if (back) p = answer_of(p);
  p.tcp_flags = flags;
  p.seq = seq;
  p.ack = ack;
  return p;
}

constexpr uint8_t kAck = hls::kTcpAck, kSyn = hls::kTcpSyn, kFin = hls::kTcpFin, kRst = hls::kTcpRst;

// A connection from SYN to its end, `start` the first sequence number of either side.
std::vector<hls::PacketMeta> connection(uint32_t i, uint32_t start) {
  std::vector<hls::PacketMeta> packets = {
      segment(i, kSyn, start, 0, false),
      segment(i, kSyn | kAck, start, start + 1, true),
      segment(i, kAck, start + 1, start + 1, false),
      segment(i, kAck | kFin, start + 1, start + 1, false),
      segment(i, kAck, start + 1, start + 2, true),
      segment(i, kAck | kFin, start + 1, start + 2, true),
      segment(i, kAck, start + 2, start + 2, false),
  };
  return packets;
}

abi::Record replica(const hls::PacketMeta& packet, uint64_t generation, uint64_t version, uint8_t state,
                    const hls::Endpoint* source = nullptr, const hls::Endpoint* destination = nullptr) {
  abi::Record r = record_of(packet, source, destination);
  r.session.order = generation << hls::kVersionBits | version;
  r.session.state = state;
  return r;
}

}  // namespace

// After each step of a connection, each of the 256 combinations from either side.
Difference every_tcp_flag_in_every_state(Judge& judge) {
  for (const uint32_t start : {100u, 0xffffffffu}) {
    for (const bool pickup : {false, true}) {
      EngineConfig config = pair_config(4000);
      config.tcp_pickup = pickup;
      JudgedPair pair(judge, config, stalls(start));
      PHALANX_SAME(pair.problem());
      uint32_t i = 0;
      for (size_t steps = 1; steps <= connection(0, start).size(); ++steps) {
        Operations given;
        for (uint32_t flags = 0; flags < 512; ++flags, ++i) {
          const auto packets = connection(i, start);
          given.insert(record_of(packets[0]), packets[0]);
          for (size_t k = 1; k < steps; ++k) given.lookup(packets[k]);
          given.lookup(segment(i, static_cast<uint8_t>(flags), start + 1, start + 1, flags >= 256));
          given.lookup(segment(i, kAck, start + 1, start + 1, false));
        }
        PHALANX_SAME(pair->run(given, 1000));
      }
      Operations first;
      for (uint32_t flags = 0; flags < 256; ++flags, ++i) {
        const auto packet = segment(i, static_cast<uint8_t>(flags), start, 0, false);
        first.insert(record_of(packet), packet).lookup(packet);
      }
      PHALANX_SAME(pair->run(first, 1001));
      PHALANX_SAME(pair.end(1002));
    }
  }
  return std::nullopt;
}

// Source, destination and both, v4 and v6, every packet that could be taken for one of the session's, and the errors
// about them.
Difference translations_of_both_sides(Judge& judge) {
  for (const uint8_t family : {uint8_t{4}, uint8_t{6}}) {
    for (const uint8_t protocol : {hls::kProtocolUdp, hls::kProtocolTcp, hls::kProtocolIcmp, uint8_t{47}}) {
      JudgedPair pair(judge, pair_config(16), stalls(family + protocol));
      PHALANX_SAME(pair.problem());
      const uint64_t hi = family == 6 ? 0x20010db800000000u : 0;
      const hls::Endpoint ends[] = {{hi, 1, 1000}, {hi, 2, 80}, {hi, 3, 4000}, {hi, 4, 8080}};
      for (int nat = 0; nat < 4; ++nat) {
        Operations given;
        hls::PacketMeta first = packet_between(ends[0], ends[1], protocol, family);
        first.tcp_flags = kSyn;
        given.insert(record_of(first, (nat & 1) != 0 ? &ends[2] : nullptr, (nat & 2) != 0 ? &ends[3] : nullptr), first);
        for (const auto& from : ends) {
          for (const auto& to : ends) {
            hls::PacketMeta p = packet_between(from, to, protocol, family);
            p.tcp_flags = kSyn | kAck;
            given.lookup(p);
            p.kind = hls::kPacketEchoReply;
            given.lookup(p);
            p.kind = hls::kPacketIcmpError;
            given.lookup(p);
          }
        }
        given.scan(0, 100).remove(packet_between(ends[3], ends[2], protocol, family)).remove(first).extract(10);
        PHALANX_SAME(pair->run(given, 1, 100));
        PHALANX_CASE_NEEDS(pair->reference().counters().sessions == 0);
      }
      PHALANX_SAME(pair.end(2));
    }
  }
  return std::nullopt;
}

// Each key of a replicated session may be another one's here, as its own or its translated key, older or younger.
Difference conflicts_of_replicated_sessions(Judge& judge) {
  const hls::Endpoint server = {0, 0xc0000201u, 80};
  uint64_t conflicts = 0;
  for (uint32_t shape = 0; shape < 4 * 4 * 3 * 3; ++shape) {
    JudgedPair pair(judge, pair_config(3 + shape % 2), stalls(shape));
    PHALANX_SAME(pair.problem());
    const uint32_t a_nat = shape % 4, b_nat = shape / 4 % 4, a_age = shape / 16 % 3, b_age = shape / 48;
    const hls::Endpoint a = {0, 1, 1000}, b = {0, 2, 1000}, hide = {0, 3, 4000};
    // Translated to nothing, to the other's own key, to a third one, to a third destination.
    const auto record = [&](const hls::Endpoint& own, const hls::Endpoint& other, uint32_t nat, uint64_t generation,
                            uint64_t version, uint8_t state) {
      const hls::PacketMeta p = packet_between(own, server, hls::kProtocolUdp, 4);
      return replica(p, generation, version, state,
                     nat == 1   ? &other
                     : nat == 2 ? &hide
                                : nullptr,
                     nat == 3 ? &hide : nullptr);
    };
    Operations given;
    for (uint64_t round = 0; round < 4; ++round) {
      const uint64_t version = round == 2 ? 0xffffff : round;
      given.apply(record(a, b, a_nat, 5 + a_age, version, hls::kStateUdpNew));
      given.apply(record(b, a, b_nat, 5 + b_age, version, hls::kStateUdpStream));
      given.apply(record(a, b, b_nat, 6 + a_age, version, hls::kStateUdpStream));  // its translation changes
      given.lookup(packet_between(a, server, hls::kProtocolUdp, 4));
      given.lookup(packet_between(server, b, hls::kProtocolUdp, 4));
      given.lookup(packet_between(server, hide, hls::kProtocolUdp, 4));
      given.apply(record(b, hide, a_nat, 5 + b_age, version + 1, hls::kStateUdpStream));
      given.scan(0, 10).extract(1);
      given.apply(record(a, b, a_nat, 6 + a_age, version + 1, round % 2 == 0 ? hls::kStateDeleted : hls::kStateFree));
      given.scan(0, 10).extract(10);
    }
    PHALANX_SAME(pair->run(given, 10, 100));
    PHALANX_SAME(pair.end(11));
    conflicts += pair->reference().counters().deleted;
  }
  PHALANX_CASE_NEEDS(conflicts > 50);  // only a conflict is counted as deleted here
  return std::nullopt;
}

// An IPv6 session that gets, changes and loses its long rewrite by replication.
Difference long_rewrites_come_and_go(Judge& judge) {
  const uint64_t hi = 0x20010db800000000u;
  const hls::Endpoint own = {hi, 1, 1000}, server = {hi, 2, 80}, hides[] = {{hi, 3, 4000}, {hi + 1, 4, 4001}};
  JudgedPair pair(judge, pair_config(4), stalls(1));
  PHALANX_SAME(pair.problem());
  const hls::PacketMeta p = packet_between(own, server, hls::kProtocolUdp, 6);
  Operations given;
  for (uint32_t version = 1; version < 60; ++version) {
    const uint32_t which = version % 3;
    given.apply(replica(p, 7, version, hls::kStateUdpNew, which < 2 ? &hides[which] : nullptr,
                        version % 5 == 0 ? &hides[1] : nullptr));
    given.lookup(p).lookup(packet_between(server, hides[0], hls::kProtocolUdp, 6));
    given.lookup(packet_between(server, hides[1], hls::kProtocolUdp, 6)).lookup(answer_of(p)).scan(0, 4);
  }
  PHALANX_SAME(pair->run(given, 1, 100));
  return pair.end(2);
}

// Each version that a session gets by being logged again: over the end of its 24 bits.
Difference versions_and_times_wrap(Judge& judge) {
  for (const uint32_t start_ms : {0u, 0x7fffff00u, 0xffff0000u}) {
    JudgedPair pair(judge, pair_config(4), stalls(start_ms));
    PHALANX_SAME(pair.problem());
    uint32_t now_ms = start_ms;
    if (start_ms != 0) {
      PHALANX_SAME(pair->run({}, 0x7fffffff));
      return std::nullopt;
    }
    PHALANX_SAME(pair->run(Operations().apply(replica(flow(1), 3, 0xfffff0, hls::kStateUdpStream)), now_ms));
    for (int i = 0; i < 40; ++i) {
      now_ms += 10'000;  // beyond the refresh interval
      PHALANX_SAME(pair->run(Operations().lookup(flow(1)).extract(1).lookup(answer_of(flow(1))), now_ms, 1));
      PHALANX_SAME(
          pair->run(Operations().apply(replica(flow(1), 3, 0x100 + i, hls::kStateUdpStream)).age(0, 4), now_ms));
    }
    PHALANX_SAME(pair->run(Operations().age(0, 4), now_ms + 200'000));
    PHALANX_SAME(pair.end(now_ms + 200'000));
  }
  return std::nullopt;
}

}  // namespace phalanx::testing
