// Records as the 64-bit words that they are in memory (little-endian): what a stage of its own, or a kernel that reads
// lines of eight words, takes and returns. Word i of a record is its bytes 8i to 8i + 7.
#ifndef PHALANX_HLS_WORDS_HPP
#define PHALANX_HLS_WORDS_HPP

#include "hls/session.hpp"

namespace phalanx {
namespace hls {

// The bits of `word` from `bit` on.
inline uint8_t word_u8(uint64_t word, unsigned bit) { return static_cast<uint8_t>(word >> bit); }
inline uint16_t word_u16(uint64_t word, unsigned bit) { return static_cast<uint16_t>(word >> bit); }
inline uint32_t word_u32(uint64_t word, unsigned bit) { return static_cast<uint32_t>(word >> bit); }
inline uint64_t word_of(uint32_t low, uint32_t high) { return static_cast<uint64_t>(high) << 32 | low; }

// Word `index` % 4 of the four: two levels of choices, no table.
inline uint64_t choose_word(uint64_t index, uint64_t w0, uint64_t w1, uint64_t w2, uint64_t w3) {
  const bool odd = (index & 1) != 0;
  const uint64_t low = odd ? w1 : w0;
  const uint64_t high = odd ? w3 : w2;
  return (index & 2) != 0 ? high : low;
}

inline FlowKey key_from_words(uint64_t a_hi, uint64_t a_lo, uint64_t b_hi, uint64_t b_lo, uint64_t tail) {
  const FlowKey key = {a_hi, a_lo, b_hi, b_lo, tail};
  return key;
}

// Session, words 6 to 12: times and state, rule and NAT, windows. The other words are whole fields: 0 to 4 the key,
// 5 order, 13 and 14 traffic, 15 packets.
inline void set_session_status(Session& session, uint64_t word6) {
  session.last_seen = word_u32(word6, 0);
  session.state = word_u8(word6, 32);
  session.flags = word_u8(word6, 40);
  session.scales = word_u8(word6, 48);
  session.tcp_flags = word_u8(word6, 56);
}
inline uint64_t session_status(const Session& s) {
  return static_cast<uint64_t>(s.tcp_flags) << 56 | static_cast<uint64_t>(s.scales) << 48 |
         static_cast<uint64_t>(s.flags) << 40 | static_cast<uint64_t>(s.state) << 32 | s.last_seen;
}

inline void set_session_rule(Session& session, uint64_t word7) {
  session.rule = word_u16(word7, 0);
  session.synced = word_u16(word7, 16);
  session.nat_source_port = word_u16(word7, 32);
  session.nat_destination_port = word_u16(word7, 48);
}
inline uint64_t session_rule(const Session& s) {
  return static_cast<uint64_t>(s.nat_destination_port) << 48 | static_cast<uint64_t>(s.nat_source_port) << 32 |
         static_cast<uint64_t>(s.synced) << 16 | s.rule;
}

inline void set_session_nat(Session& session, uint64_t word8) {
  session.nat_source = word_u32(word8, 0);
  session.nat_destination = word_u32(word8, 32);
}
inline uint64_t session_nat(const Session& s) { return word_of(s.nat_source, s.nat_destination); }

// A side is two words: 9 and 10 the originator's, 11 and 12 the responder's.
inline TcpSide side_from_words(uint64_t ends, uint64_t window) {
  const TcpSide side = {word_u32(ends, 0), word_u32(ends, 32), word_u32(window, 0), word_u32(window, 32)};
  return side;
}
inline uint64_t side_ends(const TcpSide& side) { return word_of(side.end, side.max_end); }
inline uint64_t side_window(const TcpSide& side) { return word_of(side.max_window, side.acked); }

inline void set_session_packets(Session& session, uint64_t word15) {
  session.packets[0] = word_u32(word15, 0);
  session.packets[1] = word_u32(word15, 32);
}
inline uint64_t session_packets(const Session& s) { return word_of(s.packets[0], s.packets[1]); }

// Words 5 to 7 and 9 to 15: what tracking reads and writes. Key and NAT addresses are 0.
inline Session tracked_session(uint64_t order, uint64_t status, uint64_t rule, const TcpSide& originator,
                               const TcpSide& responder, uint64_t traffic0, uint64_t traffic1, uint64_t packets) {
  Session session = {};
  session.order = order;
  set_session_status(session, status);
  set_session_rule(session, rule);
  session.side[0] = originator;
  session.side[1] = responder;
  session.traffic[0] = traffic0;
  session.traffic[1] = traffic1;
  set_session_packets(session, packets);
  return session;
}

// Words 0 to 4 and 6 to 8: what NAT reads.
inline Session keyed_session(const FlowKey& key, uint64_t status, uint64_t rule, uint64_t nat) {
  Session session = {};
  session.key = key;
  set_session_status(session, status);
  set_session_rule(session, rule);
  set_session_nat(session, nat);
  return session;
}

// PacketMeta, words 5 to 7; words 0 to 4 are the key.
inline PacketMeta packet_from_words(const FlowKey& key, uint64_t word5, uint64_t word6, uint64_t word7) {
  PacketMeta packet = {};
  packet.key = key;
  packet.seq = word_u32(word5, 0);
  packet.ack = word_u32(word5, 32);
  packet.payload = word_u32(word6, 0);
  packet.bytes = word_u32(word6, 32);
  packet.window = word_u16(word7, 0);
  packet.tcp_flags = word_u8(word7, 16);
  packet.window_scale = word_u8(word7, 24);
  packet.kind = word_u8(word7, 32);
  packet.from_b = word_u8(word7, 40);
  packet.segments = word_u8(word7, 48);
  packet.reserved = word_u8(word7, 56);
  return packet;
}

}  // namespace hls
}  // namespace phalanx

#endif
