#include "host/routing/netlink_parse.hpp"

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace phalanx::routing {
namespace {

// The attributes of a message by type; types beyond the array are of later kernels and skipped.
template <size_t Types>
using Attributes = std::array<const nlattr*, Types>;
using RouteAttributes = Attributes<RTA_MAX + 1>;

template <size_t Types>
int collect(const nlattr* attribute, void* data) {
  const uint16_t type = mnl_attr_get_type(attribute);
  if (type < Types) (*static_cast<Attributes<Types>*>(data))[type] = attribute;
  return MNL_CB_OK;
}

// Whether the message has its fixed part and well-formed attributes behind it.
template <size_t Types>
bool read_attributes(const nlmsghdr& message, size_t fixed_bytes, Attributes<Types>& out) {
  out.fill(nullptr);
  if (message.nlmsg_len < mnl_nlmsg_size(fixed_bytes)) return false;
  // Not mnl_attr_parse(): it rounds the message's length up, and so believes up to three bytes behind it.
  const auto* attributes = static_cast<const uint8_t*>(mnl_nlmsg_get_payload(&message)) + MNL_ALIGN(fixed_bytes);
  const size_t left = message.nlmsg_len - std::min<size_t>(mnl_nlmsg_size(MNL_ALIGN(fixed_bytes)), message.nlmsg_len);
  return mnl_attr_parse_payload(attributes, left, collect<Types>, &out) == MNL_CB_OK;
}

// Missing attributes give `otherwise`; one of a wrong length makes the message malformed.
bool read_u32(const nlattr* attribute, uint32_t otherwise, uint32_t& value) {
  value = otherwise;
  if (attribute == nullptr) return true;
  if (mnl_attr_get_payload_len(attribute) != sizeof(uint32_t)) return false;
  value = mnl_attr_get_u32(attribute);
  return true;
}

std::optional<IpAddress> read_address(const uint8_t* bytes, size_t length, int family) {
  const auto word = [&](size_t at, size_t count) {
    uint64_t value = 0;
    for (size_t i = 0; i < count; ++i) value = value << 8 | bytes[at + i];
    return value;
  };
  if (family == AF_INET && length == 4) return IpAddress::v4(static_cast<uint32_t>(word(0, 4)));
  if (family == AF_INET6 && length == 16) return IpAddress::v6(word(0, 8), word(8, 8));
  return std::nullopt;
}

std::optional<IpAddress> read_address(const nlattr* attribute, int family) {
  const auto* bytes = static_cast<const uint8_t*>(mnl_attr_get_payload(attribute));
  return read_address(bytes, mnl_attr_get_payload_len(attribute), family);
}

// RTA_VIA: a next hop of another family, as struct rtvia.
std::optional<IpAddress> read_via(const nlattr* attribute) {
  const size_t length = mnl_attr_get_payload_len(attribute);
  if (length < sizeof(uint16_t)) return std::nullopt;
  const auto* bytes = static_cast<const uint8_t*>(mnl_attr_get_payload(attribute));
  uint16_t family = 0;
  std::memcpy(&family, bytes, sizeof(family));
  return read_address(bytes + sizeof(family), length - sizeof(family), family);
}

bool read_next_hop(const nlattr* gateway, const nlattr* via, int family, IpAddress& next_hop) {
  next_hop = IpAddress{};
  if (gateway == nullptr && via == nullptr) return true;
  const std::optional<IpAddress> address = gateway != nullptr ? read_address(gateway, family) : read_via(via);
  if (!address) return false;
  next_hop = *address;
  return true;
}

// The first next hop of RTA_MULTIPATH.
bool read_first_hop(const nlattr* multipath, int family, ParsedRoute& parsed) {
  const size_t length = mnl_attr_get_payload_len(multipath);
  const auto* bytes = static_cast<const uint8_t*>(mnl_attr_get_payload(multipath));
  rtnexthop hop;
  if (length < sizeof(hop)) return false;
  std::memcpy(&hop, bytes, sizeof(hop));
  if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > length) return false;
  RouteAttributes attributes;
  attributes.fill(nullptr);
  if (mnl_attr_parse_payload(bytes + sizeof(hop), hop.rtnh_len - sizeof(hop), collect<RTA_MAX + 1>, &attributes) !=
      MNL_CB_OK) {
    return false;
  }
  parsed.route.ifindex = hop.rtnh_ifindex;
  parsed.multipath = static_cast<size_t>(RTNH_ALIGN(hop.rtnh_len)) < length;
  return read_next_hop(attributes[RTA_GATEWAY], attributes[RTA_VIA], family, parsed.route.next_hop);
}

std::optional<RouteType> route_type(uint8_t type) {
  switch (type) {
    case RTN_UNICAST:
      return RouteType::kUnicast;
    case RTN_BLACKHOLE:
      return RouteType::kBlackhole;
    case RTN_UNREACHABLE:
      return RouteType::kUnreachable;
    case RTN_PROHIBIT:
      return RouteType::kProhibit;
    default:
      return std::nullopt;
  }
}

// fe80::/10 exists on every link, and nothing is forwarded to it.
bool link_local(const Prefix& prefix) {
  return prefix.address.is_v6() && prefix.length >= 10 && prefix.address.hi >> 54 == 0xfe80 >> 6;
}

bool read_destination(const rtmsg& header, const nlattr* destination, Prefix& prefix) {
  prefix.address.family = header.rtm_family == AF_INET ? 4 : 6;
  prefix.length = header.rtm_dst_len;
  if (prefix.length > (header.rtm_family == AF_INET ? 32 : 128)) return false;
  if (destination == nullptr) return prefix.length == 0;
  const std::optional<IpAddress> address = read_address(destination, header.rtm_family);
  if (!address) return false;
  prefix.address = *address;
  return true;
}

const absl::Status& malformed() {
  static const absl::Status kMalformed = absl::InvalidArgumentError("malformed netlink message");
  return kMalformed;
}

}  // namespace

absl::StatusOr<std::optional<ParsedRoute>> parse_route(const nlmsghdr& message) {
  RouteAttributes attributes;
  if (!read_attributes(message, sizeof(rtmsg), attributes)) return malformed();
  const rtmsg& header = *static_cast<const rtmsg*>(mnl_nlmsg_get_payload(&message));
  uint32_t table = 0;
  if (!read_u32(attributes[RTA_TABLE], header.rtm_table, table)) return malformed();
  const std::optional<RouteType> type = route_type(header.rtm_type);
  const bool ip = header.rtm_family == AF_INET || header.rtm_family == AF_INET6;
  const bool cached = (header.rtm_flags & RTM_F_CLONED) != 0;
  if (!ip || !type || table != RT_TABLE_MAIN || cached || header.rtm_tos != 0) return std::nullopt;

  ParsedRoute parsed;
  KernelRoute& route = parsed.route;
  route.type = *type;
  uint32_t ifindex = 0;
  const bool well_formed =
      read_destination(header, attributes[RTA_DST], route.prefix) &&
      read_u32(attributes[RTA_PRIORITY], 0, route.metric) && read_u32(attributes[RTA_OIF], 0, ifindex) &&
      read_next_hop(attributes[RTA_GATEWAY], attributes[RTA_VIA], header.rtm_family, route.next_hop);
  if (!well_formed) return malformed();
  if (link_local(route.prefix)) return std::nullopt;
  route.ifindex = static_cast<int>(ifindex);
  if (attributes[RTA_MULTIPATH] != nullptr && !read_first_hop(attributes[RTA_MULTIPATH], header.rtm_family, parsed)) {
    return malformed();
  }
  if (route.type != RouteType::kUnicast) {
    route.ifindex = 0;  // IPv6 names the loopback interface here
    route.next_hop = IpAddress{};
  }
  return parsed;
}

absl::StatusOr<std::optional<KernelLink>> parse_link(const nlmsghdr& message) {
  Attributes<IFLA_MAX + 1> attributes;
  if (!read_attributes(message, sizeof(ifinfomsg), attributes)) return malformed();
  const ifinfomsg& header = *static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(&message));
  if (header.ifi_family != AF_UNSPEC) return std::nullopt;
  KernelLink link;
  link.ifindex = header.ifi_index;
  link.admin_up = (header.ifi_flags & IFF_UP) != 0;
  link.carrier = (header.ifi_flags & IFF_LOWER_UP) != 0;
  if (!read_u32(attributes[IFLA_MTU], 0, link.mtu)) return malformed();
  if (const nlattr* name = attributes[IFLA_IFNAME]; name != nullptr) {
    if (mnl_attr_validate(name, MNL_TYPE_NUL_STRING) < 0) return malformed();
    link.name = mnl_attr_get_str(name);
  }
  if (const nlattr* mac = attributes[IFLA_ADDRESS];
      mac != nullptr && mnl_attr_get_payload_len(mac) == link.mac.size()) {
    std::memcpy(link.mac.data(), mnl_attr_get_payload(mac), link.mac.size());
  }
  return link;
}

absl::StatusOr<std::optional<KernelAddress>> parse_address(const nlmsghdr& message) {
  Attributes<IFA_MAX + 1> attributes;
  if (!read_attributes(message, sizeof(ifaddrmsg), attributes)) return malformed();
  const ifaddrmsg& header = *static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(&message));
  if (header.ifa_family != AF_INET && header.ifa_family != AF_INET6) return std::nullopt;
  // On point-to-point links IFA_ADDRESS is the other end.
  const nlattr* own = attributes[IFA_LOCAL] != nullptr ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
  if (own == nullptr) return malformed();
  const std::optional<IpAddress> address = read_address(own, header.ifa_family);
  if (!address) return malformed();
  return KernelAddress{static_cast<int>(header.ifa_index), *address, header.ifa_prefixlen};
}

}  // namespace phalanx::routing
