// The mirror against a real kernel, in a network namespace that ends with the test's thread. Needs CAP_SYS_ADMIN.
#include "host/routing/netlink_mirror.hpp"

#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "host/routing/netlink_parse.hpp"

namespace phalanx::routing {
namespace {

// Keeps what it was told, and fails on what contradicts it.
class Recorder : public RouteEvents {
 public:
  void route_added(const KernelRoute& r) override {
    routes[key(r)] = r;
    ++route_events;
  }
  void route_removed(const KernelRoute& r) override {
    EXPECT_EQ(routes.erase(key(r)), 1u) << key(r);
    ++route_events;
  }
  void link_changed(const KernelLink& l) override { links[l.name] = l; }
  void link_removed(const KernelLink& l) override { EXPECT_EQ(links.erase(l.name), 1u) << l.name; }
  void address_added(const KernelAddress& a) override { EXPECT_TRUE(addresses.insert(text(a)).second) << text(a); }
  void address_removed(const KernelAddress& a) override { EXPECT_EQ(addresses.erase(text(a)), 1u) << text(a); }

  std::map<std::string, KernelRoute> routes;
  std::map<std::string, KernelLink> links;
  std::set<std::string> addresses;
  int route_events = 0;

 private:
  static std::string key(const KernelRoute& r) { return absl::StrCat(to_string(r.prefix), " metric ", r.metric); }
  static std::string text(const KernelAddress& a) {
    return absl::StrCat(to_string(a.address), "/", static_cast<int>(a.prefix_length));
  }
};

void ip(const std::string& arguments) { ASSERT_EQ(std::system(("ip " + arguments).c_str()), 0) << "ip " << arguments; }

// `ip -batch` of these lines.
void ip_batch(const std::string& lines) {
  FILE* batch = popen("ip -batch -", "w");
  ASSERT_NE(batch, nullptr);
  EXPECT_EQ(fwrite(lines.data(), 1, lines.size(), batch), lines.size());
  ASSERT_EQ(pclose(batch), 0);
}

// Reads until `done`, for at most ten seconds; gives whether it came true.
template <typename Done>
bool read_until(NetlinkMirror& mirror, Done done) {
  for (int i = 0; i < 100 && !done(); ++i) {
    pollfd waiting = {mirror.fd(), POLLIN, 0};
    if (poll(&waiting, 1, 100) > 0) {
      const absl::Status read = mirror.on_readable();
      EXPECT_TRUE(read.ok()) << read;
    }
  }
  return done();
}

// Runs `body` in a namespace of its own, with veth pair left-right up and addressed.
template <typename Body>
void in_own_namespace(Body body) {
  std::thread([&] {
    ASSERT_EQ(unshare(CLONE_NEWNET), 0) << "a network namespace needs CAP_SYS_ADMIN: " << std::strerror(errno);
    ip("link add left address 02:00:00:00:00:01 mtu 1400 type veth peer name right");
    ip("link set left up");
    ip("link set right up");
    ip("address add 10.0.0.1/24 dev left");
    ip("address add 2001:db8::1/64 dev left nodad");
    body();
  }).join();
}

TEST(NetlinkMirror, TellsWhatIsThereAtStart) {
  in_own_namespace([] {
    ip("route add 10.9.0.0/16 via 10.0.0.9 metric 7");
    ip("-6 route add 2001:db8:9::/48 via 2001:db8::9 metric 8");
    ip("route add 10.8.0.0/16 dev left table 100");
    ip("route add blackhole 10.7.0.0/16");
    ip("-6 route add unreachable 2001:db8:7::/48 metric 5");
    ip("route add 10.6.0.0/16 via inet6 fe80::6 dev left");
    Recorder told;
    auto mirror = NetlinkMirror::open(&told);
    ASSERT_TRUE(mirror.ok()) << mirror.status();
    ASSERT_TRUE((*mirror)->start().ok());

    const KernelLink& left = told.links.at("left");
    EXPECT_TRUE(left.admin_up && left.carrier);
    EXPECT_EQ(left.mtu, 1400u);
    EXPECT_EQ(left.mac, (MacAddress{2, 0, 0, 0, 0, 1}));
    EXPECT_TRUE(told.addresses.count("10.0.0.1/24"));
    EXPECT_TRUE(told.addresses.count("2001:db8::1/64"));

    const KernelRoute& connected = told.routes.at("10.0.0.0/24 metric 0");
    EXPECT_EQ(connected.next_hop.family, 0);
    EXPECT_EQ(connected.ifindex, left.ifindex);
    EXPECT_EQ(to_string(told.routes.at("10.9.0.0/16 metric 7").next_hop), "10.0.0.9");
    EXPECT_EQ(to_string(told.routes.at("2001:db8:9::/48 metric 8").next_hop), "2001:db8::9");
    EXPECT_EQ(to_string(told.routes.at("10.6.0.0/16 metric 0").next_hop), "fe80::6");
    EXPECT_EQ(told.routes.at("10.7.0.0/16 metric 0").type, RouteType::kBlackhole);
    EXPECT_EQ(told.routes.at("2001:db8:7::/48 metric 5").type, RouteType::kUnreachable);
    for (const auto& [key, route] : told.routes) {
      EXPECT_NE(route.prefix, parse_prefix("10.8.0.0/16").value());  // another table
      EXPECT_NE(route.prefix.address.hi >> 48, 0xfe80u) << key;
    }
    EXPECT_EQ((*mirror)->counters().malformed, 0u);
    const int events = told.route_events;
    ASSERT_TRUE((*mirror)->start().ok());  // nothing is told twice
    EXPECT_EQ(told.route_events, events);
  });
}

TEST(NetlinkMirror, FollowsChanges) {
  in_own_namespace([] {
    Recorder told;
    auto mirror = NetlinkMirror::open(&told);
    ASSERT_TRUE(mirror.ok()) << mirror.status();
    ASSERT_TRUE((*mirror)->start().ok());
    NetlinkMirror& m = **mirror;
    const auto hop = [&](const std::string& key) {
      const auto found = told.routes.find(key);
      return found == told.routes.end() ? "" : to_string(found->second.next_hop);
    };

    ip("route add 10.9.0.0/16 via 10.0.0.9");
    EXPECT_TRUE(read_until(m, [&] { return hop("10.9.0.0/16 metric 0") == "10.0.0.9"; }));
    ip("route replace 10.9.0.0/16 via 10.0.0.10");
    EXPECT_TRUE(read_until(m, [&] { return hop("10.9.0.0/16 metric 0") == "10.0.0.10"; }));
    ip("-6 route add default via 2001:db8::9");
    EXPECT_TRUE(read_until(m, [&] { return hop("::/0 metric 1024") == "2001:db8::9"; }));
    ip("-6 route del default via 2001:db8::9");
    EXPECT_TRUE(read_until(m, [&] { return hop("::/0 metric 1024").empty(); }));
    ip("address add 10.1.1.1/24 dev left");
    EXPECT_TRUE(read_until(m, [&] { return told.addresses.count("10.1.1.1/24") == 1; }));
    ip("address del 10.1.1.1/24 dev left");
    EXPECT_TRUE(read_until(m, [&] { return told.addresses.count("10.1.1.1/24") == 0; }));
    ip("link set left mtu 1300");
    EXPECT_TRUE(read_until(m, [&] { return told.links.at("left").mtu == 1300; }));

    // The peer goes down: carrier lost, still administratively up.
    ip("link set right down");
    EXPECT_TRUE(read_until(m, [&] { return !told.links.at("left").carrier; }));
    EXPECT_TRUE(told.links.at("left").admin_up);
    ip("link set right up");
    EXPECT_TRUE(read_until(m, [&] { return told.links.at("left").carrier; }));

    // Down takes IPv4 routes with it, of which the kernel says nothing.
    ASSERT_EQ(hop("10.9.0.0/16 metric 0"), "10.0.0.10");
    ip("link set left down");
    EXPECT_TRUE(read_until(m, [&] { return told.routes.count("10.9.0.0/16 metric 0") == 0; }));
    EXPECT_EQ(told.routes.count("10.0.0.0/24 metric 0"), 0u);
    ip("link del left");
    EXPECT_TRUE(read_until(m, [&] { return told.links.count("left") == 0 && told.links.count("right") == 0; }));
    EXPECT_TRUE(told.addresses.empty()) << *told.addresses.begin();
  });
}

TEST(NetlinkMirror, SecondRouteOfAPrefixStaysWhenTheFirstGoes) {
  in_own_namespace([] {
    Recorder told;
    auto mirror = NetlinkMirror::open(&told);
    ASSERT_TRUE(mirror.ok()) << mirror.status();
    ASSERT_TRUE((*mirror)->start().ok());
    const std::string key = "10.9.0.0/16 metric 0";
    const auto hop_is = [&](const char* address) {
      return [&told, &key, address] {
        return told.routes.count(key) == 1 && to_string(told.routes[key].next_hop) == address;
      };
    };
    ip("route add 10.9.0.0/16 via 10.0.0.9");
    ip("route append 10.9.0.0/16 via 10.0.0.10");
    EXPECT_TRUE(read_until(**mirror, hop_is("10.0.0.9")));
    ip("route del 10.9.0.0/16 via 10.0.0.9");
    EXPECT_TRUE(read_until(**mirror, hop_is("10.0.0.10")));
    ip("route add 10.8.0.0/16 nexthop via 10.0.0.7 nexthop via 10.0.0.8");
    EXPECT_TRUE(read_until(**mirror, [&] { return told.routes.count("10.8.0.0/16 metric 0") == 1; }));
    EXPECT_EQ(to_string(told.routes["10.8.0.0/16 metric 0"].next_hop), "10.0.0.7");
    EXPECT_EQ((*mirror)->counters().multipath, 1u);
  });
}

TEST(NetlinkMirror, ReadsEverythingAnewWhenNewsWereLost) {
  in_own_namespace([] {
    Recorder told;
    auto mirror = NetlinkMirror::open(&told, 4096);
    ASSERT_TRUE(mirror.ok()) << mirror.status();
    ip("route add 10.250.0.0/16 via 10.0.0.9");
    ASSERT_TRUE((*mirror)->start().ok());
    ASSERT_EQ(told.routes.count("10.250.0.0/16 metric 0"), 1u);
    std::string lines;
    for (int i = 0; i < 1000; ++i)
      absl::StrAppend(&lines, "route add 11.", i / 250, ".", i % 250, ".0/24 via 10.0.0.9\n");
    absl::StrAppend(&lines, "route del 10.250.0.0/16\n");
    ip_batch(lines);
    const auto mirrored = [&] {
      size_t count = 0;
      for (const auto& [key, route] : told.routes)
        count += route.prefix.address.hi == 0 && route.prefix.address.lo >> 24 == 11;
      return count;
    };
    EXPECT_TRUE(read_until(**mirror, [&] { return mirrored() == 1000; })) << mirrored();
    EXPECT_EQ(told.routes.count("10.250.0.0/16 metric 0"), 0u);
    EXPECT_GE((*mirror)->counters().overruns, 1u);
    EXPECT_GE((*mirror)->counters().dumps, 2u);
  });
}

// Nothing that a message says is trusted: any bytes, cut anywhere, are refused or read within their length.
TEST(NetlinkParse, SurvivesAnyBytes) {
  alignas(4) uint8_t bytes[256];
  uint32_t random = 12345;
  const auto next = [&] { return random = random * 1664525 + 1013904223, static_cast<uint8_t>(random >> 24); };
  int read = 0;
  int refused = 0;
  for (int round = 0; round < 200000; ++round) {
    for (uint8_t& byte : bytes) byte = next() < 128 ? static_cast<uint8_t>(next() % 32) : next();
    auto* message = reinterpret_cast<nlmsghdr*>(bytes);
    // A plausible frame, so that the attributes are reached.
    message->nlmsg_len = 16 + next() % 241;
    rtmsg header{};
    header.rtm_family = next() % 2 ? AF_INET : AF_INET6;
    header.rtm_dst_len = next() % 140;
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_type = RTN_UNICAST;
    if (round % 2) std::memcpy(bytes + 16, &header, sizeof(header));
    for (uint32_t at = 28; at + 8 < message->nlmsg_len; at += 8) {
      const nlattr attribute = {static_cast<uint16_t>(next() % 4 ? 8 : next() % 24),
                                static_cast<uint16_t>(next() % 24)};
      std::memcpy(bytes + at, &attribute, sizeof(attribute));
    }
    // On the heap at its exact size, where the sanitizers see a byte too much.
    const std::vector<uint8_t> exact(bytes, bytes + message->nlmsg_len);
    const auto& cut = *reinterpret_cast<const nlmsghdr*>(exact.data());
    read += parse_route(cut).ok() + parse_link(cut).ok() + parse_address(cut).ok();
    refused += !parse_route(cut).ok() + !parse_link(cut).ok() + !parse_address(cut).ok();
  }
  EXPECT_GT(read, 1000);
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace phalanx::routing
