// The control thread: a real-time thread of its own that owns the cluster's state machine, so that reports go out and
// are heard on time whatever the worker and the rest of the machine are doing.
#ifndef PHALANX_HOST_DAEMON_CONTROLLER_HPP
#define PHALANX_HOST_DAEMON_CONTROLLER_HPP

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "host/daemon/clock.hpp"
#include "host/daemon/link_watch.hpp"
#include "host/daemon/settings.hpp"
#include "host/daemon/side_rings.hpp"
#include "host/daemon/task_queue.hpp"
#include "host/gateway/control_side.hpp"
#include "host/ports/ccp_socket.hpp"
#include "host/ports/liveness_link.hpp"

namespace phalanx::daemon {

// SCHED_FIFO priority: above everything ordinary, below the kernel's own threads.
inline constexpr int kControlPriority = 50;
// A worker that has not come by for this long does not forward, and does not get better by waiting.
inline constexpr int64_t kWorkerTimeoutNs = 500'000'000;

class Controller final : private gateway::ControlOutput {
 public:
  // Opens sockets. `rings` outlives it. `changed` is called on this thread after each cluster event; it must not wait.
  static absl::StatusOr<std::unique_ptr<Controller>> create(const Settings& settings, const Clock& clock,
                                                            SideRings* rings, std::function<void()> changed);
  ~Controller() override;

  void start();
  // Tells the peers that this member leaves, then stops.
  void stop();
  TaskQueue<Controller>& tasks() { return tasks_; }

  // Of the control thread, for tasks.
  gateway::ControlSide& control() { return *control_; }
  const std::vector<std::unique_ptr<CcpSocket>>& sockets() const { return sockets_; }
  const LivenessLinks& liveness() const { return *liveness_; }

 private:
  Controller(const Clock& clock, SideRings* rings, std::function<void()> changed)
      : clock_(clock), rings_(rings), changed_(std::move(changed)) {}
  absl::Status open(const Settings& settings);

  void run();
  void sleep();
  void receive_frames();
  void watch_peers();
  void watch_links();
  void watch_worker();
  void note_traffic();

  void send_control_frame(cluster::InterfaceIndex interface, absl::Span<const uint8_t> ethernet) override;
  void data_command(const gateway::DataCommand& command) override;
  void cluster_event(const cluster::LogEvent& event) override;

  const Clock& clock_;
  SideRings* rings_;
  std::function<void()> changed_;
  TaskQueue<Controller> tasks_;
  std::vector<std::unique_ptr<CcpSocket>> sockets_;  // by InterfaceIndex
  std::unique_ptr<LivenessLinks> liveness_;
  std::unique_ptr<LinkWatch> links_;
  std::unique_ptr<gateway::ControlSide> control_;
  std::array<int64_t, kPortsMax> heard_ns_{};  // as noted last, by device
  int64_t watched_ns_ = 0;                     // when the worker was last looked after
  int64_t worker_due_ns_ = 0;
  bool worker_alive_ = true;
  std::thread thread_;
  std::atomic<bool> stopping_{false};
};

// A line for people about a cluster event.
std::string describe(const cluster::LogEvent& event);

}  // namespace phalanx::daemon

#endif
