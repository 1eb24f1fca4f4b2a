#include "host/ports/socket_address.hpp"

#include <arpa/inet.h>

#include <cstring>

namespace phalanx {
namespace {

uint64_t load_be64(const uint8_t* bytes) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | bytes[i];
  return value;
}

void store_be64(uint8_t* bytes, uint64_t value) {
  for (int i = 7; i >= 0; --i, value >>= 8) bytes[i] = static_cast<uint8_t>(value);
}

}  // namespace

socklen_t to_sockaddr(const Endpoint& endpoint, sockaddr_storage& storage, uint32_t scope) {
  storage = {};
  if (endpoint.address.is_v4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    v4.sin_addr.s_addr = htonl(static_cast<uint32_t>(endpoint.address.lo));
    return sizeof v4;
  }
  if (endpoint.address.is_v6()) {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint.port);
    store_be64(v6.sin6_addr.s6_addr, endpoint.address.hi);
    store_be64(v6.sin6_addr.s6_addr + 8, endpoint.address.lo);
    if (IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr) || IN6_IS_ADDR_MC_LINKLOCAL(&v6.sin6_addr)) v6.sin6_scope_id = scope;
    return sizeof v6;
  }
  return 0;
}

Endpoint from_sockaddr(const sockaddr_storage& storage) {
  if (storage.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    return {IpAddress::v4(ntohl(v4.sin_addr.s_addr)), ntohs(v4.sin_port)};
  }
  if (storage.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
    return {IpAddress::v6(load_be64(v6.sin6_addr.s6_addr), load_be64(v6.sin6_addr.s6_addr + 8)), ntohs(v6.sin6_port)};
  }
  return {};
}

}  // namespace phalanx
