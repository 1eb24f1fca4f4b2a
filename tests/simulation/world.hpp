// One run: two members, two networks with hosts, a sync network, faults by schedule, checkers beside it.
#ifndef PHALANX_TESTS_SIMULATION_WORLD_HPP
#define PHALANX_TESTS_SIMULATION_WORLD_HPP

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/checkers/bindings.hpp"
#include "tests/simulation/checkers/deciders.hpp"
#include "tests/simulation/checkers/sessions.hpp"
#include "tests/simulation/checkers/violations.hpp"
#include "tests/simulation/faults.hpp"
#include "tests/simulation/host.hpp"
#include "tests/simulation/node.hpp"

namespace phalanx::simulation {

// How faults come. X(name, text)
#define PHALANX_MODES(X)                                          \
  X(kSingle, "single")   /* one at a time, each recovered from */ \
  X(kStorm, "storm")     /* several at once, without regard */    \
  X(kPlanned, "planned") /* a healthy network and planned failovers */

enum class Mode : uint8_t {
#define X(name, text) name,
  PHALANX_MODES(X)
#undef X
};

// Defects put in on purpose, each for a checker to find. X(name, option, checker, mode)
#define PHALANX_BREAKS(X)                                   \
  X(kSecondDecider, "second-decider", kDeciders, kPlanned)  \
  X(kForgetSessions, "forget-sessions", kSessions, kSingle) \
  X(kSharedBinding, "shared-binding", kBindings, kPlanned)  \
  X(kLostDelta, "lost-delta", kTables, kPlanned)            \
  X(kNoFullSync, "no-full-sync", kRoles, kPlanned)          \
  X(kEpochBack, "epoch-back", kEpochs, kPlanned)            \
  X(kLostPacket, "lost-packet", kLoss, kPlanned)

enum class Break : uint8_t {
  kNone,
#define X(name, option, checker, mode) name,
  PHALANX_BREAKS(X)
#undef X
};

struct RunOptions {
  uint64_t seed = 1;
  bool verbose = false;
  Break defect = Break::kNone;
};

struct RunResult {
  Violations violations;
  FaultCounts faults{};
  uint64_t protected_sessions = 0;
  uint64_t takeovers = 0;
  uint64_t full_syncs = 0;
  std::string description;
};

class World final : private NodeOutput {
 public:
  explicit World(const RunOptions& options);
  ~World() override;
  RunResult run();

 private:
  static constexpr int kDataNetworks = 2;  // clients, servers; the sync network is number 2
  struct SyncLink {
    Impairment out[2];  // of each node
    bool cut[2] = {false, false};
    uint64_t cut_hits = 0;
  };
  // The reliable stream of a full sync.
  struct Stream {
    bool open = false;
    int joiner = 0;
    uint64_t snapshot = 0;
    uint64_t number = 0;  // tells this stream from those before it
    uint64_t giver_life = 0, joiner_life = 0;
    std::array<int64_t, 2> last_ns{};  // of each direction: order is kept
    int64_t stuck_since_ns = -1;
  };
  struct Active {  // a fault in effect
    Fault fault;
    std::function<void()> heal;
    std::function<uint64_t()> hits;
    int64_t until_ns;
  };

  // world.cpp: the networks and what the nodes do
  void node_frame(int node, PortIndex device, const Frame& frame) override;
  void node_control_frame(int node, uint8_t interface, absl::Span<const uint8_t> ethernet) override;
  void node_datagram(int node, absl::Span<const uint8_t> datagram) override;
  void node_open_full_sync(int node, const gateway::FullSyncOpen& open) override;
  void node_stream(int node, uint64_t snapshot, std::string message, bool confirmation) override;
  void node_event(int node, const cluster::LogEvent& event) override;
  void over_sync(int from, std::function<void()> arrive);
  bool sync_works(int from) const;
  void stream_send(int from, std::function<void(gateway::Member&, int64_t)> what);
  void watch_stream();
  void close_stream();
  void member_frame(int node, PortIndex device, const SharedFrame& frame);
  void observe(int node, PortIndex device, const Frame& frame);
  void start_node(int node);
  void crash_node(int node);
  void connect_peers();
  void set_link(int node, int network, bool up);
  void watch();

  // setup.cpp
  void choose();
  void build();
  gateway::MemberSetup setup_of(int node);
  void start_traffic();
  void short_connections();
  uint32_t add_flow(bool tcp);

  // schedule.cpp
  bool healthy();
  int active_node();
  bool wait_healthy(int64_t bound_ns, std::string_view when);
  void inject(Fault fault);
  void heal_all();
  void heal(size_t index);
  void inject_failover();
  void run_single();
  void run_storm();
  void run_planned();
  void finish();
  void apply_defect();
  void trace(const std::string& text);
  void fail(Checker checker, std::string what);

  RunOptions options_;
  Random random_;
  Scheduler scheduler_;
  Mode mode_ = Mode::kSingle;
  cluster::Timers timers_;
  bool fast_ = true;
  cluster::Recovery recovery_{};
  cluster::WhenIsolated isolated_{};
  bool authenticated_ = false;
  int64_t bound_ns_ = 0;  // for recovering

  std::vector<std::unique_ptr<Switch>> switches_;
  SyncLink sync_;
  Stream stream_;
  std::vector<std::unique_ptr<Node>> nodes_;
  uint64_t incarnation_ = 1000;
  bool connected_ = false;      // the peer connection, at both ends
  bool close_pending_ = false;  // one end has died and the other hasn't heard of it
  std::vector<std::unique_ptr<Host>> hosts_;
  std::vector<Host*> clients_, servers_;
  std::map<uint32_t, Flow> flows_;
  uint32_t next_flow_ = 1;
  bool traffic_ = false;
  std::vector<Active> active_;
  int64_t excuse_from_ns_ = -1;

  DecidersChecker deciders_;
  SessionsChecker sessions_;
  BindingsChecker bindings_;
  std::array<uint64_t, 2> epoch_seen_{}, epoch_life_{};
  bool drop_one_ = false;
  RunResult result_;
};

}  // namespace phalanx::simulation

#endif
