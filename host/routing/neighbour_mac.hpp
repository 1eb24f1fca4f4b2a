#ifndef PHALANX_HOST_ROUTING_NEIGHBOUR_MAC_HPP
#define PHALANX_HOST_ROUTING_NEIGHBOUR_MAC_HPP

#include "host/packet/address.hpp"

namespace phalanx::routing {

// A neighbour has a unicast MAC that isn't zero; anything else in an ARP or ND packet is refused.
inline bool usable_neighbour_mac(const MacAddress& mac) { return (mac[0] & 1) == 0 && mac != MacAddress{}; }

}  // namespace phalanx::routing

#endif
