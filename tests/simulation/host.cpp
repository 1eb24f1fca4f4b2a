#include "tests/simulation/host.hpp"

#include <array>

#include "host/packet/arp.hpp"
#include "host/packet/bytes.hpp"
#include "host/packet/nd.hpp"

namespace phalanx::simulation {
namespace {

constexpr size_t kWaitingMax = 16;
constexpr int64_t kAskAgainNs = 200 * kMillisecondNs;

std::array<uint8_t, kSegmentBytes> payload_of(uint32_t flow, uint32_t number) {
  std::array<uint8_t, kSegmentBytes> bytes{};
  store32(bytes.data(), kPayloadMagic);
  store32(bytes.data() + 4, flow);
  store32(bytes.data() + 8, number);
  return bytes;
}

SharedFrame shared(absl::Span<const uint8_t> frame) {
  return std::make_shared<const Bytes>(frame.begin(), frame.end());
}

}  // namespace

uint32_t flow_of_payload(absl::Span<const uint8_t> payload) {
  if (payload.size() < 12 || load32(payload.data()) != kPayloadMagic) return 0;
  return load32(payload.data() + 4);
}

PacketBuilder Host::builder(const IpAddress& to) const { return PacketBuilder().ip(own(to.family), to); }

// Everybody else is behind the gateway.
void Host::send_ip(const IpAddress& to, const PacketBuilder& packet) {
  const IpAddress gateway = to.is_v4() ? config_.gateway_v4 : config_.gateway_v6;
  const auto known = neighbours_.find(gateway);
  if (known == neighbours_.end()) {
    auto& queue = waiting_[gateway];
    if (queue.empty()) ask(gateway);
    if (queue.size() < kWaitingMax) queue.push_back(packet);
    return;
  }
  PacketBuilder copy = packet;
  send_(std::make_shared<const Bytes>(copy.macs(known->second, config_.mac).build()));
}

void Host::ask(const IpAddress& gateway) {
  if (neighbours_.contains(gateway)) return;
  std::array<uint8_t, 256> buffer;
  const uint32_t length =
      gateway.is_v4() ? build_arp_request(config_.mac, config_.v4, gateway, absl::MakeSpan(buffer))
                      : build_neighbour_solicitation(config_.mac, config_.v6, gateway, absl::MakeSpan(buffer), nullptr);
  send_(shared({buffer.data(), length}));
  scheduler_->after(kAskAgainNs, [this, gateway] { ask(gateway); });
}

void Host::learn(const IpAddress& address, const MacAddress& mac) {
  neighbours_[address] = mac;
  const auto queue = waiting_.find(address);
  if (queue == waiting_.end()) return;
  const std::deque<PacketBuilder> packets = std::move(queue->second);
  waiting_.erase(queue);
  for (const PacketBuilder& packet : packets) send_ip(address, packet);
}

void Host::receive(const SharedFrame& shared_frame) {
  const uint8_t* destination = shared_frame->data() + sizeof(VirtioNetHeader);
  const bool group = (destination[0] & 1) != 0;
  if (!group && std::memcmp(destination, config_.mac.data(), 6) != 0) return;
  Bytes bytes = *shared_frame;
  const Frame frame = frame_of(bytes);
  ParsedPacket packet;
  if (parse(frame, 0, packet) != DropReason::kNone) return;
  if (packet.kind == FrameKind::kArp) return take_arp(frame, packet);
  if (packet.kind == FrameKind::kNeighbourDiscovery) return take_nd(frame, packet);
  if (packet.destination != own(packet.family)) return;
  if (packet.meta.kind == hls::kPacketTcp) return take_tcp(frame, packet);
  const uint32_t end = packet.l3 + packet.l3_length;
  take_echo(packet, {frame.ethernet() + packet.payload, end - packet.payload});
}

void Host::take_arp(const Frame& frame, const ParsedPacket& packet) {
  ArpMessage message;
  if (parse_arp(frame, packet, message) != DropReason::kNone) return;
  if (!message.is_probe() && message.sender == config_.gateway_v4) learn(message.sender, message.sender_mac);
  if (message.operation != ArpOperation::kRequest || message.target != config_.v4) return;
  std::array<uint8_t, kArpFrameBytesMax> buffer;
  send_(shared({buffer.data(), build_arp_reply(frame, packet, message, config_.mac, absl::MakeSpan(buffer))}));
}

void Host::take_nd(const Frame& frame, const ParsedPacket& packet) {
  NdMessage message;
  if (parse_nd(frame, packet, message) != DropReason::kNone) return;
  if (message.type == kNdNeighbourAdvertisement && message.target == config_.gateway_v6 && message.link_layer) {
    learn(message.target, *message.link_layer);
  }
  if (message.type != kNdNeighbourSolicitation || message.target != config_.v6) return;
  std::array<uint8_t, kNdFrameBytesMax> buffer;
  send_(shared(
      {buffer.data(), build_neighbour_advertisement(frame, packet, message, config_.mac, absl::MakeSpan(buffer))}));
}

void Host::take_echo(const ParsedPacket& packet, absl::Span<const uint8_t> payload) {
  const uint32_t id = flow_of_payload(payload);
  if (id == 0 || packet.is_icmp_error()) return;
  const bool request = packet.meta.kind == hls::kPacketEchoRequest;
  const bool udp = packet.meta.kind == hls::kPacketUdp;
  if (request) {
    return send_ip(packet.source, builder(packet.source).echo(false, packet.icmp_id, 0).payload(payload));
  }
  if (udp && packet.destination_port < 20000) {  // a server's port
    return send_ip(packet.source,
                   builder(packet.source).udp(packet.destination_port, packet.source_port).payload(payload));
  }
  const auto flow = flows_->find(id);
  const uint16_t own_port = udp ? packet.destination_port : packet.icmp_id;
  if (flow == flows_->end() || own_port != static_cast<uint16_t>(20000 + id)) {
    ++misdelivered_;
    return;
  }
  ++flow->second.answered;
  flow->second.answered_ns = scheduler_->now_ns();
}

void Host::start_echo(uint32_t flow, bool udp, const IpAddress& server, uint16_t server_port, int64_t interval_ns) {
  echo_request(flow, udp, server, server_port, static_cast<uint16_t>(20000 + flow), interval_ns);
}

void Host::echo_request(uint32_t id, bool udp, IpAddress server, uint16_t port, uint16_t own_port,
                        int64_t interval_ns) {
  if (quiet_) return;
  Flow& flow = (*flows_)[id];
  const auto payload = payload_of(id, static_cast<uint32_t>(++flow.sent));
  PacketBuilder packet = builder(server);
  if (udp) {
    packet.udp(own_port, port);
  } else {
    packet.echo(true, own_port, static_cast<uint16_t>(flow.sent));
  }
  send_ip(server, packet.payload(payload));
  scheduler_->after(interval_ns, [=, this] { echo_request(id, udp, server, port, own_port, interval_ns); });
}

}  // namespace phalanx::simulation
