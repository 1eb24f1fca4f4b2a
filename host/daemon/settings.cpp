#include "host/daemon/settings.hpp"

#include <openssl/rand.h>

#include <algorithm>
#include <fstream>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "host/daemon/policy_settings.hpp"
#include "host/ports/interface.hpp"
#include "mgmt/config/config.hpp"

namespace phalanx::daemon {
namespace {

// Lease blocks of hide NAT are cut for this many members, more than a cluster may have.
constexpr uint8_t kLeaseMembers = 8;

uint64_t random_word() {
  uint64_t word = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&word), sizeof(word));
  return word == 0 ? 1 : word;
}

absl::StatusOr<std::array<uint8_t, 32>> read_key(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  if (!(file >> text)) return absl::NotFoundError(absl::StrCat("cluster.key_file: cannot read ", path));
  const bool hex = text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) { return isxdigit(c) != 0; });
  if (!hex) return absl::InvalidArgumentError(absl::StrCat("cluster.key_file: ", path, " is not 64 hex digits"));
  const std::string bytes = absl::HexStringToBytes(text);
  std::array<uint8_t, 32> key{};
  std::copy(bytes.begin(), bytes.end(), key.begin());
  return key;
}

absl::StatusOr<gateway::InterfaceAddress> parse_interface_address(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, '/');
  uint32_t length = 0;
  const auto address = parse_ip(parts[0]);
  if (!address.ok() || parts.size() != 2 || !absl::SimpleAtoi(parts[1], &length)) {
    return absl::InvalidArgumentError(absl::StrCat("virtual_addresses: \"", text, "\" is no address with a length"));
  }
  return gateway::InterfaceAddress{*address, static_cast<uint8_t>(length)};
}

absl::Status add_port(const std::string& name, const std::string& zone, gateway::DeviceIndex device,
                      std::optional<uint16_t> vlan, const MacAddress& mac, uint32_t mtu,
                      const google::protobuf::RepeatedPtrField<std::string>& addresses, Settings& settings) {
  gateway::PortConfig port{
      .name = name, .device = device, .vlan = vlan, .virtual_mac = mac, .mtu = mtu, .addresses = {}};
  for (const std::string& text : addresses) {
    const auto address = parse_interface_address(text);
    if (!address.ok()) return address.status();
    port.addresses.push_back(*address);
  }
  if (settings.gateway.ports.size() == kPortsMax) {
    return absl::InvalidArgumentError(absl::StrCat("interfaces: more than ", kPortsMax, " interfaces and VLANs"));
  }
  settings.gateway.ports.push_back(std::move(port));
  settings.zones.push_back(zone);
  return absl::OkStatus();
}

absl::Status add_interface(const v1::Interface& interface, Settings& settings) {
  const auto device = static_cast<gateway::DeviceIndex>(settings.devices.size());
  settings.devices.push_back({interface.name(), interface.device()});
  MacAddress mac = {
      0x02, 0x50, 0x48, static_cast<uint8_t>(settings.config.cluster().id()), 0, static_cast<uint8_t>(device + 1)};
  if (interface.has_virtual_mac()) {
    const auto given = parse_mac(interface.virtual_mac());
    if (!given.ok()) return given.status();
    mac = *given;
  }
  absl::Status status = add_port(interface.name(), interface.zone(), device, std::nullopt, mac, interface.mtu(),
                                 interface.virtual_addresses(), settings);
  for (const v1::Vlan& vlan : interface.vlans()) {
    if (!status.ok()) break;
    status = add_port(vlan.name(), vlan.zone(), device, static_cast<uint16_t>(vlan.id()), mac, interface.mtu(),
                      vlan.virtual_addresses(), settings);
  }
  return status;
}

// The group and network that state reports of an interface go to: those of its first virtual IPv4 address.
gateway::ReportInterface report_interface(const Settings& settings, gateway::DeviceIndex device) {
  gateway::ReportInterface out;
  for (const gateway::PortConfig& port : settings.gateway.ports) {
    if (port.device != device || port.vlan) continue;
    for (const gateway::InterfaceAddress& own : port.addresses) {
      if (!own.address.is_v4() || out.virtual_ip != 0) continue;
      out.virtual_ip = static_cast<uint32_t>(own.address.lo);
      out.network_address = own.prefix_length == 0 ? 0 : out.virtual_ip & (0xffffffffu << (32 - own.prefix_length));
    }
  }
  return out;
}

void set_timers(const v1::ClusterConfig& config, cluster::ClusterConfig& out) {
  if (config.profile() == v1::PROFILE_CLUSTERXL) out.timers = cluster::Timers::cluster_xl();
  if (config.profile() != v1::PROFILE_CUSTOM) return;
  cluster::Timers& t = out.timers;
  t.report_interval_ns = config.report_interval_ms() * cluster::kMillisecondNs;
  t.dead_ns = config.dead_after_ms() * cluster::kMillisecondNs;
  t.margin_ns = std::max<int64_t>(t.dead_ns / 6, cluster::kMillisecondNs);
  t.lease_ns = t.dead_ns - t.margin_ns;
  t.confirm_ns = std::min(t.confirm_ns * t.report_interval_ns / (10 * cluster::kMillisecondNs), t.dead_ns / 2);
}

absl::Status set_cluster(Settings& settings) {
  const v1::Config& config = settings.config;
  cluster::ClusterConfig& out = settings.control.cluster;
  out.own_id = static_cast<cluster::MemberId>(config.member().id());
  uint16_t priority = 0;
  for (const v1::Member& member : config.cluster().members()) {
    if (member.id() > cluster::kMembersMax) {
      return absl::InvalidArgumentError(absl::StrCat("cluster.members: id ", member.id(), " is above ",
                                                     static_cast<int>(cluster::kMembersMax),
                                                     ", the most members that a cluster may have"));
    }
    const auto id = static_cast<cluster::MemberId>(member.id());
    out.members.push_back({id, ++priority});
    const auto address = parse_ip(member.sync_address());
    if (!address.ok()) return address.status();
    if (id == out.own_id) {
      settings.sync_address = *address;
      continue;
    }
    settings.sync.peers.push_back(id);
    settings.peers.push_back({id, member.name(), *address, member.management_address()});
  }
  set_timers(config.cluster(), out);
  out.recovery = config.cluster().recovery() == v1::RECOVERY_PRIMARY_UP ? cluster::Recovery::kPrimaryUp
                                                                        : cluster::Recovery::kActiveUp;
  out.when_isolated = config.cluster().when_isolated() == v1::ISOLATION_KEEP_ACTIVE ? cluster::WhenIsolated::kKeepActive
                                                                                    : cluster::WhenIsolated::kStepDown;
  out.seed = random_word();
  out.incarnation = settings.sync.incarnation;
  return absl::OkStatus();
}

absl::Status set_keys(Settings& settings) {
  settings.control.cluster_number = static_cast<uint16_t>(settings.config.cluster().id());
  settings.sync.cluster = settings.control.cluster_number;
  settings.sync.member = static_cast<cluster::MemberId>(settings.config.member().id());
  if (settings.config.cluster().authentication() == v1::AUTHENTICATION_NONE) return absl::OkStatus();
  const auto key = read_key(settings.config.cluster().key_file());
  if (!key.ok()) return key.status();
  settings.control.key = *key;
  settings.sync.key = *key;
  return absl::OkStatus();
}

// The incarnation of delta sync grows with every start: the wall clock in microseconds, with some bits of chance so
// that two starts within one don't meet.
uint64_t new_incarnation() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  const auto us = static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
  return us << 8 | (random_word() & 0xff);
}

}  // namespace

absl::StatusOr<Settings> make_settings(const v1::Config& config) {
  Settings settings;
  settings.config = config;
  settings.sync.incarnation = new_incarnation();
  for (const v1::Interface& interface : config.interfaces()) {
    if (absl::Status status = add_interface(interface, settings); !status.ok()) return status;
  }
  if (absl::Status status = set_cluster(settings); !status.ok()) return status;
  if (absl::Status status = set_keys(settings); !status.ok()) return status;
  if (absl::Status status = set_policy(config, settings); !status.ok()) return status;

  settings.sync_device = config.sync().interface();
  settings.sync_port = static_cast<uint16_t>(config.sync().udp_port());
  settings.gateway.member = settings.sync.member;
  settings.gateway.members_max = kLeaseMembers;
  settings.gateway.seed[0] = random_word();
  settings.gateway.seed[1] = random_word();
  for (gateway::DeviceIndex device = 0; device < static_cast<gateway::DeviceIndex>(settings.devices.size()); ++device) {
    settings.control.cluster.interfaces.push_back({settings.devices[device].name, false});
    settings.control.interfaces.push_back(report_interface(settings, device));
  }
  settings.control.cluster.interfaces.push_back({settings.sync_device, true});
  const auto sync_v4 = static_cast<uint32_t>(settings.sync_address.is_v4() ? settings.sync_address.lo : 0);
  settings.control.interfaces.push_back({{}, sync_v4, sync_v4 & 0xffffff00u});
  if (absl::Status status = cluster::validate(settings.control.cluster); !status.ok()) return status;

  settings.engine.sessions_max = config.sessions().max();
  settings.engine.half_open_max = config.sessions().half_open_max();
  settings.engine.tcp_pickup = config.sessions().tcp_pickup() == v1::TCP_PICKUP_ACCEPT;
  settings.engine.hash_seed[0] = random_word();
  settings.engine.hash_seed[1] = random_word();
  settings.engine.timeouts = make_timeouts(config.sessions().timeouts());
  settings.gateway.timeouts = settings.engine.timeouts;
  return settings;
}

absl::Status complete_settings(Settings& settings) {
  for (gateway::DeviceIndex device = 0; device < static_cast<gateway::DeviceIndex>(settings.devices.size()); ++device) {
    const auto info = query_interface(settings.devices[device].device);
    if (!info.ok()) {
      return absl::Status(info.status().code(),
                          absl::StrCat("interfaces[", device, "].device: ", settings.devices[device].device, ": ",
                                       info.status().message()));
    }
    settings.control.interfaces[device].own_mac = info->mac;
    for (gateway::PortConfig& port : settings.gateway.ports) {
      if (port.device == device && port.mtu == 0) port.mtu = info->mtu;
    }
  }
  const auto sync = query_interface(settings.sync_device);
  if (!sync.ok()) {
    return absl::Status(sync.status().code(),
                        absl::StrCat("sync.interface: ", settings.sync_device, ": ", sync.status().message()));
  }
  settings.control.interfaces.back().own_mac = sync->mac;
  return absl::OkStatus();
}

}  // namespace phalanx::daemon
