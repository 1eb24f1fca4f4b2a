// Whatever bytes come in as a frame: nothing outside it is touched, and what is accepted obeys the parser's promises.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "host/packet/arp.hpp"
#include "host/packet/fragment.hpp"
#include "host/packet/icmp_error.hpp"
#include "host/packet/nd.hpp"
#include "host/packet/rewrite.hpp"
#include "host/packet/text.hpp"

namespace phalanx {
namespace {

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

hls::Rewrite some_rewrite(uint8_t family, uint8_t salt) {
  hls::Rewrite r{};
  r.source_hi = family == 4 ? 0 : 0x20010db8'00000000;
  r.source_lo = 0xc0000200u + salt;
  r.destination_hi = r.source_hi;
  r.destination_lo = 0xcb007100u + salt;
  r.source_port = static_cast<uint16_t>(1000 + salt);
  r.destination_port = static_cast<uint16_t>(2000 + salt);
  r.source = salt & 1;
  r.destination = (salt >> 1) & 1;
  return r;
}

void check_promises(const Frame& frame, const ParsedPacket& p) {
  const uint32_t length = frame.ethernet_length();
  const uint32_t end = p.l3 + p.l3_length;
  require(end <= length, "packet inside the frame");
  require(p.l3 < p.l4 && p.l4 <= p.payload && p.payload <= end, "offsets in order");
  require(p.meta.segments >= 1, "at least one segment");
  require(p.meta.payload <= p.l3_length, "payload inside the packet");
  if (p.is_icmp_error()) require(p.quoted_l3 < p.quoted_l4 && p.quoted_l4 + 8 <= end, "quote inside the packet");
  if (p.is_fragment) require(p.fragment_begin <= end && p.fragment_begin > p.l3, "fragment data inside the packet");
}

void follow_fragment(const Frame& frame, ParsedPacket& p) {
  FragmentTable table;
  DropCounters drops;
  const FragmentResult result = table.take(frame, p, 0, 0, drops);
  const bool forwarded = result.action == FragmentResult::Action::kForward;
  require(forwarded == p.first_fragment, "only a first fragment needs no other");
  if (p.first_fragment) table.decide(p, true, drops, [](const Frame&, ParsedPacket&, PortIndex) {});
  table.expire(INT64_MAX, drops);
  require(table.held_bytes() == 0 && table.datagrams() == 0, "nothing is left");
}

void answer(const Frame& frame, const ParsedPacket& p) {
  std::array<uint8_t, kIcmpErrorBytesMax> buffer;
  const IpAddress gateway = p.family == 4 ? IpAddress::v4(0xc0000201) : IpAddress::v6(0x20010db8'00000000, 1);
  for (uint8_t kind = 0; kind <= static_cast<uint8_t>(IcmpError::kAdminProhibited); ++kind) {
    build_icmp_error(frame, p, static_cast<IcmpError>(kind), 1280, gateway, absl::MakeSpan(buffer));
  }
  build_tcp_reset(frame, p, absl::MakeSpan(buffer));
}

void cut(const Frame& frame, const ParsedPacket& p) {
  if (!needs_fragmentation(frame, p, 128)) return;
  std::vector<uint8_t> scratch(fragments_bytes(frame, p, 128));
  std::vector<Frame> out;
  if (fragment_ipv4(frame, p, 128, absl::MakeSpan(scratch), out) != DropReason::kNone) return;
  for (const Frame& piece : out) {
    ParsedPacket q;
    const DropReason reason = parse(piece, 0, q);
    // What was one packet with a short transport header for its length is a tiny first fragment once cut.
    require(reason == DropReason::kNone || reason == DropReason::kFragmentTiny || reason == DropReason::kUdpHeader ||
                reason == DropReason::kIcmpQuote || piece.data == frame.data,
            "a fragment parses");
  }
}

void try_one(const Frame& frame, uint8_t salt) {
  ParsedPacket p;
  if (parse(frame, salt, p) != DropReason::kNone) {
    to_text(p);
    return;
  }
  to_text(p);
  if (p.kind == FrameKind::kArp) {
    ArpMessage message;
    parse_arp(frame, p, message);
    return;
  }
  check_promises(frame, p);
  if (p.kind == FrameKind::kNeighbourDiscovery) {
    NdMessage message;
    parse_nd(frame, p, message);
  }
  answer(frame, p);
  if (p.is_fragment) {
    ParsedPacket copy = p;
    follow_fragment(frame, copy);
  }
  const hls::Rewrite rewrite = some_rewrite(p.family, salt);
  apply_any_rewrite(frame, p, rewrite);
  if (!decrement_ttl(frame, p)) return;
  ParsedPacket q;
  const DropReason reason = parse(frame, salt, q);
  // Addresses may have become the same by the rewrite; nothing else about the packet has changed.
  require(reason == DropReason::kNone || reason == DropReason::kLand, "a rewritten packet parses");
  if (reason == DropReason::kNone) {
    require(q.l4 == p.l4 && q.l3_length == p.l3_length && q.meta.kind == p.meta.kind, "rewriting moves nothing");
    require(q.destination == rewritten_destination(p, rewrite), "the destination is what was said");
    cut(frame, q);
  }
}

}  // namespace
}  // namespace phalanx

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > phalanx::kFrameBytesMax) return 0;
  // Memory of exactly the frame's size: a sanitizer sees one byte too many.
  const auto memory = std::make_unique<uint8_t[]>(size);
  if (size > 0) std::memcpy(memory.get(), data, size);
  const uint8_t salt = size > 0 ? data[size - 1] : uint8_t{0};
  phalanx::try_one({memory.get(), static_cast<uint32_t>(size)}, salt);
  return 0;
}
