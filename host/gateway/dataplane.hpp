// The pure data plane of one worker: bursts of frames in, frames and changes of state out. No socket, thread or clock.
//
// A group of at most kBurstMax frames goes through these steps:
//   sort     parse; ARP, ND and what is for the gateway itself is answered (local_traffic.cpp)
//   look up  one engine batch for all packets, which also reads what they changed (bursts.cpp)
//   tell     the changes are given to the ChangeSink
//   finish   forward (egress.cpp); packets without a session wait for the slow path
//   send     the frames leave, after the state that they follow from
// Several groups may be on their way: a wave. When its last group has been finished, the slow path opens sessions in
// rounds (rounds.cpp): one batch of INSERTs for all first packets (first_packet.cpp), LOOKUPs for others of their
// flows.
#ifndef PHALANX_HOST_GATEWAY_DATAPLANE_HPP
#define PHALANX_HOST_GATEWAY_DATAPLANE_HPP

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "drivers/accelerator.hpp"
#include "host/gateway/burst.hpp"
#include "host/gateway/engine_queue.hpp"
#include "host/gateway/flow_index.hpp"
#include "host/gateway/frame_arena.hpp"
#include "host/gateway/gateway_config.hpp"
#include "host/gateway/gateway_counters.hpp"
#include "host/gateway/next_hops.hpp"
#include "host/gateway/port_map.hpp"
#include "host/packet/drop_reason.hpp"
#include "host/packet/fragment.hpp"
#include "host/packet/frame.hpp"
#include "host/packet/icmp_error.hpp"
#include "host/packet/parse.hpp"
#include "host/policy/port_blocks.hpp"

namespace phalanx::gateway {

// Changes of state, in order: to delta sync. Called before the frames of the same burst are sent.
class ChangeSink {
 public:
  virtual ~ChangeSink() = default;
  virtual void changed(int64_t now_ns, absl::Span<const abi::Record> records) = 0;
  // The burst's changes have all been told.
  virtual void burst_done(int64_t now_ns) = 0;
};

// What people should know. The receiver limits the rate.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void event(std::string_view text) = 0;
};

// The member's place in the cluster, as far as packets are concerned.
struct Role {
  bool active = false;   // decides flows, under the lease
  bool holding = false;  // is handing over: has stopped deciding, and keeps packets for whoever will be active
  uint64_t epoch = 0;
  int64_t lease_until_ns = 0;
  uint8_t relay_to = 0;  // member that packets still coming here are handed to; 0: none
  int64_t relay_until_ns = 0;
};

// Frames kept while handing over, which takes a few round trips: 20 ms of 400 kpps, or 5 ms of 10 Gb/s in whole GSO
// frames.
inline constexpr size_t kHeldFramesMax = 8192;
inline constexpr size_t kHeldBytesMax = 16u << 20;

// Slots looked at for timed-out sessions in a second, each a cache line: 1 M take about 5 ms of it. A table of that
// size is gone through every second, one of 16 M every 16 s, by which its sessions outlive their timeouts at most.
inline constexpr uint64_t kAgeSlotsPerSecond = 1u << 20;
// Slots looked at in one AGE operation: about 20 us of a worker, so that packets don't wait longer for it.
inline constexpr uint64_t kAgeSlotsMax = 4096;
// A member that takes over numbers its sessions from so far above the last it heard of: what the former active member
// opened within the last second, and could not tell any more, stays below. 2^20 of 2^40 generations: a million
// takeovers.
inline constexpr uint64_t kGenerationJump = 1u << 20;
// ICMP errors and resets a second that the gateway itself makes (RFC 1812, 4.3.2.8; RFC 4443, 2.4 f), and at once.
inline constexpr int64_t kAnswersPerSecond = 1000;
inline constexpr int64_t kAnswersBurst = 100;

class Dataplane {
 public:
  // Engine and sinks outlive it. Devices of frames sent are PortConfig::device.
  Dataplane(const GatewayConfig& config, Accelerator* engine, FrameSink* frames, ChangeSink* changes,
            EventSink* events);

  // Takes a burst that came in on `device`; any length. The frames may be rewritten, and have been sent or copied when
  // it returns. take() and advance() in one, for callers without a clock.
  void receive(int64_t now_ns, DeviceIndex device, absl::Span<const Frame> burst);
  // Groups that the engine wants in flight: one, or with a card several.
  size_t groups_ahead() const { return queue_.ahead(kGroupsMax); }
  // Whether take() may take another one before advance() has returned false.
  bool has_room() const { return groups_end_ < groups_ahead(); }
  // Begins with at most kBurstMax frames, if there is room. The frames must stay where they are until advance() returns
  // false, and nothing but take(), advance() and set_lease() may be called until then.
  void take(int64_t now_ns, DeviceIndex device, absl::Span<const Frame> burst);
  // Goes on with what the engine has done, without waiting; sends. False: nothing is on its way any more. What is done
  // only after the lease has ended is dropped, so `now_ns` is to be read before each call.
  bool advance(int64_t now_ns);
  // Timers: ageing, neighbours, fragments. To be called every millisecond or so, and in each role.
  void tick(int64_t now_ns);

  // Takes effect with the next frame.
  void set_role(int64_t now_ns, const Role& role);
  const Role& role() const { return role_; }
  // An active member forwards no frame at or after this time. Renewed by the cluster's control loop.
  void set_lease(int64_t until_ns) { lease_until_ns_ = until_ns; }
  // Whether a packet that came now would be decided here.
  bool deciding(int64_t now_ns) const { return role_.active && now_ns < lease_until_ns_; }
  // Gratuitous ARP and unsolicited neighbour advertisements for every virtual address.
  void announce();

  // A link went up or down, as the kernel says.
  void set_link(DeviceIndex device, bool up);
  // Routes other than the virtual addresses' own networks. Errors as RouteTable's.
  absl::Status add_route(const routing::Route& route);
  void remove_route(const Prefix& prefix, uint32_t metric);

  // Ends a session (either direction's key). False: there is none.
  bool end_session(int64_t now_ns, const hls::FlowKey& key);
  // Reads what changed and gives it to the ChangeSink; receive() and tick() do so themselves.
  void publish(int64_t now_ns);

  // Puts another member's records into the table.
  void apply(int64_t now_ns, absl::Span<const abi::Record> records);
  // Records of `slots` slots from `first` on, as they are; valid until the next call. `next`: where to go on, 0 at the
  // end.
  absl::Span<const abi::Record> scan(int64_t now_ns, uint64_t first, uint64_t slots, uint64_t* next);
  // What another member knows of the networks.
  void install_neighbours(int64_t now_ns, absl::Span<const routing::NeighbourView> neighbours);

  const PortMap& ports() const { return ports_; }
  NextHops& next_hops() { return next_hops_; }
  Accelerator& engine() { return queue_.engine(); }
  const DropCounters& drops() const { return drops_; }
  const GatewayCounters& counters() const { return counters_; }
  const policy::RuleHits& rule_hits() const { return hits_; }

 private:
  // Numbers of batches in the engine; a group's is its index.
  static constexpr uint64_t kRoundTag = kGroupsMax;
  static constexpr uint64_t kOneTag = kGroupsMax + 1;
  static_assert(kOneTag < EngineQueue::kTagsMax);

  // dataplane.cpp
  static uint32_t to_ms(int64_t now_ns) { return static_cast<uint32_t>(now_ns / 1'000'000); }
  abi::Completion submit_one(int64_t now_ns, const abi::Operation& operation, absl::Span<abi::Record> output);
  void drop(DropReason reason, uint64_t packets = 1) { drops_.count(reason, packets); }
  DropReason not_deciding() const { return role_.active ? DropReason::kLeaseExpired : DropReason::kMemberNotActive; }
  void age(int64_t now_ns);
  void apply_wave(int64_t now_ns, absl::Span<const abi::Record> records);

  // bursts.cpp: the fast path
  bool idle() const { return !wave_open_; }
  bool sort(int64_t now_ns, DeviceIndex device, const Frame& frame, Item& item);
  bool take_fragment(int64_t now_ns, Item& item);
  void submit_group(int64_t now_ns, Group& group);
  void finish_group(int64_t now_ns, Group& group);
  void finish(int64_t now_ns, Item& item, const abi::Completion& completion);
  void decided(Item& item, bool passed);
  void tell(int64_t now_ns, const abi::Completion& extract, absl::Span<const abi::Record> records);
  void tell_done(int64_t now_ns);
  void send(int64_t now_ns);
  void end_wave(int64_t now_ns);

  // rounds.cpp: the slow path
  void submit_round(int64_t now_ns);
  void prepare(int64_t now_ns, Pending& pending);
  void add_to_round(Pending& pending, abi::Opcode opcode);
  void close_round(int64_t now_ns);
  void finish_round(int64_t now_ns);
  void finish_open(int64_t now_ns, Pending& pending, const abi::Completion& completion);
  void finish_look_up(int64_t now_ns, Pending& pending, const abi::Completion& completion);
  void end(Pending& pending, bool passed);

  // standby.cpp: what a member does that isn't active
  void receive_standing_by(int64_t now_ns, DeviceIndex device, absl::Span<const Frame> burst);
  void relay(DeviceIndex device, const Frame& frame);
  void hold(DeviceIndex device, absl::Span<const Frame> burst);
  void release_held(int64_t now_ns);

  // local_traffic.cpp
  bool for_us(const Frame& frame, PortIndex port) const;
  void take_arp(int64_t now_ns, const Item& item, bool answer);
  void take_nd(int64_t now_ns, const Item& item, bool answer);
  void answer_echo(int64_t now_ns, Item& item);
  void act_on_neighbours(int64_t now_ns);
  void solicit(const routing::NeighbourActions::Solicit& request);

  // first_packet.cpp
  // Whether the packet may open a session, and how; if not, it has been answered and counted.
  bool decide(int64_t now_ns, Item& item, Opening& opening);
  policy::FlowQuery query_of(const Item& item) const;
  // The session that is tried now; none if all ports have been.
  std::optional<abi::Record> propose(const Item& item, const Opening& opening);
  void refuse(int64_t now_ns, Item& item, const policy::Decision& decision);

  // egress.cpp
  // Sends the packet on, as the session says. Whether it went (or waits for its neighbour).
  bool forward(int64_t now_ns, Item& item, const abi::Completion& completion);
  bool send_cut(Item& item, PortIndex out, uint32_t mtu);
  void transmit(PortIndex port, const Frame& frame);
  void wait_for_neighbour(int64_t now_ns, const Item& item, const NextHop& hop, bool unreachable);
  bool answer_allowed(int64_t now_ns);
  void answer_error(int64_t now_ns, const Item& item, IcmpError error, uint32_t mtu = 0);
  void answer_reset(int64_t now_ns, const Item& item);

  PortMap ports_;
  std::shared_ptr<const policy::RuleTable> rules_;
  std::shared_ptr<const policy::NatTable> nat_;
  policy::RuleHits hits_;
  policy::PortChooser chooser_;
  uint8_t member_;
  EngineQueue queue_;
  FrameSink* frames_;
  ChangeSink* changes_;
  EventSink* events_;

  NextHops next_hops_;
  FragmentTable fragments_;
  FrameArena arena_;
  Role role_;
  int64_t lease_until_ns_ = 0;
  int64_t aged_ns_ = 0;
  uint64_t age_next_ = 0;
  int64_t answer_tokens_ = kAnswersBurst;
  int64_t answer_refill_ns_ = 0;
  DropCounters drops_;
  GatewayCounters counters_;

  // The wave.
  std::unique_ptr<std::array<Group, kGroupsMax>> groups_;
  size_t groups_first_ = 0, groups_end_ = 0;  // on their way, or done and not yet finished
  bool wave_open_ = false;
  bool told_ = false;      // changes since the last send()
  bool log_left_ = false;  // the engine has more changes: what waits to be sent may follow from them
  std::vector<Pending> pending_;
  std::deque<Item> held_fragments_;
  FlowIndex flows_;
  bool round_open_ = false;
  std::vector<abi::Operation> round_operations_;
  std::vector<abi::Record> round_records_;
  std::vector<abi::Completion> round_completions_;
  std::vector<abi::Record> extracted_;
  std::vector<Frame> cut_;
  std::vector<abi::Record> scanned_;

  struct Held {
    DeviceIndex device;
    std::vector<uint8_t> bytes;
  };
  std::vector<Held> held_;
  size_t held_bytes_ = 0;
};

// Whether a frame was handed over by another member on a data network (the forwarding layer).
bool is_relayed(const Frame& frame);

}  // namespace phalanx::gateway

#endif
