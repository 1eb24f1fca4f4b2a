// Real exchanges through the tracker: two correct endpoints over links that lose, repeat and reorder, with windows of
// all sizes and sequence numbers that wrap. What they send must pass; what strangers send must change nothing.
#include <cstring>
#include <deque>

#include "hls/apply.hpp"
#include "hls/track.hpp"
#include "rapidcheck/gtest.h"
#include "tests/property/hls/tcp_endpoint.hpp"

namespace phalanx::hls {
namespace {

constexpr int kOvertakenMax = 4;   // a segment is overtaken by at most so many
constexpr int kLossySteps = 3000;  // then nothing is lost any more, so that every exchange ends
constexpr int kStepsMax = 400000;

struct Conditions {
  unsigned loss_percent;
  unsigned repeat_percent;
  unsigned reorder_percent;
  bool takeovers;
  bool strangers;
};

// One exchange: endpoint 0 - link - gateway - link - endpoint 1.
class Exchange {
 public:
  Exchange(uint64_t seed, const EndpointPlan& first, const EndpointPlan& second, const Conditions& conditions)
      : random_(seed),
        conditions_(conditions),
        ends_{TcpEndpoint(0, bounded(first, second)), TcpEndpoint(1, bounded(second, first))} {
    ends_[0].peer_isn = second.isn;
    ends_[1].peer_isn = first.isn;
  }

  // What fits through the peer's window in reasonable time.
  static EndpointPlan bounded(EndpointPlan plan, const EndpointPlan& peer) {
    plan.total = std::min(plan.total, peer.buffer * 50);
    return plan;
  }

  void run() {
    int step = 0;
    for (; step < kStepsMax && !(ends_[0].done() && ends_[1].done()); ++step) {
      lossy_ = step < kLossySteps;
      now_ms_ += static_cast<uint32_t>(up_to(random_, 5));
      advance();
      if (conditions_.takeovers && lossy_ && chance(random_, 1)) take_over();
      if (conditions_.strangers && opened_) meet_stranger();
    }
    RC_LOG() << "stuck? " << ends_[0].describe() << "; " << ends_[1].describe();
    RC_ASSERT(step < kStepsMax);
  }

  const Session& session() const { return session_; }
  int takeovers() const { return takeovers_; }

 private:
  void advance() {
    const int side = static_cast<int>(up_to(random_, 1));
    const uint64_t kind = up_to(random_, 19);
    if (kind < 6) return emit(ends_[side].send(random_));
    if (kind < 7) return emit(ends_[side].repeat(random_));
    if (kind < 8) return emit(ends_[side].acknowledge(random_));
    if (kind < 14) return arrive_at_gateway(side);
    arrive_at_end(side);
  }

  void emit(const std::optional<WireSegment>& segment) {
    if (segment) put(to_gateway_[segment->sender], *segment);
  }

  void put(std::deque<WireSegment>& link, WireSegment segment) {
    if (lossy_ && chance(random_, conditions_.loss_percent)) return;
    link.push_back(segment);
    if (!lossy_ || !chance(random_, conditions_.repeat_percent)) return;
    segment.overtaken = true;
    link.push_back(segment);
  }

  std::optional<WireSegment> take(std::deque<WireSegment>& link, std::deque<int>& overtakings) {
    if (link.empty()) return std::nullopt;
    overtakings.resize(link.size(), 0);
    size_t at = 0;
    while (lossy_ && at + 1 < link.size() && overtakings[at] < kOvertakenMax &&
           chance(random_, conditions_.reorder_percent)) {
      ++at;
    }
    const WireSegment segment = link[at];
    for (size_t i = 0; i < at; ++i) {
      link[i].overtaken = true;
      ++overtakings[i];
    }
    link.erase(link.begin() + static_cast<std::ptrdiff_t>(at));
    overtakings.erase(overtakings.begin() + static_cast<std::ptrdiff_t>(at));
    return segment;
  }

  void arrive_at_gateway(int side) {
    const std::optional<WireSegment> segment = take(to_gateway_[side], gateway_overtakings_[side]);
    if (!segment) return;
    if (!opened_) originator_ = segment->sender;
    const uint8_t direction = segment->sender == originator_ ? 0 : 1;
    const Session before = session_;
    const Track track = opened_ ? track_packet(session_, segment->packet, direction, now_ms_, config_)
                                : open_session(session_, segment->packet, now_ms_, config_);
    if (!track.pass) {
      RC_ASSERT(std::memcmp(&before, &session_, sizeof before) == 0);
      explain(*segment, track, before);
      RC_ASSERT(may_be_refused(*segment));
      return;
    }
    opened_ = true;
    passed_ack_[segment->sender] = std::max(passed_ack_[segment->sender], segment->ack);
    if (track.log) {
      logged_.push_front(session_);
      if (logged_.size() > 3) logged_.pop_back();
    }
    check_lag();
    put(to_end_[segment->sender ^ 1], *segment);
  }

  // Only what has been overtaken: its sender has its data acknowledged, and a later acknowledgement has passed.
  bool may_be_refused(const WireSegment& s) const {
    const TcpEndpoint& sender = ends_[s.sender];
    if (!s.overtaken) return false;
    if (s.packet.tcp_flags & kTcpSyn) return !sender.handshaking();
    return s.end <= sender.una() && s.ack <= passed_ack_[s.sender];
  }

  // What docs/sessions.md promises: the last logged record is less than 2^28 behind, whatever passes.
  void check_lag() const {
    if (logged_.empty()) return;
    for (int side = 0; side < 2; ++side) {
      if (logged_[0].side[side].max_window == 0) continue;
      RC_ASSERT(session_.side[side].end - logged_[0].side[side].end < 1u << kLogStrideBits);
    }
  }

  void arrive_at_end(int side) {
    const std::optional<WireSegment> segment = take(to_end_[side], end_overtakings_[side]);
    if (!segment || !ends_[side].receive(*segment)) return;
    const bool data = segment->end > segment->seq;
    if (data || chance(random_, 20)) {
      emit(ends_[side].handshaking() ? ends_[side].repeat(random_) : ends_[side].acknowledge(random_));
    }
  }

  // Another member goes on with what it was told last, or with what it was told before that.
  void take_over() {
    if (logged_.empty()) return;
    const size_t lag = std::min<size_t>(up_to(random_, 1), logged_.size() - 1);
    session_ = decide_apply(false, Session{}, logged_[lag], now_ms_).session;
    logged_ = {session_};
    ++takeovers_;
  }

  // A segment from nowhere. Refused, it changes nothing; far from the windows it is refused.
  void meet_stranger() {
    const uint8_t direction = static_cast<uint8_t>(up_to(random_, 1));
    const TcpSide& sender = session_.side[direction];
    const TcpSide& receiver = session_.side[direction ^ 1];
    PacketMeta packet = {};
    packet.kind = kPacketTcp;
    packet.segments = 1;
    packet.seq = static_cast<uint32_t>(random_());
    packet.ack = chance(random_, 50) ? receiver.end : static_cast<uint32_t>(random_());
    packet.tcp_flags = chance(random_, 50) ? kTcpAck : static_cast<uint8_t>(random_());
    packet.payload = static_cast<uint32_t>(up_to(random_, 1448));
    packet.window = static_cast<uint16_t>(random_());
    packet.window_scale = kNoWindowScale;
    Session copy = session_;
    const Track track = track_packet(copy, packet, direction, now_ms_, config_);
    if (!track.pass) {
      RC_ASSERT(std::memcmp(&copy, &session_, sizeof copy) == 0);
      RC_ASSERT(track.reason != TrackReason::kNone);
      return;
    }
    const bool synchronized = session_.state >= kStateTcpEstablished && session_.state <= kStateTcpClosing;
    if (!synchronized || (session_.flags & kReanchorMask)) return;
    const int64_t seq_from_end = static_cast<int32_t>(packet.seq - sender.end);
    const int64_t allowed = std::max(0, static_cast<int32_t>(sender.max_end - sender.end));
    const int64_t old = -int64_t{receiver.max_window} - kWindowSlack - packet.payload - 1;
    RC_ASSERT(seq_from_end <= allowed);
    RC_ASSERT(seq_from_end >= old);
    if (packet.tcp_flags & kTcpRst) {
      RC_ASSERT(packet.seq == sender.end || packet.seq == receiver.acked);
      return;
    }
    const int64_t ack_from_end = static_cast<int32_t>(packet.ack - receiver.end);
    RC_ASSERT(ack_from_end <= std::max(0, static_cast<int32_t>(receiver.max_end - receiver.end)));
    RC_ASSERT(static_cast<int32_t>(packet.ack - sender.acked) >= -int64_t{sender.max_window} - kWindowSlack);
  }

  void explain(const WireSegment& s, const Track& track, const Session& session) const {
    if (may_be_refused(s)) return;
    const TcpSide& o = session.side[0];
    const TcpSide& r = session.side[1];
    RC_LOG() << "refused: reason " << int(track.reason) << " state " << int(session.state) << " flags "
             << int(session.flags) << " takeovers " << takeovers_ << " direction " << (s.sender != originator_)
             << " tcp flags " << int(s.packet.tcp_flags) << " seq " << s.packet.seq << " payload " << s.packet.payload
             << " ack " << s.packet.ack << " overtaken " << s.overtaken << "\noriginator end " << o.end << " max_end "
             << o.max_end << " max_window " << o.max_window << " acked " << o.acked << "\nresponder end " << r.end
             << " max_end " << r.max_end << " max_window " << r.max_window << " acked " << r.acked << "\n";
  }

  Random random_;
  Conditions conditions_;
  TcpEndpoint ends_[2];
  std::deque<WireSegment> to_gateway_[2], to_end_[2];
  std::deque<int> gateway_overtakings_[2], end_overtakings_[2];
  TrackConfig config_ = default_track_config();
  Session session_ = {};
  std::deque<Session> logged_;  // newest first
  bool opened_ = false;
  bool lossy_ = true;
  int originator_ = 0;
  int takeovers_ = 0;
  uint64_t passed_ack_[2] = {0, 0};
  uint32_t now_ms_ = 0xffffff00;
};

EndpointPlan plan_of(Random& random, bool active) {
  const bool wraps = chance(random, 50);
  const uint32_t isn =
      wraps ? 0xffffffffu - static_cast<uint32_t>(up_to(random, 100000)) : static_cast<uint32_t>(random());
  const uint8_t scale = chance(random, 30) ? kNoWindowScale : static_cast<uint8_t>(up_to(random, 14));
  const uint64_t buffer_max = 65535ull << (scale == kNoWindowScale ? 0 : scale);
  const uint64_t buffer = 1 + up_to(random, chance(random, 30) ? 3000 : std::min<uint64_t>(buffer_max - 1, 8 << 20));
  const uint32_t frame_max = chance(random, 50) ? 1448 : 65000;
  const uint64_t frames = chance(random, 20) ? 0 : up_to(random, 400);
  return {isn, active, frames * frame_max / 2, std::min(buffer, buffer_max), scale, frame_max};
}

RC_GTEST_PROP(TcpTrackProperty, CorrectExchangesAreNeverRefused, ()) {
  Random random(*rc::gen::arbitrary<uint64_t>().as("seed"));
  const Conditions conditions = {static_cast<unsigned>(up_to(random, 20)), static_cast<unsigned>(up_to(random, 5)),
                                 static_cast<unsigned>(up_to(random, 30)), false, false};
  Exchange exchange(random(), plan_of(random, true), plan_of(random, false), conditions);
  exchange.run();
  RC_ASSERT(exchange.session().state == kStateTcpTimeWait);
}

RC_GTEST_PROP(TcpTrackProperty, SimultaneousOpensAreNeverRefused, ()) {
  Random random(*rc::gen::arbitrary<uint64_t>().as("seed"));
  const Conditions conditions = {static_cast<unsigned>(up_to(random, 20)), static_cast<unsigned>(up_to(random, 5)), 0,
                                 false, false};
  Exchange exchange(random(), plan_of(random, true), plan_of(random, true), conditions);
  exchange.run();
  RC_ASSERT(exchange.session().state == kStateTcpTimeWait);
}

RC_GTEST_PROP(TcpTrackProperty, ATakeoverAtAnyPointRefusesNothing, ()) {
  Random random(*rc::gen::arbitrary<uint64_t>().as("seed"));
  const Conditions conditions = {static_cast<unsigned>(up_to(random, 20)), static_cast<unsigned>(up_to(random, 5)),
                                 static_cast<unsigned>(up_to(random, 30)), true, false};
  Exchange exchange(random(), plan_of(random, true), plan_of(random, false), conditions);
  exchange.run();
  RC_CLASSIFY(exchange.takeovers() > 0, "taken over");
}

RC_GTEST_PROP(TcpTrackProperty, StrangersChangeNothing, ()) {
  Random random(*rc::gen::arbitrary<uint64_t>().as("seed"));
  const Conditions conditions = {5, 1, 10, chance(random, 50), true};
  Exchange exchange(random(), plan_of(random, true), plan_of(random, false), conditions);
  exchange.run();
}

}  // namespace
}  // namespace phalanx::hls
