// phalanxctl as a process against a server in this one: what it prints and how it exits.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "absl/strings/match.h"
#include "tests/unit/mgmt/fixture.hpp"

namespace phalanx::mgmt {
namespace {

class CtlTest : public ServerTest {
 protected:
  RunResult ctl(std::vector<std::string> arguments) const {
    return run_ctl(arguments, {"PHALANX_TARGET=" + unix_target()});
  }
};

TEST_F(CtlTest, StatusForPeople) {
  const RunResult run = ctl({"cluster", "status"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.err, "");
  EXPECT_EQ(run.out,
            "Cluster:            10\n"
            "Mode:               HIGH_AVAILABILITY, ACTIVE_UP\n"
            "Epoch:              7\n"
            "\n"
            "ID         NAME   ADDRESS    STATE    PRIORITY  LAST HEARD\n"
            "1 (local)  alpha  10.99.0.1  ACTIVE   1         -\n"
            "2          beta   10.99.0.2  STANDBY  2         4 ms\n"
            "\n"
            "Critical devices:   1, no problem\n"
            "Last state change:  CLUS-114704 STANDBY -> ACTIVE at 2026-01-01T00:00:00.250Z: member 2 went down\n"
            "Last failover:      member 2 -> member 1 at 2026-01-01T00:00:00.000Z: member 2 went down\n"
            "Failovers:          1\n"
            "Sync:               SYNCHRONIZED, position 4242, lag 0 messages (0 ms), 0 retransmitted, 1 full syncs "
            "(last of 90000 sessions)\n");
}

TEST_F(CtlTest, StatusForPrograms) {
  const RunResult run = ctl({"cluster", "status", "--output", "json"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out,
            "{\"schema\":\"phalanx/1\",\"status\":{\"cluster_id\":10,\"mode\":\"HIGH_AVAILABILITY\",\"recovery\":"
            "\"ACTIVE_UP\",\"local_member_id\":1,\"state\":\"ACTIVE\",\"epoch\":7,\"members\":[{\"id\":1,\"name\":"
            "\"alpha\",\"sync_address\":\"10.99.0.1\",\"state\":\"ACTIVE\",\"priority\":1,\"local\":true,"
            "\"last_heard_age_ms\":0},{\"id\":2,\"name\":\"beta\",\"sync_address\":\"10.99.0.2\",\"state\":"
            "\"STANDBY\",\"priority\":2,\"local\":false,\"last_heard_age_ms\":4}],\"critical_devices\":[{\"name\":"
            "\"Interface Active Check\",\"state\":\"OK\",\"detail\":\"\",\"since_age_ms\":0}],"
            "\"last_state_change\":{\"code\":\"CLUS-114704\",\"from\":\"STANDBY\",\"to\":\"ACTIVE\",\"reason\":"
            "\"member 2 went down\",\"time\":\"2026-01-01T00:00:00.250Z\"},\"last_failover\":{\"from_member_id\":2,"
            "\"to_member_id\":1,\"reason\":\"member 2 went down\",\"time\":\"2026-01-01T00:00:00.000Z\"},"
            "\"failovers\":1,\"sync\":{\"state\":\"SYNCHRONIZED\",\"position\":4242,\"lag_messages\":0,\"lag_ms\":0,"
            "\"full_syncs\":1,\"retransmitted_messages\":0,\"full_sync_sessions\":90000},\"version\":\"\"}}\n");
}

TEST_F(CtlTest, ADegradedClusterShowsInTheExitCode) {
  v1::ClusterStatus status = FakeControl::good_status();
  status.mutable_members(1)->set_state(v1::MEMBER_STATE_DOWN);
  v1::CriticalDevice* device = status.mutable_critical_devices(0);
  device->set_state(v1::DEVICE_STATE_PROBLEM);
  device->set_detail("lan is down");
  device->set_since_age_ms(65000);
  status.clear_last_failover();
  control_.set_status(status);
  const RunResult run = ctl({"cluster", "status"});
  EXPECT_EQ(run.exit_code, 4);
  EXPECT_TRUE(absl::StrContains(run.out,
                                "Critical devices:   1, 1 with a problem\n"
                                "DEVICE                  STATE    SINCE      DETAIL\n"
                                "Interface Active Check  PROBLEM  1 min 5 s  lan is down\n"))
      << run.out;
  EXPECT_TRUE(absl::StrContains(run.out, "Last failover:      none\n"));
  EXPECT_TRUE(absl::StrContains(ctl({"--output", "json", "cluster", "status"}).out, "\"last_failover\":null"));
}

TEST_F(CtlTest, WorksOverMutualTlsAndOnlySo) {
  const v1::Tls tls = tls_of("operator");
  const std::vector<std::string> identity = {"--ca",  tls.ca_file(),  "--cert",   tls.certificate_file(),
                                             "--key", tls.key_file(), "--target", tcp_target()};
  std::vector<std::string> command = identity;
  command.push_back("health");
  const RunResult good = run_ctl(command);
  EXPECT_EQ(good.exit_code, 0) << good.err;
  EXPECT_EQ(good.out, "SERVING\n");
  EXPECT_EQ(run_ctl({"--target", tcp_target(), "health"}).exit_code, 2);
  const v1::Tls stranger = tls_of("operator", "strangers");
  const RunResult bad = run_ctl({"--ca", tls.ca_file(), "--cert", stranger.certificate_file(), "--key",
                                 stranger.key_file(), "--target", tcp_target(), "--timeout", "1", "health"});
  EXPECT_EQ(bad.exit_code, 3) << bad.out << bad.err;
}

TEST_F(CtlTest, Failover) {
  const RunResult unsure = ctl({"cluster", "failover"});
  EXPECT_EQ(unsure.exit_code, 2);
  EXPECT_EQ(unsure.err, "phalanxctl: not a terminal: --yes is needed\n");
  EXPECT_EQ(ctl({"cluster", "failover", "--yes", "--reason", "drill"}).exit_code, 0);
  EXPECT_EQ(control_.reason_, "drill");
  control_.failover_result_ = absl::FailedPreconditionError("no standby is ready");
  const RunResult refused = ctl({"cluster", "failover", "--yes"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_EQ(refused.out, "");
  EXPECT_EQ(refused.err, "phalanxctl: no standby is ready\n");
}

TEST_F(CtlTest, DownAndUp) {
  EXPECT_EQ(ctl({"cluster", "down"}).exit_code, 0);
  EXPECT_EQ(control_.admin_, v1::ADMIN_STATE_DOWN);
  EXPECT_EQ(ctl({"cluster", "up", "--output", "json"}).out, "{\"schema\":\"phalanx/1\",\"admin_state\":\"UP\"}\n");
  EXPECT_EQ(control_.admin_, v1::ADMIN_STATE_UP);
}

TEST_F(CtlTest, Sessions) {
  const RunResult list = ctl({"session", "list", "--source", "10.1.0.0/24", "--destination", "10.2.0.20", "--port",
                              "443", "--protocol", "tcp", "--state", "tcp_established", "--limit", "1"});
  EXPECT_EQ(list.exit_code, 0) << list.err;
  EXPECT_EQ(list.out,
            "PROTOCOL  SOURCE           DESTINATION    NAT            STATE            RULE  SENT  RECEIVED  IDLE   "
            "EXPIRES\n"
            "TCP       10.1.0.10:40000  10.2.0.20:443  10.2.0.1:1024  TCP_ESTABLISHED  out   1500  0         20 ms  "
            "59 min 59 s\n");
  EXPECT_EQ(list.err, "1 sessions\n");
  EXPECT_EQ(control_.filter_.ShortDebugString(),
            "source: \"10.1.0.0/24\" destination: \"10.2.0.20\" port: 443 protocol: PROTOCOL_TCP state: "
            "SESSION_STATE_TCP_ESTABLISHED");
  EXPECT_TRUE(absl::StrContains(ctl({"session", "list", "--output", "json"}).out, "\"source_port\":40002,"));
  EXPECT_EQ(ctl({"session", "count"}).out, "3\n");
  EXPECT_EQ(ctl({"session", "count", "--output=json"}).out, "{\"schema\":\"phalanx/1\",\"count\":3}\n");
  EXPECT_EQ(ctl({"session", "delete"}).exit_code, 1);
  EXPECT_EQ(ctl({"session", "delete", "--protocol", "132"}).out, "3\n");
  EXPECT_EQ(control_.filter_.protocol_number(), 132u);
  EXPECT_EQ(ctl({"session", "delete", "--all"}).exit_code, 0);
}

TEST_F(CtlTest, CountersLinksVersion) {
  // The escape sequence of a counter's text must not reach the terminal.
  EXPECT_EQ(ctl({"counters", "--drops"}).out,
            "COUNTER            VALUE  MEANING\n"
            "drop.tcp_sequence  7      outside the window\\x1b[31m\n");
  EXPECT_TRUE(absl::StrContains(ctl({"counters", "--output", "json"}).out,
                                "{\"name\":\"port.received\",\"kind\":\"TOTAL\",\"value\":18446744073709551615,"));
  EXPECT_EQ(ctl({"links"}).exit_code, 0);
  control_.link_up_ = false;
  EXPECT_EQ(ctl({"links"}).exit_code, 4);
  EXPECT_EQ(ctl({"version"}).out, "phalanx 0.1.0\nbuild test\nengine cpu\n");
  control_.healthy_ = false;
  server_->update_health();
  const RunResult health = ctl({"health", "--output", "json"});
  EXPECT_EQ(health.exit_code, 4);
  EXPECT_EQ(health.out, "{\"schema\":\"phalanx/1\",\"health\":\"NOT_SERVING\"}\n");
}

TEST_F(CtlTest, WatchShowsEachChangeAndEndsWithTheMember) {
  const size_t own = control_.subscribers();
  std::thread member([&] {
    EXPECT_TRUE(eventually([&] { return control_.subscribers() > own; }));
    // Until the watcher has had its first status, a change may replace it; so more than one is made.
    for (uint64_t epoch = 8; epoch < 11; ++epoch) {
      v1::ClusterStatus changed = FakeControl::good_status();
      changed.set_epoch(epoch);
      control_.set_status(changed);
      absl::SleepFor(absl::Milliseconds(200));
    }
    server_->shutdown();
  });
  const RunResult run = ctl({"cluster", "status", "--watch", "--output", "json"});
  member.join();
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_EQ(run.err, "phalanxctl: the member is stopping\n");
  EXPECT_TRUE(absl::StrContains(run.out, "\"epoch\":10,")) << run.out;
  EXPECT_GE(std::count(run.out.begin(), run.out.end(), '\n'), 2);
}

TEST_F(CtlTest, WrongCommandLinesAreUsageErrors) {
  const std::vector<std::vector<std::string>> wrong = {{},
                                                       {"cluster"},
                                                       {"clutser", "status"},
                                                       {"cluster", "status", "--bogus"},
                                                       {"--output", "xml", "version"},
                                                       {"--timeout", "-1", "version"},
                                                       {"session", "list", "--protocol", "nonsense"},
                                                       {"session", "list", "--state", "nonsense"},
                                                       {"session", "list", "--port", "65536"},
                                                       {"keys", "init"}};
  for (const auto& arguments : wrong) {
    const RunResult run = ctl(arguments);
    EXPECT_EQ(run.exit_code, 2) << testing::PrintToString(arguments);
    EXPECT_EQ(run.out, "") << testing::PrintToString(arguments);
    EXPECT_NE(run.err, "") << testing::PrintToString(arguments);
  }
  EXPECT_EQ(ctl({"--help"}).exit_code, 0);
}

TEST_F(CtlTest, NobodyThere) {
  const RunResult run = run_ctl({"--target", "unix:/nowhere/x.sock", "--timeout", "0.5", "version"});
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_EQ(run.out, "");
  EXPECT_EQ(run.err, "phalanxctl: no member answers at unix:/nowhere/x.sock\n");
}

TEST_F(CtlTest, KeysAreTheOwnersOnlyAndNeverOverwritten) {
  const std::string keys = folder_->path() + "/keys";
  size_t files = 0;
  for (const auto& file : std::filesystem::directory_iterator(keys)) {
    struct stat info = {};
    ASSERT_EQ(stat(file.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u) << file.path();
    ++files;
  }
  EXPECT_EQ(files, 9u);  // a pair each for ca, alpha, beta, operator; cluster.key
  const std::string cluster_key = read_text(keys + "/cluster.key");
  EXPECT_EQ(cluster_key.size(), 65u);
  EXPECT_EQ(cluster_key.find_first_not_of("0123456789abcdef\n"), std::string::npos);
  const RunResult again = run_ctl({"keys", "init", keys, "--members", "alpha,beta"});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_EQ(read_text(keys + "/cluster.key"), cluster_key);
}

TEST_F(CtlTest, KeysRefuseNamesAndAddressesThatCantBe) {
  const std::string dir = folder_->path() + "/refused";
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"--members", "a/b"},
                                                    {"--members", "alpha,alpha"},
                                                    {"--members", "operator"},
                                                    {"--members", "alpha", "--address", "x"},
                                                    {"--members", "alpha", "--address", "10.0.0.1,10.0.0.2"},
                                                    {"--members", "alpha", "--address", "beta=10.0.0.1"}}) {
    std::vector<std::string> command = {"keys", "init", dir};
    command.insert(command.end(), arguments.begin(), arguments.end());
    EXPECT_EQ(run_ctl(command).exit_code, 2) << testing::PrintToString(arguments);
  }
  EXPECT_FALSE(std::filesystem::exists(dir));
}

}  // namespace
}  // namespace phalanx::mgmt
