// What the circuits of hls/ (every case at once, for hardware) do is what the branches say, bit for bit: on sessions
// and packets whose numbers lie near each other and near every limit, so that each case is met.
#include <algorithm>
#include <array>
#include <cstring>
#include <random>

#include "hls/delta_circuit.hpp"
#include "hls/delta_pack.hpp"
#include "hls/nat_circuit.hpp"
#include "hls/timeouts.hpp"
#include "hls/track_circuit.hpp"
#include "rapidcheck/gtest.h"

namespace phalanx::hls {
namespace {

constexpr int kOperations = 4000;  // a sample; 100 samples a property

class Draw {
 public:
  explicit Draw(uint64_t seed) : engine_(seed) {}
  uint32_t below(uint32_t limit) { return static_cast<uint32_t>(engine_() % limit); }
  bool one_in(uint32_t n) { return below(n) == 0; }
  uint64_t word() { return engine_(); }
  uint32_t number() { return static_cast<uint32_t>(engine_()); }

  // At most one beside `x`, near it, at a limit of tracking, or anywhere.
  uint32_t near(uint32_t x) {
    static constexpr std::array<uint32_t, 10> kLimits = {1,           kWindowSlack,    65535,    1u << 28,
                                                         kAnchorSpan, kAnchorSpan + 1, 1u << 30, kAnchorWindowMax,
                                                         1u << 31,    0x7fffffff};
    const uint32_t kind = below(10);
    const uint32_t beside = below(3) - 1;
    if (kind < 4) return x + beside;
    if (kind < 7) return x + below(200000) - 100000;
    const uint32_t limit = kLimits[below(kLimits.size())];
    if (kind < 9) return (one_in(2) ? x + limit : x - limit) + beside;
    return number();
  }

  template <typename Record>
  Record record() {
    Record record;
    for (size_t at = 0; at < sizeof(Record); at += 8) {
      const uint64_t bits = word();
      std::memcpy(reinterpret_cast<char*>(&record) + at, &bits, 8);
    }
    return record;
  }

 private:
  std::mt19937_64 engine_;
};

struct Scene {
  Session session;
  PacketMeta packet;
  WideNat wide;
  TrackConfig config;
  uint32_t now_ms;
  uint8_t direction;
};

void draw_numbers(Draw& draw, Scene& scene) {
  Session& s = scene.session;
  PacketMeta& p = scene.packet;
  const uint32_t base[2] = {draw.number(), draw.number()};
  for (size_t i = 0; i < 2; ++i) {
    TcpSide& side = s.side[i];
    const uint32_t window = draw.one_in(3) ? 0 : draw.below(70000);
    side = {base[i], draw.near(base[i]), draw.one_in(4) ? 0xffffu << draw.below(16) : window, draw.near(base[1 - i])};
  }
  const TcpSide& sender = s.side[scene.direction];
  const TcpSide& receiver = s.side[scene.direction ^ 1];
  p.seq = draw.near(draw.one_in(2) ? sender.end : sender.max_end);
  p.ack = draw.near(draw.one_in(2) ? receiver.end : receiver.max_end);
  if (draw.one_in(4)) p.seq = receiver.acked;
  if (draw.one_in(4)) p.ack = sender.acked;
  p.payload = draw.one_in(2) ? 0 : draw.below(3000);
  if (draw.one_in(4)) p.payload = sender.end - p.seq - 1;
  if (draw.one_in(4)) p.window = 0;
}

Scene draw_scene(Draw& draw) {
  static constexpr std::array<uint8_t, 8> kFlags = {0x02, 0x12, 0x04, 0x14, 0x10, 0x11, 0x18, 0x10};
  Scene scene = {draw.record<Session>(), draw.record<PacketMeta>(), draw.record<WideNat>(), {}, draw.number(), 0};
  Session& s = scene.session;
  PacketMeta& p = scene.packet;
  scene.config = {draw.one_in(2), draw.one_in(2), draw.one_in(2) ? uint16_t{78} : static_cast<uint16_t>(draw.word())};
  scene.direction = static_cast<uint8_t>(draw.below(2));
  s.state = static_cast<uint8_t>(draw.one_in(8) ? draw.below(16) : 1 + draw.below(9));
  p.kind = static_cast<uint8_t>(draw.one_in(4) ? draw.below(7) : kPacketTcp);
  p.from_b &= 1;
  if (!draw.one_in(3)) s.flags &= static_cast<uint8_t>(~kReanchorMask);
  if (!draw.one_in(4)) p.tcp_flags = kFlags[draw.below(kFlags.size())];
  if (!draw.one_in(10)) draw_numbers(draw, scene);
  if (draw.one_in(2)) p.window_scale = draw.one_in(2) ? kNoWindowScale : static_cast<uint8_t>(draw.below(16));
  if (draw.one_in(2)) s.synced = static_cast<uint16_t>((scene.now_ms >> kSyncUnitShift) - draw.below(100));
  if (draw.one_in(4)) s.packets[scene.direction] = 0u - draw.below(300);
  if (draw.one_in(2)) {  // ends that differ in little
    s.key = {0, draw.below(2), 0, draw.below(2), draw.word() & 0x0001000100ffffffull};
    s.nat_source = draw.below(2);
    s.nat_destination = draw.below(2);
    s.nat_source_port = static_cast<uint16_t>(draw.below(2));
    s.nat_destination_port = static_cast<uint16_t>(draw.below(2));
    s.flags &= static_cast<uint8_t>(~kNatWide);
  }
  return scene;
}

bool same(const Session& x, const Session& y) { return std::memcmp(&x, &y, sizeof(x)) == 0; }
bool same(const Track& x, const Track& y) { return x.pass == y.pass && x.reason == y.reason && x.log == y.log; }

RC_GTEST_PROP(circuit, tracks_as_the_branches_do, ()) {
  Draw draw(*rc::gen::arbitrary<uint64_t>());
  std::array<int, static_cast<size_t>(TrackReason::kCount)> reasons = {};
  for (int i = 0; i < kOperations; ++i) {
    const Scene scene = draw_scene(draw);
    Session branches = scene.session, circuit = scene.session;
    const Track wanted = track_packet(branches, scene.packet, scene.direction, scene.now_ms, scene.config);
    const Track got = track_packet_at_once(circuit, scene.packet, scene.direction, scene.now_ms, scene.config);
    RC_ASSERT(same(got, wanted) && same(circuit, branches));
    ++reasons[static_cast<size_t>(wanted.reason)];
    if (!is_tcp_state(scene.session.state)) continue;
    branches = circuit = scene.session;
    const Track tcp = track_tcp(branches, scene.packet, scene.direction, scene.now_ms, scene.config);
    RC_ASSERT(same(track_tcp_at_once(circuit, scene.packet, scene.direction, scene.now_ms, scene.config), tcp));
    RC_ASSERT(same(circuit, branches));
  }
  // Each way out was taken, so that the samples say something; kTcpNotSyn belongs to new sessions.
  reasons[static_cast<size_t>(TrackReason::kTcpNotSyn)] = 1;
  RC_ASSERT(*std::min_element(reasons.begin(), reasons.end()) > 0);
}

RC_GTEST_PROP(circuit, opens_as_the_branches_do, ()) {
  Draw draw(*rc::gen::arbitrary<uint64_t>());
  int opened = 0;
  for (int i = 0; i < kOperations; ++i) {
    const Scene scene = draw_scene(draw);
    Session branches = scene.session, circuit = scene.session;
    const Track wanted = open_session(branches, scene.packet, scene.now_ms, scene.config);
    RC_ASSERT(same(open_session_at_once(circuit, scene.packet, scene.now_ms, scene.config), wanted));
    RC_ASSERT(same(circuit, branches));
    opened += wanted.pass;
  }
  RC_ASSERT(opened > kOperations / 10);
  RC_ASSERT(opened < kOperations);
}

RC_GTEST_PROP(circuit, matches_and_rewrites_as_the_branches_do, ()) {
  Draw draw(*rc::gen::arbitrary<uint64_t>());
  int matched[2] = {};
  for (int i = 0; i < kOperations; ++i) {
    Scene scene = draw_scene(draw);
    if (draw.one_in(3)) scene.packet.key = scene.session.key;
    if (draw.one_in(2)) scene.packet.key = translated_key(scene.session, scene.wide).key;
    const Match wanted = match_direction(scene.session, scene.wide, scene.packet);
    const Match got = match_direction_at_once(scene.session, scene.wide, scene.packet);
    RC_ASSERT(got.matched == wanted.matched && got.direction == wanted.direction);
    ++matched[wanted.matched ? 1 : 0];
    const DirectedKey key = translated_key(scene.session, scene.wide);
    const DirectedKey key_at_once = translated_key_at_once(scene.session, scene.wide);
    RC_ASSERT(same_key(key_at_once.key, key.key) && key_at_once.from_b == key.from_b);
    const Rewrite rewrite = rewrite_for(scene.session, scene.wide, scene.direction);
    const Rewrite quoted = rewrite_for_error(scene.session, scene.wide, scene.direction);
    const Rewrite at_once = rewrite_at_once(scene.session, scene.wide, scene.direction, false);
    const Rewrite quoted_at_once = rewrite_at_once(scene.session, scene.wide, scene.direction, true);
    RC_ASSERT(std::memcmp(&at_once, &rewrite, sizeof(rewrite)) == 0);
    RC_ASSERT(std::memcmp(&quoted_at_once, &quoted, sizeof(quoted)) == 0);
  }
  RC_ASSERT(std::min(matched[0], matched[1]) > kOperations / 10);
}

RC_GTEST_PROP(circuit, times_out_as_the_table_says, ()) {
  Draw draw(*rc::gen::arbitrary<uint64_t>());
  int timed_out_ones = 0;
  for (int i = 0; i < kOperations; ++i) {
    Timeouts timeouts = {};
    for (uint32_t& ms : timeouts.ms) ms = draw.number() >> 1;
    const auto state = static_cast<uint8_t>(draw.below(kStates));
    const uint32_t now_ms = draw.number();
    const uint32_t last_seen = now_ms - draw.near(timeouts.ms[state]);
    const uint32_t floor = draw.one_in(2) ? last_seen : draw.near(last_seen);
    const bool wanted = timed_out(timeouts, state, last_seen, floor, now_ms);
    RC_ASSERT(timed_out_at_once(timeouts, state, last_seen, floor, now_ms) == wanted);
    timed_out_ones += wanted;
  }
  RC_ASSERT(timed_out_ones > kOperations / 20);
  RC_ASSERT(timed_out_ones < kOperations);
}

RC_GTEST_PROP(circuit, encodes_tcp_fields_as_the_branches_do, ()) {
  Draw draw(*rc::gen::arbitrary<uint64_t>());
  for (int i = 0; i < kOperations; ++i) {
    Session s = draw_scene(draw).session;
    if (draw.one_in(2)) s.side[0].acked = s.side[1].end - draw.below(2);
    if (draw.one_in(2)) s.side[1].acked = s.side[0].end;
    if (draw.one_in(2)) s.side[0].max_end = s.side[1].acked + s.side[1].max_window;
    if (draw.one_in(2)) s.side[1].max_end = s.side[0].acked + s.side[0].max_window;
    if (draw.one_in(4)) s.side[draw.below(2)].end = 0;
    delta::Known known = {};
    known.profile = draw.one_in(2);
    delta::StateContext state = {};
    state.window[0] = draw.one_in(2) ? s.side[0].max_window : draw.number();
    state.window[1] = draw.one_in(2) ? s.side[1].max_window : draw.number();
    delta::PieceSet wanted = delta::no_pieces();
    delta::put_tcp(wanted, s, known, state);
    const delta::TcpPieces got = delta::tcp_pieces(s, known.profile, state.window[0], state.window[1]);
    const delta::Varint* const pieces[] = {&got.profile, &got.ends,   &got.window0,  &got.window1,
                                           &got.acked0,  &got.acked1, &got.max_end0, &got.max_end1};
    for (uint32_t piece = 0; piece < 8; ++piece) {
      RC_ASSERT(pieces[piece]->length == wanted.length[delta::kProfile + piece]);
      RC_ASSERT(pieces[piece]->bytes == wanted.bytes[delta::kProfile + piece]);
    }
    const uint64_t number = (draw.word() & ((1ull << 49) - 1)) >> draw.below(49);
    const delta::Varint varint = delta::varint(number);
    const delta::Varint at_once = delta::varint_at_once(number);
    RC_ASSERT(at_once.bytes == varint.bytes && at_once.length == varint.length);
  }
}

}  // namespace
}  // namespace phalanx::hls
