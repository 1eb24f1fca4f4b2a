// Packets and operations of plain flows, for tests of engines.
#ifndef PHALANX_TESTS_UNIT_OFFLOAD_PACKETS_HPP
#define PHALANX_TESTS_UNIT_OFFLOAD_PACKETS_HPP

#include <cstdint>

#include "kernels/abi/operation.hpp"

namespace phalanx::testing {

// Client 10.0.x.y:1000 to server 192.0.2.1:80, by number.
inline hls::Endpoint client(uint32_t flow) { return {0, 0x0a000000u + flow, 1000}; }
inline hls::Endpoint server() { return {0, 0xc0000201u, 80}; }

inline hls::PacketMeta packet(uint32_t flow, uint8_t protocol, bool from_client) {
  const hls::DirectedKey k = from_client ? hls::make_key(client(flow), server(), protocol, 4, 0)
                                         : hls::make_key(server(), client(flow), protocol, 4, 0);
  hls::PacketMeta p = {};
  p.key = k.key;
  p.from_b = k.from_b;
  p.kind = protocol == hls::kProtocolTcp ? hls::kPacketTcp : hls::kPacketUdp;
  p.bytes = 60;
  p.segments = 1;
  p.window_scale = hls::kNoWindowScale;
  return p;
}

inline hls::PacketMeta tcp(uint32_t flow, bool from_client, uint8_t flags, uint32_t seq, uint32_t ack,
                           uint32_t payload = 0) {
  hls::PacketMeta p = packet(flow, hls::kProtocolTcp, from_client);
  p.tcp_flags = flags;
  p.seq = seq;
  p.ack = ack;
  p.payload = payload;
  p.window = 8000;
  return p;
}

inline abi::Operation lookup(const hls::PacketMeta& packet) {
  abi::Operation operation = {};
  operation.opcode = abi::Opcode::kLookup;
  operation.packet = packet;
  return operation;
}

inline abi::Operation insert(const hls::PacketMeta& first, uint32_t record) {
  abi::Operation operation = lookup(first);
  operation.opcode = abi::Opcode::kInsert;
  operation.record = record;
  return operation;
}

inline abi::Operation erase(const hls::PacketMeta& packet) {
  abi::Operation operation = lookup(packet);
  operation.opcode = abi::Opcode::kDelete;
  return operation;
}

inline abi::Operation over(abi::Opcode opcode, uint64_t first, uint64_t count) {
  abi::Operation operation = {};
  operation.opcode = opcode;
  operation.argument = first;
  operation.count = count;
  return operation;
}

// What INSERT of a flow whose first packet is `first` takes. `hidden_port`: the client is seen as 203.0.113.1 with it.
inline abi::Record opening(const hls::PacketMeta& first, uint16_t hidden_port = 0) {
  abi::Record record = {};
  record.session.key = first.key;
  record.session.rule = 7;
  record.session.flags = first.from_b != 0 ? hls::kOriginatorIsB : uint8_t{0};
  if (hidden_port == 0) return record;
  record.session.flags |= hls::kNatSource;
  record.session.nat_source = 0xcb007101u;
  record.session.nat_source_port = hidden_port;
  return record;
}

}  // namespace phalanx::testing

#endif
