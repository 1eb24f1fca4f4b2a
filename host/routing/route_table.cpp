#include "host/routing/route_table.hpp"

#include <algorithm>
#include <bit>

#include "absl/strings/str_format.h"

namespace phalanx::routing {
namespace {

constexpr std::array kSourceNames = {
#define PHALANX_X(name, text) std::string_view(text),
    PHALANX_ROUTE_SOURCES(PHALANX_X)
#undef PHALANX_X
};
constexpr std::array kTypeNames = {
#define PHALANX_X(name, text) std::string_view(text),
    PHALANX_ROUTE_TYPES(PHALANX_X)
#undef PHALANX_X
};

constexpr uint8_t kLongestV4 = 32;
constexpr uint8_t kLongestV6 = 128;

// The first `length` bits of 64, or of 32, as a mask. A shift by the whole width isn't defined, so 0 is its own case.
constexpr uint64_t mask64(int length) { return length <= 0 ? 0 : ~uint64_t{0} << (64 - std::min(length, 64)); }
constexpr uint32_t mask32(int length) { return length == 0 ? 0 : ~uint32_t{0} << (32 - length); }

bool well_formed(const Prefix& prefix) {
  const IpAddress& a = prefix.address;
  if (a.is_v4()) {
    return prefix.length <= kLongestV4 && a.hi == 0 && a.lo <= 0xffffffff &&
           (static_cast<uint32_t>(a.lo) & ~mask32(prefix.length)) == 0;
  }
  return a.is_v6() && prefix.length <= kLongestV6 && (a.hi & ~mask64(prefix.length)) == 0 &&
         (a.lo & ~mask64(prefix.length - 64)) == 0;
}

absl::Status check(const Route& route) {
  const auto refuse = [&](std::string_view why) {
    return absl::InvalidArgumentError(absl::StrFormat("route to %s: %s", to_string(route.prefix), why));
  };
  if (!well_formed(route.prefix)) return refuse("not a prefix, or bits are set behind its length");
  if (route.type == RouteType::kUnicast && route.out_port >= kPortsMax) return refuse("no out port");
  const uint8_t hop = route.next_hop.family;
  if (hop != 0 && hop != 6 && hop != route.prefix.address.family) return refuse("next hop of another family");
  return absl::OkStatus();
}

bool lower_metric(const Route& route, uint32_t metric) { return route.metric < metric; }

}  // namespace

std::string_view to_string(RouteSource source) {
  const auto index = static_cast<size_t>(source);
  return index < kSourceNames.size() ? kSourceNames[index] : "invalid";
}

std::string_view to_string(RouteType type) {
  const auto index = static_cast<size_t>(type);
  return index < kTypeNames.size() ? kTypeNames[index] : "invalid";
}

const RouteTable::Routes* RouteTable::routes_of(const Prefix& prefix) const {
  if (!well_formed(prefix)) return nullptr;
  if (prefix.address.is_v4()) {
    const auto& table = v4_[prefix.length];
    const auto found = table.find(static_cast<uint32_t>(prefix.address.lo));
    return found == table.end() ? nullptr : &found->second;
  }
  const auto& table = v6_[prefix.length];
  const auto found = table.find(Bits{prefix.address.hi, prefix.address.lo});
  return found == table.end() ? nullptr : &found->second;
}

RouteTable::Routes& RouteTable::make_routes_of(const Prefix& prefix) {
  if (prefix.address.is_v4()) {
    v4_lengths_ |= uint64_t{1} << prefix.length;
    return v4_[prefix.length][static_cast<uint32_t>(prefix.address.lo)];
  }
  v6_lengths_[prefix.length / 64] |= uint64_t{1} << (prefix.length % 64);
  return v6_[prefix.length][Bits{prefix.address.hi, prefix.address.lo}];
}

void RouteTable::erase_routes_of(const Prefix& prefix) {
  if (prefix.address.is_v4()) {
    v4_[prefix.length].erase(static_cast<uint32_t>(prefix.address.lo));
    if (v4_[prefix.length].empty()) v4_lengths_ &= ~(uint64_t{1} << prefix.length);
    return;
  }
  v6_[prefix.length].erase(Bits{prefix.address.hi, prefix.address.lo});
  if (v6_[prefix.length].empty()) v6_lengths_[prefix.length / 64] &= ~(uint64_t{1} << (prefix.length % 64));
}

absl::Status RouteTable::replace(const Route& route) {
  if (absl::Status s = check(route); !s.ok()) return s;
  const Routes* present = routes_of(route.prefix);
  if (present != nullptr) {
    Routes& routes = make_routes_of(route.prefix);
    const auto place = std::lower_bound(routes.begin(), routes.end(), route.metric, lower_metric);
    if (place != routes.end() && place->metric == route.metric) {
      *place = route;
      return absl::OkStatus();
    }
  }
  if (size_ >= kRoutesMax) {
    return absl::ResourceExhaustedError(absl::StrFormat("the route table holds %d routes at most", kRoutesMax));
  }
  if (present != nullptr && present->size() >= kRoutesPerPrefixMax) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("route to %s: %d routes of one prefix at most", to_string(route.prefix), kRoutesPerPrefixMax));
  }
  Routes& routes = make_routes_of(route.prefix);
  routes.insert(std::lower_bound(routes.begin(), routes.end(), route.metric, lower_metric), route);
  ++size_;
  return absl::OkStatus();
}

bool RouteTable::remove(const Prefix& prefix, uint32_t metric) {
  if (routes_of(prefix) == nullptr) return false;
  Routes& routes = make_routes_of(prefix);
  const auto place = std::lower_bound(routes.begin(), routes.end(), metric, lower_metric);
  if (place == routes.end() || place->metric != metric) return false;
  routes.erase(place);
  if (routes.empty()) erase_routes_of(prefix);
  --size_;
  return true;
}

void RouteTable::clear() { *this = RouteTable(); }

const Route* RouteTable::find(const Prefix& prefix) const {
  const Routes* routes = routes_of(prefix);
  return routes == nullptr ? nullptr : &routes->front();
}

const Route* RouteTable::lookup(const IpAddress& address) const {
  if (address.is_v4()) return lookup_v4(static_cast<uint32_t>(address.lo));
  return address.is_v6() ? lookup_v6(address) : nullptr;
}

const Route* RouteTable::lookup_v4(uint32_t address) const {
  for (uint64_t left = v4_lengths_; left != 0;) {
    const int length = 63 - std::countl_zero(left);
    const auto& table = v4_[static_cast<size_t>(length)];
    if (const auto found = table.find(address & mask32(length)); found != table.end()) return &found->second.front();
    left &= ~(uint64_t{1} << length);
  }
  return nullptr;
}

const Route* RouteTable::lookup_v6(const IpAddress& address) const {
  for (size_t word = v6_lengths_.size(); word-- > 0;) {
    for (uint64_t left = v6_lengths_[word]; left != 0;) {
      const int bit = 63 - std::countl_zero(left);
      const int length = static_cast<int>(word) * 64 + bit;
      const auto& table = v6_[static_cast<size_t>(length)];
      const auto found = table.find(Bits{address.hi & mask64(length), address.lo & mask64(length - 64)});
      if (found != table.end()) return &found->second.front();
      left &= ~(uint64_t{1} << bit);
    }
  }
  return nullptr;
}

std::vector<Route> RouteTable::list() const {
  std::vector<Route> all;
  all.reserve(size_);
  const auto add = [&](const auto& tables) {
    for (const auto& table : tables) {
      for (const auto& [bits, routes] : table) all.insert(all.end(), routes.begin(), routes.end());
    }
  };
  add(v4_);
  add(v6_);
  std::sort(all.begin(), all.end(), [](const Route& x, const Route& y) {
    if (x.prefix.address.family != y.prefix.address.family) return x.prefix.address.family < y.prefix.address.family;
    return x.prefix != y.prefix ? x.prefix < y.prefix : x.metric < y.metric;
  });
  return all;
}

}  // namespace phalanx::routing
