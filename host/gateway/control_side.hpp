// The control side of a member: the cluster's state machine, its messages on the wire and the probes of its networks.
// Pure.
#ifndef PHALANX_HOST_GATEWAY_CONTROL_SIDE_HPP
#define PHALANX_HOST_GATEWAY_CONTROL_SIDE_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "host/cluster/ccp.hpp"
#include "host/cluster/ccp_frame.hpp"
#include "host/cluster/state_machine.hpp"
#include "host/gateway/side_messages.hpp"
#include "host/packet/frame.hpp"

namespace phalanx::gateway {

// An interface that state reports go out on: the data devices in order, then the sync network. cluster::InterfaceIndex
// and DeviceIndex of a data device are the same number.
struct ReportInterface {
  MacAddress own_mac{};          // the device's, for probes: a standby must not speak as the virtual MAC
  uint32_t virtual_ip = 0;       // names the multicast group; IPv4, host order
  uint32_t network_address = 0;  // IPv4, host order
};

struct ControlConfig {
  cluster::ClusterConfig cluster;
  uint16_t cluster_number = 0;
  std::optional<std::array<uint8_t, 32>> key;
  std::vector<ReportInterface> interfaces;  // as cluster.interfaces
};

class ControlOutput {
 public:
  virtual ~ControlOutput() = default;
  // A whole Ethernet frame, without virtio-net header.
  virtual void send_control_frame(cluster::InterfaceIndex interface, absl::Span<const uint8_t> ethernet) = 0;
  virtual void data_command(const DataCommand& command) = 0;
  virtual void cluster_event(const cluster::LogEvent& event) = 0;
};

class ControlSide {
 public:
  ControlSide(const ControlConfig& config, int64_t now_ns, ControlOutput* out);

  // A frame of the control socket: CCP, or ARP and neighbour advertisements that say a network works.
  void frame(int64_t now_ns, cluster::InterfaceIndex interface, absl::Span<const uint8_t> ethernet);
  void tick(int64_t now_ns);
  int64_t next_deadline_ns() const { return machine_.next_deadline_ns(); }
  void link_changed(int64_t now_ns, cluster::InterfaceIndex interface, bool up);
  // A frame of a host came by this interface's data port.
  void host_heard(int64_t now_ns, cluster::InterfaceIndex interface);
  void peer_connected(int64_t now_ns, cluster::MemberId peer);
  void peer_disconnected(int64_t now_ns, cluster::MemberId peer);
  void data_event(int64_t now_ns, const DataEvent& event);

  absl::Status failover(int64_t now_ns);
  void admin(int64_t now_ns, bool up);
  void worker(int64_t now_ns, bool alive);
  void leave(int64_t now_ns);

  const cluster::StateMachine& machine() const { return machine_; }
  const cluster::CcpCounters& ccp_counters() const { return codec_.counters(); }

 private:
  void act(int64_t now_ns);
  void send(cluster::InterfaceIndex interface, const cluster::CcpMessage& message);
  void probe(cluster::InterfaceIndex interface);
  void probe_host(cluster::InterfaceIndex interface, const ProbeTarget& target);
  void take_message(int64_t now_ns, cluster::InterfaceIndex interface, const cluster::CcpReceived& received);
  bool from_host(absl::Span<const uint8_t> ethernet) const;

  ControlConfig config_;
  cluster::StateMachine machine_;
  cluster::CcpCodec codec_;
  ControlOutput* out_;
  cluster::Actions actions_;
  std::vector<ProbeTarget> targets_;
};

}  // namespace phalanx::gateway

#endif
