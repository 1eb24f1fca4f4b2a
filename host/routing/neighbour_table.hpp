// Who answers for an address on a port: ARP and neighbour discovery without packets, sockets or clock. States as in RFC
// 4861, section 7.3.2, without DELAY: a used entry is probed before its confirmation expires, so traffic never waits
// for a known neighbour.
#ifndef PHALANX_HOST_ROUTING_NEIGHBOUR_TABLE_HPP
#define PHALANX_HOST_ROUTING_NEIGHBOUR_TABLE_HPP

#include <cstdint>
#include <deque>
#include <queue>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "host/packet/address.hpp"

namespace phalanx::routing {

#define PHALANX_NEIGHBOUR_STATES(X)                                                              \
  X(kIncomplete, "incomplete") /* asked by broadcast, no MAC yet, frames wait */                 \
  X(kReachable, "reachable")   /* confirmed not long ago */                                      \
  X(kStale, "stale")           /* MAC known, not confirmed lately; used, and probed when used */ \
  X(kProbe, "probe")           /* MAC known and used, unicast questions under way */             \
  X(kFailed, "failed")         /* nobody answered; refused for a while, then asked anew */

enum class NeighbourState : uint8_t {
#define PHALANX_X(name, text) name,
  PHALANX_NEIGHBOUR_STATES(PHALANX_X)
#undef PHALANX_X
};
std::string_view to_string(NeighbourState state);

inline constexpr size_t kNeighboursMax = 16384;  // 16 Ki * about 150 bytes = 2.5 MB
// Entries that packets from others may create by themselves; the rest is kept for those that the gateway asks for.
inline constexpr size_t kNeighboursLearnedMax = kNeighboursMax * 3 / 4;
// Addresses asked for without an answer yet: a scan of a connected network (RFC 6583) can't push known neighbours out.
inline constexpr size_t kIncompleteMax = 4096;
inline constexpr size_t kPendingPerNeighbour = 8;
inline constexpr size_t kPendingBytesMax =
    16 << 20;  // of all neighbours: 256 GSO frames of 64 KiB, or 11,000 of 1,500 bytes
// Timers, those that were overtaken by an earlier one included; beyond it they are sorted out, which costs one pass
// over all entries and happens at most once in 3 * kNeighboursMax changes.
inline constexpr size_t kNeighbourTimersMax = 4 * kNeighboursMax;
inline constexpr uint32_t kSolicitsMax = 3;  // RFC 4861: MAX_MULTICAST_SOLICIT and MAX_UNICAST_SOLICIT

// Milliseconds.
struct NeighbourTimes {
  int64_t reachable_ms = 30000;    // REACHABLE_TIME
  int64_t probe_before_ms = 5000;  // a used entry is probed so long before that; more than kSolicitsMax * retransmit_ms
  int64_t retransmit_ms = 1000;    // RETRANS_TIMER
  int64_t failed_ms = 3000;        // how long a failed address is refused at once
  int64_t stale_ms = 600000;       // an unused stale entry is forgotten
};

// How an address and its MAC became known.
enum class Evidence : uint8_t {
  kReply,     // ARP reply to us, or solicited neighbour advertisement
  kAnnounce,  // gratuitous ARP, unsolicited advertisement
  kRequest,   // ARP request or neighbour solicitation that asks for one of our addresses: it may create an entry
};

// What the gateway has to do now.
struct NeighbourActions {
  // Send an ARP request or a neighbour solicitation; to `mac` if unicast, to all (the solicited-node group) if not.
  struct Solicit {
    PortIndex port;
    IpAddress address;
    bool unicast;
    MacAddress mac;
  };
  // A frame that waited: fill in the MAC and send it (released), or answer with host unreachable (failed).
  struct Pending {
    PortIndex port;
    IpAddress address;
    MacAddress mac;
    std::vector<uint8_t> frame;
  };
  std::vector<Solicit> solicits;
  std::vector<Pending> released;
  std::vector<Pending> failed;
  void clear() { solicits.clear(), released.clear(), failed.clear(); }
};

struct NeighbourView {
  PortIndex port = kNoPort;
  IpAddress address;
  MacAddress mac{};
  NeighbourState state = NeighbourState::kIncomplete;
  int64_t confirmed_age_ms = -1;  // since the last confirmation, -1: never
  uint32_t pending = 0;
};

struct NeighbourCounters {
  uint64_t solicits = 0;  // questions asked
  uint64_t resolved = 0;  // incomplete to reachable
  uint64_t failed = 0;    // nobody answered
  uint64_t mac_changes = 0;
  uint64_t ignored = 0;          // replies and announcements for addresses nobody asked for, and unusable MACs
  uint64_t refused_full = 0;     // a limit on entries
  uint64_t pending_dropped = 0;  // oldest frame dropped for a newer one
  uint64_t pending_refused = 0;  // kPendingBytesMax, or no entry to wait at
};

class NeighbourTable {
 public:
  explicit NeighbourTable(NeighbourTimes times = {});

  enum class Status : uint8_t {
    kKnown,        // mac is set: send
    kQueue,        // hand the frame to queue()
    kUnreachable,  // it failed moments ago: answer with host unreachable
    kFull,         // a limit is reached: drop
  };
  struct Resolution {
    Status status;
    MacAddress mac{};
  };
  // For each packet that leaves by `port` to neighbour `address`. Asks, if need be.
  Resolution resolve(int64_t now_ns, PortIndex port, const IpAddress& address, NeighbourActions& actions);
  // Keeps a copy of the frame until its neighbour is known; after resolve() said kQueue. False: refused and counted.
  bool queue(PortIndex port, const IpAddress& address, absl::Span<const uint8_t> frame);

  void learn(int64_t now_ns, PortIndex port, const IpAddress& address, const MacAddress& mac, Evidence evidence,
             NeighbourActions& actions);
  // An upper layer saw the neighbour make progress (RFC 4861, section 7.3.1).
  void confirm(int64_t now_ns, PortIndex port, const IpAddress& address);
  // Does what has become due: call it at next_deadline_ns() or every 100 ms or so.
  void tick(int64_t now_ns, NeighbourActions& actions);
  // When something is due next; INT64_MAX if nothing is.
  int64_t next_deadline_ns() const;

  // The port lost its link, or its addresses changed: forget its neighbours, drop what waits (counted).
  void forget_port(PortIndex port);
  // The member stops forwarding: questions end, what waits is dropped (counted), known MACs stay as stale.
  void stand_by(int64_t now_ns);

  // All neighbours with a known MAC: what an active tells a standby.
  std::vector<NeighbourView> snapshot(int64_t now_ns) const;
  // Neighbours that another member knows. They come in as stale: usable at once, probed when first used. What this
  // member has confirmed itself isn't changed.
  void install(int64_t now_ns, absl::Span<const NeighbourView> neighbours);

  // All entries, by port and address.
  std::vector<NeighbourView> list(int64_t now_ns) const;
  size_t size() const { return entries_.size(); }
  const NeighbourCounters& counters() const { return counters_; }

 private:
  struct Key {
    PortIndex port;
    IpAddress address;
    friend bool operator==(const Key&, const Key&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const Key& k) {
      return H::combine(std::move(h), k.port, k.address);
    }
  };
  struct Entry {
    MacAddress mac{};
    NeighbourState state = NeighbourState::kIncomplete;
    uint8_t solicits = 0;    // questions asked in this state
    bool confirmed = false;  // confirmed_ns means something
    int64_t confirmed_ns = 0;
    int64_t used_ns = 0;      // last packet to it
    int64_t deadline_ns = 0;  // when its state has something to do
    int64_t timer_ns = 0;     // of its live timer, at or before deadline_ns; 0: none
    std::deque<std::vector<uint8_t>> pending;
  };
  struct Timer {
    int64_t deadline_ns;
    Key key;
    friend bool operator>(const Timer& x, const Timer& y) { return x.deadline_ns > y.deadline_ns; }
  };
  static bool knows_mac(const Entry& e) {
    return e.state != NeighbourState::kIncomplete && e.state != NeighbourState::kFailed;
  }

  Entry* create(int64_t now_ns, const Key& key, NeighbourState state, size_t limit);
  void set_state(Entry& entry, NeighbourState state);
  void arm(const Key& key, Entry& entry, int64_t deadline_ns);
  void sort_out_timers();
  void solicit(int64_t now_ns, const Key& key, Entry& entry, NeighbourActions& actions);
  void reach(int64_t now_ns, const Key& key, Entry& entry, NeighbourActions& actions);
  void fail(int64_t now_ns, const Key& key, Entry& entry, NeighbourActions& actions);
  void go_stale(int64_t now_ns, const Key& key, Entry& entry);
  void release(const Key& key, Entry& entry, std::vector<NeighbourActions::Pending>& out);
  void drop_pending(Entry& entry);
  void reachable_due(int64_t now_ns, const Key& key, Entry& entry, NeighbourActions& actions);
  bool due(int64_t now_ns, const Key& key, Entry& entry, NeighbourActions& actions);
  NeighbourView view(int64_t now_ns, const Key& key, const Entry& entry) const;

  NeighbourTimes times_;
  absl::flat_hash_map<Key, Entry> entries_;
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;  // stale ones are passed over
  size_t incomplete_ = 0;
  size_t pending_bytes_ = 0;
  NeighbourCounters counters_;
};

}  // namespace phalanx::routing

#endif
