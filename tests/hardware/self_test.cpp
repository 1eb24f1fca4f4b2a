#include "tests/hardware/card_case.hpp"
#include "tests/hardware/driver_use.hpp"

namespace phalanx::testing {
namespace {

// A TCP handshake through source NAT, packet by packet (RFC 9293, section 3.5), by session_engine.
absl::Status handshake(Accelerator& engine) {
  const hls::Endpoint client = {0, 0x0a000001, 40000};
  const hls::Endpoint server = {0, 0xc6336401, 80};
  const hls::Endpoint translated = {0, 0xcb007105, 50000};
  const auto segment = [](const hls::Endpoint& from, const hls::Endpoint& to, uint8_t flags, uint32_t seq,
                          uint32_t ack) {
    const hls::DirectedKey k = hls::make_key(from, to, hls::kProtocolTcp, 4, 0);
    hls::PacketMeta p = {};
    p.key = k.key;
    p.from_b = k.from_b;
    p.kind = hls::kPacketTcp;
    p.tcp_flags = flags;
    p.seq = seq;
    p.ack = ack;
    p.bytes = 40;
    p.window = 65000;
    p.segments = 1;
    p.window_scale = hls::kNoWindowScale;
    return p;
  };
  OwnedBatch batch;
  batch.now_ms = 5000;
  const auto add = [&](abi::Opcode opcode, const hls::PacketMeta& packet) {
    abi::Operation o = {};
    o.opcode = opcode;
    o.packet = packet;
    batch.operations.push_back(o);
  };
  add(abi::Opcode::kInsert, segment(client, server, hls::kTcpSyn, 100, 0));
  add(abi::Opcode::kLookup, segment(server, translated, hls::kTcpSyn | hls::kTcpAck, 900, 101));
  add(abi::Opcode::kLookup, segment(client, server, hls::kTcpAck, 101, 901));
  add(abi::Opcode::kLookup, segment(server, client, hls::kTcpAck, 901, 101));  // not by way of the NAT: no session
  abi::Record record = {};
  record.session.key = batch.operations[0].packet.key;
  record.session.flags = static_cast<uint8_t>(batch.operations[0].packet.from_b | hls::kNatSource);
  record.session.nat_source = 0xcb007105;
  record.session.nat_source_port = 50000;
  record.session.rule = 12;
  batch.records.push_back(record);
  PHALANX_RETURN_IF_ERROR(carry_out(engine, batch));
  struct Want {
    abi::Result result;
    uint8_t direction, state, rewritten;
  };
  constexpr Want kWant[] = {{abi::Result::kDone, 0, hls::kStateTcpSynSent, 1},
                            {abi::Result::kDone, 1, hls::kStateTcpSynReceived, 1},
                            {abi::Result::kDone, 0, hls::kStateTcpEstablished, 1},
                            {abi::Result::kMiss, 0, 0, 0}};
  for (size_t i = 0; i < batch.completions.size(); ++i) {
    const abi::Completion& c = batch.completions[i];
    const bool right = c.result == kWant[i].result && c.direction == kWant[i].direction && c.state == kWant[i].state &&
                       c.rewritten == kWant[i].rewritten;
    PHALANX_RETURN_IF_ERROR(expect(
        right,
        absl::StrCat("session_engine answers packet ", i, " of the handshake: result ", static_cast<int>(c.result),
                     ", direction ", c.direction, ", state ", c.state, ", rewritten ", c.rewritten)));
  }
  return absl::OkStatus();
}

// The session of handshake() as state_delta gives it.
absl::Status extract(Accelerator& engine) {
  OwnedBatch batch;
  batch.now_ms = 5000;
  abi::Operation o = {};
  o.opcode = abi::Opcode::kExtract;
  o.count = 10;
  batch.operations.push_back(o);
  batch.output.resize(10);
  PHALANX_RETURN_IF_ERROR(carry_out(engine, batch));
  const hls::Session& s = batch.output[0].session;
  PHALANX_RETURN_IF_ERROR(expect(batch.completions[0].count == 1, "state_delta gives one changed session"));
  PHALANX_RETURN_IF_ERROR(expect(s.state == hls::kStateTcpEstablished && s.rule == 12 && s.nat_source == 0xcb007105 &&
                                     s.nat_source_port == 50000 && s.last_seen == 5000,
                                 "state_delta gives the session as it is"));
  return expect(s.packets[0] == 2 && s.packets[1] == 1 && (s.flags & hls::kDirty) == 0,
                "state_delta gives its counters and no mark of the table");
}

}  // namespace

absl::Status self_test(const CardUnderTest& card) {
  auto driver = open_under_test(card, config_for(1024));
  if (!driver.ok()) return driver.status();
  PHALANX_RETURN_IF_ERROR(handshake(**driver));
  PHALANX_RETURN_IF_ERROR(extract(**driver));
  for (const auto& sensor : (*driver)->sensors())
    std::printf("sensor %s: %s\n", sensor.name.c_str(), sensor.value.c_str());
  return absl::OkStatus();
}

}  // namespace phalanx::testing
