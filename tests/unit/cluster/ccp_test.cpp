// CCP datagrams and frames: what goes out comes in; what is not right is refused for the right reason.
#include "host/cluster/ccp.hpp"

#include <random>

#include "host/cluster/ccp_frame.hpp"
#include "host/packet/frame.hpp"

namespace phalanx::cluster {
namespace {

std::array<uint8_t, 32> key_of(uint8_t byte) {
  std::array<uint8_t, 32> key{};
  key.fill(byte);
  return key;
}

CcpConfig config_of(MemberId id, bool authenticated = true) {
  CcpConfig c;
  c.cluster_number = 17;
  c.own_id = id;
  c.member_count = 3;
  c.incarnation = 0x1111111111111111ULL * id;
  if (authenticated) c.key = key_of(7);
  return c;
}

CcpMessage message_of(CcpOpcode opcode) {
  CcpMessage m;
  m.opcode = opcode;
  m.interface = 2;
  m.policy_id = 5;
  m.report.member = 1;
  m.report.report_sequence = 9;
  m.report.epoch = 4;
  m.report.state = MemberState::kActiveAttention;
  m.report.priority = 10;
  m.report.problems = 1;
  m.report.synchronized = true;
  m.report.was_active = true;
  m.report.promised_to = 2;
  m.report.delta_position = 1234567890123;
  m.report.interfaces_up = 0b101;
  m.report.probes_answered = 0b1;
  m.report.handover = {Handover::kOffer, 3, 77, 88, 99};
  m.report.peers[1] = {55, 66, MemberState::kStandby, 12'345};
  m.probed_interface = 3;
  m.interface_config = {4, {2, 3, 4, 5, 6, 7}, true, 0xc0a80101};
  m.load_balancing = {-1, 2, 0xdeadbeef, -100};
  m.policy_status = 3;
  m.opaque = {1, 2, 3};
  return m;
}

constexpr CcpOpcode kAll[] = {
#define X(name, opcode, text, bytes) CcpOpcode::name,
    PHALANX_CCP_MESSAGES(X)
#undef X
};

TEST(Ccp, EveryMessageComesBackAsItWasSent) {
  for (const bool authenticated : {true, false}) {
    CcpCodec sender(config_of(1, authenticated)), receiver(config_of(2, authenticated));
    for (const CcpOpcode opcode : kAll) {
      const CcpMessage m = message_of(opcode);
      const auto bytes = sender.encode(m);
      ASSERT_TRUE(bytes.ok());
      const auto got = receiver.decode(*bytes);
      ASSERT_TRUE(got.ok()) << to_string(opcode) << ": " << got.status();
      EXPECT_EQ(got->source, 1);
      EXPECT_EQ(got->incarnation, config_of(1).incarnation);
      EXPECT_EQ(got->message.opcode, opcode);
      EXPECT_EQ(got->message.interface, 2);
      EXPECT_EQ(got->message.policy_id, 5);
      switch (opcode) {
        case CcpOpcode::kMyState: {
          const Report& r = got->message.report;
          EXPECT_EQ(r.incarnation, config_of(1).incarnation);
          EXPECT_EQ(r.report_sequence, 9u);
          EXPECT_EQ(r.epoch, 4u);
          EXPECT_EQ(r.state, MemberState::kActiveAttention);
          EXPECT_EQ(r.priority, 10);
          EXPECT_EQ(r.problems, 1);
          EXPECT_TRUE(r.synchronized && r.was_active && !r.claims_active && !r.leaving);
          EXPECT_EQ(r.promised_to, 2);
          EXPECT_EQ(r.delta_position, 1234567890123u);
          EXPECT_EQ(r.interfaces_up, 0b101u);
          EXPECT_EQ(r.probes_answered, 0b1u);
          EXPECT_EQ(r.handover.kind, Handover::kOffer);
          EXPECT_EQ(r.handover.member, 3);
          EXPECT_EQ(r.handover.incarnation, 77u);
          EXPECT_EQ(r.handover.id, 88u);
          EXPECT_EQ(r.handover.position, 99u);
          EXPECT_EQ(r.peers[1].incarnation, 55u);
          EXPECT_EQ(r.peers[1].report_sequence, 66u);
          EXPECT_EQ(r.peers[1].silence_us, 12'345u);
          EXPECT_EQ(r.peers[1].state, MemberState::kStandby);
          EXPECT_EQ(r.peers[2].silence_us, UINT32_MAX);
          break;
        }
        case CcpOpcode::kInterfaceProbeRequest:
        case CcpOpcode::kInterfaceProbeReply:
          EXPECT_EQ(got->message.probed_interface, 3u);
          break;
        case CcpOpcode::kInterfaceConfigReply:
          EXPECT_EQ(got->message.interface_config.reported_interfaces, 4u);
          EXPECT_EQ(got->message.interface_config.mac, (MacAddress{2, 3, 4, 5, 6, 7}));
          EXPECT_TRUE(got->message.interface_config.trusted);
          EXPECT_EQ(got->message.interface_config.ipv4, 0xc0a80101u);
          break;
        case CcpOpcode::kLoadBalancingConfig:
          EXPECT_EQ(got->message.load_balancing.slot, -1);
          EXPECT_EQ(got->message.load_balancing.machine, 2);
          EXPECT_EQ(got->message.load_balancing.seed, 0xdeadbeefu);
          EXPECT_EQ(got->message.load_balancing.hash_length, -100);
          break;
        case CcpOpcode::kLoadBalancingConfirm:
        case CcpOpcode::kSync:
          EXPECT_EQ(got->message.opaque, (std::vector<uint8_t>{1, 2, 3}));
          break;
        case CcpOpcode::kPolicyChange:
          EXPECT_EQ(got->message.policy_status, 3u);
          break;
        case CcpOpcode::kQueryState:
        case CcpOpcode::kInterfaceConfigRequest:
          break;
      }
    }
    EXPECT_EQ(receiver.counters().received, std::size(kAll));
  }
}

struct RefusalCase {
  std::string name;
  CcpRefusal reason;
  std::function<void(std::vector<uint8_t>&)> spoil;
};

// The authenticator covers all, so what is to be refused for another reason is spoiled in an unauthenticated cluster.
TEST(Ccp, SpoiledDatagramsAreRefusedForTheirReason) {
  const RefusalCase cases[] = {
      {"empty", CcpRefusal::kMagic, [](auto& b) { b.clear(); }},
      {"magic", CcpRefusal::kMagic, [](auto& b) { b[0] ^= 1; }},
      {"short header", CcpRefusal::kMagic, [](auto& b) { b.resize(19); }},
      {"version", CcpRefusal::kVersion, [](auto& b) { b[3] ^= 1; }},
      {"cluster number", CcpRefusal::kClusterNumber, [](auto& b) { b[5] ^= 1; }},
      {"opcode", CcpRefusal::kOpcode, [](auto& b) { b[7] = 99; }},
      {"own machine", CcpRefusal::kOwnMessage, [](auto& b) { b[13] = 1; }},
      {"no such machine", CcpRefusal::kUnknownMember, [](auto& b) { b[13] = 3; }},
      {"to another", CcpRefusal::kNotForUs, [](auto& b) { b[14] = 0, b[15] = 2; }},
      {"interface 0", CcpRefusal::kField, [](auto& b) { b[9] = 0; }},
      {"too many machine ids", CcpRefusal::kLength, [](auto& b) { b[20] = 0xff; }},
      {"extension's magic", CcpRefusal::kExtension, [](auto& b) { b[20 + 8 + 3 + 4 + 3] ^= 1; }},
      {"one byte less", CcpRefusal::kLength, [](auto& b) { b.pop_back(); }},
      {"one byte more", CcpRefusal::kLength, [](auto& b) { b.push_back(0); }},
      {"state out of range", CcpRefusal::kField, [](auto& b) { b[20 + 18 + 24 + 1] = 6; }},
      {"another member's report", CcpRefusal::kField, [](auto& b) { b[20 + 18 + 24] = 3; }},
      {"longer than a frame", CcpRefusal::kLength, [](auto& b) { b.resize(kCcpBytesMax + 1); }},
  };
  for (const RefusalCase& c : cases) {
    CcpCodec sender(config_of(1, false)), receiver(config_of(2, false));
    auto bytes = *sender.encode(message_of(CcpOpcode::kMyState));
    ASSERT_TRUE(CcpCodec(config_of(2, false)).decode(bytes).ok());
    c.spoil(bytes);
    EXPECT_FALSE(receiver.decode(bytes).ok()) << c.name;
    EXPECT_EQ(receiver.counters().refused_for(c.reason), 1u) << c.name;
    EXPECT_EQ(receiver.counters().received, 0u) << c.name;
  }
}

TEST(Ccp, AnyFlippedBitOfAnAuthenticatedDatagramIsRefused) {
  CcpCodec sender(config_of(1));
  const auto good = *sender.encode(message_of(CcpOpcode::kMyState));
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    auto bytes = good;
    bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] ^ (1U << (bit % 8)));
    CcpCodec receiver(config_of(2));
    EXPECT_FALSE(receiver.decode(bytes).ok()) << "bit " << bit;
  }
}

TEST(Ccp, AnotherKeyNoKeyAndAKeyTooManyAreRefused) {
  const auto sealed = *CcpCodec(config_of(1)).encode(message_of(CcpOpcode::kQueryState));
  const auto open = *CcpCodec(config_of(1, false)).encode(message_of(CcpOpcode::kQueryState));
  CcpConfig other = config_of(2);
  other.key = key_of(8);
  CcpCodec wrong(other), right(config_of(2)), none(config_of(2, false));
  EXPECT_FALSE(wrong.decode(sealed).ok());
  EXPECT_EQ(wrong.counters().refused_for(CcpRefusal::kAuthentication), 1u);
  EXPECT_FALSE(right.decode(open).ok());
  EXPECT_EQ(right.counters().refused_for(CcpRefusal::kUnauthenticated), 1u);
  EXPECT_FALSE(none.decode(sealed).ok());
  EXPECT_EQ(none.counters().refused_for(CcpRefusal::kAuthentication), 1u);
}

TEST(Ccp, ReplaysAreRefusedAndTheProvenIncarnationKeepsItsWindow) {
  CcpCodec sender(config_of(1)), receiver(config_of(2));
  std::vector<std::vector<uint8_t>> sent;
  for (int i = 0; i < 70; ++i) sent.push_back(*sender.encode(message_of(CcpOpcode::kQueryState)));
  EXPECT_TRUE(receiver.decode(sent[10]).ok());
  receiver.pin_incarnation(1, config_of(1).incarnation);
  EXPECT_TRUE(receiver.decode(sent[69]).ok());
  EXPECT_TRUE(receiver.decode(sent[20]).ok()) << "late, within the window";
  EXPECT_FALSE(receiver.decode(sent[20]).ok()) << "twice";
  EXPECT_FALSE(receiver.decode(sent[5]).ok()) << "64 behind";
  EXPECT_EQ(receiver.counters().refused_for(CcpRefusal::kReplay), 2u);
  // Other incarnations, real or recorded, do not open the window again.
  for (uint64_t incarnation = 100; incarnation < 110; ++incarnation) {
    CcpConfig restarted = config_of(1);
    restarted.incarnation = incarnation;
    EXPECT_TRUE(receiver.decode(*CcpCodec(restarted).encode(message_of(CcpOpcode::kQueryState))).ok());
  }
  EXPECT_FALSE(receiver.decode(sent[20]).ok());
}

TEST(Ccp, OpaquePayloadsHaveLimits) {
  CcpCodec codec(config_of(1));
  CcpMessage m = message_of(CcpOpcode::kSync);
  m.opaque.clear();
  EXPECT_FALSE(codec.encode(m).ok());
  m.opaque.assign(kCcpOpaqueBytesMax + 1, 0);
  EXPECT_FALSE(codec.encode(m).ok());
  m.opaque.assign(kCcpOpaqueBytesMax, 0);
  EXPECT_EQ(codec.encode(m)->size(), kCcpBytesMax);
}

TEST(Ccp, RandomBytesNeverBreakTheDecoder) {
  std::mt19937_64 random(1);
  CcpCodec sender(config_of(1, false));
  for (int round = 0; round < 20'000; ++round) {
    auto bytes = *sender.encode(message_of(kAll[random() % std::size(kAll)]));
    for (uint64_t n = 1 + random() % 8; n > 0; --n) bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    if (random() % 4 == 0) bytes.resize(random() % (bytes.size() + 1));
    CcpCodec receiver(config_of(2, false));
    const auto got = receiver.decode(bytes);
    uint64_t refused = 0;
    for (const uint64_t n : receiver.counters().refused) refused += n;
    EXPECT_EQ(refused, got.ok() ? 0u : 1u);
  }
}

TEST(ReplayWindow, SixtyFourWide) {
  ReplayWindow w;
  EXPECT_FALSE(w.check_and_set(0));
  EXPECT_TRUE(w.check_and_set(100));
  EXPECT_TRUE(w.check_and_set(37));
  EXPECT_FALSE(w.check_and_set(36));
  EXPECT_FALSE(w.check_and_set(37));
  EXPECT_TRUE(w.check_and_set(1000));
  EXPECT_FALSE(w.check_and_set(100));
  EXPECT_TRUE(w.check_and_set(UINT64_MAX));
  EXPECT_FALSE(w.check_and_set(UINT64_MAX));
}

// ---- frames ----

CcpFrameConfig frame_config() {
  CcpFrameConfig c;
  c.own_id = 1;
  c.virtual_ip = 0xac980c01;  // 172.152.12.1: bit 23 of the address is not in the MAC
  c.network_address = 0xac980c00;
  return c;
}

TEST(CcpFrame, FieldsAreWhereTheProtocolPutsThem) {
  const std::vector<uint8_t> datagram = {0x1a, 0x90, 3};
  auto frame = build_frame(frame_config(), datagram);
  const std::vector<uint8_t> expected_start = {0, 0, 0,    0,    0,    0,    0, 0, 0, 0,            // virtio-net
                                               1, 0, 0x5e, 0x18, 0x0c, 0x01, 0, 0, 0, 0, 0xfe, 1};  // MACs
  EXPECT_TRUE(std::equal(expected_start.begin(), expected_start.end(), frame.begin()));
  const absl::Span<const uint8_t> ethernet = absl::Span<const uint8_t>(frame).subspan(sizeof(VirtioNetHeader));
  CcpCounters counters;
  const auto view = parse_frame(ethernet, kDefaultMacMagic, counters);
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(std::vector<uint8_t>(view->datagram.begin(), view->datagram.end()), datagram);
  EXPECT_EQ(view->source_mac, (MacAddress{0, 0, 0, 0, 0xfe, 1}));
}

TEST(CcpFrame, BroadcastAndUnicast) {
  CcpFrameConfig c = frame_config();
  c.destination = CcpDestination::kBroadcast;
  EXPECT_EQ(build_frame(c, std::vector<uint8_t>{1})[10], 0xff);
  c.destination = CcpDestination::kUnicast;
  c.peer_mac = {2, 4, 6, 8, 10, 12};
  EXPECT_EQ(build_frame(c, std::vector<uint8_t>{1})[15], 12);
}

TEST(CcpFrame, SpoiledFramesAreRefusedForTheirReason) {
  struct Case {
    CcpRefusal reason;
    std::function<void(std::vector<uint8_t>&)> spoil;  // of the Ethernet frame; offsets: IP 14, UDP 34
  };
  const Case cases[] = {
      {CcpRefusal::kNotCcp, [](auto& f) { f[12] = 0x86; }},
      {CcpRefusal::kNotCcp, [](auto& f) { f[37] ^= 1; }},
      {CcpRefusal::kNotCcp, [](auto& f) { f.resize(30); }},
      {CcpRefusal::kFrameLength, [](auto& f) { f[16] = 1; }},
      {CcpRefusal::kFrameLength, [](auto& f) { f[38] = 1; }},
      {CcpRefusal::kTtl, [](auto& f) { f[22] = 254; }},
      {CcpRefusal::kFragment, [](auto& f) { f[20] = 0x20; }},
      {CcpRefusal::kChecksum, [](auto& f) { f[25] ^= 1; }},
      {CcpRefusal::kChecksum, [](auto& f) { f[40] = f[41] = 0; }},
      {CcpRefusal::kChecksum, [](auto& f) { f.back() ^= 1; }},
      {CcpRefusal::kMacMagic, [](auto& f) { f[10] = 0xfd; }},
  };
  for (size_t i = 0; i < std::size(cases); ++i) {
    auto frame = build_frame(frame_config(), std::vector<uint8_t>(50, 0xab));
    frame.erase(frame.begin(), frame.begin() + sizeof(VirtioNetHeader));
    CcpCounters counters;
    ASSERT_TRUE(parse_frame(frame, kDefaultMacMagic, counters).ok());
    cases[i].spoil(frame);
    EXPECT_FALSE(parse_frame(frame, kDefaultMacMagic, counters).ok()) << i;
    EXPECT_EQ(counters.refused_for(cases[i].reason), 1u) << i << ": " << to_string(cases[i].reason);
  }
}

}  // namespace
}  // namespace phalanx::cluster
