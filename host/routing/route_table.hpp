// Longest-prefix match for IPv4 and IPv6.
//
// One hash table for each prefix length that has routes, and a bitmap of these lengths: a lookup tries the lengths that
// exist, longest first, one probe each. Small tables (a handful of lengths) answer in tens of ns; a full Internet table
// has about 25 lengths, most destinations meet the first two or three, and one million routes take about 100 MB.
// Insertion and removal are one hash operation, so a re-converging BGP table doesn't stall the member. A trie saves
// probes on deep tables, at several times the code and with updates that touch many nodes.
#ifndef PHALANX_HOST_ROUTING_ROUTE_TABLE_HPP
#define PHALANX_HOST_ROUTING_ROUTE_TABLE_HPP

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "host/packet/address.hpp"

namespace phalanx::routing {

#define PHALANX_ROUTE_SOURCES(X) \
  X(kConnected, "connected")     \
  X(kConfigured, "configured")   \
  X(kKernel, "kernel")

enum class RouteSource : uint8_t {
#define PHALANX_X(name, text) name,
  PHALANX_ROUTE_SOURCES(PHALANX_X)
#undef PHALANX_X
};
std::string_view to_string(RouteSource source);

#define PHALANX_ROUTE_TYPES(X)                                     \
  X(kUnicast, "unicast")         /* forward */                     \
  X(kBlackhole, "blackhole")     /* drop */                        \
  X(kUnreachable, "unreachable") /* drop, ICMP host unreachable */ \
  X(kProhibit, "prohibit")       /* drop, ICMP administratively prohibited */

enum class RouteType : uint8_t {
#define PHALANX_X(name, text) name,
  PHALANX_ROUTE_TYPES(PHALANX_X)
#undef PHALANX_X
};
std::string_view to_string(RouteType type);

struct Route {
  Prefix prefix;
  IpAddress next_hop;  // family 0: connected, the destination itself is the neighbour. May be IPv6 for IPv4 (RFC 8950)
  PortIndex out_port = kNoPort;
  uint32_t metric = 0;  // the lowest of a prefix is used
  RouteSource source = RouteSource::kConfigured;
  RouteType type = RouteType::kUnicast;
  friend bool operator==(const Route&, const Route&) = default;
};

inline constexpr size_t kRoutesMax = 2 * 1024 * 1024;  // a full Internet table (1.3 million) with room; 200 MB
inline constexpr size_t kRoutesPerPrefixMax = 16;      // routes of one prefix, by metric

class RouteTable {
 public:
  // Puts a route in place of the one with its prefix and metric, if any. InvalidArgument: a malformed prefix, host
  // bits, or a unicast route without port; ResourceExhausted: a limit.
  absl::Status replace(const Route& route);
  // Whether there was one.
  bool remove(const Prefix& prefix, uint32_t metric);
  void clear();

  // The best route to `address`, null if there is none. Valid until the next change.
  const Route* lookup(const IpAddress& address) const;
  // The best route of exactly this prefix.
  const Route* find(const Prefix& prefix) const;

  size_t size() const { return size_; }
  // All routes, IPv4 first, by prefix and metric.
  std::vector<Route> list() const;

 private:
  using Routes = absl::InlinedVector<Route, 1>;  // ascending by metric
  struct Bits {
    uint64_t hi, lo;
    friend bool operator==(const Bits&, const Bits&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const Bits& b) {
      return H::combine(std::move(h), b.hi, b.lo);
    }
  };
  // The routes of exactly this prefix; erase_routes_of() drops an empty entry and its length, if it was the last of it.
  const Routes* routes_of(const Prefix& prefix) const;
  Routes& make_routes_of(const Prefix& prefix);
  void erase_routes_of(const Prefix& prefix);
  const Route* lookup_v4(uint32_t address) const;
  const Route* lookup_v6(const IpAddress& address) const;

  std::array<absl::flat_hash_map<uint32_t, Routes>, 33> v4_;
  std::array<absl::flat_hash_map<Bits, Routes>, 129> v6_;
  uint64_t v4_lengths_ = 0;               // bit n: v4_[n] isn't empty
  std::array<uint64_t, 3> v6_lengths_{};  // likewise, bit n % 64 of word n / 64
  size_t size_ = 0;
};

}  // namespace phalanx::routing

#endif
