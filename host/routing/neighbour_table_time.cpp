// The neighbour table as time passes, and what it shows and takes from other members.
#include <algorithm>
#include <limits>

#include "host/routing/neighbour_mac.hpp"
#include "host/routing/neighbour_table.hpp"

namespace phalanx::routing {
namespace {

constexpr int64_t kNsPerMs = 1000000;

}  // namespace

void NeighbourTable::reachable_due(int64_t now_ns, const Key& key, Entry& entry, NeighbourActions& actions) {
  const int64_t expires_ns = entry.confirmed_ns + times_.reachable_ms * kNsPerMs;
  const int64_t probe_ns = expires_ns - times_.probe_before_ms * kNsPerMs;
  if (now_ns < probe_ns) return arm(key, entry, probe_ns);  // confirmed meanwhile
  // Used since the confirmation: somebody counts on it, so it's confirmed anew before it expires.
  if (entry.used_ns > entry.confirmed_ns) {
    set_state(entry, NeighbourState::kProbe);
    return solicit(now_ns, key, entry, actions);
  }
  if (now_ns < expires_ns) return arm(key, entry, expires_ns);
  go_stale(now_ns, key, entry);
}

// Gives false if the entry is to be forgotten.
bool NeighbourTable::due(int64_t now_ns, const Key& key, Entry& entry, NeighbourActions& actions) {
  switch (entry.state) {
    case NeighbourState::kIncomplete:
      if (entry.solicits < kSolicitsMax) {
        solicit(now_ns, key, entry, actions);
      } else {
        fail(now_ns, key, entry, actions);
      }
      return true;
    case NeighbourState::kProbe:
      if (entry.solicits >= kSolicitsMax) {
        // Nobody at that MAC: the address may have moved, so everybody is asked.
        set_state(entry, NeighbourState::kIncomplete);
      }
      solicit(now_ns, key, entry, actions);
      return true;
    case NeighbourState::kReachable:
      reachable_due(now_ns, key, entry, actions);
      return true;
    case NeighbourState::kStale:
    case NeighbourState::kFailed:
      return false;
  }
  return false;
}

void NeighbourTable::tick(int64_t now_ns, NeighbourActions& actions) {
  while (!timers_.empty() && timers_.top().deadline_ns <= now_ns) {
    const Timer timer = timers_.top();
    timers_.pop();
    const auto found = entries_.find(timer.key);
    if (found == entries_.end() || found->second.timer_ns != timer.deadline_ns) continue;
    Entry& entry = found->second;
    entry.timer_ns = 0;
    if (entry.deadline_ns > now_ns) {
      arm(timer.key, entry, entry.deadline_ns);
    } else if (!due(now_ns, timer.key, entry, actions)) {
      entries_.erase(timer.key);
    }
  }
}

int64_t NeighbourTable::next_deadline_ns() const {
  return timers_.empty() ? std::numeric_limits<int64_t>::max() : timers_.top().deadline_ns;
}

void NeighbourTable::forget_port(PortIndex port) {
  absl::erase_if(entries_, [&](auto& item) {
    if (item.first.port != port) return false;
    if (item.second.state == NeighbourState::kIncomplete) --incomplete_;
    drop_pending(item.second);
    return true;
  });
}

void NeighbourTable::stand_by(int64_t now_ns) {
  absl::erase_if(entries_, [&](auto& item) {
    if (knows_mac(item.second)) return false;
    if (item.second.state == NeighbourState::kIncomplete) --incomplete_;
    drop_pending(item.second);
    return true;
  });
  for (auto& [key, entry] : entries_) {
    if (entry.state != NeighbourState::kStale) go_stale(now_ns, key, entry);
  }
}

NeighbourView NeighbourTable::view(int64_t now_ns, const Key& key, const Entry& entry) const {
  NeighbourView v;
  v.port = key.port;
  v.address = key.address;
  v.mac = knows_mac(entry) ? entry.mac : MacAddress{};
  v.state = entry.state;
  v.confirmed_age_ms = entry.confirmed ? (now_ns - entry.confirmed_ns) / kNsPerMs : -1;
  v.pending = static_cast<uint32_t>(entry.pending.size());
  return v;
}

std::vector<NeighbourView> NeighbourTable::snapshot(int64_t now_ns) const {
  std::vector<NeighbourView> all = list(now_ns);
  std::erase_if(all, [](const NeighbourView& v) { return v.mac == MacAddress{}; });
  return all;
}

void NeighbourTable::install(int64_t now_ns, absl::Span<const NeighbourView> neighbours) {
  for (const NeighbourView& neighbour : neighbours) {
    const Key key{neighbour.port, neighbour.address};
    const bool sane = usable_neighbour_mac(neighbour.mac) && neighbour.port < kPortsMax &&
                      (neighbour.address.is_v4() || neighbour.address.is_v6());
    if (!sane) {
      ++counters_.ignored;
      continue;
    }
    const auto found = entries_.find(key);
    Entry* entry = nullptr;
    if (found == entries_.end()) {
      entry = create(now_ns, key, NeighbourState::kStale, kNeighboursMax);
      if (entry == nullptr) continue;
    } else {
      entry = &found->second;
      // What this member asks or has confirmed itself is better than what another says; the rest is refreshed.
      if (entry->state != NeighbourState::kStale && entry->state != NeighbourState::kFailed) continue;
    }
    entry->mac = neighbour.mac;
    go_stale(now_ns, key, *entry);
  }
}

std::vector<NeighbourView> NeighbourTable::list(int64_t now_ns) const {
  std::vector<NeighbourView> all;
  all.reserve(entries_.size());
  for (const auto& [key, entry] : entries_) all.push_back(view(now_ns, key, entry));
  std::sort(all.begin(), all.end(), [](const NeighbourView& x, const NeighbourView& y) {
    return x.port != y.port ? x.port < y.port : x.address < y.address;
  });
  return all;
}

}  // namespace phalanx::routing
