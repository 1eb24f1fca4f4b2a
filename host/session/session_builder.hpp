// Makes the record of a new session from its first packet.
#ifndef PHALANX_HOST_SESSION_SESSION_BUILDER_HPP
#define PHALANX_HOST_SESSION_SESSION_BUILDER_HPP

#include <cstdint>
#include <optional>

#include "hls/packet_meta.hpp"
#include "host/packet/address.hpp"
#include "kernels/abi/operation.hpp"

namespace phalanx::session {

// What replaces each end of a flow. An end whose address is given and port isn't keeps its port, and the other way
// round.
struct NatTranslation {
  std::optional<IpAddress> source;  // of the flow's own family
  std::optional<uint16_t> source_port;
  std::optional<IpAddress> destination;
  std::optional<uint16_t> destination_port;

  bool translates_source() const { return source.has_value() || source_port.has_value(); }
  bool translates_destination() const { return destination.has_value() || destination_port.has_value(); }
};

// The ends of the packet, whichever of them is A in its key.
hls::Endpoint packet_source(const hls::PacketMeta& packet);
hls::Endpoint packet_destination(const hls::PacketMeta& packet);
IpAddress to_address(const hls::Endpoint& endpoint, uint8_t family);

// What INSERT takes: key, originator, rule and NAT are set; state, clocks, windows, counters and order are left to the
// engine, which applies the first packet to it. `first` is the untranslated packet of the originator.
abi::Record make_record(const hls::PacketMeta& first, uint16_t rule, const NatTranslation& nat = {});

}  // namespace phalanx::session

#endif
