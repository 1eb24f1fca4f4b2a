#include "host/packet/fragment.hpp"

#include <gtest/gtest.h>

#include "host/packet/packet_builder.hpp"

namespace phalanx {
namespace {

using Bytes = std::vector<uint8_t>;
using Action = FragmentResult::Action;
constexpr int64_t kSecond = 1'000'000'000;

struct Piece {
  Bytes bytes;
  ParsedPacket packet;
};

Piece piece_of(PacketBuilder builder, uint32_t id, uint32_t begin, uint32_t end, bool more) {
  Piece piece;
  piece.bytes = builder.fragment(id, static_cast<uint16_t>(begin), more).cut(begin, end).build();
  EXPECT_EQ(parse(frame_of(piece.bytes), 0, piece.packet), DropReason::kNone);
  return piece;
}

PacketBuilder datagram(bool six = false) {
  return (six ? PacketBuilder().ip("2001:db8::1", "2001:db8::2") : PacketBuilder().ip("10.0.0.1", "10.0.0.2"))
      .udp(500, 53)
      .payload_size(2992);  // 3000 bytes behind the IP header
}

class Fragments : public testing::Test {
 protected:
  FragmentResult take(Piece& piece, int64_t now_ns = 0) {
    return table_.take(frame_of(piece.bytes), piece.packet, 4, now_ns, drops_);
  }
  void decide(const Piece& first, bool passed) {
    table_.decide(first.packet, passed, drops_, [&](const Frame& frame, ParsedPacket& packet, PortIndex port) {
      EXPECT_EQ(port, 4);
      released_.push_back({Bytes(frame.data, frame.data + frame.length), packet});
    });
  }
  FragmentTable table_;
  DropCounters drops_;
  std::vector<Piece> released_;
};

TEST_F(Fragments, LaterOnesHaveTheFirstOnesFlow) {
  for (const bool six : {false, true}) {
    Piece first = piece_of(datagram(six), 1, 0, 1200, true);
    Piece second = piece_of(datagram(six), 1, 1200, 2400, true);
    Piece last = piece_of(datagram(six), 1, 2400, 3000, false);
    EXPECT_EQ(take(first).action, Action::kForward);
    decide(first, true);
    for (Piece* later : {&second, &last}) {
      EXPECT_EQ(take(*later).action, Action::kForward);
      EXPECT_TRUE(hls::same_key(later->packet.meta.key, first.packet.meta.key));
      EXPECT_EQ(later->packet.meta.from_b, first.packet.meta.from_b);
      EXPECT_EQ(later->packet.meta.kind, hls::kPacketUdp);
      EXPECT_EQ(later->packet.destination_port, 53);
      EXPECT_EQ(later->packet.meta.bytes, later->packet.l3_length);
    }
    EXPECT_EQ(second.packet.meta.payload, 1200u);
    EXPECT_EQ(last.packet.meta.payload, 600u);
    EXPECT_EQ(table_.datagrams(), 0u) << "a complete datagram is forgotten";
  }
}

TEST_F(Fragments, WaitForTheFirst) {
  Piece last = piece_of(datagram(), 1, 2400, 3000, false);
  Piece second = piece_of(datagram(), 1, 1200, 2400, true);
  Piece first = piece_of(datagram(), 1, 0, 1200, true);
  EXPECT_EQ(take(last).action, Action::kHold);
  EXPECT_EQ(take(second).action, Action::kHold);
  EXPECT_GT(table_.held_bytes(), 1800u);
  EXPECT_EQ(take(first).action, Action::kForward);
  const Bytes second_bytes = second.bytes;
  second.bytes.assign(second.bytes.size(), 0xee);  // the caller's memory is its own again
  decide(first, true);
  ASSERT_EQ(released_.size(), 2u);
  EXPECT_EQ(released_[0].bytes, last.bytes);
  EXPECT_EQ(released_[1].bytes, second_bytes);
  EXPECT_TRUE(hls::same_key(released_[0].packet.meta.key, first.packet.meta.key));
  EXPECT_EQ(table_.held_bytes(), 0u);
  EXPECT_EQ(table_.datagrams(), 0u);
}

TEST_F(Fragments, WaitForTheFirstOnesDecision) {
  Piece first = piece_of(datagram(), 1, 0, 1200, true);
  Piece second = piece_of(datagram(), 1, 1200, 2400, true);
  EXPECT_EQ(take(first).action, Action::kForward);
  EXPECT_EQ(take(second).action, Action::kHold) << "its engine lookup is still on its way";
  decide(first, true);
  EXPECT_EQ(released_.size(), 1u);
}

TEST_F(Fragments, ShareTheFirstOnesFate) {
  Piece first = piece_of(datagram(), 1, 0, 1200, true);
  Piece second = piece_of(datagram(), 1, 1200, 2400, true);
  Piece last = piece_of(datagram(), 1, 2400, 3000, false);
  take(second);
  take(first);
  decide(first, false);
  EXPECT_TRUE(released_.empty());
  EXPECT_EQ(drops_[DropReason::kFragmentFirstDropped], 1u);
  const FragmentResult result = take(last);
  EXPECT_EQ(result.action, Action::kDrop);
  EXPECT_EQ(result.reason, DropReason::kFragmentFirstDropped);
}

TEST_F(Fragments, OfTcpHaveTheirPartOfSequenceSpace) {
  const auto segment = [] {
    return PacketBuilder().tcp(1, 2, hls::kTcpAck | hls::kTcpFin, 1000, 1).payload_size(2980);
  };
  Piece first = piece_of(segment(), 1, 0, 1200, true);
  Piece second = piece_of(segment(), 1, 1200, 2400, true);
  Piece last = piece_of(segment(), 1, 2400, 3000, false);
  take(first);
  EXPECT_EQ(first.packet.meta.tcp_flags, hls::kTcpAck) << "FIN is behind the last byte";
  decide(first, true);
  take(second);
  take(last);
  EXPECT_EQ(first.packet.meta.payload, 1180u);
  EXPECT_EQ(second.packet.meta.seq, 1000u + 1180);
  EXPECT_EQ(second.packet.meta.tcp_flags, hls::kTcpAck);
  EXPECT_EQ(last.packet.meta.seq, 1000u + 2380);
  EXPECT_EQ(last.packet.meta.payload, 600u);
  EXPECT_EQ(last.packet.meta.tcp_flags, hls::kTcpAck | hls::kTcpFin);
}

struct Attack {
  const char* what;
  DropReason reason;
  uint32_t begin, end;
  bool more;
};

// Into a datagram whose [0, 1200) and last [2400, 3000) are there.
TEST_F(Fragments, ContradictionsEndTheDatagram) {
  for (const Attack& attack : {Attack{"overlaps the first", DropReason::kFragmentOverlap, 1192, 2400, true},
                               Attack{"inside the first", DropReason::kFragmentOverlap, 8, 16, true},
                               Attack{"around the last", DropReason::kFragmentOverlap, 2000, 2992, true},
                               Attack{"second last one", DropReason::kFragmentOverlap, 1200, 1600, false},
                               Attack{"behind the last", DropReason::kFragmentOverlap, 3000, 3000 + 8, true},
                               Attack{"last one, but not last", DropReason::kFragmentOverlap, 2400, 3000, true}}) {
    FragmentTable table;
    const auto longer = datagram().payload_size(3200);
    Piece first = piece_of(datagram(), 1, 0, 1200, true);
    Piece last = piece_of(datagram(), 1, 2400, 3000, false);
    Piece evil = piece_of(longer, 1, attack.begin, attack.end, attack.more);
    Piece second = piece_of(datagram(), 1, 1200, 2400, true);
    table.take(frame_of(last.bytes), last.packet, 0, 0, drops_);
    table.take(frame_of(first.bytes), first.packet, 0, 0, drops_);
    const FragmentResult result = table.take(frame_of(evil.bytes), evil.packet, 0, 0, drops_);
    EXPECT_EQ(result.action, Action::kDrop) << attack.what;
    EXPECT_EQ(result.reason, attack.reason) << attack.what;
    EXPECT_EQ(table.take(frame_of(second.bytes), second.packet, 0, 0, drops_).reason, attack.reason) << attack.what;
    table.decide(first.packet, true, drops_,
                 [&](const Frame&, ParsedPacket&, PortIndex) { ADD_FAILURE() << attack.what; });
    EXPECT_EQ(table.held_bytes(), 0u);
  }
}

// A later fragment that would rewrite the TCP header of the first (RFC 1858) overlaps it, whichever comes first.
TEST_F(Fragments, TinyOverlapBeforeTheFirst) {
  const auto segment = PacketBuilder().tcp(1, 2, hls::kTcpAck).payload_size(100);
  Piece tiny = piece_of(segment, 1, 8, 16, true);
  Piece first = piece_of(segment, 1, 0, 40, true);
  EXPECT_EQ(take(tiny).action, Action::kHold);
  EXPECT_EQ(take(first).reason, DropReason::kFragmentOverlap);
  EXPECT_EQ(drops_[DropReason::kFragmentOverlap], 1u) << "the held one";
}

TEST_F(Fragments, DuplicatesAreDroppedAlone) {
  Piece first = piece_of(datagram(), 1, 0, 1200, true);
  Piece second = piece_of(datagram(), 1, 1200, 2400, true);
  take(first);
  EXPECT_EQ(take(first).reason, DropReason::kFragmentDuplicate);
  decide(first, true);
  EXPECT_EQ(take(second).action, Action::kForward);
  EXPECT_EQ(take(second).reason, DropReason::kFragmentDuplicate);
  Piece last = piece_of(datagram(), 1, 2400, 3000, false);
  EXPECT_EQ(take(last).action, Action::kForward);
}

TEST_F(Fragments, AreToldApart) {
  Piece first = piece_of(datagram(), 1, 0, 1200, true);
  take(first);
  decide(first, true);
  Piece other_id = piece_of(datagram(), 2, 1200, 2400, true);
  Piece other_source = piece_of(datagram().ip("10.0.0.3", "10.0.0.2"), 1, 1200, 2400, true);
  Piece other_protocol = piece_of(datagram().protocol(99), 1, 1200, 2400, true);
  for (Piece* other : {&other_id, &other_source, &other_protocol}) EXPECT_EQ(take(*other).action, Action::kHold);
}

TEST_F(Fragments, ExpireAndAreCounted) {
  Piece second = piece_of(datagram(), 1, 1200, 2400, true);
  Piece other = piece_of(datagram(), 2, 1200, 2400, true);
  take(second, 0);
  take(other, kSecond);
  table_.expire(2 * kSecond - 1, drops_);
  EXPECT_EQ(table_.datagrams(), 2u);
  table_.expire(2 * kSecond, drops_);
  EXPECT_EQ(table_.datagrams(), 1u);
  EXPECT_EQ(drops_[DropReason::kFragmentTimeout], 1u);
  Piece first = piece_of(datagram(), 2, 0, 1200, true);
  EXPECT_EQ(take(first, 4 * kSecond).action, Action::kForward);
  decide(first, true);
  EXPECT_TRUE(released_.empty()) << "what an old datagram of the same identifier left is not mixed in";
  EXPECT_EQ(drops_[DropReason::kFragmentTimeout], 2u);
}

TEST(FragmentLimits, Hold) {
  FragmentLimits limits;
  limits.datagrams = 2;
  limits.fragments_per_datagram = 3;
  limits.held_bytes = 4000;
  limits.held_bytes_per_datagram = 2500;
  FragmentTable table(limits);
  DropCounters drops;
  const auto take = [&](Piece piece) { return table.take(frame_of(piece.bytes), piece.packet, 0, 0, drops); };
  EXPECT_EQ(take(piece_of(datagram(), 1, 1200, 2400, true)).action, Action::kHold);
  EXPECT_EQ(take(piece_of(datagram(), 1, 8, 1200, true)).action, Action::kHold);
  EXPECT_EQ(take(piece_of(datagram(), 1, 2400, 3000, false)).reason, DropReason::kFragmentQueueFull);
  EXPECT_EQ(drops[DropReason::kFragmentQueueFull], 2u);
  EXPECT_EQ(table.held_bytes(), 0u);

  Piece first = piece_of(datagram(), 2, 0, 8, true);
  EXPECT_EQ(table.take(frame_of(first.bytes), first.packet, 0, 0, drops).action, Action::kForward);
  table.decide(first.packet, true, drops, [](const Frame&, ParsedPacket&, PortIndex) {});
  EXPECT_EQ(take(piece_of(datagram(), 2, 8, 16, true)).action, Action::kForward);
  EXPECT_EQ(take(piece_of(datagram(), 2, 16, 24, true)).action, Action::kForward);
  EXPECT_EQ(take(piece_of(datagram(), 2, 24, 32, true)).reason, DropReason::kFragmentTooMany);

  EXPECT_EQ(take(piece_of(datagram(), 3, 8, 16, true)).action, Action::kHold);
  EXPECT_EQ(table.datagrams(), 2u);
  EXPECT_EQ(take(piece_of(datagram(), 4, 8, 16, true)).action, Action::kHold);
  EXPECT_EQ(take(piece_of(datagram(), 5, 8, 16, true)).action, Action::kHold);
  EXPECT_EQ(table.datagrams(), 2u);
  EXPECT_EQ(drops[DropReason::kFragmentTableFull], 1u) << "datagram 3 gave way";
}

TEST(FragmentIpv4, SaysWhenItIsNeededAndWhenItCannotBe) {
  struct Case {
    const char* what;
    PacketBuilder builder;
    uint32_t mtu;
    bool needed;
    DropReason reason;
  };
  const auto udp = PacketBuilder().udp(1, 2).payload_size(1972);  // 2000 bytes of IP
  const auto gso = PacketBuilder().tcp(1, 2, 16).payload_size(4000).partial_checksum(1460);
  for (const Case& c :
       {Case{"fits", udp, 2000, false, DropReason::kNone}, Case{"does not fit", udp, 1999, true, DropReason::kNone},
        Case{"don't fragment", PacketBuilder(udp).dont_fragment(), 1500, true, DropReason::kTooBig},
        Case{"IPv6", PacketBuilder(udp).ip("2001:db8::1", "2001:db8::2"), 1500, true, DropReason::kTooBig},
        Case{"IPv6 with headers as long as the MTU",
             PacketBuilder().ip("2001:db8::1", "2001:db8::2").extension(kProtocolHopByHop, Bytes(34)).udp(1, 2), 76,
             true, DropReason::kTooBig},
        Case{"MTU of no IPv4 link", udp, 67, true, DropReason::kTooBig},
        Case{"segments fit", gso, 1500, false, DropReason::kNone},
        Case{"segments do not fit", gso, 1499, true, DropReason::kNone},
        Case{"UDP segments", PacketBuilder().udp(1, 2).payload_size(4000).partial_checksum(1472), 1400, true,
             DropReason::kTooBig}}) {
    Bytes b = c.builder.build();
    ParsedPacket p;
    ASSERT_EQ(parse(frame_of(b), 0, p), DropReason::kNone) << c.what;
    EXPECT_EQ(needs_fragmentation(frame_of(b), p, c.mtu), c.needed) << c.what;
    if (!c.needed) continue;
    Bytes scratch(fragments_bytes(frame_of(b), p, c.mtu));
    std::vector<Frame> out;
    EXPECT_EQ(fragment_ipv4(frame_of(b), p, c.mtu, absl::MakeSpan(scratch), out), c.reason) << c.what;
    EXPECT_EQ(out.empty(), c.reason != DropReason::kNone) << c.what;
  }
}

TEST(FragmentIpv4, TcpGsoLeavesInSmallerSegments) {
  Bytes b = PacketBuilder().tcp(1, 2, 16).payload_size(4000).partial_checksum(1460).build();
  ParsedPacket p;
  ASSERT_EQ(parse(frame_of(b), 0, p), DropReason::kNone);
  std::vector<Frame> out;
  ASSERT_EQ(fragment_ipv4(frame_of(b), p, 1400, {}, out), DropReason::kNone);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].data, b.data());
  EXPECT_EQ(out[0].vnet().gso_size, 1360);
  EXPECT_FALSE(needs_fragmentation(out[0], p, 1400));
}

// Each piece is the one that the builder cuts out of the same datagram; a device's part of the checksum is done first.
TEST(FragmentIpv4, PiecesAreExactlyTheDatagrams) {
  const auto whole = PacketBuilder().vlan(7).udp(1, 2).payload_size(1992).ip_id(77);
  Bytes b = PacketBuilder(whole).partial_checksum().padding(3).build();
  ParsedPacket p;
  ASSERT_EQ(parse(frame_of(b), 0, p), DropReason::kNone);
  Bytes scratch(fragments_bytes(frame_of(b), p, 820));
  std::vector<Frame> out;
  ASSERT_EQ(fragment_ipv4(frame_of(b), p, 820, absl::MakeSpan(scratch), out), DropReason::kNone);
  ASSERT_EQ(out.size(), 3u);
  for (uint32_t i = 0; i < 3; ++i) {
    const uint32_t begin = i * 800;
    Bytes want = PacketBuilder(whole).fragment(77, static_cast<uint16_t>(begin), i < 2).cut(begin, begin + 800).build();
    EXPECT_EQ(Bytes(out[i].data, out[i].data + out[i].length), want) << i;
  }
  std::vector<Frame> none;
  EXPECT_EQ(fragment_ipv4(frame_of(b), p, 820, absl::MakeSpan(scratch).subspan(0, 100), none), DropReason::kBufferFull);
  EXPECT_TRUE(none.empty());
}

// RFC 791, 3.1: of the options only those with the copied flag are in later fragments.
TEST(FragmentIpv4, LaterPiecesHaveOnlyCopiedOptions) {
  const Bytes all = {7, 7, 4, 1, 2, 3, 4, 0x94, 4, 0, 9};  // record route, router alert
  const Bytes copied = {0x94, 4, 0, 9};
  const auto whole = PacketBuilder().udp(1, 2).payload_size(792);
  Bytes b = PacketBuilder(whole).ip_options(all).ip_id(5).build();
  ParsedPacket p;
  ASSERT_EQ(parse(frame_of(b), 0, p), DropReason::kNone);
  Bytes scratch(fragments_bytes(frame_of(b), p, 432));
  std::vector<Frame> out;
  ASSERT_EQ(fragment_ipv4(frame_of(b), p, 432, absl::MakeSpan(scratch), out), DropReason::kNone);
  ASSERT_EQ(out.size(), 2u);
  const Bytes first = PacketBuilder(whole).ip_options(all).fragment(5, 0, true).cut(0, 400).build();
  const Bytes later = PacketBuilder(whole).ip_options(copied).fragment(5, 400, false).cut(400, 800).build();
  EXPECT_EQ(Bytes(out[0].data, out[0].data + out[0].length), first);
  EXPECT_EQ(Bytes(out[1].data, out[1].data + out[1].length), later);
}

}  // namespace
}  // namespace phalanx
