#include "host/gateway/control_side.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "host/packet/arp.hpp"
#include "host/packet/bytes.hpp"
#include "host/packet/nd.hpp"

namespace phalanx::gateway {
namespace {

cluster::CcpConfig codec_config(const ControlConfig& config) {
  cluster::CcpConfig codec;
  codec.cluster_number = config.cluster_number;
  codec.own_id = config.cluster.own_id;
  codec.member_count = 0;
  for (const auto& member : config.cluster.members) codec.member_count = std::max(codec.member_count, member.id);
  codec.incarnation = config.cluster.incarnation;
  codec.key = config.key;
  codec.primary_up = config.cluster.recovery == cluster::Recovery::kPrimaryUp;
  codec.time_unit_ms = static_cast<uint16_t>(config.cluster.timers.report_interval_ns / 1'000'000);
  return codec;
}

constexpr size_t kVnetBytes = sizeof(VirtioNetHeader);

}  // namespace

ControlSide::ControlSide(const ControlConfig& config, int64_t now_ns, ControlOutput* out)
    : config_(config), machine_(config.cluster, now_ns), codec_(codec_config(config)), out_(out) {}

// Hosts of the segment, not members: those send with the cluster's own addresses, or by the virtual MAC.
bool ControlSide::from_host(absl::Span<const uint8_t> ethernet) const {
  const uint16_t type = load16(ethernet.data() + 12);
  return type == kEthertypeArp || type == kEthertypeIpv6;
}

void ControlSide::frame(int64_t now_ns, cluster::InterfaceIndex interface, absl::Span<const uint8_t> ethernet) {
  if (ethernet.size() < kEthernetBytes) return;
  if (from_host(ethernet)) {
    // Only what is addressed to this member answers its question; other members ask and are answered themselves.
    if (std::memcmp(ethernet.data(), config_.interfaces[interface].own_mac.data(), 6) == 0) {
      machine_.probe_answered(interface, now_ns, actions_);
      act(now_ns);
    }
    return;
  }
  const auto view = cluster::parse_frame(ethernet, cluster::kDefaultMacMagic, codec_.counters());
  if (!view.ok()) return;
  const auto received = codec_.decode(view->datagram);
  if (!received.ok()) return;
  take_message(now_ns, interface, *received);
  act(now_ns);
}

void ControlSide::take_message(int64_t now_ns, cluster::InterfaceIndex interface,
                               const cluster::CcpReceived& received) {
  if (received.message.opcode == cluster::CcpOpcode::kMyState) {
    machine_.report_received(interface, received.message.report, now_ns, actions_);
    const uint64_t proven = machine_.peer_incarnation(received.source);
    if (proven != 0) codec_.pin_incarnation(received.source, proven);
    return;
  }
  machine_.query_received(interface, received.source, now_ns, actions_);
  if (received.message.opcode == cluster::CcpOpcode::kInterfaceProbeRequest) {
    cluster::CcpMessage reply;
    reply.opcode = cluster::CcpOpcode::kInterfaceProbeReply;
    reply.interface = interface;
    reply.destination = received.source;
    reply.probed_interface = received.message.probed_interface;
    send(interface, reply);
  }
}

void ControlSide::tick(int64_t now_ns) {
  machine_.tick(now_ns, actions_);
  act(now_ns);
}

void ControlSide::link_changed(int64_t now_ns, cluster::InterfaceIndex interface, bool up) {
  machine_.link_changed(interface, up, now_ns, actions_);
  act(now_ns);
  if (interface + 1u < config_.interfaces.size()) out_->data_command(SetLink{interface, up});
}

void ControlSide::host_heard(int64_t now_ns, cluster::InterfaceIndex interface) {
  machine_.probe_answered(interface, now_ns, actions_);
  act(now_ns);
}

void ControlSide::peer_connected(int64_t now_ns, cluster::MemberId peer) {
  machine_.peer_connected(peer, now_ns, actions_);
  act(now_ns);
}

void ControlSide::peer_disconnected(int64_t now_ns, cluster::MemberId peer) {
  machine_.peer_disconnected(peer, now_ns, actions_);
  act(now_ns);
}

void ControlSide::data_event(int64_t now_ns, const DataEvent& event) {
  if (const auto* status = std::get_if<cluster::DataPlaneStatus>(&event)) {
    machine_.data_plane(*status, now_ns, actions_);
  } else if (const auto* prepared = std::get_if<HandoverPrepared>(&event)) {
    machine_.handover_prepared(prepared->id, prepared->position, now_ns, actions_);
  } else if (const auto* targets = std::get_if<ProbeTargets>(&event)) {
    targets_ = targets->targets;
  }
  act(now_ns);
}

absl::Status ControlSide::failover(int64_t now_ns) {
  absl::Status status = machine_.failover(now_ns, actions_);
  act(now_ns);
  return status;
}

void ControlSide::admin(int64_t now_ns, bool up) {
  if (up) {
    machine_.admin_up(now_ns, actions_);
  } else {
    machine_.admin_down(now_ns, actions_);
  }
  act(now_ns);
}

void ControlSide::worker(int64_t now_ns, bool alive) {
  machine_.built_in_device(cluster::BuiltInDevice::kWorker,
                           alive ? cluster::DeviceStatus::kOk : cluster::DeviceStatus::kProblem, now_ns, actions_);
  act(now_ns);
}

void ControlSide::leave(int64_t now_ns) {
  machine_.leave(now_ns, actions_);
  act(now_ns);
}

// A command handed over at once may lead to new events, and so to new actions, while these are carried out: each round
// is taken out first.
void ControlSide::act(int64_t now_ns) {
  (void)now_ns;
  cluster::Actions actions = std::move(actions_);
  actions_.clear();
  for (const cluster::Action& action : actions) {
    if (const auto* report = std::get_if<cluster::SendReport>(&action)) {
      cluster::CcpMessage message;
      message.interface = report->interface;
      message.report = machine_.report();
      send(report->interface, message);
    } else if (const auto* query = std::get_if<cluster::SendQuery>(&action)) {
      cluster::CcpMessage message;
      message.opcode = cluster::CcpOpcode::kQueryState;
      message.interface = query->interface;
      send(query->interface, message);
    } else if (const auto* wanted = std::get_if<cluster::SendProbe>(&action)) {
      probe(wanted->interface);
    } else if (const auto* event = std::get_if<cluster::LogEvent>(&action)) {
      out_->cluster_event(*event);
    } else {
      std::visit(
          [this](const auto& a) {
            if constexpr (std::is_constructible_v<DataCommand, decltype(a)>) out_->data_command(DataCommand(a));
          },
          action);
    }
  }
}

void ControlSide::send(cluster::InterfaceIndex interface, const cluster::CcpMessage& message) {
  const auto datagram = codec_.encode(message);
  if (!datagram.ok()) return;  // counted by the codec
  const ReportInterface& out = config_.interfaces[interface];
  const std::vector<uint8_t> frame = cluster::build_frame({.mac_magic = cluster::kDefaultMacMagic,
                                                           .own_id = config_.cluster.own_id,
                                                           .destination = cluster::CcpDestination::kMulticast,
                                                           .virtual_ip = out.virtual_ip,
                                                           .network_address = out.network_address,
                                                           .peer_mac = {}},
                                                          *datagram);
  ++codec_.counters().sent;
  out_->send_control_frame(interface, absl::MakeConstSpan(frame).subspan(kVnetBytes));
}

// Asks hosts of the network, and the other members there.
void ControlSide::probe(cluster::InterfaceIndex interface) {
  cluster::CcpMessage message;
  message.opcode = cluster::CcpOpcode::kInterfaceProbeRequest;
  message.interface = interface;
  message.probed_interface = interface + 1u;
  send(interface, message);
  for (const ProbeTarget& target : targets_) {
    if (target.device == interface) probe_host(interface, target);
  }
}

// By ARP as nobody (RFC 5227, an ARP probe), so that no host learns a wrong address for the gateway. By neighbour
// discovery as the link-local address that this member's MAC gives (RFC 4291, appendix A): the answer to a solicitation
// of nobody would go to all nodes, and tell a member that cannot send that it can.
void ControlSide::probe_host(cluster::InterfaceIndex interface, const ProbeTarget& target) {
  const MacAddress& own_mac = config_.interfaces[interface].own_mac;
  uint8_t frame[std::max(kArpFrameBytesMax, kNdFrameBytesMax)];
  uint32_t length = 0;
  if (target.address.is_v4()) {
    LinkHeader link{.destination = kBroadcastMac, .source = own_mac};
    if (target.vlan != 0) {
      link.vlan[0] = target.vlan;
      link.vlan_count = 1;
    }
    const ArpMessage request{.operation = ArpOperation::kRequest,
                             .sender_mac = own_mac,
                             .sender = IpAddress::v4(0),
                             .target_mac = {},
                             .target = target.address};
    length = build_arp(link, request, absl::MakeSpan(frame));
  } else if (target.vlan == 0) {
    length = build_neighbour_solicitation(own_mac, link_local(own_mac), target.address, absl::MakeSpan(frame));
  }
  if (length != 0) out_->send_control_frame(interface, {frame + kVnetBytes, length - kVnetBytes});
}

}  // namespace phalanx::gateway
