// What the data plane counts besides drops: one table.
#ifndef PHALANX_HOST_GATEWAY_GATEWAY_COUNTERS_HPP
#define PHALANX_HOST_GATEWAY_GATEWAY_COUNTERS_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace phalanx::gateway {

// X(field, name, text)
#define PHALANX_GATEWAY_COUNTERS(X)                                                             \
  X(received, "received", "frames that came in on data ports")                                  \
  X(forwarded, "forwarded", "packets sent on, a GSO frame counted once")                        \
  X(opened, "sessions_opened", "sessions opened here")                                          \
  X(changes, "changes", "changed sessions given to delta sync")                                 \
  X(answered_arp, "arp_answered", "ARP requests for virtual addresses answered")                \
  X(answered_nd, "nd_answered", "neighbour solicitations for virtual addresses answered")       \
  X(answered_echo, "echo_answered", "echo requests to virtual addresses answered")              \
  X(errors_sent, "errors_sent", "ICMP errors and TCP resets that the gateway made")             \
  X(relayed, "relayed", "frames handed to the member that has become active")                   \
  X(relay_received, "relay_received", "frames that a former active member handed over")         \
  X(announcements, "announcements", "gratuitous ARP and unsolicited advertisements sent")       \
  X(fragmented, "fragmented", "packets cut into fragments")                                     \
  X(apply_refused, "apply_refused", "replicated records that the session table could not take") \
  X(port_attempts, "nat_port_attempts", "ports tried for hide NAT")

struct GatewayCounters {
#define PHALANX_GATEWAY_COUNTER(field, name, text) uint64_t field = 0;
  PHALANX_GATEWAY_COUNTERS(PHALANX_GATEWAY_COUNTER)
#undef PHALANX_GATEWAY_COUNTER
};

struct GatewayCounterInfo {
  std::string_view name;
  std::string_view text;
  uint64_t GatewayCounters::*value;
};

inline constexpr GatewayCounterInfo kGatewayCounters[] = {
#define PHALANX_GATEWAY_COUNTER(field, name, text) {name, text, &GatewayCounters::field},
    PHALANX_GATEWAY_COUNTERS(PHALANX_GATEWAY_COUNTER)
#undef PHALANX_GATEWAY_COUNTER
};

}  // namespace phalanx::gateway

#endif
