// The member's state machine: (state, now, event) -> (state, actions). No socket, thread or clock. docs/cluster.md says
// the rules and proves the lease; this header says how to drive it.
//
// Every event takes `now_ns` of one monotonic clock (a step back is taken as no time at all) and appends to `out`. Do
// the actions in order, then call tick() no later than next_deadline_ns().
#ifndef PHALANX_HOST_CLUSTER_STATE_MACHINE_HPP
#define PHALANX_HOST_CLUSTER_STATE_MACHINE_HPP

#include <array>
#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "host/cluster/actions.hpp"
#include "host/cluster/cluster_config.hpp"
#include "host/cluster/critical_devices.hpp"
#include "host/cluster/report.hpp"

namespace phalanx::cluster {

// What the data plane says of itself; call data_plane() when any of it changes and at least every 100 ms.
struct DataPlaneStatus {
  bool workers_alive = true;
  bool card_fit = true;           // false: the member should rather not be active, for its card has failed
  bool whole = false;             // holds all state of the active member (an active one: true)
  bool needs_full_sync = false;   // cannot become whole without a new full sync, or the last one failed
  uint32_t sync_id = 0;           // of the last StartFullSync it began; 0 = none
  uint64_t position = 0;          // last delta made (active) or applied (others)
  InterfaceMask known_hosts = 0;  // interfaces on which there are neighbours to probe
};

// X(name, text): what the state machine counts, beside CcpCounters.
#define PHALANX_CLUSTER_COUNTERS(X)                                                      \
  X(kFailovers, "the active role moved to another member")                               \
  X(kTakeovers, "this member became active")                                             \
  X(kSplitBrains, "another active member with the same epoch was heard")                 \
  X(kStaleActives, "another active member with a lower epoch was heard")                 \
  X(kYields, "this member gave up the active role to a higher epoch or a lower id")      \
  X(kLeaseExpired, "the lease ran out while active")                                     \
  X(kPauses, "no event reached the state machine for longer than a lease")               \
  X(kLateReports, "reports older than one already heard; ignored")                       \
  X(kUnprovenReports, "reports of an incarnation not yet proven to be present; ignored") \
  X(kImpossibleReports, "reports whose sender or interface is not configured; ignored")  \
  X(kPeerDeaths, "peers given up")                                                       \
  X(kConnectionFalseAlarms, "peer connections that closed though the peer lived")        \
  X(kHandoversGiven, "handovers completed as the old active")                            \
  X(kHandoversTaken, "handovers completed as the new active")                            \
  X(kHandoversCancelled, "handovers that did not happen")                                \
  X(kOffersRefused, "offers of the active role refused")                                 \
  X(kClockStepsBack, "events whose time was before the last event's")

enum class ClusterCounter : uint8_t {
#define X(name, text) name,
  PHALANX_CLUSTER_COUNTERS(X)
#undef X
};
#define X(name, text) +1
inline constexpr size_t kClusterCounters = 0 PHALANX_CLUSTER_COUNTERS(X);
#undef X
std::string_view to_string(ClusterCounter counter);

// When gratuitous ARP and unsolicited advertisements go out after a takeover: at once, again for a switch or host that
// was busy (10 ms), for one whose first copy was lost by a burst (100 ms), for one that was relearning its ports (1 s).
inline constexpr std::array<int64_t, 4> kAnnounceAfterNs = {0, 10 * kMillisecondNs, 100 * kMillisecondNs,
                                                            1000 * kMillisecondNs};
// Full sync that failed or has to be begun anew is asked for at most this often.
inline constexpr int64_t kFullSyncRetryNs = 1000 * kMillisecondNs;
// A claim that a living peer does not answer (deaf to us, yet heard) is taken as promised after so many dead times.
inline constexpr int64_t kClaimPatience = 10;
// An automatic handover that failed is not tried again for so many dead times.
inline constexpr int64_t kHandoverRetry = 10;
// Events kept for status; at 10 events a failover it tells of the last dozen.
inline constexpr size_t kEventsKept = 128;

// One line of the members' table in status.
struct MemberView {
  MemberId id = kNoMember;
  uint16_t priority = 0;
  bool own = false;
  bool alive = false;  // heard within dead_ns (own: always)
  bool connected = false;
  MemberState state = MemberState::kInit;  // last reported
  uint8_t problems = 0;
  bool synchronized = false;
  uint64_t incarnation = 0;
  uint64_t epoch = 0;
  std::vector<int64_t> silence_ns;  // per interface; -1 = never heard there. Empty for own.
};
struct InterfaceView {
  std::string name;
  bool sync = false;
  bool link_up = true;
  bool works = true;  // this member's side
};

class StateMachine {
 public:
  // `config` must be valid (asserted with validate()). Nothing is sent before the first event.
  StateMachine(const ClusterConfig& config, int64_t now_ns);

  // ---- events ----
  void tick(int64_t now_ns, Actions& out);
  // A report that CcpCodec accepted. Its fields are still checked: nothing of it can break this member.
  void report_received(InterfaceIndex interface, const Report& report, int64_t now_ns, Actions& out);
  // A query, probe or other CCP message of that member: it wants a report.
  void query_received(InterfaceIndex interface, MemberId from, int64_t now_ns, Actions& out);
  void link_changed(InterfaceIndex interface, bool up, int64_t now_ns, Actions& out);
  // The TCP connection between members that says when a member's process dies. Members close it only when they stop.
  void peer_connected(MemberId peer, int64_t now_ns, Actions& out);
  void peer_disconnected(MemberId peer, int64_t now_ns, Actions& out);
  // Any host (not a member) on this segment answered or sent something.
  void probe_answered(InterfaceIndex interface, int64_t now_ns, Actions& out);
  void data_plane(const DataPlaneStatus& status, int64_t now_ns, Actions& out);
  void handover_prepared(uint64_t id, uint64_t position, int64_t now_ns, Actions& out);

  void built_in_device(BuiltInDevice device, DeviceStatus status, int64_t now_ns, Actions& out);
  absl::Status add_device(std::string_view name, DeviceStatus status, int64_t timeout_ns, int64_t now_ns, Actions& out);
  absl::Status remove_device(std::string_view name, int64_t now_ns, Actions& out);
  absl::Status report_device(std::string_view name, DeviceStatus status, int64_t now_ns, Actions& out);

  // Operator: move the active role, without loss. On a standby it asks the active member. FailedPrecondition if there
  // is nobody to move it to; the result shows in state().
  absl::Status failover(int64_t now_ns, Actions& out);
  // Operator: this member shall not be active (a critical device, "admin_down"), and again may be.
  void admin_down(int64_t now_ns, Actions& out);
  void admin_up(int64_t now_ns, Actions& out);
  // The process stops now: hand over first with failover() if it is to be without loss. Peers need no evidence then.
  void leave(int64_t now_ns, Actions& out);

  // ---- what there is to see ----
  int64_t next_deadline_ns() const { return deadline_ns_; }
  // What SendReport means; made anew with each round of SendReport.
  const Report& report() const { return report_; }
  MemberState state() const { return state_; }
  Role role() const { return role_; }
  uint64_t epoch() const {
    return is_active(state_) ? own_epoch_ : seen_epoch_;
  }  // own while active, else the highest seen
  int64_t lease_until_ns() const { return lease_until_ns_; }
  // True only for an active member that has not offered its role and whose lease runs.
  bool decides(int64_t now_ns) const { return role_ == Role::kActive && now_ns < lease_until_ns_; }
  MemberId own_id() const { return config_.own_id; }
  MemberId active_member() const;                  // own, or the peer that is active; kNoMember if none is known
  uint64_t peer_incarnation(MemberId peer) const;  // proven one, 0 = none; for CcpCodec::pin_incarnation
  const ClusterConfig& config() const { return config_; }
  const CriticalDevices& devices() const { return devices_; }
  std::vector<MemberView> members() const;
  std::vector<InterfaceView> interfaces() const;
  const std::deque<LogEvent>& events() const { return events_; }  // newest last
  uint64_t counter(ClusterCounter c) const { return counters_[static_cast<size_t>(c)]; }

 private:
  static constexpr int64_t kNever = INT64_MIN;

  struct Peer {
    MemberConfig config;
    Report report;  // last proven
    uint64_t incarnation = 0;
    uint64_t unproven_incarnation = 0;
    uint64_t unproven_sequence = 0;
    uint64_t unproven_after = 0;  // own report sequence when the unproven incarnation was first heard
    std::array<int64_t, kInterfacesMax> heard_ns;
    int64_t last_heard_ns = kNever;
    bool alive = false;
    bool proven_dead = false;
    int64_t alive_since_ns = kNever;
    bool connected = false;
    int64_t disconnected_ns = kNever;    // set while the close of the connection is unexplained
    uint64_t disconnected_sequence = 0;  // a report that echoes this one explains it: the peer lives
    int64_t suspected_ns = kNever;
    int64_t answered_from_ns = kNever;  // hosts have answered us all the time since, and it was silent
    bool told_it = false;               // reported our silence at told_ns
    int64_t next_probe_ns = 0;
    int64_t told_until_ns = INT64_MAX;  // it says it has not heard us: the lease ends before its patience does
    int64_t standby_since_ns = kNever;
    uint64_t served_request = 0;
    uint64_t counted_epoch = 0;  // as another active member
  };
  struct Interface {
    bool link_up = true;
    int64_t silent_since_ns = kNever;  // no living peer heard here, though one is heard elsewhere or is missing
    int64_t next_probe_ns = 0;
    int64_t link_since_ns = kNever;
    int64_t answered_ns = kNever;
    bool works = true;
  };
  enum class Phase : uint8_t { kNone, kPreparing, kOffered, kWithdrawing };
  struct HandoverState {  // as the old active
    Phase phase = Phase::kNone;
    MemberId target = kNoMember;
    uint64_t target_incarnation = 0;
    uint64_t id = 0;
    uint64_t position = 0;
    bool problem = false;  // because of a problem: Down afterwards
    int64_t since_ns = 0;
  };

  // state_machine.cpp: events, reports, transitions
  int64_t begin(int64_t now_ns, Actions& out);
  void end(int64_t now_ns, Actions& out);
  void change_state(MemberState to, Cause cause, MemberId about, int64_t now_ns, Actions& out,
                    MemberId relay_to = kNoMember);
  void note_active(MemberId id);
  void query_all(Actions& out);
  void log(const LogEvent& event, Actions& out);
  void log_cause(Cause cause, MemberId about, int64_t now_ns, Actions& out);
  void send_round(int64_t now_ns, Actions& out);
  void fill_report(int64_t now_ns);
  void report_now() { report_wanted_ = true; }       // soon: at least a report gap after the last
  void report_urgently() { report_urgent_ = true; }  // in this event
  int64_t report_period_ns() const;
  void probe_data_interfaces(Actions& out);
  void wake_at(int64_t t) { deadline_ns_ = t < deadline_ns_ ? t : deadline_ns_; }
  // True, or asks to be woken then.
  bool due(int64_t t, int64_t now_ns);
  void count(ClusterCounter c) { ++counters_[static_cast<size_t>(c)]; }

  // peers.cpp: who lives, which interfaces work
  Peer* peer(MemberId id);
  const Peer* peer(MemberId id) const;
  bool accept_incarnation(Peer& p, const Report& report, int64_t now_ns, Actions& out);
  void take_report(Peer& p, const Report& report, int64_t now_ns, Actions& out);
  void update_missing(Peer& p, int64_t now_ns, Actions& out);
  void update_peers(int64_t now_ns, Actions& out);
  void suspect(Peer& p, int64_t now_ns, Actions& out);
  void give_up(Peer& p, bool proven, int64_t now_ns, Actions& out);
  bool own_side_works(Peer& p, int64_t now_ns);
  bool can_do_without(const Peer& p, int64_t now_ns);
  InterfaceMask data_mask() const;
  int64_t silence_start(int64_t heard_ns) const;
  void check_interfaces(int64_t now_ns, Actions& out);
  bool interface_works(InterfaceIndex i, bool expected, int64_t now_ns, Actions& out);
  bool sync_network_works(int64_t now_ns);

  // election.cpp: passive states, promises, taking the role
  struct Rank;
  Rank own_rank() const;
  bool own_rank_was_active() const;
  Rank rank_of(const Peer& p) const;
  const Peer* active_peer() const;
  bool passive_step(int64_t now_ns, Actions& out);
  bool follow(const Peer& active, int64_t now_ns, Actions& out);
  bool elect(int64_t now_ns, Actions& out);
  void promise();
  void update_synced();
  void request_full_sync(const Peer& active, int64_t now_ns, Actions& out);
  bool promised_by(const Peer& p, int64_t now_ns) const;
  void become_active(Cause cause, MemberId about, int64_t now_ns, Actions& out);

  // active.cpp: active states, lease, handover
  bool active_step(int64_t now_ns, Actions& out);
  bool yield_to_other_active(int64_t now_ns, Actions& out);
  bool attend_problems(int64_t now_ns, Actions& out);
  bool is_cut_off() const;
  bool preempt(int64_t now_ns, Actions& out);
  const Peer* best_standby() const;
  int64_t lease_limit_ns();
  void renew_lease(Actions& out);
  void lease_ran_out(int64_t now_ns, Actions& out);
  int64_t isolation_limit_ns() const;
  void give_handover(const Peer& target, int64_t now_ns, Actions& out);
  void start_handover(MemberId target, bool problem, int64_t now_ns, Actions& out);
  void cancel_handover(int64_t now_ns, Actions& out);
  void resume_after_offer(int64_t now_ns, Actions& out);
  bool handover_step(int64_t now_ns, Actions& out);
  void serve_requests(int64_t now_ns, Actions& out);
  bool take_offer(const Peer& active, int64_t now_ns, Actions& out);
  void refuse(const Peer& to, uint64_t id);

  ClusterConfig config_;
  CriticalDevices devices_;
  std::vector<Peer> peers_;
  std::vector<Interface> interfaces_;
  DataPlaneStatus data_;

  MemberState state_ = MemberState::kInit;
  Role role_ = Role::kIdle;
  uint64_t seen_epoch_ = 0;  // the highest of anybody
  uint64_t own_epoch_ = 0;   // last one this member was active with
  int64_t lease_until_ns_ = 0;
  bool lease_ends_by_isolation_ = false;
  bool leaving_ = false;

  int64_t start_ns_ = 0;
  int64_t last_event_ns_ = 0;
  int64_t listen_from_ns_ = 0;  // silence before this was our own
  int64_t deadline_ns_ = 0;
  int64_t problem_since_ns_ = kNever;

  Report report_;
  int64_t last_report_ns_ = kNever;
  bool report_wanted_ = false;
  bool report_urgent_ = false;
  static constexpr size_t kSentTimes = 32;  // claims live for a lease, at most lease / report gap = 25 reports
  std::array<int64_t, kSentTimes> sent_ns_{};

  bool claims_ = false;
  uint64_t claim_sequence_ = 0;
  int64_t claim_since_ns_ = 0;
  MemberId promised_to_ = kNoMember;
  int64_t promise_until_ns_ = 0;

  MemberId last_active_ = kNoMember;  // who was last known active, own included
  uint64_t followed_incarnation_ = 0;
  uint64_t followed_epoch_ = 0;
  bool synced_ = false;
  bool must_full_sync_ = true;
  // Was active and stopped without giving the role away: the latest state, unless another becomes active before us.
  bool held_active_ = false;
  uint32_t sync_id_ = 0;
  int64_t sync_requested_ns_ = kNever;

  MemberId relay_to_ = kNoMember;
  int64_t relay_until_ns_ = 0;
  HandoverState handover_;
  int64_t handover_not_before_ns_ = 0;  // automatic ones
  HandoverField handover_out_;          // as a standby: our request or refusal
  int64_t request_until_ns_ = 0;
  uint64_t refused_offer_ = 0;
  uint64_t refused_incarnation_ = 0;
  uint64_t next_handover_id_ = 0;

  size_t announce_round_ = kAnnounceAfterNs.size();
  int64_t active_since_ns_ = 0;

  std::deque<LogEvent> events_;
  std::array<uint64_t, kClusterCounters> counters_{};
};

}  // namespace phalanx::cluster

#endif
