// The configuration file: what is right is taken, what is wrong is refused with its place and reason.
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "absl/strings/match.h"
#include "mgmt/config/config.hpp"
#include "tests/unit/config/sample.hpp"

namespace phalanx::mgmt {
namespace {

TEST(Load, TakesTheSample) {
  const auto config = parse_config(kSample, "/etc/phalanx/alpha.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->cluster().members_size(), 2);
  EXPECT_EQ(config->cluster().recovery(), v1::RECOVERY_ACTIVE_UP);
  EXPECT_EQ(config->interfaces(0).virtual_addresses(1), "fd00:1::1/64");
  EXPECT_EQ(config->interfaces(0).vlans(0).id(), 7u);
  EXPECT_EQ(config->policy().rules(0).destination_ports(1), "1024-65535");
  EXPECT_EQ(config->nat().rules(1).target_port(), 80u);
  EXPECT_EQ(config->sessions().timeouts().tcp_established_s(), 7200u);
  EXPECT_EQ(own_member(*config)->name(), "alpha");
}

TEST(Load, FilesStartAtTheConfigurationsFolder) {
  const auto config = parse_config(spoiled("alpha.key", "/secret/alpha.key"), "/etc/phalanx/alpha.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->cluster().key_file(), "/etc/phalanx/cluster.key");
  EXPECT_EQ(config->management().tls().ca_file(), "/etc/phalanx/ca.pem");
  EXPECT_EQ(config->management().tls().key_file(), "/secret/alpha.key");
  const auto beside = parse_config(kSample, "alpha.yaml");
  ASSERT_TRUE(beside.ok());
  EXPECT_EQ(beside->cluster().key_file(), "cluster.key");
}

TEST(Load, AFilledConfigurationIsValidAsAMessageToo) {
  const auto config = parse_config(kSample, "x.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_TRUE(validate(*config).ok()) << validate(*config);
}

struct Refusal {
  const char* from;
  const char* to;
  const char* message;  // the whole of it, x.yaml: left out
};

class Refused : public testing::TestWithParam<Refusal> {};

TEST_P(Refused, WithPlaceFieldAndReason) {
  const auto config = parse_config(spoiled(GetParam().from, GetParam().to), "x.yaml");
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(std::string(config.status().message()), std::string("x.yaml:") + GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Shape, Refused,
    testing::Values(
        Refusal{"  recovery:", "  recovry:", "5:3: cluster.recovry: unknown key (did you mean recovery?)"},
        Refusal{"  recovery:", "  zzzzzz:", "5:3: cluster.zzzzzz: unknown key"},
        Refusal{"log: {level", "logs: {level", "39:1: logs: unknown key (did you mean log?)"},
        Refusal{"  mode: HIGH", "  id: 11\n  mode: HIGH", "4:3: cluster.id: key is given twice"},
        Refusal{"  id: 10", "  id: ten", "3:7: cluster.id: \"ten\" is not a number from 1 to 254"},
        Refusal{"  id: 10", "  id: 255", "3:7: cluster.id: \"255\" is not a number from 1 to 254"},
        Refusal{"  id: 10", "  id: -1", "3:7: cluster.id: \"-1\" is not a number from 1 to 254"},
        Refusal{"  id: 10", "  id: 99999999999999999999999",
                "3:7: cluster.id: \"99999999999999999999999\" is not a number from 1 to 254"},
        Refusal{"  id: 10", "  id: \"10\"", "3:7: cluster.id: expected a number from 1 to 254, found a text"},
        Refusal{"  id: 10", "  id: [10]", "3:7: cluster.id: expected a number from 1 to 254, found a list"},
        Refusal{"  id: 10", "  id: ~", "3:7: cluster.id: expected a number from 1 to 254, found nothing"},
        Refusal{"  id: 10\n", "", "3:3: cluster.id: is required"},
        Refusal{"recovery: ACTIVE_UP", "recovery: ACTIVEUP",
                "5:13: cluster.recovery: \"ACTIVEUP\" is not a value of Recovery (did you mean ACTIVE_UP?)"},
        Refusal{"recovery: ACTIVE_UP", "recovery: UNSPECIFIED",
                "5:13: cluster.recovery: \"UNSPECIFIED\" is not a value of Recovery"},
        Refusal{"monitored: true", "monitored: yes", "25:16: interfaces[0].monitored: \"yes\" is not true or false"},
        Refusal{"mtu: 1500", "mtu: 100", "23:10: interfaces[0].mtu: \"100\" is not a number from 576 to 65535"},
        Refusal{"sync: {interface: sync0}", "sync: sync0", "13:7: sync: expected a mapping, found a value"},
        Refusal{"sync: {interface: sync0}", "sync: {}", "13:7: sync.interface: is required"},
        Refusal{"sync: {interface: sync0}\n", "", "1:1: sync: is required"},
        Refusal{"from: [inside]", "from: inside", "32:25: policy.rules[0].from: expected a list, found a value"},
        Refusal{"member: {id: 1, name: alpha}", "member: {[1]: 1, id: 1, name: alpha}",
                "1:10: member: a key must be a name, found a list"},
        Refusal{"log: {level: INFO}", "log: {level: INFO", "40:1: not YAML: end of map flow not found"},
        Refusal{"log: {level: INFO}", "log: {level: INFO}\n---\nmore: 1", "41:1: a second document; one is expected"}));

INSTANTIATE_TEST_SUITE_P(
    Syntax, Refused,
    testing::Values(
        Refusal{"sync_address: 10.99.0.2", "sync_address: 10.99.0.256",
                "12:41: cluster.members[1].sync_address: \"10.99.0.256\" is not an address like 10.0.0.1 or fd00::1"},
        Refusal{"\"10.99.0.2:8117\"", "\"10.99.0.2\"",
                "12:72: cluster.members[1].management_address: \"10.99.0.2\" is not an address and port like "
                "10.99.0.1:8117 or [fd00::1]:8117"},
        Refusal{
            "name: beta", "name: \"be ta\"",
            "12:21: cluster.members[1].name: \"be ta\" is not a name: 1 to 32 of letters, digits, '.', '_' and '-'"},
        Refusal{"unix:/run", "unix:run",
                "15:30: management.listen[1]: \"unix:run/phalanx/alpha.sock\" a unix socket's path must be absolute"},
        Refusal{"02:50:48:0a:00:01", "03:50:48:0a:00:01",
                "21:18: interfaces[0].virtual_mac: \"03:50:48:0a:00:01\" is a multicast MAC address"},
        Refusal{"02:50:48:0a:00:01", "02:50:48:0a:00",
                "21:18: interfaces[0].virtual_mac: \"02:50:48:0a:00\" is not a MAC address like 02:50:48:0a:00:01"},
        Refusal{"\"10.1.0.1/24\"", "\"10.1.0.1\"",
                "22:25: interfaces[0].virtual_addresses[0]: \"10.1.0.1\" is not an address and its network's length "
                "like 10.1.0.1/24 or fd00:1::1/64"},
        Refusal{"\"10.1.0.0/24\"", "\"10.1.0.1/24\"",
                "32:59: policy.rules[0].source[0]: \"10.1.0.1/24\" has bits set behind its length of 24"},
        Refusal{"\"10.1.0.0/24\"", "\"10.1.0.0/33\"",
                "32:59: policy.rules[0].source[0]: \"10.1.0.0/33\" is not a prefix like 10.0.0.0/8 or fd00::/64"},
        Refusal{"\"80\"", "\"0\"",
                "32:127: policy.rules[0].destination_ports[0]: \"0\" is not a port or a range of ports like 80 or "
                "1024-65535"},
        Refusal{"1024-65535", "2-1",
                "32:132: policy.rules[0].destination_ports[1]: \"2-1\" is a range of ports that ends before it begins"},
        Refusal{"device: lan0", "device: \"a/b\"",
                "19:13: interfaces[0].device: \"a/b\" is not a network device's name: 1 to 15 bytes without space, ':' "
                "or '/'"},
        Refusal{"key_file: cluster.key", "key_file: \"a\\u001bb\"",
                "8:13: cluster.key_file: \"a\\033b\" is not a file's name"}));

INSTANTIATE_TEST_SUITE_P(
    References, Refused,
    testing::Values(
        Refusal{"member: {id: 1", "member: {id: 3", "1:14: member.id: 3 is not in cluster.members"},
        Refusal{"{id: 1, name: alpha}", "{id: 1, name: beta}",
                "1:23: member.name: cluster.members calls member 1 alpha"},
        Refusal{"- {id: 2, name: beta", "- {id: 1, name: beta",
                "12:12: cluster.members[1].id: id 1 is taken by cluster.members[0].id"},
        Refusal{"name: beta", "name: alpha",
                "12:21: cluster.members[1].name: name alpha is taken by cluster.members[0].name"},
        Refusal{"  key_file: cluster.key\n", "", "3:3: cluster.key_file: is required by authentication REQUIRED"},
        Refusal{"  profile: FAST", "  profile: CUSTOM\n  report_interval_ms: 20\n  dead_after_ms: 50",
                "8:18: cluster.dead_after_ms: 50 is less than 3 report intervals of 20 ms"},
        Refusal{"  profile: FAST", "  profile: FAST\n  dead_after_ms: 50",
                "7:18: cluster.dead_after_ms: is the profile's; to set it, use profile CUSTOM"},
        Refusal{"  tls: {ca_file: ca.pem, certificate_file: alpha.pem, key_file: alpha.key}\n", "",
                "15:12: management.listen[0]: a TCP listener needs management.tls"},
        Refusal{"\"10.99.0.1:8117\", \"unix", "\"unix",
                "15:11: management.listen: needs a TCP listener: other members take full sync from it"},
        Refusal{"device: wan0", "device: lan0",
                "27:13: interfaces[1].device: device lan0 is taken by interfaces[0].device"},
        Refusal{"device: wan0", "device: sync0", "27:13: interfaces[1].device: sync0 is the sync network's device"},
        Refusal{"name: voice", "name: lan",
                "24:27: interfaces[0].vlans[0].name: name lan is taken by interfaces[0].name"},
        Refusal{"\"10.7.0.1/24\"", "\"10.1.0.1/25\"",
                "24:68: interfaces[0].vlans[0].virtual_addresses[0]: address 10.1.0.1/25 is taken by "
                "interfaces[0].virtual_addresses[0]"},
        Refusal{"\"10.7.0.1/24\"", "\"10.1.0.200/25\"",
                "24:68: interfaces[0].vlans[0].virtual_addresses[0]: network of 10.1.0.200/25 overlaps that of "
                "interfaces[0].virtual_addresses[0]"},
        Refusal{"to: [outside]", "to: [outsid]",
                "32:40: policy.rules[0].to[0]: no interface or zone is named outsid (did you mean outside?)"},
        Refusal{"protocol: TCP", "protocol: ICMP",
                "32:127: policy.rules[0].destination_ports: needs protocol TCP, UDP or SCTP"},
        Refusal{"icmp_types: []", "icmp_types: [8]",
                "32:159: policy.rules[0].icmp_types: needs protocol ICMP or ICMPV6"},
        Refusal{"destination: []", "destination: [\"fd00::/8\"]",
                "32:88: policy.rules[0].destination: is of another IP version than source: nothing can fit"},
        Refusal{"address: 10.2.0.1}", "address: 10.2.0.9}",
                "35:101: nat.rules[0].address: 10.2.0.9 is not a virtual address of any interface"},
        Refusal{"address: 10.2.0.1}", "address: 10.2.0.0/24}",
                "35:101: nat.rules[0].address: must be one address to hide behind"},
        Refusal{", address: 10.2.0.1}", "}", "35:7: nat.rules[0].address: is required by kind HIDE"},
        Refusal{"target: 10.1.0.10", "target: \"fd00:1::10\"",
                "36:69: nat.rules[1].destination[0]: 10.2.0.1 is of another IP version than target"},
        Refusal{"kind: DESTINATION,", "kind: DESTINATION, to: [inside],",
                "36:42: nat.rules[1].to: has no meaning with kind DESTINATION"},
        Refusal{"10.2.0.128/28", "10.2.0.128/29",
                "37:100: nat.rules[2].address: 10.2.0.128/29 is not as long as the source 10.1.0.128/28"},
        Refusal{"name: web", "name: srv", "37:14: nat.rules[2].name: name srv is taken by nat.rules[1].name"},
        Refusal{"half_open_max: 262144", "half_open_max: 1048577",
                "38:41: sessions.half_open_max: is more than sessions.max, 1048576"}));

TEST(Load, TellsAllProblemsInTheOrderOfTheText) {
  std::string text = spoiled("  id: 10", "  id: 0");
  text.replace(text.find("mtu: 1500"), 9, "mtu: big");
  text.replace(text.find("sync: {"), 7, "sync: {x: 1, ");
  const auto config = parse_config(text, "x.yaml");
  EXPECT_EQ(std::string(config.status().message()),
            "x.yaml:3:7: cluster.id: \"0\" is not a number from 1 to 254\n"
            "x.yaml:13:8: sync.x: unknown key\n"
            "x.yaml:23:10: interfaces[0].mtu: \"big\" is not a number from 576 to 65535");
}

TEST(Load, BoundsTheListOfProblems) {
  std::string text = kSample;
  for (int i = 0; i < 75; ++i) text += "key" + std::to_string(i) + ": 1\n";
  const auto config = parse_config(text, "x.yaml");
  const std::string message(config.status().message());
  EXPECT_EQ(std::count(message.begin(), message.end(), '\n'), 50);
  EXPECT_TRUE(message.ends_with("\nand 25 more problems")) << message;
}

TEST(Load, RefusesWhatIsNoConfigurationAtAll) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "x.yaml:1:1: the file is empty"},
      {"# nothing\n", "x.yaml:1:1: the file is empty"},
      {"- a\n", "x.yaml:1:1: expected a mapping, found a list"},
      {std::string(kConfigBytesMax + 1, ' '), "x.yaml:1:1: the file is larger than 16777216 bytes"},
  };
  for (const auto& [text, message] : cases)
    EXPECT_EQ(std::string(parse_config(text, "x.yaml").status().message()), message);
  EXPECT_EQ(parse_config(std::string(20000, '['), "x.yaml").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Load, AliasesMayBeUsedButNotToBlowUp) {
  const auto used = parse_config(spoiled("source: [\"10.1.0.0/24\"]", "source: &lan [\"10.1.0.0/24\"]"), "x.yaml");
  EXPECT_TRUE(used.ok()) << used.status();
  // 1000 rules, each with 250 prefixes, in 15 kB of text.
  std::string list = "[\"10.1.0.0/24\"";
  for (int i = 1; i < 250; ++i) list += ",10.0.0.0/8";
  std::string text = spoiled("- {name: out", "- &r {name: out");
  text.replace(text.find("source: [\"10.1.0.0/24\"]"), 23, "source: " + list + "]");
  std::string more;
  for (int i = 0; i < 1000; ++i) more += "    - *r\n";
  text.insert(text.find("nat:"), more);
  const auto bomb = parse_config(text, "x.yaml");
  EXPECT_NE(bomb.status().message().find("too large: more than 200000 values"), absl::string_view::npos)
      << bomb.status().message().substr(0, 300);
  // An alias to what it stands in.
  const auto endless = parse_config("member: &m {id: 1, name: *m}\n", "x.yaml");
  EXPECT_EQ(endless.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Load, MissingFileIsNotFound) {
  EXPECT_EQ(load_config("/nowhere/phalanx.yaml").status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(load_config("/").ok());
}

TEST(Load, ReadsAFile) {
  const std::string path = testing::TempDir() + "phalanx_load_test.yaml";
  std::ofstream(path) << kSample;
  const auto config = load_config(path);
  std::remove(path.c_str());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->cluster().key_file(), testing::TempDir().substr(0, testing::TempDir().size() - 1) + "/cluster.key");
}

// Property: whatever is done to the text, the answer is a valid configuration or InvalidArgument, never a crash or
// exception.
TEST(Load, SurvivesAnyChangeOfBytes) {
  const std::string tokens[] = {"[",  "]",  "{",  "}",         ":", "&a ",  "*a",
                                "\"", "\n", "- ", "!!binary ", "~", "\x80", "999999999999999999999"};
  int refused = 0;
  for (uint32_t seed = 0; seed < 2000; ++seed) {
    std::mt19937 random(seed);
    std::string text = kSample;
    for (uint32_t n = 1 + random() % 4; n > 0; --n) {
      const size_t at = random() % text.size();
      const size_t length = random() % 8;
      text.replace(at, std::min(length, text.size() - at),
                   random() % 2 == 0 ? tokens[random() % std::size(tokens)] : "");
    }
    const auto config = parse_config(text, "x.yaml");
    if (config.ok()) {
      EXPECT_TRUE(validate(*config).ok()) << "seed " << seed << ": " << validate(*config);
    } else {
      EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument) << "seed " << seed;
      EXPECT_TRUE(absl::StartsWith(config.status().message(), "x.yaml:")) << "seed " << seed << config.status();
      ++refused;
    }
  }
  EXPECT_GT(refused, 500);
}

TEST(Validate, RefusesAMessageWithoutAPosition) {
  auto config = parse_config(kSample, "x.yaml");
  ASSERT_TRUE(config.ok());
  config->mutable_cluster()->set_id(300);
  config->mutable_cluster()->set_mode(static_cast<v1::Mode>(77));
  EXPECT_EQ(std::string(validate(*config).message()),
            "cluster.id: 300 is not a number from 1 to 254\ncluster.mode: 77 is no value of Mode");
}

}  // namespace
}  // namespace phalanx::mgmt
