#include "host/routing/kernel_mirror.hpp"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "host/routing/netlink_parse.hpp"

namespace phalanx::routing {

void KernelMirror::take(const nlmsghdr& message) {
  ++counters_->messages;
  switch (message.nlmsg_type) {
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      return take_route(message, message.nlmsg_type == RTM_DELROUTE);
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return take_link(message, message.nlmsg_type == RTM_DELLINK);
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return take_address(message, message.nlmsg_type == RTM_DELADDR);
    default:
      return;
  }
}

void KernelMirror::take_route(const nlmsghdr& message, bool removed) {
  const auto parsed = parse_route(message);
  if (!parsed.ok()) {
    ++counters_->malformed;
    return;
  }
  if (!parsed->has_value()) return;
  const KernelRoute& route = (*parsed)->route;
  if ((*parsed)->multipath && !removed) ++counters_->multipath;
  const RouteKey key{route.prefix, route.metric};
  const auto found = routes_.find(key);
  if (removed) {
    if (found == routes_.end()) return;
    // Of several routes of one prefix and metric, which of them counts now only a dump says.
    if (found->second.shared || found->second.thing != route) {
      stale_ = true;
      return;
    }
    events_->route_removed(found->second.thing);
    routes_.erase(found);
    return;
  }
  if (found == routes_.end()) {
    routes_.emplace(key, Told<KernelRoute>{route, dump_number_});
    events_->route_added(route);
    return;
  }
  Told<KernelRoute>& told = found->second;
  if (dumping_) {
    told.shared = told.seen == dump_number_;  // the second of its prefix and metric in this dump
    if (told.shared) return;
  }
  told.seen = dump_number_;
  if (told.thing == route) return;
  if (!dumping_ && (told.shared || (message.nlmsg_flags & NLM_F_REPLACE) == 0)) {
    stale_ = true;
    return;
  }
  told.thing = route;
  events_->route_added(route);
}

void KernelMirror::take_link(const nlmsghdr& message, bool removed) {
  const auto parsed = parse_link(message);
  if (!parsed.ok()) {
    ++counters_->malformed;
    return;
  }
  if (!parsed->has_value()) return;
  const KernelLink& link = **parsed;
  const auto found = links_.find(link.ifindex);
  const bool was_up = found != links_.end() && found->second.thing.admin_up;
  // A link that goes takes IPv4 routes with it, of which the kernel says nothing.
  if (was_up && (removed || !link.admin_up) && !dumping_) stale_ = true;
  if (removed) {
    if (found == links_.end()) return;
    events_->link_removed(found->second.thing);
    links_.erase(found);
    return;
  }
  if (found == links_.end()) {
    links_.emplace(link.ifindex, Told<KernelLink>{link, dump_number_});
    events_->link_changed(link);
    return;
  }
  found->second.seen = dump_number_;
  if (found->second.thing == link) return;
  found->second.thing = link;
  events_->link_changed(link);
}

void KernelMirror::take_address(const nlmsghdr& message, bool removed) {
  const auto parsed = parse_address(message);
  if (!parsed.ok()) {
    ++counters_->malformed;
    return;
  }
  if (!parsed->has_value()) return;
  const KernelAddress& address = **parsed;
  const auto found = addresses_.find(address);
  if (removed) {
    if (found == addresses_.end()) return;
    if (!dumping_) stale_ = true;  // routes with this source address go silently
    addresses_.erase(found);
    events_->address_removed(address);
    return;
  }
  if (found != addresses_.end()) {
    found->second.seen = dump_number_;
    return;
  }
  addresses_.emplace(address, Told<KernelAddress>{address, dump_number_});
  events_->address_added(address);
}

template <typename Map, typename Tell>
void KernelMirror::sweep(Map& told, Tell tell) {
  for (auto at = told.begin(); at != told.end();) {
    if (at->second.seen == dump_number_) {
      ++at;
      continue;
    }
    tell(at->second.thing);
    at = told.erase(at);
  }
}

void KernelMirror::begin_dump() {
  dumping_ = true;
  ++dump_number_;
}

void KernelMirror::end_dump(uint16_t type, uint8_t family) {
  if (type == RTM_GETLINK) {
    sweep(links_, [&](const KernelLink& link) { events_->link_removed(link); });
  } else if (type == RTM_GETADDR) {
    sweep(addresses_, [&](const KernelAddress& address) { events_->address_removed(address); });
  } else {
    // Only this family's routes were shown.
    for (auto& [key, told] : routes_) {
      if (key.first.address.family != (family == AF_INET ? 4 : 6)) told.seen = dump_number_;
    }
    sweep(routes_, [&](const KernelRoute& route) { events_->route_removed(route); });
  }
  dumping_ = false;
}

void KernelMirror::give_up_dump() {
  dumping_ = false;
  stale_ = true;
}

}  // namespace phalanx::routing
