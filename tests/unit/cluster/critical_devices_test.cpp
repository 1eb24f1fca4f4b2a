#include "host/cluster/critical_devices.hpp"

#include "host/cluster/cluster_config.hpp"

namespace phalanx::cluster {
namespace {

TEST(CriticalDevices, OnlyAProblemOrATimeoutCounts) {
  CriticalDevices d;
  EXPECT_EQ(d.problems(), 0) << "Full Sync is in init, which is no problem";
  ASSERT_TRUE(d.add("routed", DeviceStatus::kOk, 100, 0).ok());
  EXPECT_EQ(d.expire(99), 100);
  EXPECT_EQ(d.problems(), 0);
  EXPECT_EQ(d.expire(100), INT64_MAX);
  EXPECT_EQ(d.problems(), 1);
  EXPECT_EQ(d.first_problem(), "routed");
  ASSERT_TRUE(d.report("routed", DeviceStatus::kOk, 150).ok());
  EXPECT_EQ(d.problems(), 0);
  EXPECT_EQ(d.expire(150), 250);
  d.report(BuiltInDevice::kCard, DeviceStatus::kProblem, 150);
  EXPECT_EQ(d.problems(), 1);
  EXPECT_EQ(d.first_problem(), "Card");
}

TEST(CriticalDevices, RefusesWhatMakesNoSense) {
  CriticalDevices d;
  EXPECT_EQ(d.add("", DeviceStatus::kOk, 0, 0).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(d.add(std::string(32, 'a'), DeviceStatus::kOk, 0, 0).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(d.add(std::string(31, 'a'), DeviceStatus::kOk, 0, 0).ok());
  EXPECT_EQ(d.add("a\nb", DeviceStatus::kOk, 0, 0).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(d.add("a", DeviceStatus::kOk, -1, 0).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(d.add("Worker", DeviceStatus::kOk, 0, 0).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(d.remove("Worker").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(d.remove("nobody").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(d.report("nobody", DeviceStatus::kOk, 0).code(), absl::StatusCode::kNotFound);
  while (d.list().size() < kDevicesMax) {
    ASSERT_TRUE(d.add("device " + std::to_string(d.list().size()), DeviceStatus::kOk, 0, 0).ok());
  }
  EXPECT_EQ(d.add("one more", DeviceStatus::kOk, 0, 0).code(), absl::StatusCode::kResourceExhausted);
}

ClusterConfig good_config() {
  ClusterConfig c;
  c.own_id = 1;
  c.members = {{1, 1}, {2, 2}};
  c.interfaces = {{"eth0", false}, {"sync", true}};
  c.incarnation = 1;
  return c;
}

TEST(ClusterConfig, BothProfilesAreValidAndMistakesAreNamed) {
  EXPECT_TRUE(validate(good_config()).ok());
  ClusterConfig c = good_config();
  c.timers = Timers::cluster_xl();
  EXPECT_TRUE(validate(c).ok());

  struct Case {
    std::string field;
    std::function<void(ClusterConfig&)> spoil;
  };
  const Case cases[] = {
      {"members", [](auto& x) { x.members.clear(); }},
      {"members",
       [](auto& x) {
         x.members.resize(6, {3, 1});
       }},
      {"members.id", [](auto& x) { x.members[1].id = 1; }},
      {"members.id", [](auto& x) { x.members[1].id = 6; }},
      {"own_id", [](auto& x) { x.own_id = 3; }},
      {"incarnation", [](auto& x) { x.incarnation = 0; }},
      {"interfaces", [](auto& x) { x.interfaces.clear(); }},
      {"interfaces", [](auto& x) { x.interfaces.resize(65); }},
      {"timers.lease", [](auto& x) { x.timers.lease_ns = 26 * kMillisecondNs; }},
      {"timers.lease", [](auto& x) { x.timers.lease_ns = 10 * kMillisecondNs; }},
      {"timers.dead", [](auto& x) { x.timers.dead_ns = 27 * kMillisecondNs; }},
      {"timers", [](auto& x) { x.timers.confirm_ns = 0; }},
  };
  for (const Case& spoiled : cases) {
    ClusterConfig bad = good_config();
    spoiled.spoil(bad);
    const absl::Status status = validate(bad);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr("cluster." + spoiled.field + ":"));
  }
}

}  // namespace
}  // namespace phalanx::cluster
