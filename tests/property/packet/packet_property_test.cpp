#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <memory>

#include "host/packet/bytes.hpp"
#include "host/packet/checksum.hpp"
#include "host/packet/fragment.hpp"
#include "host/packet/nd.hpp"
#include "host/packet/rewrite.hpp"
#include "tests/fuzz/packet_corpus.hpp"
#include "tests/unit/packet/checksums.hpp"

namespace phalanx {
namespace {

using Bytes = std::vector<uint8_t>;
using test::Random;
using test::Shape;

// A frame in memory of exactly its size, so that a sanitizer sees one byte too many.
struct ExactFrame {
  explicit ExactFrame(const Bytes& bytes) : memory(std::make_unique<uint8_t[]>(bytes.size())) {
    std::copy(bytes.begin(), bytes.end(), memory.get());
    frame = {memory.get(), static_cast<uint32_t>(bytes.size())};
  }
  std::unique_ptr<uint8_t[]> memory;
  Frame frame;
};

hls::Rewrite random_rewrite(Random& random, uint8_t family) {
  hls::Rewrite r{};
  const IpAddress source = test::random_address(random, family == 6);
  const IpAddress destination = test::random_address(random, family == 6);
  r.source = static_cast<uint8_t>(test::below(random, 2));
  r.destination = static_cast<uint8_t>(test::below(random, 2));
  r.source_hi = source.hi;
  r.source_lo = source.lo;
  r.destination_hi = destination.hi;
  r.destination_lo = destination.lo;
  r.source_port = test::random16(random);
  r.destination_port = test::random16(random);
  return r;
}

// What undoes `r` on a packet that was `p`.
hls::Rewrite undo(const ParsedPacket& p, const hls::Rewrite& r) {
  hls::Rewrite u = r;
  u.source_hi = p.source.hi;
  u.source_lo = p.source.lo;
  u.source_port = p.source_port;
  u.destination_hi = p.destination.hi;
  u.destination_lo = p.destination.lo;
  u.destination_port = p.destination_port;
  return u;
}

bool has_whole_checksum(const Frame& frame, const ParsedPacket& p) {
  const bool checked = p.protocol == hls::kProtocolTcp || p.protocol == hls::kProtocolUdp ||
                       p.protocol == hls::kProtocolIcmp || p.protocol == hls::kProtocolIcmpV6;
  if (!checked || p.is_fragment || (frame.vnet().flags & kNeedsChecksum) != 0) return false;
  return p.protocol != hls::kProtocolUdp || load16(frame.ethernet() + p.l4 + 6) != 0;
}

RC_GTEST_PROP(PacketProperty, CorpusIsWellFormed, (uint64_t seed)) {
  Random random(seed);
  const ExactFrame exact(test::random_frame(random, test::random_shape(random)));
  ParsedPacket p;
  RC_ASSERT(drop_name(parse(exact.frame, 0, p)) == "none");
  RC_ASSERT(test::header_is_right(exact.frame, p));
  if (has_whole_checksum(exact.frame, p)) RC_ASSERT(test::transport_sum(exact.frame, p) == 0xffff);
}

RC_GTEST_PROP(PacketProperty, IncrementalChecksumsAreTheFullOnes, (uint64_t seed)) {
  Random random(seed);
  const ExactFrame exact(test::random_frame(random, test::random_shape(random)));
  ParsedPacket p;
  RC_ASSERT(parse(exact.frame, 0, p) == DropReason::kNone);
  apply_any_rewrite(exact.frame, p, random_rewrite(random, p.family));
  RC_ASSERT(decrement_ttl(exact.frame, p));
  RC_ASSERT(test::header_is_right(exact.frame, p));
  if ((exact.frame.vnet().flags & kNeedsChecksum) != 0 && exact.frame.vnet().gso_type == kGsoNone) {
    complete_checksum(exact.frame, p);
  }
  if (has_whole_checksum(exact.frame, p)) RC_ASSERT(test::transport_sum(exact.frame, p) == 0xffff);
}

RC_GTEST_PROP(PacketProperty, RewriteAndItsReverseAreIdentity, (uint64_t seed)) {
  Random random(seed);
  Shape shape = test::random_shape(random);
  if (shape == Shape::kError) shape = Shape::kTcp;  // errors: below, by their quotes
  const Bytes before = test::random_frame(random, shape);
  const ExactFrame exact(before);
  ParsedPacket p;
  RC_ASSERT(parse(exact.frame, 0, p) == DropReason::kNone);
  const hls::Rewrite rewrite = random_rewrite(random, p.family);
  apply_rewrite(exact.frame, p, rewrite);
  apply_rewrite(exact.frame, p, undo(p, rewrite));
  RC_ASSERT(Bytes(exact.frame.data, exact.frame.data + exact.frame.length) == before);
}

RC_GTEST_PROP(PacketProperty, AnErrorsQuoteIsRewrittenAsItsPacketWouldBe, (uint64_t seed)) {
  Random random(seed);
  const bool six = test::below(random, 2) == 1;
  PacketBuilder quoted = test::random_addressed(random, six);
  test::add_transport(random, static_cast<Shape>(test::below(random, 4)), quoted);
  Bytes packet = quoted.build();
  ParsedPacket of_packet;
  RC_ASSERT(parse(frame_of(packet), 0, of_packet) == DropReason::kNone);
  const Bytes quote(packet.begin() + 10 + of_packet.l3, packet.end());
  IpAddress router = of_packet.source;
  router.lo ^= 1u << 20;
  Bytes error = PacketBuilder().ip(router, of_packet.source).icmp(six ? 1 : 3, 1).payload(quote).build();
  ParsedPacket of_error;
  RC_ASSERT(parse(frame_of(error), 0, of_error) == DropReason::kNone);
  const hls::Rewrite rewrite = random_rewrite(random, of_packet.family);
  const IpAddress to = rewritten_destination(of_error, rewrite);
  apply_rewrite(frame_of(packet), of_packet, rewrite);
  apply_error_rewrite(frame_of(error), of_error, rewrite);
  RC_ASSERT(std::equal(packet.begin() + 10 + of_packet.l3, packet.end(), error.begin() + 10 + of_error.quoted_l3));
  RC_ASSERT(test::checksums_are_right(frame_of(error), of_error));
  if (to != of_error.source) {
    RC_ASSERT(parse(frame_of(error), 0, of_error) == DropReason::kNone);
    RC_ASSERT(of_error.destination == to);
  }
}

// With a sanitizer this is also: nothing is read beyond the frame, wherever it ends.
RC_GTEST_PROP(PacketProperty, TruncationIsAlwaysNoticed, (uint64_t seed)) {
  Random random(seed);
  const Bytes whole = test::random_builder(random, test::random_shape(random)).padding(0).build();
  for (size_t length = 0; length < whole.size(); ++length) {
    const ExactFrame exact(Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length)));
    ParsedPacket p;
    RC_ASSERT(parse(exact.frame, 0, p) != DropReason::kNone);
  }
}

RC_GTEST_PROP(PacketProperty, ChecksumIsTheSumOfWords, (const Bytes& bytes, uint16_t field)) {
  RC_ASSERT(to_be16(sum_fold(sum_bytes(bytes.data(), bytes.size()))) ==
            test::plain_fold(test::plain_sum(bytes.data(), bytes.size())));
  // A checksum that follows a change is the one of the changed bytes.
  Bytes changed = bytes;
  changed.resize((changed.size() + 9) & ~size_t{7});
  changed[0] = 1;
  const uint16_t before = checksum(changed.data(), changed.size());
  ChecksumChange change;
  const uint16_t old = load_raw<uint16_t>(&changed[changed.size() - 2]);
  change.replace16(old, field);
  store_raw(&changed[changed.size() - 2], field);
  RC_ASSERT(change.apply(before) == checksum(changed.data(), changed.size()));
}

// However the fragments of a datagram are ordered, all pass with the first one's key; or none if the first is refused.
RC_GTEST_PROP(PacketProperty, FragmentsInAnyOrderShareOneVerdict, (uint64_t seed)) {
  Random random(seed);
  const bool six = test::below(random, 2) == 1;
  PacketBuilder datagram = test::random_addressed(random, six);
  test::add_transport(random, static_cast<Shape>(test::below(random, 4)), datagram);
  datagram.payload_size(400);
  std::vector<Bytes> pieces;
  for (uint32_t at = 0; at < 400; at += 48) {
    const bool more = at + 48 < 400;
    pieces.push_back(
        PacketBuilder(datagram).fragment(9, static_cast<uint16_t>(at), more).cut(at, more ? at + 48 : 1000).build());
  }
  std::shuffle(pieces.begin(), pieces.end(), random);
  const bool accepted = test::below(random, 4) != 0;
  FragmentTable table;
  DropCounters drops;
  size_t passed = 0;
  size_t refused = 0;
  hls::FlowKey key{};
  std::vector<hls::FlowKey> keys;
  std::vector<ParsedPacket> undecided;
  for (Bytes& piece : pieces) {
    ParsedPacket p;
    RC_ASSERT(parse(frame_of(piece), 0, p) == DropReason::kNone);
    const FragmentResult result = table.take(frame_of(piece), p, 0, 0, drops);
    if (result.action == FragmentResult::Action::kForward) {
      keys.push_back(p.meta.key);
      ++passed;
      if (p.first_fragment) {
        key = p.meta.key;
        undecided.push_back(p);
      }
    }
    refused += result.action == FragmentResult::Action::kDrop;
    if (undecided.empty() || test::below(random, 3) != 0) continue;  // the decision takes a while
    table.decide(undecided[0], accepted, drops, [&](const Frame&, ParsedPacket& held, PortIndex) {
      keys.push_back(held.meta.key);
      ++passed;
    });
    undecided.clear();
  }
  for (const ParsedPacket& first : undecided) {
    table.decide(first, accepted, drops, [&](const Frame&, ParsedPacket& held, PortIndex) {
      keys.push_back(held.meta.key);
      ++passed;
    });
  }
  RC_ASSERT(table.held_bytes() == 0u);
  if (accepted) {
    RC_ASSERT(passed == pieces.size());
    RC_ASSERT(table.datagrams() == 0u);
    for (const hls::FlowKey& k : keys) RC_ASSERT(hls::same_key(k, key));
  } else {
    RC_ASSERT(passed == 1u);  // the first, whose decision the caller then made
    RC_ASSERT(refused + drops[DropReason::kFragmentFirstDropped] == pieces.size() - 1);
  }
}

// Cutting for a smaller MTU, twice, loses and changes nothing.
RC_GTEST_PROP(PacketProperty, FragmentsOfFragmentsCoverTheDatagram, (uint64_t seed)) {
  Random random(seed);
  PacketBuilder builder = test::random_addressed(random, false);
  test::add_options(random, false, builder);
  test::add_transport(random, static_cast<Shape>(test::below(random, 3)), builder);
  Bytes whole = builder.payload_size(200 + test::below(random, 2000)).build();
  ParsedPacket p;
  RC_ASSERT(parse(frame_of(whole), 0, p) == DropReason::kNone);
  Bytes data(p.l3_length - (p.l4 - p.l3));
  std::vector<bool> covered(data.size());
  const auto cut = [&](const Frame& frame, const ParsedPacket& packet, uint32_t mtu, Bytes& scratch,
                       std::vector<Frame>& out) {
    scratch.resize(fragments_bytes(frame, packet, mtu));
    RC_ASSERT(fragment_ipv4(frame, packet, mtu, absl::MakeSpan(scratch), out) == DropReason::kNone);
  };
  Bytes first_scratch;
  std::vector<Frame> first;
  cut(frame_of(whole), p, 500 + test::below(random, 1000), first_scratch, first);
  for (const Frame& piece : first) {
    ParsedPacket q;
    RC_ASSERT(parse(piece, 0, q) == DropReason::kNone);
    Bytes second_scratch;
    std::vector<Frame> second;
    const uint32_t mtu = 100 + test::below(random, 400);
    cut(piece, q, mtu, second_scratch, second);
    for (const Frame& small : second) {
      ParsedPacket r;
      RC_ASSERT(parse(small, 0, r) == DropReason::kNone);
      RC_ASSERT(r.l3_length <= mtu);
      const uint8_t* bytes = small.ethernet() + r.l4;
      for (uint32_t i = 0; i < r.l3_length - (r.l4 - r.l3); ++i) {
        const size_t at = r.fragment_offset + i;
        RC_ASSERT(at < data.size() && !covered[at]);
        covered[at] = true;
        data[at] = bytes[i];
        if (i == 0 && at == 0) continue;
      }
      RC_ASSERT(r.more_fragments == (r.fragment_offset + r.l3_length - (r.l4 - r.l3) < data.size()));
    }
  }
  RC_ASSERT(std::find(covered.begin(), covered.end(), false) == covered.end());
  RC_ASSERT(std::equal(data.begin(), data.end(), whole.begin() + 10 + p.l4));
}

}  // namespace
}  // namespace phalanx
