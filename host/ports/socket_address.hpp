// IpAddress and port to and from the kernel's sockaddr.
#ifndef PHALANX_HOST_PORTS_SOCKET_ADDRESS_HPP
#define PHALANX_HOST_PORTS_SOCKET_ADDRESS_HPP

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>

#include "host/packet/address.hpp"

namespace phalanx {

struct Endpoint {
  IpAddress address;
  uint16_t port = 0;  // host order
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

// Fills `storage` and gives its length; 0 if the address is of no family. Link-local IPv6 takes `scope` (an interface).
socklen_t to_sockaddr(const Endpoint& endpoint, sockaddr_storage& storage, uint32_t scope = 0);
// An address of family 0 if the kernel's is neither IPv4 nor IPv6.
Endpoint from_sockaddr(const sockaddr_storage& storage);

}  // namespace phalanx

#endif
