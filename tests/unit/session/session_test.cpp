#include <functional>

#include "hls/nat.hpp"
#include "host/session/session_builder.hpp"
#include "host/session/session_view.hpp"

namespace phalanx::session {
namespace {

IpAddress ip(const char* text) { return parse_ip(text).value(); }
hls::Endpoint endpoint(const char* text, uint16_t port) { return {ip(text).hi, ip(text).lo, port}; }

hls::PacketMeta packet(const char* source, uint16_t source_port, const char* destination, uint16_t destination_port,
                       uint8_t protocol = 6) {
  const hls::DirectedKey directed = hls::make_key(
      endpoint(source, source_port), endpoint(destination, destination_port), protocol, ip(source).family, 5);
  hls::PacketMeta meta{};
  meta.key = directed.key, meta.from_b = directed.from_b;
  return meta;
}

TEST(SessionBuilder, WithoutNatOnlyKeyOriginatorAndRule) {
  for (const bool from_b : {false, true}) {
    const hls::PacketMeta meta = from_b ? packet("10.0.0.9", 1, "10.0.0.1", 2) : packet("10.0.0.1", 2, "10.0.0.9", 1);
    ASSERT_EQ(meta.from_b, from_b);
    const abi::Record record = make_record(meta, 77);
    EXPECT_TRUE(hls::same_key(record.session.key, meta.key));
    EXPECT_EQ(record.session.flags, from_b ? hls::kOriginatorIsB : 0);
    EXPECT_EQ(record.session.rule, 77);
    EXPECT_EQ(record.session.order, 0u);
    EXPECT_EQ(record.session.state, hls::kStateFree);
  }
}

struct NatCase {
  const char* source;
  const char* destination;
  const char* new_source;  // null: kept
  int new_source_port;     // -1: kept
  const char* new_destination;
  int new_destination_port;
};

class SessionBuilderNat : public testing::TestWithParam<NatCase> {};

// The engine's own semantics judge the record: what it makes of a packet of either direction is what was asked for.
TEST_P(SessionBuilderNat, EngineRewritesAsAsked) {
  const NatCase& c = GetParam();
  NatTranslation nat;
  if (c.new_source != nullptr) nat.source = ip(c.new_source);
  if (c.new_source_port >= 0) nat.source_port = static_cast<uint16_t>(c.new_source_port);
  if (c.new_destination != nullptr) nat.destination = ip(c.new_destination);
  if (c.new_destination_port >= 0) nat.destination_port = static_cast<uint16_t>(c.new_destination_port);
  const hls::PacketMeta first = packet(c.source, 1000, c.destination, 2000);
  const abi::Record record = make_record(first, 1, nat);

  const hls::Match forward = hls::match_direction(record.session, record.wide, first);
  ASSERT_TRUE(forward.matched);
  EXPECT_EQ(forward.direction, 0);
  const uint16_t source_port = c.new_source_port >= 0 ? nat.source_port.value() : 1000;
  const uint16_t destination_port = c.new_destination_port >= 0 ? nat.destination_port.value() : 2000;
  const char* source = c.new_source ? c.new_source : c.source;
  const char* destination = c.new_destination ? c.new_destination : c.destination;
  const hls::Rewrite out = hls::rewrite_for(record.session, record.wide, 0);
  EXPECT_EQ(out.source, nat.translates_source());
  EXPECT_EQ(out.destination, nat.translates_destination());
  EXPECT_EQ((IpAddress{out.source_hi, out.source_lo, ip(source).family}), ip(source));
  EXPECT_EQ((IpAddress{out.destination_hi, out.destination_lo, ip(source).family}), ip(destination));
  EXPECT_EQ(out.source_port, source_port);
  EXPECT_EQ(out.destination_port, destination_port);

  const hls::PacketMeta reply = packet(destination, destination_port, source, source_port);
  const hls::Match back = hls::match_direction(record.session, record.wide, reply);
  ASSERT_TRUE(back.matched);
  EXPECT_EQ(back.direction, 1);
  const hls::Rewrite in = hls::rewrite_for(record.session, record.wide, 1);
  EXPECT_EQ(in.destination_lo, ip(c.source).lo);
  EXPECT_EQ(in.destination_port, 1000);
  EXPECT_EQ(in.source_lo, ip(c.destination).lo);
  EXPECT_EQ(in.source_port, 2000);
  EXPECT_EQ((record.session.flags & hls::kNatWide) != 0, ip(c.source).is_v6());
}
INSTANTIATE_TEST_SUITE_P(Kinds, SessionBuilderNat,
                         testing::Values(NatCase{"10.0.0.1", "198.51.100.1", "192.0.2.1", 5555, nullptr, -1},
                                         NatCase{"198.51.100.1", "10.0.0.1", "192.0.2.1", 5555, nullptr, -1},
                                         NatCase{"10.0.0.1", "198.51.100.1", "192.0.2.1", -1, nullptr, -1},
                                         NatCase{"10.0.0.1", "198.51.100.1", nullptr, 5555, nullptr, -1},
                                         NatCase{"203.0.113.1", "192.0.2.1", nullptr, -1, "10.0.0.5", 8080},
                                         NatCase{"203.0.113.1", "192.0.2.1", nullptr, -1, "10.0.0.5", -1},
                                         NatCase{"10.0.0.2", "192.0.2.1", "10.0.0.254", 4000, "10.0.0.5", 80},
                                         NatCase{"fd00::1", "2001:db8:9::1", "2001:db8::1", 5555, nullptr, -1},
                                         NatCase{"2001:db8:9::1", "2001:db8::1", nullptr, -1, "fd00::1", 8080},
                                         NatCase{"fd00::2", "2001:db8::1", "fd00::fe", 1024, "fd00::1", 8080}));

TEST(SessionBuilder, EchoIdIsTheRequestersPort) {
  NatTranslation nat;
  nat.source = ip("192.0.2.1"), nat.source_port = 900;
  const abi::Record record = make_record(packet("10.0.0.1", 33, "198.51.100.1", 0, 1), 1, nat);
  const hls::Endpoint requester = hls::translated_originator(record.session, record.wide);
  EXPECT_EQ(requester.port, 900);
  EXPECT_EQ(hls::translated_responder(record.session, record.wide).port, 0);
}

TEST(SessionNames, StatesAndProtocols) {
  EXPECT_EQ(state_name(hls::kStateTcpEstablished), "tcp-established");
  EXPECT_EQ(state_name(hls::kStates), "invalid");
  for (uint8_t state = 0; state < hls::kStates; ++state) EXPECT_EQ(parse_state(state_name(state)), state);
  EXPECT_FALSE(parse_state("established?").has_value());
  EXPECT_EQ(protocol_name(6), "tcp");
  EXPECT_EQ(protocol_name(253), "253");
  EXPECT_EQ(parse_protocol("udp"), 17);
  EXPECT_EQ(parse_protocol("255"), 255);
  for (const char* bad : {"", "256", "-1", "tcpx", " 6", "99999999999"}) {
    EXPECT_FALSE(parse_protocol(bad).has_value()) << bad;
  }
  EXPECT_EQ(to_string(AddressPort{ip("10.0.0.1"), 80}), "10.0.0.1:80");
  EXPECT_EQ(to_string(AddressPort{ip("2001:db8::1"), 80}), "[2001:db8::1]:80");
}

abi::Record hidden_session() {
  NatTranslation nat;
  nat.source = ip("192.0.2.1"), nat.source_port = 5555;
  abi::Record r = make_record(packet("198.51.100.20", 40000, "10.0.0.5", 443), 12, nat);
  r.session.state = hls::kStateTcpEstablished;
  r.session.last_seen = 10000;
  r.session.order = uint64_t{9} << hls::kVersionBits | 4;
  r.session.packets[0] = 7, r.session.traffic[0] = uint64_t{2} << 48 | 123456789;
  r.session.packets[1] = 8, r.session.traffic[1] = 99;
  return r;
}

TEST(SessionView, ShowsBothSidesOfNat) {
  const abi::Record r = hidden_session();
  const SessionView v = make_view(r.session, r.wide, 70000, hls::default_timeouts());
  EXPECT_EQ(v.family, 4);
  EXPECT_EQ(v.protocol_name, "tcp");
  EXPECT_EQ(v.virtual_system, 5);
  EXPECT_EQ(v.source, (AddressPort{ip("198.51.100.20"), 40000}));
  EXPECT_EQ(v.destination, (AddressPort{ip("10.0.0.5"), 443}));
  EXPECT_EQ(v.translated_source, (AddressPort{ip("192.0.2.1"), 5555}));
  EXPECT_FALSE(v.translated_destination.has_value());
  EXPECT_EQ(v.state_name, "tcp-established");
  EXPECT_EQ(v.rule, 12);
  EXPECT_EQ(v.idle_ms, 60000u);
  EXPECT_EQ(v.expires_in_ms, 3600000u - 60000u);
  EXPECT_EQ(v.packets[0], (uint64_t{2} << 32) + 7);
  EXPECT_EQ(v.bytes[0], 123456789u);
  EXPECT_EQ(v.packets[1], 8u);
  EXPECT_EQ(v.bytes[1], 99u);
  EXPECT_EQ(v.generation, 9u);
  EXPECT_EQ(v.version, 4u);
  EXPECT_FALSE(v.replicated);
}

TEST(SessionView, AgesWithAWrappingClock) {
  abi::Record r = hidden_session();
  r.session.last_seen = 0xfffffff0u;
  EXPECT_EQ(make_view(r.session, r.wide, 0x10, hls::default_timeouts()).idle_ms, 0x20u);
  r.session.last_seen = 500;  // a replica a little ahead of our clock
  EXPECT_EQ(make_view(r.session, r.wide, 400, hls::default_timeouts()).idle_ms, 0u);
  r.session.last_seen = 0;
  EXPECT_EQ(make_view(r.session, r.wide, 4000000, hls::default_timeouts()).expires_in_ms, 0u);
  r.session.flags |= hls::kReanchorResponder;
  EXPECT_TRUE(make_view(r.session, r.wide, 0, hls::default_timeouts()).replicated);
}

TEST(SessionFilter, EachConditionTakesAndRefuses) {
  const abi::Record r = hidden_session();
  struct Case {
    const char* what;
    bool expected;
    std::function<void(SessionFilter&)> set;
  };
  const auto prefix = [](const char* text) { return parse_prefix(text).value(); };
  const Case cases[] = {
      {"nothing", true, [](SessionFilter&) {}},
      {"address: source", true, [&](SessionFilter& f) { f.address = prefix("198.51.100.0/24"); }},
      {"address: destination", true, [&](SessionFilter& f) { f.address = prefix("10.0.0.5/32"); }},
      {"address: translated", true, [&](SessionFilter& f) { f.address = prefix("192.0.2.1/32"); }},
      {"address: other", false, [&](SessionFilter& f) { f.address = prefix("192.0.2.2/32"); }},
      {"address: other family", false, [&](SessionFilter& f) { f.address = prefix("::/0"); }},
      {"source", true, [&](SessionFilter& f) { f.source = prefix("198.51.100.20/32"); }},
      {"source: translated", true, [&](SessionFilter& f) { f.source = prefix("192.0.2.0/24"); }},
      {"source: is destination", false, [&](SessionFilter& f) { f.source = prefix("10.0.0.0/8"); }},
      {"destination", true, [&](SessionFilter& f) { f.destination = prefix("10.0.0.0/8"); }},
      {"destination: is source", false, [&](SessionFilter& f) { f.destination = prefix("198.51.100.0/24"); }},
      {"port: source", true, [](SessionFilter& f) { f.port = 40000; }},
      {"port: destination", true, [](SessionFilter& f) { f.port = 443; }},
      {"port: translated", true, [](SessionFilter& f) { f.port = 5555; }},
      {"port: other", false, [](SessionFilter& f) { f.port = 80; }},
      {"source port", true, [](SessionFilter& f) { f.source_port = 40000; }},
      {"source port: is destination's", false, [](SessionFilter& f) { f.source_port = 443; }},
      {"destination port", true, [](SessionFilter& f) { f.destination_port = 443; }},
      {"destination port: is source's", false, [](SessionFilter& f) { f.destination_port = 40000; }},
      {"protocol", true, [](SessionFilter& f) { f.protocol = 6; }},
      {"protocol: other", false, [](SessionFilter& f) { f.protocol = 17; }},
      {"family", true, [](SessionFilter& f) { f.family = 4; }},
      {"family: other", false, [](SessionFilter& f) { f.family = 6; }},
      {"state", true, [](SessionFilter& f) { f.state = hls::kStateTcpEstablished; }},
      {"state: other", false, [](SessionFilter& f) { f.state = hls::kStateTcpSynSent; }},
      {"rule", true, [](SessionFilter& f) { f.rule = 12; }},
      {"rule: other", false, [](SessionFilter& f) { f.rule = 13; }},
      {"nat", true, [](SessionFilter& f) { f.nat = true; }},
      {"no nat", false, [](SessionFilter& f) { f.nat = false; }},
      {"virtual system", true, [](SessionFilter& f) { f.virtual_system = 5; }},
      {"virtual system: other", false, [](SessionFilter& f) { f.virtual_system = 0; }},
      {"both hold", true, [](SessionFilter& f) { f.port = 443, f.protocol = 6; }},
      {"one of two fails", false, [](SessionFilter& f) { f.port = 443, f.protocol = 17; }},
  };
  for (const Case& c : cases) {
    SessionFilter filter;
    c.set(filter);
    EXPECT_EQ(filter.matches(r.session, r.wide), c.expected) << c.what;
    for (const uint8_t state : {hls::kStateFree, hls::kStateDeleted}) {
      abi::Record gone = r;
      gone.session.state = state;
      EXPECT_FALSE(filter.matches(gone.session, gone.wide)) << c.what;
    }
  }
}

}  // namespace
}  // namespace phalanx::session
