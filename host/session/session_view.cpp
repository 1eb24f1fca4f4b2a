#include "host/session/session_view.hpp"

#include <algorithm>
#include <array>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "hls/nat.hpp"
#include "host/session/session_builder.hpp"

namespace phalanx::session {
namespace {

// By hls::kState...; static_asserts below hold the places.
#define PHALANX_SESSION_STATES(X)              \
  X(kStateFree, "free")                        \
  X(kStateTcpSynSent, "tcp-syn-sent")          \
  X(kStateTcpSynSentBoth, "tcp-syn-sent-both") \
  X(kStateTcpSynReceived, "tcp-syn-received")  \
  X(kStateTcpEstablished, "tcp-established")   \
  X(kStateTcpFinWait, "tcp-fin-wait")          \
  X(kStateTcpCloseWait, "tcp-close-wait")      \
  X(kStateTcpClosing, "tcp-closing")           \
  X(kStateTcpTimeWait, "tcp-time-wait")        \
  X(kStateTcpClosed, "tcp-closed")             \
  X(kStateUdpNew, "udp-new")                   \
  X(kStateUdpStream, "udp-stream")             \
  X(kStateIcmp, "icmp")                        \
  X(kStateOther, "other")                      \
  X(kStateDeleted, "deleted")

struct StateName {
  uint8_t state;
  std::string_view name;
};
constexpr std::array kStateNames = {
#define PHALANX_X(state, text) StateName{hls::state, text},
    PHALANX_SESSION_STATES(PHALANX_X)
#undef PHALANX_X
};
static_assert(kStateNames.size() == hls::kStates);
static_assert([] {
  for (size_t i = 0; i < kStateNames.size(); ++i) {
    if (kStateNames[i].state != i) return false;
  }
  return true;
}());

struct ProtocolName {
  uint8_t protocol;
  std::string_view name;
};
constexpr ProtocolName kProtocolNames[] = {{1, "icmp"},  {2, "igmp"},   {4, "ipip"},    {6, "tcp"},
                                           {17, "udp"},  {33, "dccp"},  {41, "ipv6"},   {47, "gre"},
                                           {50, "esp"},  {51, "ah"},    {58, "icmpv6"}, {89, "ospf"},
                                           {103, "pim"}, {112, "vrrp"}, {132, "sctp"},  {136, "udplite"}};

constexpr uint64_t kTrafficBytesMask = (uint64_t{1} << 48) - 1;

// A session's four ends: before NAT and, if it has any, behind it.
struct Ends {
  hls::Endpoint source, destination, translated_source, translated_destination;
};

Ends ends_of(const hls::Session& session, const hls::WideNat& wide) {
  return {hls::originator_endpoint(session), hls::responder_endpoint(session),
          hls::translated_originator(session, wide), hls::translated_responder(session, wide)};
}

bool within(const Prefix& prefix, uint8_t family, const hls::Endpoint& x, const hls::Endpoint& y) {
  return prefix.address.family == family &&
         (prefix.contains(to_address(x, family)) || prefix.contains(to_address(y, family)));
}

AddressPort address_port(const hls::Endpoint& end, uint8_t family) { return {to_address(end, family), end.port}; }

}  // namespace

std::string_view state_name(uint8_t state) {
  return state < kStateNames.size() ? kStateNames[state].name : std::string_view("invalid");
}

std::optional<uint8_t> parse_state(std::string_view name) {
  for (const StateName& s : kStateNames) {
    if (s.name == name) return s.state;
  }
  return std::nullopt;
}

std::string protocol_name(uint8_t protocol) {
  for (const ProtocolName& p : kProtocolNames) {
    if (p.protocol == protocol) return std::string(p.name);
  }
  return absl::StrCat(protocol);
}

std::optional<uint8_t> parse_protocol(std::string_view name) {
  for (const ProtocolName& p : kProtocolNames) {
    if (p.name == name) return p.protocol;
  }
  uint32_t number = 0;
  const bool digits =
      !name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || !absl::SimpleAtoi(absl::string_view(name.data(), name.size()), &number) || number > 255) {
    return std::nullopt;
  }
  return static_cast<uint8_t>(number);
}

std::string to_string(const AddressPort& end) {
  const std::string address = to_string(end.address);
  return end.address.is_v6() ? absl::StrCat("[", address, "]:", end.port) : absl::StrCat(address, ":", end.port);
}

uint64_t session_packets(const hls::Session& session, int direction) {
  return session.traffic[direction] >> 48 << 32 | session.packets[direction];
}

uint64_t session_bytes(const hls::Session& session, int direction) {
  return session.traffic[direction] & kTrafficBytesMask;
}

SessionView make_view(const hls::Session& session, const hls::WideNat& wide, uint32_t now_ms,
                      const hls::Timeouts& timeouts) {
  SessionView v;
  v.family = hls::family(session.key);
  v.protocol = hls::protocol(session.key);
  v.protocol_name = protocol_name(v.protocol);
  v.virtual_system = hls::virtual_system(session.key);
  const Ends ends = ends_of(session, wide);
  v.source = address_port(ends.source, v.family);
  v.destination = address_port(ends.destination, v.family);
  if (session.flags & hls::kNatSource) v.translated_source = address_port(ends.translated_source, v.family);
  if (session.flags & hls::kNatDestination) {
    v.translated_destination = address_port(ends.translated_destination, v.family);
  }
  v.state = session.state;
  v.state_name = state_name(session.state);
  v.rule = session.rule;
  // A replica's clock may be a little ahead of ours: then it was seen just now.
  const uint32_t idle = now_ms - session.last_seen;
  v.idle_ms = idle < 0x80000000u ? idle : 0;
  const uint32_t timeout = session.state < hls::kStates ? timeouts.ms[session.state] : 0;
  v.expires_in_ms = timeout > v.idle_ms ? timeout - v.idle_ms : 0;
  for (int direction = 0; direction < 2; ++direction) {
    v.packets[direction] = session_packets(session, direction);
    v.bytes[direction] = session_bytes(session, direction);
  }
  v.generation = session.order >> hls::kVersionBits;
  v.version = static_cast<uint32_t>(session.order & hls::kVersionMask);
  v.replicated = (session.flags & (hls::kReanchorOriginator | hls::kReanchorResponder)) != 0;
  v.picked_up = (session.flags & hls::kPickedUp) != 0;
  return v;
}

bool SessionFilter::matches(const hls::Session& session, const hls::WideNat& wide) const {
  if (session.state == hls::kStateFree || session.state == hls::kStateDeleted) return false;
  const uint8_t its_family = hls::family(session.key);
  if (state && *state != session.state) return false;
  if (rule && *rule != session.rule) return false;
  if (protocol && *protocol != hls::protocol(session.key)) return false;
  if (family && *family != its_family) return false;
  if (virtual_system && *virtual_system != hls::virtual_system(session.key)) return false;
  if (nat && *nat != ((session.flags & (hls::kNatSource | hls::kNatDestination)) != 0)) return false;
  if (!address && !source && !destination && !port && !source_port && !destination_port) return true;

  const Ends e = ends_of(session, wide);
  const auto source_is = [&](uint16_t p) { return e.source.port == p || e.translated_source.port == p; };
  const auto destination_is = [&](uint16_t p) { return e.destination.port == p || e.translated_destination.port == p; };
  if (source && !within(*source, its_family, e.source, e.translated_source)) return false;
  if (destination && !within(*destination, its_family, e.destination, e.translated_destination)) return false;
  if (address && !within(*address, its_family, e.source, e.translated_source) &&
      !within(*address, its_family, e.destination, e.translated_destination)) {
    return false;
  }
  if (source_port && !source_is(*source_port)) return false;
  if (destination_port && !destination_is(*destination_port)) return false;
  return !port || source_is(*port) || destination_is(*port);
}

}  // namespace phalanx::session
