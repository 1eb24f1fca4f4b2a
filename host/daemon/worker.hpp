// The worker: one thread that owns the data side of the member and its ports, and runs to completion.
#ifndef PHALANX_HOST_DAEMON_WORKER_HPP
#define PHALANX_HOST_DAEMON_WORKER_HPP

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "host/daemon/card_engine.hpp"
#include "host/daemon/clock.hpp"
#include "host/daemon/settings.hpp"
#include "host/daemon/side_rings.hpp"
#include "host/daemon/task_queue.hpp"
#include "host/gateway/data_side.hpp"
#include "host/ports/port.hpp"
#include "host/ports/udp_socket.hpp"

namespace phalanx::daemon {

// How long an idle worker looks again before it sleeps: packets that follow each other closely meet it awake.
inline constexpr int64_t kSpinNs = 50'000;
// Among ordinary threads the worker comes first: a packet that waits for a time slice is a packet late by milliseconds.
// Not a real-time priority: a flood must not keep the machine from everything else.
inline constexpr int kWorkerNiceness = -19;
// The longest it sleeps: timers of the data side have 1 ms to run in.
inline constexpr int64_t kSleepNs = 1'000'000;

// The card is looked after this often: moves of sessions go on by a step each time.
inline constexpr int64_t kCardTendNs = 1'000'000;

// Where the streams of full sync are, outside of the worker.
class FullSyncStreams {
 public:
  virtual ~FullSyncStreams() = default;
  virtual void open(cluster::MemberId active, const gateway::FullSyncOpen& open) = 0;
  virtual void answer(uint64_t snapshot, std::string message) = 0;
  virtual void give(cluster::MemberId joiner, uint64_t snapshot, std::string message) = 0;
};

class Worker final : private FrameSink,
                     private gateway::SyncOutput,
                     private gateway::DataEvents,
                     private gateway::EventSink {
 public:
  // Opens ports and the sync socket. `rings` and `streams` outlive it.
  static absl::StatusOr<std::unique_ptr<Worker>> create(const Settings& settings, const Clock& clock, SideRings* rings,
                                                        FullSyncStreams* streams);
  ~Worker() override;

  void start();
  void stop();
  TaskQueue<Worker>& tasks() { return tasks_; }

  // Of the worker's own thread, for tasks.
  gateway::DataSide& data() { return *data_; }
  CardEngine* card() { return card_; }  // null without a card
  const std::vector<std::unique_ptr<Port>>& ports() const { return ports_; }
  const UdpStats& sync_stats() const { return sync_socket_->stats(); }

 private:
  Worker(const Settings& settings, const Clock& clock, SideRings* rings, FullSyncStreams* streams);
  absl::Status open(const Settings& settings);
  absl::StatusOr<std::unique_ptr<Accelerator>> make_engine(const Settings& settings);
  absl::Status open_device(const Settings& settings, gateway::DeviceIndex device);

  void run();
  bool round();
  bool receive_frames();
  bool receive_from(gateway::DeviceIndex device);
  void finish_frames();
  void renew_lease();
  bool receive_sync();
  void take_commands();
  void sleep();
  void tend_card(int64_t now_ns);

  // FrameSink
  void send(PortIndex device, const Frame& frame) override;
  void flush() override;
  // SyncOutput
  void send_datagram(cluster::MemberId peer, absl::Span<const uint8_t> datagram) override;
  void open_full_sync(cluster::MemberId active, const gateway::FullSyncOpen& open) override;
  void answer_full_sync(uint64_t snapshot, std::string message) override;
  void give_full_sync(cluster::MemberId joiner, uint64_t snapshot, std::string message) override;
  // DataEvents, EventSink
  void data_event(gateway::DataEvent event) override;
  void event(std::string_view text) override;

  struct PeerAddress {
    cluster::MemberId id;
    IpAddress address;
  };

  const Clock& clock_;
  SideRings* rings_;
  FullSyncStreams* streams_;
  TaskQueue<Worker> tasks_;
  std::vector<std::unique_ptr<Port>> ports_;
  std::unique_ptr<UdpSocket> sync_socket_;
  std::vector<PeerAddress> peers_;
  uint16_t sync_port_;
  std::unique_ptr<gateway::DataSide> data_;
  CardEngine* card_ = nullptr;  // the data side's engine, if it is one
  gateway::DeviceIndex next_device_ = 0;
  int64_t tended_ns_ = 0;
  uint64_t queued_ = 0;  // devices with frames to flush, one bit each
  std::array<Frame, kBurstMax> burst_;
  std::array<Datagram, kDatagramBurstMax> datagrams_;
  std::vector<int> wait_fds_;
  std::thread thread_;
  std::atomic<bool> stopping_{false};
};

}  // namespace phalanx::daemon

#endif
