// A configuration that is right, for tests to spoil.
#ifndef PHALANX_TESTS_UNIT_CONFIG_SAMPLE_HPP
#define PHALANX_TESTS_UNIT_CONFIG_SAMPLE_HPP

#include <string>

namespace phalanx::mgmt {

// Lines are counted by the tests: keep them.
inline const char kSample[] = R"(member: {id: 1, name: alpha}
cluster:
  id: 10
  mode: HIGH_AVAILABILITY
  recovery: ACTIVE_UP
  profile: FAST
  when_isolated: KEEP_ACTIVE
  key_file: cluster.key
  authentication: REQUIRED
  members:
    - {id: 1, name: alpha, sync_address: 10.99.0.1, management_address: "10.99.0.1:8117"}
    - {id: 2, name: beta, sync_address: 10.99.0.2, management_address: "10.99.0.2:8117"}
sync: {interface: sync0}
management:
  listen: ["10.99.0.1:8117", "unix:/run/phalanx/alpha.sock"]
  tls: {ca_file: ca.pem, certificate_file: alpha.pem, key_file: alpha.key}
interfaces:
  - name: lan
    device: lan0
    zone: inside
    virtual_mac: "02:50:48:0a:00:01"
    virtual_addresses: ["10.1.0.1/24", "fd00:1::1/64"]
    mtu: 1500
    vlans: [{id: 7, name: voice, zone: phones, virtual_addresses: ["10.7.0.1/24"]}]
    monitored: true
  - name: wan
    device: wan0
    zone: outside
    virtual_addresses: ["10.2.0.1/24"]
policy:
  rules:
    - {name: out, from: [inside], to: [outside], source: ["10.1.0.0/24"], destination: [], protocol: TCP, destination_ports: ["80","1024-65535"], icmp_types: [], action: ACCEPT, log: false}
nat:
  rules:
    - {name: hide-lan, kind: HIDE, from: [inside], to: [outside], source: ["10.1.0.0/25"], address: 10.2.0.1}
    - {name: web, kind: DESTINATION, from: [outside], destination: ["10.2.0.1"], protocol: TCP, destination_ports: ["8080"], target: 10.1.0.10, target_port: 80}
    - {name: srv, kind: STATIC, from: [inside], to: [outside], source: ["10.1.0.128/28"], address: 10.2.0.128/28}
sessions: {max: 1048576, half_open_max: 262144, tcp_pickup: REFUSE, timeouts: {tcp_established_s: 7200}}
log: {level: INFO}
)";

// The sample with the first `from` replaced by `to`.
inline std::string spoiled(const std::string& from, const std::string& to) {
  std::string text = kSample;
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

}  // namespace phalanx::mgmt

#endif
