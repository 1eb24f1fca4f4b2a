#include "host/routing/neighbour_table.hpp"

#include <array>
#include <cassert>
#include <utility>

#include "host/routing/neighbour_mac.hpp"

namespace phalanx::routing {
namespace {

constexpr int64_t kNsPerMs = 1000000;

constexpr std::array kStateNames = {
#define PHALANX_X(name, text) std::string_view(text),
    PHALANX_NEIGHBOUR_STATES(PHALANX_X)
#undef PHALANX_X
};

}  // namespace

std::string_view to_string(NeighbourState state) {
  const auto index = static_cast<size_t>(state);
  return index < kStateNames.size() ? kStateNames[index] : "invalid";
}

NeighbourTable::NeighbourTable(NeighbourTimes times) : times_(times) {
  assert(times_.probe_before_ms > static_cast<int64_t>(kSolicitsMax) * times_.retransmit_ms);
  assert(times_.reachable_ms > times_.probe_before_ms);
}

NeighbourTable::Entry* NeighbourTable::create(int64_t now_ns, const Key& key, NeighbourState state, size_t limit) {
  const bool too_many_questions = state == NeighbourState::kIncomplete && incomplete_ >= kIncompleteMax;
  if (entries_.size() >= limit || too_many_questions) {
    ++counters_.refused_full;
    return nullptr;
  }
  Entry& entry = entries_[key];
  entry.state = state;
  entry.used_ns = now_ns;
  if (state == NeighbourState::kIncomplete) ++incomplete_;
  return &entry;
}

void NeighbourTable::set_state(Entry& entry, NeighbourState state) {
  if (entry.state == NeighbourState::kIncomplete) --incomplete_;
  if (state == NeighbourState::kIncomplete) ++incomplete_;
  entry.state = state;
  entry.solicits = 0;
}

// A timer that is due too early finds the later deadline and waits again; only an earlier deadline needs a new one.
void NeighbourTable::arm(const Key& key, Entry& entry, int64_t deadline_ns) {
  entry.deadline_ns = deadline_ns;
  if (entry.timer_ns != 0 && entry.timer_ns <= deadline_ns) return;
  entry.timer_ns = deadline_ns;
  if (timers_.size() >= kNeighbourTimersMax) return sort_out_timers();
  timers_.push({deadline_ns, key});
}

void NeighbourTable::sort_out_timers() {
  std::vector<Timer> live;
  live.reserve(entries_.size());
  for (const auto& [key, entry] : entries_) {
    if (entry.timer_ns != 0) live.push_back({entry.timer_ns, key});
  }
  timers_ = decltype(timers_)(std::greater<>(), std::move(live));
}

void NeighbourTable::solicit(int64_t now_ns, const Key& key, Entry& entry, NeighbourActions& actions) {
  const bool unicast = entry.state == NeighbourState::kProbe;
  actions.solicits.push_back({key.port, key.address, unicast, unicast ? entry.mac : kBroadcastMac});
  ++entry.solicits;
  ++counters_.solicits;
  arm(key, entry, now_ns + times_.retransmit_ms * kNsPerMs);
}

void NeighbourTable::reach(int64_t now_ns, const Key& key, Entry& entry, NeighbourActions& actions) {
  if (!knows_mac(entry)) ++counters_.resolved;
  set_state(entry, NeighbourState::kReachable);
  entry.confirmed = true;
  entry.confirmed_ns = now_ns;
  arm(key, entry, now_ns + (times_.reachable_ms - times_.probe_before_ms) * kNsPerMs);
  release(key, entry, actions.released);
}

void NeighbourTable::fail(int64_t now_ns, const Key& key, Entry& entry, NeighbourActions& actions) {
  set_state(entry, NeighbourState::kFailed);
  ++counters_.failed;
  arm(key, entry, now_ns + times_.failed_ms * kNsPerMs);
  release(key, entry, actions.failed);
}

void NeighbourTable::go_stale(int64_t now_ns, const Key& key, Entry& entry) {
  set_state(entry, NeighbourState::kStale);
  arm(key, entry, now_ns + times_.stale_ms * kNsPerMs);
}

void NeighbourTable::release(const Key& key, Entry& entry, std::vector<NeighbourActions::Pending>& out) {
  for (std::vector<uint8_t>& frame : entry.pending) {
    pending_bytes_ -= frame.size();
    out.push_back({key.port, key.address, entry.mac, std::move(frame)});
  }
  entry.pending.clear();
}

void NeighbourTable::drop_pending(Entry& entry) {
  for (const std::vector<uint8_t>& frame : entry.pending) pending_bytes_ -= frame.size();
  counters_.pending_dropped += entry.pending.size();
  entry.pending.clear();
}

NeighbourTable::Resolution NeighbourTable::resolve(int64_t now_ns, PortIndex port, const IpAddress& address,
                                                   NeighbourActions& actions) {
  const Key key{port, address};
  const auto found = entries_.find(key);
  if (found == entries_.end()) {
    Entry* entry = create(now_ns, key, NeighbourState::kIncomplete, kNeighboursMax);
    if (entry == nullptr) return {Status::kFull};
    solicit(now_ns, key, *entry, actions);
    return {Status::kQueue};
  }
  Entry& entry = found->second;
  entry.used_ns = now_ns;
  if (entry.state == NeighbourState::kIncomplete) return {Status::kQueue};
  if (entry.state == NeighbourState::kFailed) return {Status::kUnreachable};
  if (entry.state == NeighbourState::kStale) {
    set_state(entry, NeighbourState::kProbe);
    solicit(now_ns, key, entry, actions);
  }
  return {Status::kKnown, entry.mac};
}

bool NeighbourTable::queue(PortIndex port, const IpAddress& address, absl::Span<const uint8_t> frame) {
  const auto found = entries_.find(Key{port, address});
  if (found == entries_.end() || found->second.state != NeighbourState::kIncomplete) {
    ++counters_.pending_refused;
    return false;
  }
  auto& pending = found->second.pending;
  if (pending.size() >= kPendingPerNeighbour) {
    pending_bytes_ -= pending.front().size();
    pending.pop_front();
    ++counters_.pending_dropped;
  }
  if (pending_bytes_ + frame.size() > kPendingBytesMax) {
    ++counters_.pending_refused;
    return false;
  }
  pending_bytes_ += frame.size();
  pending.emplace_back(frame.begin(), frame.end());
  return true;
}

void NeighbourTable::learn(int64_t now_ns, PortIndex port, const IpAddress& address, const MacAddress& mac,
                           Evidence evidence, NeighbourActions& actions) {
  const Key key{port, address};
  const auto found = entries_.find(key);
  if (!usable_neighbour_mac(mac) || (found == entries_.end() && evidence != Evidence::kRequest)) {
    ++counters_.ignored;
    return;
  }
  if (found == entries_.end()) {
    Entry* entry = create(now_ns, key, NeighbourState::kStale, kNeighboursLearnedMax);
    if (entry == nullptr) return;
    entry->mac = mac;
    go_stale(now_ns, key, *entry);
    return;
  }
  Entry& entry = found->second;
  const bool known = knows_mac(entry);
  const bool changed = known && entry.mac != mac;
  const bool asked = entry.state == NeighbourState::kIncomplete || entry.state == NeighbourState::kProbe;
  if (changed) ++counters_.mac_changes;
  entry.mac = mac;
  if (evidence == Evidence::kReply && asked) return reach(now_ns, key, entry, actions);
  // It speaks, but doesn't prove that it hears us (RFC 4861, section 7.2.3): usable, to be probed when used.
  if (!known || changed) {
    if (!known) ++counters_.resolved;
    go_stale(now_ns, key, entry);
    release(key, entry, actions.released);
  }
}

void NeighbourTable::confirm(int64_t now_ns, PortIndex port, const IpAddress& address) {
  const auto found = entries_.find(Key{port, address});
  if (found == entries_.end() || !knows_mac(found->second)) return;
  Entry& entry = found->second;
  entry.confirmed = true;
  entry.confirmed_ns = now_ns;
  if (entry.state == NeighbourState::kReachable) return;  // its timer looks at confirmed_ns when it is due
  set_state(entry, NeighbourState::kReachable);
  arm(found->first, entry, now_ns + (times_.reachable_ms - times_.probe_before_ms) * kNsPerMs);
}

}  // namespace phalanx::routing
