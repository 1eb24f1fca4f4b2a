// What a run is made of: configuration by seed, networks, hosts, traffic.
#include <cassert>

#include "absl/strings/str_cat.h"
#include "host/cluster/ccp_frame.hpp"
#include "tests/simulation/world.hpp"

namespace phalanx::simulation {
namespace {

constexpr int kClients = 4, kServers = 3;
constexpr int64_t kRequestNs = 90 * kMillisecondNs;
constexpr int64_t kShortEveryNs = 150 * kMillisecondNs;
constexpr uint16_t kForwardedPort = 8080, kServerPort = 80;

IpAddress v4(int network, uint32_t host) {
  return IpAddress::v4(0x0a000000u | static_cast<uint32_t>(network + 1) << 16 | host);
}
IpAddress v6(int network, uint64_t host) {
  return IpAddress::v6(0x20010db800000000u | static_cast<uint64_t>(network + 1) << 16, host);
}
IpAddress hide_v4() { return v4(1, 200); }
IpAddress hide_v6() { return v6(1, 200); }

policy::Rule accept_all() {
  policy::Rule rule;
  rule.name = "all";
  rule.action = policy::RuleAction::kAccept;
  return rule;
}

policy::NatRule hide(bool six) {
  policy::NatRule rule;
  rule.name = six ? "hide6" : "hide4";
  rule.kind = policy::NatKind::kHide;
  rule.match.to = policy::port_bit(1);
  // The clients with odd numbers.
  for (uint32_t client = 1; client < kClients; client += 2) {
    const IpAddress address = six ? v6(0, 10 + client) : v4(0, 10 + client);
    rule.match.sources.push_back({address, static_cast<uint8_t>(six ? 128 : 32)});
  }
  rule.address = six ? hide_v6() : hide_v4();
  return rule;
}

policy::NatRule forwarded(bool six) {
  policy::NatRule rule;
  rule.name = six ? "forward6" : "forward4";
  rule.kind = policy::NatKind::kDestination;
  rule.match.destinations.push_back({six ? v6(0, 1) : v4(0, 1), static_cast<uint8_t>(six ? 128 : 32)});
  rule.match.protocol = hls::kProtocolTcp;
  rule.match.destination_ports.push_back({kForwardedPort, kForwardedPort});
  rule.address = six ? v6(1, 10) : v4(1, 10);
  rule.target_port = kServerPort;
  return rule;
}

MacAddress virtual_mac(int network) { return {0x00, 0x1c, 0x7f, 0x00, 0x01, static_cast<uint8_t>(network)}; }

gateway::PortConfig port_of(int network) {
  gateway::PortConfig port;
  port.name = network == 0 ? "clients" : "servers";
  port.device = static_cast<gateway::DeviceIndex>(network);
  port.virtual_mac = virtual_mac(network);
  port.addresses = {{v4(network, 1), 16}, {v6(network, 1), 64}};
  if (network == 1) {  // hide addresses are the gateway's own, so that it answers for them
    port.addresses.push_back({hide_v4(), 16});
    port.addresses.push_back({hide_v6(), 64});
  }
  return port;
}

}  // namespace

void World::choose() {
  const uint64_t kind = options_.seed % 10;
  mode_ = kind == 0 ? Mode::kPlanned : kind <= 6 ? Mode::kSingle : Mode::kStorm;
#define X(name, option, checker, mode) \
  if (options_.defect == Break::name) mode_ = Mode::mode;
  PHALANX_BREAKS(X)
#undef X
  fast_ = random_.chance(0.75);
  timers_ = fast_ ? cluster::Timers::fast() : cluster::Timers::cluster_xl();
  recovery_ = random_.chance(0.5) ? cluster::Recovery::kActiveUp : cluster::Recovery::kPrimaryUp;
  isolated_ = random_.chance(0.5) ? cluster::WhenIsolated::kKeepActive : cluster::WhenIsolated::kStepDown;
  authenticated_ = random_.chance(0.5);
  // Initial silence, a full sync that is asked for again after a second twice, a handover, and 10 x dead for a deaf
  // peer.
  bound_ns_ = timers_.initial_silence_ns + 3 * kSecondNs + 12 * timers_.dead_ns + 2 * kSecondNs;
  static constexpr std::string_view kModes[] = {
#define X(name, text) text,
      PHALANX_MODES(X)
#undef X
  };
  result_.description = absl::StrCat(std::string(kModes[static_cast<size_t>(mode_)]), fast_ ? ", fast" : ", ClusterXL",
                                     recovery_ == cluster::Recovery::kActiveUp ? ", Active Up" : ", Primary Up",
                                     isolated_ == cluster::WhenIsolated::kKeepActive ? ", keep active" : ", step down",
                                     authenticated_ ? ", authenticated" : "");
}

gateway::MemberSetup World::setup_of(int node) {
  const auto id = static_cast<cluster::MemberId>(node + 1);
  const auto peer = static_cast<cluster::MemberId>(2 - node);
  const uint64_t incarnation = ++incarnation_;  // grows with each start, as the daemon's does
  gateway::MemberSetup setup;
  setup.gateway.member = id;
  setup.gateway.ports = {port_of(0), port_of(1)};
  auto rules = policy::RuleTable::build({accept_all()});
  auto nat = policy::NatTable::build({forwarded(false), forwarded(true), hide(false), hide(true)});
  assert(rules.ok() && nat.ok());
  setup.gateway.rules = std::make_shared<policy::RuleTable>(*std::move(rules));
  setup.gateway.nat = std::make_shared<policy::NatTable>(*std::move(nat));
  setup.gateway.seed[0] = random_.next();
  setup.gateway.seed[1] = random_.next();
  setup.sync = {.cluster = 1, .member = id, .peers = {peer}, .incarnation = incarnation, .key = {}};
  setup.sync.key.fill(7);
  cluster::ClusterConfig& c = setup.control.cluster;
  c.own_id = id;
  c.members = {{1, 10}, {2, 20}};
  c.interfaces = {{"clients", false}, {"servers", false}, {"sync", true}};
  c.timers = timers_;
  c.recovery = recovery_;
  c.when_isolated = isolated_;
  c.seed = random_.next();
  c.incarnation = incarnation;
  setup.control.cluster_number = 1;
  if (authenticated_) setup.control.key.emplace().fill(9);
  for (int network = 0; network <= kDataNetworks; ++network) {
    const MacAddress mac = {0x02, 0, 0, 0x10, static_cast<uint8_t>(id), static_cast<uint8_t>(network)};
    const auto address = static_cast<uint32_t>(v4(network, 1).lo);
    setup.control.interfaces.push_back({mac, address, address & 0xffff0000u});
  }
  setup.engine.sessions_max = 2048;
  setup.engine.half_open_max = 1024;
  setup.engine.hash_seed[0] = random_.next();
  setup.engine.hash_seed[1] = random_.next();
  setup.engine.timeouts = setup.gateway.timeouts;
  return setup;
}

void World::build() {
  for (int network = 0; network < kDataNetworks; ++network) {
    switches_.push_back(std::make_unique<Switch>(&scheduler_, &random_));
    for (int node = 0; node < 2; ++node) {
      switches_.back()->add_port([this, node, network](const SharedFrame& frame) {
        member_frame(node, static_cast<PortIndex>(network), frame);
      });
    }
  }
  NodeOutput* output = this;
  for (int node = 0; node < 2; ++node) nodes_.push_back(std::make_unique<Node>(node, &scheduler_, output));
  for (int i = 0; i < kClients + kServers; ++i) {
    const int network = i < kClients ? 0 : 1;
    const auto number = static_cast<uint32_t>(network == 0 ? 10 + i : 10 + i - kClients);
    Switch* sw = switches_[static_cast<size_t>(network)].get();
    const Host::Config config{absl::StrCat(network == 0 ? "client " : "server ", number),
                              {0x02, 0, 0, 0x20, static_cast<uint8_t>(network), static_cast<uint8_t>(number)},
                              v4(network, number),
                              v6(network, number),
                              v4(network, 1),
                              v6(network, 1)};
    const size_t port = switches_[static_cast<size_t>(network)]->add_port({});
    hosts_.push_back(std::make_unique<Host>(config, &scheduler_, &random_, &flows_,
                                            [sw, port](SharedFrame frame) { sw->send(port, std::move(frame)); }));
    Host* host = hosts_.back().get();
    sw->port(port).deliver = [host](const SharedFrame& frame) { host->receive(frame); };
    (network == 0 ? clients_ : servers_).push_back(host);
  }
}

uint32_t World::add_flow(bool tcp) {
  const uint32_t id = next_flow_++;
  flows_[id].id = id;
  flows_[id].tcp = tcp;
  return id;
}

// Each client: a UDP and an ICMP echo flow, a connection that lasts and one through port forwarding, and short ones.
void World::start_traffic() {
  traffic_ = true;
  for (Host* client : clients_) {
    const Host* server = servers_[random_.below(servers_.size())];
    const auto address = [&](const Host* of) { return random_.chance(0.5) ? of->config().v4 : of->config().v6; };
    const auto later = [&](std::function<void()> what) { scheduler_.after(random_.between(0, kRequestNs), what); };
    const IpAddress udp = address(server), icmp = address(server), tcp = address(server);
    const IpAddress forwarded = random_.chance(0.5) ? client->config().gateway_v4 : client->config().gateway_v6;
    later([=, this] { client->start_echo(add_flow(false), true, udp, 7, kRequestNs); });
    later([=, this] { client->start_echo(add_flow(false), false, icmp, 0, kRequestNs); });
    later([=, this] { client->start_tcp(add_flow(true), tcp, kServerPort, kRequestNs, 0, false); });
    later([=, this] { client->start_tcp(add_flow(true), forwarded, kForwardedPort, kRequestNs, 0, false); });
  }
  short_connections();
}

void World::short_connections() {
  if (!traffic_) return;
  Host* client = clients_[random_.below(clients_.size())];
  const Host* server = servers_[random_.below(servers_.size())];
  const IpAddress to = random_.chance(0.5) ? server->config().v4 : server->config().v6;
  const auto requests = static_cast<uint32_t>(random_.between(1, 4));
  client->start_tcp(add_flow(true), to, kServerPort, 20 * kMillisecondNs, requests, random_.chance(0.3));
  scheduler_.after(kShortEveryNs, [this] { short_connections(); });
}

}  // namespace phalanx::simulation
