// Sessions as people see them, and choosing among them.
#ifndef PHALANX_HOST_SESSION_SESSION_VIEW_HPP
#define PHALANX_HOST_SESSION_SESSION_VIEW_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hls/session.hpp"
#include "hls/timeouts.hpp"
#include "host/packet/address.hpp"

namespace phalanx::session {

// "tcp-established" and so on, by hls::kState...; "invalid" for what is no state.
std::string_view state_name(uint8_t state);
std::optional<uint8_t> parse_state(std::string_view name);
// "tcp", "udp", ...; the number for those without a name.
std::string protocol_name(uint8_t protocol);
std::optional<uint8_t> parse_protocol(std::string_view name);  // a name or a number 0..255

struct AddressPort {
  IpAddress address;
  uint16_t port = 0;
  friend bool operator==(const AddressPort&, const AddressPort&) = default;
};
std::string to_string(const AddressPort& end);  // "10.0.0.1:80", "[2001:db8::1]:80"

struct SessionView {
  uint8_t family = 0;  // 4 or 6
  uint8_t protocol = 0;
  std::string protocol_name;
  uint16_t virtual_system = 0;
  AddressPort source;  // of the originator's packets, before NAT
  AddressPort destination;
  std::optional<AddressPort> translated_source;  // what replaces them behind the gateway
  std::optional<AddressPort> translated_destination;
  uint8_t state = 0;
  std::string_view state_name;
  uint16_t rule = 0;
  uint32_t idle_ms = 0;          // since the last packet, as this member knows it
  uint32_t expires_in_ms = 0;    // 0: due
  uint64_t packets[2] = {0, 0};  // [0] from the originator, [1] from the responder
  uint64_t bytes[2] = {0, 0};
  uint64_t generation = 0;
  uint32_t version = 0;
  bool replicated = false;  // came from another member, and a side hasn't been seen here since
  bool picked_up = false;   // taken up in midstream
};

// `now_ms` is the engine's clock.
SessionView make_view(const hls::Session& session, const hls::WideNat& wide, uint32_t now_ms,
                      const hls::Timeouts& timeouts);

// Packets and bytes of one direction, put together from their parts in the record.
uint64_t session_packets(const hls::Session& session, int direction);
uint64_t session_bytes(const hls::Session& session, int direction);

// Conditions on a session; all must hold, none given take every session. Ends are compared before and after NAT.
struct SessionFilter {
  std::optional<Prefix> address;  // any end
  std::optional<Prefix> source;
  std::optional<Prefix> destination;
  std::optional<uint16_t> port;  // any end
  std::optional<uint16_t> source_port;
  std::optional<uint16_t> destination_port;
  std::optional<uint8_t> protocol;
  std::optional<uint8_t> family;
  std::optional<uint8_t> state;
  std::optional<uint16_t> rule;
  std::optional<bool> nat;  // with, or without, any translation
  std::optional<uint16_t> virtual_system;

  // Free and deleted slots never match.
  bool matches(const hls::Session& session, const hls::WideNat& wide) const;
};

}  // namespace phalanx::session

#endif
