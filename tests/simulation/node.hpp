// A member's process: the pure member, driven as phalanxd drives it, that can crash, restart, pause and lag.
#ifndef PHALANX_TESTS_SIMULATION_NODE_HPP
#define PHALANX_TESTS_SIMULATION_NODE_HPP

#include <deque>
#include <memory>
#include <string>

#include "host/gateway/member.hpp"
#include "tests/simulation/network.hpp"

namespace phalanx::simulation {

inline constexpr int64_t kTickNs = kMillisecondNs;
// What sockets keep for a process that doesn't run; then the oldest stay and the new are lost.
inline constexpr size_t kInboxMax = 2048;

// What a node does to the world.
class NodeOutput {
 public:
  virtual ~NodeOutput() = default;
  virtual void node_frame(int node, PortIndex device, const Frame& frame) = 0;
  virtual void node_control_frame(int node, uint8_t interface, absl::Span<const uint8_t> ethernet) = 0;
  virtual void node_datagram(int node, absl::Span<const uint8_t> datagram) = 0;
  virtual void node_open_full_sync(int node, const gateway::FullSyncOpen& open) = 0;
  virtual void node_stream(int node, uint64_t snapshot, std::string message, bool confirmation) = 0;
  virtual void node_event(int node, const cluster::LogEvent& event) = 0;
};

class Node final : public gateway::MemberOutput {
 public:
  Node(int index, Scheduler* scheduler, NodeOutput* out) : index_(index), scheduler_(scheduler), out_(out) {}

  void start(const gateway::MemberSetup& setup);
  void crash();
  void pause() { paused_ = true; }
  void resume();
  void set_lag(int64_t lag_ns) { lag_ns_ = lag_ns; }
  bool running() const { return member_ != nullptr; }
  bool paused() const { return paused_; }
  uint64_t life() const { return life_; }
  gateway::Member* member() { return member_.get(); }
  bool deciding() { return member_ && !paused_ && member_->deciding(scheduler_->now_ns()); }
  cluster::MemberState state() const { return member_->machine().state(); }

  // Events from the world; they wait while the process is paused or slow.
  void frame(PortIndex device, const SharedFrame& frame);
  void control_frame(uint8_t interface, const SharedFrame& ethernet);
  void datagram(std::shared_ptr<const Bytes> bytes);
  void post(std::function<void(gateway::Member&, int64_t now_ns)> what);

 private:
  struct Event {
    std::function<void(gateway::Member&, int64_t)> what;
    SharedFrame frame;  // set: a data frame, which may be received in a burst with its neighbours
    PortIndex device = 0;
  };
  cluster::MemberId peer() const { return static_cast<cluster::MemberId>(2 - index_); }
  void tick(uint64_t life);
  void take(Event event);
  void run(Event& event);
  void run_burst(std::deque<Event>& events);

  void send(PortIndex device, const Frame& frame) override { out_->node_frame(index_, device, frame); }
  void flush() override {}
  void send_datagram(cluster::MemberId, absl::Span<const uint8_t> bytes) override {
    out_->node_datagram(index_, bytes);
  }
  void open_full_sync(cluster::MemberId, const gateway::FullSyncOpen& open) override {
    out_->node_open_full_sync(index_, open);
  }
  void answer_full_sync(uint64_t snapshot, std::string message) override {
    out_->node_stream(index_, snapshot, std::move(message), true);
  }
  void give_full_sync(cluster::MemberId, uint64_t snapshot, std::string message) override {
    out_->node_stream(index_, snapshot, std::move(message), false);
  }
  void event(std::string_view) override {}
  void send_control_frame(cluster::InterfaceIndex interface, absl::Span<const uint8_t> ethernet) override {
    out_->node_control_frame(index_, interface, ethernet);
  }
  void cluster_event(const cluster::LogEvent& event) override { out_->node_event(index_, event); }

  int index_;
  Scheduler* scheduler_;
  NodeOutput* out_;
  std::unique_ptr<gateway::Member> member_;
  uint64_t life_ = 0;
  bool paused_ = false;
  int64_t lag_ns_ = 0;
  int64_t lagging_until_ns_ = 0;
  std::deque<Event> inbox_;
};

}  // namespace phalanx::simulation

#endif
