#include "host/routing/route_table.hpp"

#include <map>
#include <random>

namespace phalanx::routing {
namespace {

IpAddress ip(const char* text) { return parse_ip(text).value(); }

Route route(const char* prefix, const char* next_hop, PortIndex port, uint32_t metric = 0) {
  Route r;
  r.prefix = parse_prefix(prefix).value();
  if (next_hop != nullptr) r.next_hop = ip(next_hop);
  r.out_port = port, r.metric = metric;
  return r;
}

TEST(RouteTable, LongestPrefixWins) {
  RouteTable table;
  for (const Route& r :
       {route("0.0.0.0/0", "192.0.2.1", 1), route("10.0.0.0/8", "192.0.2.2", 2), route("10.1.0.0/16", nullptr, 3),
        route("10.1.2.3/32", "192.0.2.4", 4), route("::/0", "fe80::1", 5), route("2001:db8::/32", "fe80::2", 6),
        route("2001:db8:0:1::/64", nullptr, 7), route("2001:db8:0:1:8000::/65", nullptr, 8),
        route("2001:db8::5/128", "fe80::3", 9)}) {
    ASSERT_TRUE(table.replace(r).ok()) << to_string(r.prefix);
  }
  for (const auto& [address, port] : std::vector<std::pair<const char*, PortIndex>>{{"11.0.0.1", 1},
                                                                                    {"10.255.255.255", 2},
                                                                                    {"10.1.2.4", 3},
                                                                                    {"10.1.2.3", 4},
                                                                                    {"2002::1", 5},
                                                                                    {"2001:db8:ffff::1", 6},
                                                                                    {"2001:db8:0:1:7fff::1", 7},
                                                                                    {"2001:db8:0:1:8000::1", 8},
                                                                                    {"2001:db8::5", 9},
                                                                                    {"2001:db8::4", 6}}) {
    const Route* found = table.lookup(ip(address));
    ASSERT_NE(found, nullptr) << address;
    EXPECT_EQ(found->out_port, port) << address;
  }
  EXPECT_EQ(table.size(), 9u);
  EXPECT_EQ(table.lookup(IpAddress{}), nullptr);
}

TEST(RouteTable, LowestMetricIsUsedUntilItGoes) {
  RouteTable table;
  ASSERT_TRUE(table.replace(route("10.0.0.0/8", "192.0.2.2", 2, 200)).ok());
  ASSERT_TRUE(table.replace(route("10.0.0.0/8", "192.0.2.1", 1, 100)).ok());
  ASSERT_TRUE(table.replace(route("10.0.0.0/8", "192.0.2.3", 3, 300)).ok());
  EXPECT_EQ(table.lookup(ip("10.1.1.1"))->out_port, 1);
  ASSERT_TRUE(table.replace(route("10.0.0.0/8", "192.0.2.9", 9, 100)).ok());
  EXPECT_EQ(table.size(), 3u);
  EXPECT_EQ(table.lookup(ip("10.1.1.1"))->out_port, 9);
  EXPECT_TRUE(table.remove(parse_prefix("10.0.0.0/8").value(), 100));
  EXPECT_FALSE(table.remove(parse_prefix("10.0.0.0/8").value(), 100));
  EXPECT_EQ(table.lookup(ip("10.1.1.1"))->out_port, 2);
  EXPECT_TRUE(table.remove(parse_prefix("10.0.0.0/8").value(), 200));
  EXPECT_TRUE(table.remove(parse_prefix("10.0.0.0/8").value(), 300));
  EXPECT_EQ(table.lookup(ip("10.1.1.1")), nullptr);
  EXPECT_EQ(table.size(), 0u);
}

TEST(RouteTable, RefusesMalformedRoutes) {
  RouteTable table;
  std::vector<Route> bad(6, route("10.0.0.0/8", "192.0.2.1", 1));
  bad[0].prefix.address.lo |= 1;
  bad[1].prefix.length = 33;
  bad[2].prefix.address.family = 0;
  bad[3].out_port = kNoPort;
  bad[4] = route("2001:db8::/32", "fe80::1", 1), bad[4].next_hop = ip("192.0.2.1");
  bad[5] = route("2001:db8::/32", "fe80::1", 1), bad[5].prefix.length = 31, bad[5].prefix.address.hi |= 1;
  for (const Route& r : bad) EXPECT_EQ(table.replace(r).code(), absl::StatusCode::kInvalidArgument) << (&r - &bad[0]);
  Route v4_by_v6 = route("10.0.0.0/8", "fe80::1", 1);
  EXPECT_TRUE(table.replace(v4_by_v6).ok());  // RFC 8950
  Route blackhole = route("10.9.0.0/16", nullptr, kNoPort);
  blackhole.type = RouteType::kBlackhole;
  EXPECT_TRUE(table.replace(blackhole).ok());
  EXPECT_EQ(table.lookup(ip("10.9.1.1"))->type, RouteType::kBlackhole);
  EXPECT_FALSE(table.remove(bad[0].prefix, 0));
}

TEST(RouteTable, BoundsRoutesOfAPrefix) {
  RouteTable table;
  for (uint32_t metric = 0; metric < kRoutesPerPrefixMax; ++metric) {
    ASSERT_TRUE(table.replace(route("10.0.0.0/8", nullptr, 1, metric)).ok());
  }
  EXPECT_EQ(table.replace(route("10.0.0.0/8", nullptr, 1, 99)).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(table.replace(route("10.0.0.0/8", nullptr, 2, 3)).ok());
}

TEST(RouteTable, ListsInOrderAndClears) {
  RouteTable table;
  for (const char* prefix : {"2001:db8::/32", "10.1.0.0/16", "10.0.0.0/8"}) {
    ASSERT_TRUE(table.replace(route(prefix, nullptr, 1)).ok());
  }
  std::vector<std::string> listed;
  for (const Route& r : table.list()) listed.push_back(to_string(r.prefix));
  EXPECT_THAT(listed, testing::ElementsAre("10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32"));
  EXPECT_NE(table.find(parse_prefix("10.1.0.0/16").value()), nullptr);
  EXPECT_EQ(table.find(parse_prefix("10.1.0.0/17").value()), nullptr);
  table.clear();
  EXPECT_TRUE(table.list().empty());
  EXPECT_EQ(table.lookup(ip("10.1.1.1")), nullptr);
}

// Random changes against a list searched from end to end.
class RouteTableAgainstAList : public testing::TestWithParam<uint32_t> {};

TEST_P(RouteTableAgainstAList, Agrees) {
  std::mt19937_64 random(GetParam());
  const auto pick = [&](uint64_t bound) { return random() % bound; };
  const auto some_address = [&]() {
    const uint64_t bits = pick(16) << 28 | pick(4);
    return pick(2) ? IpAddress::v4(static_cast<uint32_t>(bits)) : IpAddress::v6(pick(16) << 60, bits << 32 | pick(4));
  };
  const auto some_prefix = [&]() {
    Prefix p{some_address(), 0};
    const int longest = p.address.is_v4() ? 32 : 128;
    p.length =
        static_cast<uint8_t>(pick(3) ? pick(static_cast<uint64_t>(longest) + 1) : static_cast<uint64_t>(longest));
    // Clears what is behind the length, bit by bit: not how the table does it.
    for (int bit = 0; bit < longest - p.length; ++bit) {
      (bit < 64 ? p.address.lo : p.address.hi) &= ~(uint64_t{1} << (bit % 64));
    }
    return p;
  };
  RouteTable table;
  std::map<std::pair<Prefix, uint32_t>, Route> all;
  for (int step = 0; step < 3000; ++step) {
    const Prefix prefix = some_prefix();
    const auto metric = static_cast<uint32_t>(pick(3));
    if (pick(3) != 0) {
      Route r;
      r.prefix = prefix, r.metric = metric, r.out_port = static_cast<PortIndex>(pick(kPortsMax));
      ASSERT_TRUE(table.replace(r).ok());
      all[{prefix, metric}] = r;
    } else {
      ASSERT_EQ(table.remove(prefix, metric), all.erase({prefix, metric}) == 1);
    }
    ASSERT_EQ(table.size(), all.size());
    const IpAddress address = some_address();
    const Route* best = nullptr;
    for (const auto& [key, r] : all) {
      if (!r.prefix.contains(address)) continue;
      if (best == nullptr || r.prefix.length > best->prefix.length) best = &r;
    }
    const Route* found = table.lookup(address);
    ASSERT_EQ(found == nullptr, best == nullptr) << to_string(address);
    if (found != nullptr) {
      ASSERT_EQ(*found, *best) << to_string(address);
    }
  }
  EXPECT_EQ(table.list().size(), all.size());
}
INSTANTIATE_TEST_SUITE_P(Seeds, RouteTableAgainstAList, testing::Range(1u, 6u));

}  // namespace
}  // namespace phalanx::routing
