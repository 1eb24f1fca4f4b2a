#include "tests/unit/gateway/gateway_harness.hpp"

#include <utility>

namespace phalanx::gateway::harness {
namespace {

InterfaceAddress at(std::string_view address, uint8_t length) { return {*parse_ip(address), length}; }

GatewayConfig config_of(const Options& options) {
  GatewayConfig config;
  PortConfig inside{.name = "inside", .device = 0, .vlan = {}, .virtual_mac = kInsideMac, .mtu = 1500, .addresses = {}};
  inside.addresses = {at("10.1.0.1", 16), at("2001:db8:1::1", 64)};
  PortConfig outside{.name = "outside",
                     .device = 1,
                     .vlan = options.outside_vlan,
                     .virtual_mac = kOutsideMac,
                     .mtu = options.outside_mtu,
                     .addresses = {}};
  outside.addresses = {at("10.2.0.1", 16), at("2001:db8:2::1", 64)};
  config.ports = {inside, outside};
  policy::Rule rule;
  rule.name = "rule";
  rule.action = options.action;
  config.rules = std::make_shared<policy::RuleTable>(*policy::RuleTable::build({rule}));
  config.nat = std::make_shared<policy::NatTable>(*policy::NatTable::build(options.nat));
  return config;
}

}  // namespace

Gateway::Gateway(const Options& options) {
  EngineConfig small;
  small.sessions_max = 1024;
  small.half_open_max = 256;
  small.timeouts = hls::default_timeouts();
  engine = *CpuEngine::create(small);
  if (options.front) front = options.front(engine.get());
  Accelerator* const used = front != nullptr ? front.get() : engine.get();
  dataplane = std::make_unique<Dataplane>(config_of(options), used, this, this, this);
  dataplane->set_role(
      now_ns,
      {.active = true, .holding = false, .epoch = 1, .lease_until_ns = INT64_MAX, .relay_to = 0, .relay_until_ns = 0});
  if (!options.neighbours) return;
  const auto known = [](PortIndex port, std::string_view address, const MacAddress& mac) {
    routing::NeighbourView view;
    view.port = port;
    view.address = *parse_ip(address);
    view.mac = mac;
    view.state = routing::NeighbourState::kStale;
    return view;
  };
  dataplane->install_neighbours(now_ns, {{known(0, "10.1.0.2", kClientMac), known(0, "2001:db8:1::2", kClientMac),
                                          known(1, "10.2.0.2", kServerMac), known(1, "10.2.0.3", kServerMac),
                                          known(1, "2001:db8:2::2", kServerMac)}});
}

std::vector<Sent> Gateway::receive(DeviceIndex device, const PacketBuilder& packet) {
  std::vector<uint8_t> bytes = packet.build();
  const Frame frame = frame_of(bytes);
  sent_.clear();
  dataplane->receive(now_ns, device, absl::MakeConstSpan(&frame, 1));
  // Without the unicast questions that a stale neighbour's first use leads to.
  std::vector<Sent> out = take();
  std::erase_if(out, [](const Sent& one) {
    return one.packet.kind != FrameKind::kIp && (one.bytes[sizeof(VirtioNetHeader)] & 1) == 0;
  });
  return out;
}

std::vector<Sent> Gateway::take() { return std::exchange(sent_, {}); }

void Gateway::flush() {
  if (!sent_.empty() && changes_at_first_frame == 0) changes_at_first_frame = changes;
}

void Gateway::send(PortIndex device, const Frame& frame) {
  Sent one{device, {frame.data, frame.data + frame.length}, {}};
  (void)parse(frame_of(one.bytes), 0, one.packet);
  sent_.push_back(std::move(one));
}

}  // namespace phalanx::gateway::harness
