// A correct TCP endpoint for simulations: opens, sends, repeats, acknowledges, probes and closes as RFC 9293 has it. It
// holds no data, only where it is; offsets are 64-bit and count from the ISN (0 is the SYN, total + 1 the FIN).
#ifndef PHALANX_TESTS_PROPERTY_HLS_TCP_ENDPOINT_HPP
#define PHALANX_TESTS_PROPERTY_HLS_TCP_ENDPOINT_HPP

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>

#include "hls/packet_meta.hpp"

namespace phalanx::hls {

using Random = std::mt19937_64;
inline uint64_t up_to(Random& random, uint64_t max) { return random() % (max + 1); }
inline bool chance(Random& random, unsigned percent) { return random() % 100 < percent; }

// A segment on the wire, with what only the simulation knows.
struct WireSegment {
  PacketMeta packet;
  int sender;
  uint64_t seq;  // offsets that packet.seq and packet.ack stand for
  uint64_t end;
  uint64_t ack;
  bool overtaken;  // a later segment of its sender, or its own original, has reached the gateway before it
};

struct EndpointPlan {
  uint32_t isn;
  bool active;         // sends the SYN
  uint64_t total;      // bytes to send before FIN
  uint64_t buffer;     // receive buffer, bounds the window
  uint8_t scale;       // window scale offered, kNoWindowScale for none
  uint32_t frame_max;  // largest payload of a frame
};

class TcpEndpoint {
 public:
  enum class Phase { kListen, kSynSent, kSynReceived, kOpen };

  TcpEndpoint(int side, const EndpointPlan& plan) : side_(side), plan_(plan) {}

  bool done() const { return phase_ == Phase::kOpen && una_ == plan_.total + 2 && peer_fin_ && rcv_nxt_ > *peer_fin_; }
  bool handshaking() const { return phase_ == Phase::kSynSent || phase_ == Phase::kSynReceived; }
  uint64_t una() const { return una_; }
  std::string describe() const {
    return "phase " + std::to_string(static_cast<int>(phase_)) + " total " + std::to_string(plan_.total) + " buffer " +
           std::to_string(plan_.buffer) + " una " + std::to_string(una_) + " nxt " + std::to_string(nxt_) +
           " peer edge " + std::to_string(peer_edge_) + " rcv_nxt " + std::to_string(rcv_nxt_) + " edge " +
           std::to_string(edge_) + " fin " + std::to_string(peer_fin_.value_or(0));
  }

  // New data, FIN or the first SYN, if the peer's window lets it.
  std::optional<WireSegment> send(Random& random) {
    if (phase_ == Phase::kListen) {
      if (!plan_.active) return std::nullopt;
      phase_ = Phase::kSynSent;
      nxt_ = sent_ = 1;
      return segment(random, 0, 1);
    }
    if (phase_ != Phase::kOpen || nxt_ == plan_.total + 2 || nxt_ >= peer_edge_) return std::nullopt;
    const uint64_t left = plan_.total + 1 - nxt_;
    const uint64_t length = std::min({1 + up_to(random, plan_.frame_max - 1), left, peer_edge_ - nxt_});
    const bool fin = length == left && nxt_ + length < peer_edge_ && (left == 0 || chance(random, 50));
    const uint64_t start = nxt_;
    nxt_ += length + (fin ? 1 : 0);
    sent_ = std::max(sent_, nxt_);
    return segment(random, start, nxt_);
  }

  // The retransmission timer: what is unacknowledged, or a probe of a zero window, or a keepalive.
  std::optional<WireSegment> repeat(Random& random) {
    if (phase_ == Phase::kListen) return std::nullopt;
    if (una_ < nxt_) {
      const uint64_t frame = una_ == 0 ? 1 : 1 + up_to(random, plan_.frame_max - 1);
      return segment(random, una_, std::min(nxt_, una_ + frame));
    }
    const bool probe = nxt_ >= peer_edge_ && nxt_ <= plan_.total && chance(random, 50);
    if (probe) sent_ = std::max(sent_, nxt_ + 1);
    return probe ? segment(random, nxt_, nxt_ + 1) : segment(random, una_ - 1, una_ - 1);
  }

  // A bare acknowledgement with the window of the moment.
  std::optional<WireSegment> acknowledge(Random& random) {
    if (phase_ != Phase::kOpen) return std::nullopt;
    return segment(random, nxt_, nxt_);
  }

  // Takes a segment in. Gives whether it wants an answer.
  bool receive(const WireSegment& s) {
    const bool syn = (s.packet.tcp_flags & kTcpSyn) != 0;
    const bool has_ack = (s.packet.tcp_flags & kTcpAck) != 0;
    if (syn && rcv_nxt_ == 0) {
      rcv_nxt_ = 1;
      edge_ = 1;
      peer_scale_ = s.packet.window_scale;
      if (phase_ == Phase::kListen) nxt_ = sent_ = 1;
      phase_ = Phase::kSynReceived;
    }
    if (rcv_nxt_ == 0 || (has_ack && s.ack > sent_)) return false;
    if (has_ack) take_acknowledgement(s, syn);
    const bool data = s.end > s.seq + (syn ? 1 : 0);
    if (data && s.seq <= edge_) {
      if (s.packet.tcp_flags & kTcpFin) peer_fin_ = s.end - 1;
      keep(s.seq, s.end);
    }
    return true;
  }

 private:
  void take_acknowledgement(const WireSegment& s, bool syn) {
    const unsigned shift = !syn && scaled() ? peer_scale_ : 0;
    una_ = std::max(una_, s.ack);
    nxt_ = std::max(nxt_, una_);
    peer_edge_ = std::max(peer_edge_, s.ack + (uint64_t{s.packet.window} << shift));
    if (una_ >= 1) phase_ = Phase::kOpen;
  }

  void keep(uint64_t begin, uint64_t end) {
    uint64_t& kept = early_[begin];
    kept = std::max(kept, end);
    while (!early_.empty() && early_.begin()->first <= rcv_nxt_) {
      rcv_nxt_ = std::max(rcv_nxt_, early_.begin()->second);
      early_.erase(early_.begin());
    }
    edge_ = std::max(edge_, rcv_nxt_);
  }

  bool scaled() const { return plan_.scale != kNoWindowScale && peer_scale_ != kNoWindowScale; }

  // The window to advertise: anything up to the buffer, but its right edge never moves back.
  uint16_t window(Random& random, bool syn) {
    const unsigned shift = !syn && scaled() ? plan_.scale : 0;
    const uint64_t free = chance(random, 10) ? 0 : chance(random, 50) ? plan_.buffer : up_to(random, plan_.buffer);
    const uint64_t edge = std::max(edge_, rcv_nxt_ + free);
    const uint64_t units = std::min<uint64_t>((edge - rcv_nxt_ + (1u << shift) - 1) >> shift, 65535);
    if (rcv_nxt_ > 0) edge_ = std::max(edge_, rcv_nxt_ + (units << shift));
    return static_cast<uint16_t>(units);
  }

  WireSegment segment(Random& random, uint64_t begin, uint64_t end) {
    WireSegment s = {};
    const bool syn = begin == 0 && end > 0;
    const bool fin = end == plan_.total + 2 && end > begin;
    s.sender = side_;
    s.seq = begin;
    s.end = end;
    s.ack = rcv_nxt_;
    s.packet.kind = kPacketTcp;
    s.packet.segments = 1;
    s.packet.seq = plan_.isn + static_cast<uint32_t>(begin);
    s.packet.ack = rcv_nxt_ ? peer_isn + static_cast<uint32_t>(rcv_nxt_) : 0;
    s.packet.payload = static_cast<uint32_t>(end - begin - (syn ? 1 : 0) - (fin ? 1 : 0));
    s.packet.bytes = s.packet.payload + 40;
    s.packet.tcp_flags = static_cast<uint8_t>((syn ? kTcpSyn : 0) | (fin ? kTcpFin : 0) | (rcv_nxt_ ? kTcpAck : 0));
    s.packet.window = window(random, syn);
    // Offered in a SYN/ACK only to who has offered it.
    const bool offers = syn && (rcv_nxt_ == 0 || peer_scale_ != kNoWindowScale);
    s.packet.window_scale = offers ? plan_.scale : kNoWindowScale;
    return s;
  }

 public:
  uint32_t peer_isn = 0;

 private:
  int side_;
  EndpointPlan plan_;
  Phase phase_ = Phase::kListen;
  uint64_t una_ = 0;
  uint64_t nxt_ = 0;
  uint64_t sent_ = 0;       // highest offset ever sent, probes included
  uint64_t peer_edge_ = 0;  // right edge of the peer's window
  uint64_t rcv_nxt_ = 0;    // 0 until the peer's SYN
  uint64_t edge_ = 0;       // right edge of the own window
  uint8_t peer_scale_ = kNoWindowScale;
  std::optional<uint64_t> peer_fin_;
  std::map<uint64_t, uint64_t> early_;  // received ahead of a gap
};

}  // namespace phalanx::hls

#endif
