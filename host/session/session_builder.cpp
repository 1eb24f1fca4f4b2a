#include "host/session/session_builder.hpp"

#include <cassert>

namespace phalanx::session {

hls::Endpoint packet_source(const hls::PacketMeta& packet) {
  return packet.from_b ? hls::endpoint_b(packet.key) : hls::endpoint_a(packet.key);
}

hls::Endpoint packet_destination(const hls::PacketMeta& packet) {
  return packet.from_b ? hls::endpoint_a(packet.key) : hls::endpoint_b(packet.key);
}

IpAddress to_address(const hls::Endpoint& endpoint, uint8_t family) { return {endpoint.hi, endpoint.lo, family}; }

abi::Record make_record(const hls::PacketMeta& first, uint16_t rule, const NatTranslation& nat) {
  abi::Record record{};
  hls::Session& session = record.session;
  session.key = first.key;
  session.rule = rule;
  if (first.from_b) session.flags |= hls::kOriginatorIsB;
  if (!nat.translates_source() && !nat.translates_destination()) return record;

  const uint8_t family = hls::family(first.key);
  assert(family == 4 || family == 6);
  assert(!nat.source || nat.source->family == family);
  assert(!nat.destination || nat.destination->family == family);
  const hls::Endpoint source = packet_source(first);
  const hls::Endpoint destination = packet_destination(first);
  const IpAddress new_source = nat.source.value_or(to_address(source, family));
  const IpAddress new_destination = nat.destination.value_or(to_address(destination, family));
  if (nat.translates_source()) {
    session.flags |= hls::kNatSource;
    session.nat_source_port = nat.source_port.value_or(source.port);
  }
  if (nat.translates_destination()) {
    session.flags |= hls::kNatDestination;
    session.nat_destination_port = nat.destination_port.value_or(destination.port);
  }
  if (family == 6) {
    session.flags |= hls::kNatWide;  // nat_source, the side record's index, is the engine's to set
    if (nat.translates_source()) record.wide.source_hi = new_source.hi, record.wide.source_lo = new_source.lo;
    if (nat.translates_destination()) {
      record.wide.destination_hi = new_destination.hi, record.wide.destination_lo = new_destination.lo;
    }
  } else {
    if (nat.translates_source()) session.nat_source = static_cast<uint32_t>(new_source.lo);
    if (nat.translates_destination()) session.nat_destination = static_cast<uint32_t>(new_destination.lo);
  }
  return record;
}

}  // namespace phalanx::session
