#include "host/daemon/settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_replace.h"
#include "host/gateway/port_map.hpp"
#include "mgmt/config/config.hpp"

namespace phalanx::daemon {
namespace {

constexpr char kYaml[] = R"(
member: {id: 1, name: alpha}
cluster:
  id: 10
  key_file: cluster.key
  members:
    - {id: 1, name: alpha, sync_address: 10.99.0.1, management_address: "10.99.0.1:8117"}
    - {id: 2, name: beta, sync_address: 10.99.0.2, management_address: "10.99.0.2:8117"}
sync: {interface: sync0}
management:
  listen: ["10.99.0.1:8117"]
  tls: {ca_file: ca.pem, certificate_file: alpha.pem, key_file: alpha.key}
interfaces:
  - name: lan
    device: lan0
    zone: inside
    virtual_addresses: ["10.1.0.1/24", "fd00:1::1/64"]
    vlans: [{id: 7, name: dmz, zone: dmz, virtual_addresses: ["10.7.0.1/24"]}]
  - {name: wan, device: wan0, zone: outside, virtual_addresses: ["10.2.0.1/24"]}
policy:
  rules:
    - {name: web, from: [inside], to: [outside], protocol: TCP, destination_ports: ["80", "8000-8010"], action: ACCEPT}
    - {name: dmz, from: [dmz], action: REJECT}
nat:
  rules:
    - {name: hide, kind: HIDE, from: [inside], to: [outside], source: ["10.1.0.128/25"], address: 10.2.0.1}
sessions: {max: 4096, half_open_max: 128, timeouts: {udp_stream_s: 45}}
)";

class SettingsTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("phalanx-settings-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
    write_key(std::string(64, 'a'));
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write_key(const std::string& text) { std::ofstream(folder_ / "cluster.key") << text << "\n"; }
  absl::StatusOr<Settings> make(const std::string& yaml) {
    const auto config = mgmt::parse_config(yaml, (folder_ / "alpha.yaml").string());
    if (!config.ok()) return config.status();
    return make_settings(*config);
  }
  std::filesystem::path folder_;
};

TEST_F(SettingsTest, TurnsTheConfigurationIntoTheModulesValues) {
  const auto settings = make(kYaml);
  ASSERT_TRUE(settings.ok()) << settings.status();
  ASSERT_EQ(settings->devices.size(), 2u);
  ASSERT_EQ(settings->gateway.ports.size(), 3u) << "a VLAN is a port of its own";
  EXPECT_EQ(settings->gateway.ports[1].vlan, 7);
  EXPECT_EQ(settings->gateway.ports[2].device, 1);
  EXPECT_EQ(settings->engine.sessions_max, 4096u);
  EXPECT_EQ(settings->engine.timeouts.ms[hls::kStateUdpStream], 45'000u);
  EXPECT_EQ(settings->control.cluster.timers.dead_ns, 30 * cluster::kMillisecondNs);
  ASSERT_EQ(settings->peers.size(), 1u);
  EXPECT_EQ(settings->peers[0].name, "beta");
  EXPECT_EQ(settings->control.interfaces[0].virtual_ip, 0x0a010001u);
  EXPECT_EQ(settings->control.interfaces[0].network_address, 0x0a010000u);
  EXPECT_TRUE(settings->control.key.has_value());
}

TEST_F(SettingsTest, ResolvesZonesAndPortsOfRules) {
  const auto settings = make(kYaml);
  ASSERT_TRUE(settings.ok()) << settings.status();
  policy::FlowQuery query{.in_port = 0,
                          .out_port = 2,
                          .source = IpAddress::v4(0x0a010081),
                          .destination = IpAddress::v4(0x0a020009),
                          .protocol = 6,
                          .source_port = 1025,
                          .destination_port = 8005};
  EXPECT_EQ(settings->gateway.rules->classify(query).action, policy::RuleAction::kAccept);
  query.destination_port = 8011;
  EXPECT_EQ(settings->gateway.rules->classify(query).rule, policy::kDefaultRule);
  query.in_port = 1;
  EXPECT_EQ(settings->gateway.rules->classify(query).action, policy::RuleAction::kReject);
  query.in_port = 0;
  EXPECT_TRUE(settings->gateway.nat->source(query).allocate_port);
  query.source = IpAddress::v4(0x0a01000a);
  EXPECT_FALSE(settings->gateway.nat->source(query).translate);
}

TEST_F(SettingsTest, RefusesAKeyThatIsNone) {
  write_key("not a key");
  EXPECT_THAT(std::string(make(kYaml).status().message()), testing::HasSubstr("cluster.key_file"));
}

TEST_F(SettingsTest, RefusesMoreMembersThanTheProtocolHasRoomFor) {
  const std::string yaml = absl::StrReplaceAll(kYaml, {{"{id: 2,", "{id: 9,"}});
  EXPECT_THAT(std::string(make(yaml).status().message()), testing::HasSubstr("cluster.members"));
}

TEST_F(SettingsTest, IncarnationsGrow) {
  const auto first = make(kYaml);
  const auto second = make(kYaml);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_GT(second->sync.incarnation >> 8, first->sync.incarnation >> 8);
}

TEST_F(SettingsTest, NamesTheDeviceThatIsNotThere) {
  auto settings = make(absl::StrReplaceAll(kYaml, {{"device: lan0", "device: nolan0"}}));
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_THAT(std::string(complete_settings(*settings).message()), testing::HasSubstr("nolan0"));
}

}  // namespace
}  // namespace phalanx::daemon
