// Virtual reassembly: fragments pass as fragments, but every one is decided with what its datagram's first one says.
#ifndef PHALANX_HOST_PACKET_FRAGMENT_HPP
#define PHALANX_HOST_PACKET_FRAGMENT_HPP

#include <cstdint>
#include <list>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "host/packet/parse.hpp"

namespace phalanx {

struct FragmentLimits {
  // 4096 datagrams at once; with 128 ranges of 4 bytes each and their overhead at most ~4 MiB.
  uint32_t datagrams = 4096;
  // A 65535-byte datagram at the smallest MTU in use, 576, has 119 fragments.
  uint32_t fragments_per_datagram = 128;
  // What waits for first fragments, over all datagrams: 128 whole datagrams of 64 KiB.
  uint64_t held_bytes = 8u << 20;
  // What waits of one datagram: all of it.
  uint32_t held_bytes_per_datagram = 128u << 10;
  // Reordering is over in milliseconds; RFC 8200's 60 s is for hosts, and would let a flood hold memory.
  int64_t timeout_ns = 2'000'000'000;
};

// What to do with a fragment.
struct FragmentResult {
  enum class Action : uint8_t {
    kForward,  // `packet.meta` and its ports now say what the session engine needs; carry on as with any packet
    kHold,     // copied and held until the first fragment is decided; forget this frame
    kDrop,     // for `reason`
  };
  Action action = Action::kForward;
  DropReason reason = DropReason::kNone;
};

// Pure; one per worker. All fragments of a datagram must come to the same one: spread fragments over workers by
// addresses.
class FragmentTable {
 public:
  explicit FragmentTable(const FragmentLimits& limits = {});

  // Takes a fragment (packet.is_fragment) that came in on `port`. A first fragment is forwarded for decision; later
  // ones of its datagram are held until decide() and then follow its decision.
  // The caller counts what the result says of this fragment; held ones that are dropped with it are counted in `drops`.
  FragmentResult take(const Frame& frame, ParsedPacket& packet, PortIndex port, int64_t now_ns, DropCounters& drops);

  // Called once for every first fragment that take() forwarded: whether it passed. If it did, what was held of its
  // datagram is handed to `emit` in order of arrival, its meta filled; frame and packet are valid during the call only,
  // and `emit` may change them. If not, it is dropped and counted as kFragmentFirstDropped in `drops`. `emit` must not
  // call this table.
  using Emit = absl::FunctionRef<void(const Frame& frame, ParsedPacket& packet, PortIndex port)>;
  void decide(const ParsedPacket& first, bool passed, DropCounters& drops, Emit emit);

  // Forgets datagrams older than the timeout; what was held of them is counted in `drops`. Cheap: call it once a burst.
  void expire(int64_t now_ns, DropCounters& drops);

  size_t datagrams() const { return index_.size(); }
  uint64_t held_bytes() const { return held_bytes_; }

 private:
  struct Key {
    IpAddress source;
    IpAddress destination;
    uint32_t id;
    uint16_t virtual_system;
    uint8_t protocol;  // IPv4 only (RFC 791); IPv6 identifies without it (RFC 8200, 4.5)
    friend bool operator==(const Key&, const Key&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const Key& k) {
      return H::combine(std::move(h), k.source, k.destination, k.id, k.virtual_system, k.protocol);
    }
  };
  struct Range {  // bytes [begin, end) of the datagram
    uint32_t begin;
    uint32_t end;
  };
  struct Held {
    std::vector<uint8_t> bytes;
    ParsedPacket packet;
    PortIndex port;
  };
  enum class State : uint8_t { kAwaitFirst, kUndecided, kPassed, kDropped };
  struct Datagram {
    State state = State::kAwaitFirst;
    DropReason refused = DropReason::kFragmentFirstDropped;  // kDropped: why
    int64_t begun_ns = 0;
    std::list<Key>::iterator place;  // in order_
    uint32_t length = 0;             // of the whole datagram's data, once the last fragment has come; 0 before
    uint32_t seen = 0;               // bytes
    uint32_t held_bytes = 0;
    uint32_t header_bytes = 0;             // of the first fragment's data, what comes before the payload
    ParsedPacket first;                    // state from kUndecided on
    bool fin = false;                      // the first fragment had FIN, which belongs to the datagram's last byte
    absl::InlinedVector<Range, 4> ranges;  // sorted, disjoint
    std::vector<Held> held;
    bool complete() const { return length != 0 && seen == length; }
  };

  static Key key_of(const ParsedPacket& packet);
  Datagram& find_or_begin(const Key& key, int64_t now_ns, DropCounters& drops);
  DropReason add_range(Datagram& datagram, const ParsedPacket& packet) const;
  FragmentResult take_later(Datagram& datagram, const Frame& frame, ParsedPacket& packet, PortIndex port,
                            DropCounters& drops);
  FragmentResult refuse(Datagram& datagram, DropReason reason, DropCounters& drops);
  void drop_held(Datagram& datagram, DropReason reason, DropCounters& drops);
  void forget_oldest(DropReason reason, DropCounters& drops);
  static void remember_first(Datagram& datagram, ParsedPacket& packet);
  static void adopt(const Datagram& datagram, ParsedPacket& packet);

  FragmentLimits limits_;
  absl::flat_hash_map<Key, Datagram> index_;
  std::list<Key> order_;  // by age, oldest first
  uint64_t held_bytes_ = 0;
};

// Whether the packet is too big for `mtu` (bytes of IP packet). A GSO frame counts by its segments.
bool needs_fragmentation(const Frame& frame, const ParsedPacket& packet, uint32_t mtu);

// The scratch memory that fragment_ipv4() needs, bytes; 0 for what it refuses.
uint32_t fragments_bytes(const Frame& frame, const ParsedPacket& packet, uint32_t mtu);

// Cuts an IPv4 packet without DF into fragments of at most `mtu` bytes (RFC 791, 3.2) in `scratch`, each a frame with
// its own Ethernet header, appended to `out`. A fragment may be cut again. A TCP GSO frame leaves in one piece with a
// smaller gso_size
// (`out` then refers to the frame itself). Returns kNone, or kTooBig if it may not or cannot be cut (DF, IPv6, UDP GSO,
// an MTU below 68) and kBufferFull if `scratch` is too small; then `out` is as before.
DropReason fragment_ipv4(const Frame& frame, const ParsedPacket& packet, uint32_t mtu, absl::Span<uint8_t> scratch,
                         std::vector<Frame>& out);

}  // namespace phalanx

#endif
