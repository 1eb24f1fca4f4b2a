// A few state machines on simulated segments, in one thread under simulated time: loss, duplication, delay, cuts,
// pauses, crashes, restarts. A seed replays exactly. It watches who decides.
#ifndef PHALANX_TESTS_UNIT_CLUSTER_CLUSTER_HARNESS_HPP
#define PHALANX_TESTS_UNIT_CLUSTER_CLUSTER_HARNESS_HPP

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "host/cluster/state_machine.hpp"

namespace phalanx::cluster::harness {

inline constexpr int64_t kMs = kMillisecondNs;

struct Options {
  uint8_t members = 2;
  int interfaces = 3;  // the last one is the sync interface
  Timers timers;
  Recovery recovery = Recovery::kActiveUp;
  WhenIsolated when_isolated = WhenIsolated::kKeepActive;
  std::array<uint16_t, kMembersMax> priority{1, 2, 3, 4, 5};
  double loss = 0;
  double duplication = 0;
  int64_t delay_min_ns = 50'000;
  int64_t delay_max_ns = 300'000;
  int64_t tick_late_max_ns = 200'000;
  bool hosts = true;  // there are hosts on the data segments
  bool forgets_hosts =
      false;  // the data plane forgets the hosts of a link that goes down, until frames pass there again
  int64_t full_sync_ns = 20 * kMs;
  uint64_t seed = 1;
};

class Cluster {
 public:
  explicit Cluster(const Options& options);

  void run_for(int64_t ns) { run_until(now_ns_ + ns); }
  void run_until(int64_t t);
  // Runs until `done` or the limit; tells whether it was done.
  bool run_until(const std::function<bool()>& done, int64_t limit_ns);

  // What happens to members and segments.
  void crash(MemberId id, bool connection_closes);  // a killed process closes its connections, a dead machine does not
  void restart(MemberId id);
  void pause(MemberId id) { nodes_[id].paused = true; }
  void resume(MemberId id);
  void cut(MemberId from, MemberId to, int interface, bool cut_it);  // one direction
  void cut_all(MemberId a, MemberId b, bool cut_it);                 // both directions, all interfaces
  void cut_hosts(MemberId id, int interface, bool cut_it) { host_cut_[{id, interface}] = cut_it; }
  void unplug(MemberId id, int interface, bool unplugged);  // link and hosts and peers on it
  void calm_network() { options_.loss = options_.duplication = 0; }
  void set_link(MemberId id, int interface, bool up);
  void event(MemberId id, const std::function<void(StateMachine&, Actions&)>& what);
  absl::Status failover(MemberId id);

  StateMachine& at(MemberId id) { return *nodes_[id].machine; }
  int64_t now() const { return now_ns_; }
  bool up(MemberId id) { return nodes_[id].machine != nullptr; }
  MemberState state(MemberId id) { return at(id).state(); }
  std::vector<MemberId> deciders();  // right now, paused ones not counted: they do nothing
  bool one_active_rest_standby();
  int64_t longest_gap_ns() const { return longest_gap_ns_; }  // without a decider, since mark()
  int64_t doubly_decided_ns() const { return doubly_ns_; }    // two at once, since mark()
  void mark();
  // Every SetRole seen, and what a harness-wide observer needs.
  std::vector<std::string> trace;
  std::map<uint64_t, std::vector<MemberId>> epoch_owners;  // epoch -> members that decided under it
  bool epochs_grow = true;                                 // each member's own active epochs only grew
  std::vector<Action> last_actions;                        // of the last event(), for tests of single steps
  bool hold_handover_prepared = false;                     // the data plane never answers PrepareHandover
  std::function<bool(MemberId from, MemberId to, int interface, const Report&)> drop;  // a report to lose

 private:
  struct Node {
    std::unique_ptr<StateMachine> machine;
    bool paused = false;
    uint64_t incarnation = 0;
    std::vector<std::function<void()>> held;  // what arrived while paused
    uint64_t last_own_epoch = 0;
    uint64_t kept_epoch = 0;  // survives a restart
    bool whole = false;
    uint32_t sync_id = 0;
    std::map<MemberId, bool> connected;
    InterfaceMask forgotten = 0;  // links on which no host is known
  };
  struct Event {
    int64_t at;
    uint64_t order;
    std::function<void()> what;
    bool operator<(const Event& o) const { return std::tie(at, order) > std::tie(o.at, o.order); }
  };
  void start(MemberId id);
  void later(int64_t delay_ns, std::function<void()> what);
  void deliver(MemberId id, uint64_t incarnation, std::function<void(StateMachine&, Actions&)> what);
  void act(MemberId id, const Actions& actions);
  void do_one(MemberId id, const Action& action);
  void send(MemberId from, int interface, const std::function<void(MemberId to)>& what);
  void status(MemberId id);
  void learn_hosts(MemberId id, int interface);
  void observe();
  void connect_members();
  int64_t random_between(int64_t a, int64_t b) { return std::uniform_int_distribution<int64_t>(a, b)(random_); }
  bool chance(double p) { return p > 0 && std::uniform_real_distribution<>(0, 1)(random_) < p; }

  Options options_;
  std::mt19937_64 random_;
  int64_t now_ns_ = 0;
  uint64_t order_ = 0;
  std::priority_queue<Event> queue_;
  std::map<MemberId, Node> nodes_;
  std::map<std::tuple<MemberId, MemberId, int>, bool> cut_;
  std::map<std::pair<MemberId, int>, bool> host_cut_;
  int64_t last_observed_ns_ = 0;
  size_t deciders_before_ = 0;
  int64_t gap_ns_ = 0, longest_gap_ns_ = 0, doubly_ns_ = 0;
};

// The trace, for whoever looks into a failure.
std::string story(const Cluster& cluster);

}  // namespace phalanx::cluster::harness

#endif
