// A whole member in one piece, both sides joined without threads: what the simulation runs, and tests.
#ifndef PHALANX_HOST_GATEWAY_MEMBER_HPP
#define PHALANX_HOST_GATEWAY_MEMBER_HPP

#include <deque>
#include <memory>

#include "host/gateway/control_side.hpp"
#include "host/gateway/data_side.hpp"

namespace phalanx::gateway {

struct MemberSetup {
  GatewayConfig gateway;
  SyncConfig sync;
  ControlConfig control;
  EngineConfig engine;
};

// Everything that a member does to the outside.
class MemberOutput : public FrameSink, public SyncOutput, public EventSink {
 public:
  virtual void send_control_frame(cluster::InterfaceIndex interface, absl::Span<const uint8_t> ethernet) = 0;
  virtual void cluster_event(const cluster::LogEvent& event) = 0;
};

class Member final : private ControlOutput, private DataEvents {
 public:
  // With the CPU engine. `out` outlives it.
  static absl::StatusOr<std::unique_ptr<Member>> create(const MemberSetup& setup, int64_t now_ns, MemberOutput* out);

  // What the other side has to say is delivered before each of these returns.
  void frames(int64_t now_ns, DeviceIndex device, absl::Span<const Frame> burst);
  void control_frame(int64_t now_ns, cluster::InterfaceIndex interface, absl::Span<const uint8_t> ethernet);
  void sync_datagram(int64_t now_ns, cluster::MemberId peer, absl::Span<const uint8_t> datagram);
  void tick(int64_t now_ns);
  void link_changed(int64_t now_ns, cluster::InterfaceIndex interface, bool up);
  void peer_connected(int64_t now_ns, cluster::MemberId peer);
  void peer_disconnected(int64_t now_ns, cluster::MemberId peer);
  absl::Status failover(int64_t now_ns);

  DataSide& data() { return *data_; }
  const cluster::StateMachine& machine() const { return control_->machine(); }
  ControlSide& control() { return *control_; }
  bool deciding(int64_t now_ns) { return data_->dataplane().deciding(now_ns); }

 private:
  explicit Member(MemberOutput* out) : out_(out) {}
  void send_control_frame(cluster::InterfaceIndex interface, absl::Span<const uint8_t> ethernet) override {
    out_->send_control_frame(interface, ethernet);
  }
  void data_command(const DataCommand& command) override { commands_.push_back(command); }
  void cluster_event(const cluster::LogEvent& event) override { out_->cluster_event(event); }
  void data_event(DataEvent event) override { events_.push_back(std::move(event)); }
  void deliver(int64_t now_ns);

  MemberOutput* out_;
  std::unique_ptr<DataSide> data_;
  std::unique_ptr<ControlSide> control_;
  std::deque<DataCommand> commands_;
  std::deque<DataEvent> events_;
};

}  // namespace phalanx::gateway

#endif
