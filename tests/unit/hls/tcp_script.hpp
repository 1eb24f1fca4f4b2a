// A small language for TCP scenarios. A line is a segment and what must become of it:
//
//   "> SA 0 ack 1 len 100 win 1000 ws 7"
//
// direction (> from the originator, < from the responder), flags (S A F R P, or - for none), sequence number counted
// from the sender's ISN, then by name: acknowledgement counted from the receiver's ISN, payload, window (65535 if not
// given) and window scale option. Lines "isn > 5000" and "isn < 5000" move a side's ISN: a new connection.
#ifndef PHALANX_TESTS_UNIT_HLS_TCP_SCRIPT_HPP
#define PHALANX_TESTS_UNIT_HLS_TCP_SCRIPT_HPP

#include <cstring>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "hls/track.hpp"

namespace phalanx::hls {

struct Step {
  std::string segment;
  uint8_t state;  // afterwards
  TrackReason reason = TrackReason::kNone;
};

// Plays segments to a session, the first one opening it.
class TcpScript {
 public:
  TcpScript(uint32_t originator_isn, uint32_t responder_isn, TrackConfig config = default_track_config())
      : isn_{originator_isn, responder_isn}, config_(config) {}

  PacketMeta parse(const std::string& text, uint8_t& direction) const {
    std::istringstream in(text);
    std::string arrow, flags, name;
    uint32_t value = 0;
    PacketMeta packet = {};
    in >> arrow >> flags >> packet.seq;
    direction = arrow == "<";
    packet.seq += isn_[direction];
    packet.kind = kPacketTcp;
    packet.window = 65535;
    packet.window_scale = kNoWindowScale;
    packet.segments = 1;
    const std::string letters = "FSRPAU";
    for (const char c : flags) {
      const size_t bit = letters.find(c);
      if (bit != std::string::npos) packet.tcp_flags = static_cast<uint8_t>(packet.tcp_flags | 1u << bit);
    }
    while (in >> name >> value) {
      if (name == "ack") packet.ack = isn_[direction ^ 1] + value;
      if (name == "len") packet.payload = value;
      if (name == "win") packet.window = static_cast<uint16_t>(value);
      if (name == "ws") packet.window_scale = static_cast<uint8_t>(value);
    }
    packet.bytes = packet.payload + 40;
    return packet;
  }

  Track play(const std::string& text) {
    if (text.rfind("isn", 0) == 0) {
      isn_[text[4] == '<'] += static_cast<uint32_t>(std::stoul(text.substr(6)));
      return track_passed(false);
    }
    uint8_t direction = 0;
    const PacketMeta packet = parse(text, direction);
    if (opened_) return track_packet(session_, packet, direction ^ swapped_, now_ms_, config_);
    const Track track = open_session(session_, packet, now_ms_, config_);
    opened_ = track.pass;
    return track;
  }

  // Plays all and checks each: state, reason, and that a refused segment has changed nothing.
  void expect(const std::vector<Step>& steps) {
    for (size_t i = 0; i < steps.size(); ++i) {
      const Step& step = steps[i];
      SCOPED_TRACE("step " + std::to_string(i) + ": " + step.segment);
      const Session before = session_;
      const Track track = play(step.segment);
      EXPECT_EQ(static_cast<int>(track.reason), static_cast<int>(step.reason));
      EXPECT_EQ(track.pass, step.reason == TrackReason::kNone);
      EXPECT_EQ(int{session_.state}, int{step.state});
      if (!track.pass) {
        EXPECT_EQ(std::memcmp(&before, &session_, sizeof(Session)), 0);
      }
      if (track.pass && before.state != session_.state) {
        EXPECT_TRUE(track.log || step.segment[0] == 'i');
      }
      if (track.reason != step.reason || session_.state != step.state) return;  // what follows would fail too
      now_ms_ += 10;
    }
  }

  Session& session() { return session_; }
  uint32_t& now_ms() { return now_ms_; }
  void swap_roles() { swapped_ ^= 1; }

 private:
  uint32_t isn_[2];
  TrackConfig config_;
  Session session_ = {};
  bool opened_ = false;
  uint8_t swapped_ = 0;
  uint32_t now_ms_ = 1000;
};

}  // namespace phalanx::hls

#endif
