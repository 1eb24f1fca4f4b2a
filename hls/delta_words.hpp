// The encoder's values as 64-bit words, for stages of their own (tests/synthesis).
#ifndef PHALANX_HLS_DELTA_WORDS_HPP
#define PHALANX_HLS_DELTA_WORDS_HPP

#include "hls/delta_fields.hpp"
#include "hls/words.hpp"

namespace phalanx {
namespace hls {
namespace delta {

// Parts: the addresses are words of their own, the rest is one: ports of originator and responder, index at bit 32,
// class at 40, then v6, deleted and tcp from 48 on.
inline uint64_t parts_rest(const Parts& p) {
  return static_cast<uint64_t>(p.originator.port) | static_cast<uint64_t>(p.responder.port) << 16 |
         static_cast<uint64_t>(p.index) << 32 | static_cast<uint64_t>(p.cls) << 40 | (p.v6 ? 1ull << 48 : 0) |
         (p.deleted ? 1ull << 49 : 0) | (p.tcp ? 1ull << 50 : 0);
}
inline Parts parts_from_words(uint64_t originator_hi, uint64_t originator_lo, uint64_t responder_hi,
                              uint64_t responder_lo, uint64_t rest) {
  const Endpoint originator = {originator_hi, originator_lo, word_u16(rest, 0)};
  const Endpoint responder = {responder_hi, responder_lo, word_u16(rest, 16)};
  const Parts parts = {originator,
                       responder,
                       word_u8(rest, 32),
                       static_cast<ProtocolClass>(word_u8(rest, 40) & 3),
                       (rest >> 48 & 1) != 0,
                       (rest >> 49 & 1) != 0,
                       (rest >> 50 & 1) != 0};
  return parts;
}

// Known, a bit each in its order, and the extension byte at bit 8.
inline uint64_t known_word(const Known& k, uint8_t ext) {
  return (k.originator ? 1u : 0u) | (k.responder ? 2u : 0u) | (k.port ? 4u : 0u) | (k.profile ? 8u : 0u) |
         (k.nat_source ? 16u : 0u) | (k.nat_destination ? 32u : 0u) | static_cast<uint32_t>(ext) << 8;
}
inline Known known_from_word(uint64_t word) {
  const Known known = {(word & 1) != 0, (word & 2) != 0,  (word & 4) != 0,
                       (word & 8) != 0, (word & 16) != 0, (word & 32) != 0};
  return known;
}

// Registers, four words: the IPv6 originator; the IPv4 originator and the source; the destination, the classes whose
// port is known at bit 32 and what else is known from 40 on; the ports. The container's epoch is apart.
inline Registers registers_from_words(uint64_t v6, uint64_t v4, uint64_t rest, uint64_t ports, uint32_t epoch) {
  const Registers registers = {v6,
                               word_u32(v4, 0),
                               word_u32(v4, 32),
                               word_u32(rest, 0),
                               epoch,
                               ports,
                               word_u8(rest, 32),
                               (rest >> 40 & 1) != 0,
                               (rest >> 41 & 1) != 0,
                               (rest >> 42 & 1) != 0,
                               (rest >> 43 & 1) != 0};
  return registers;
}
inline uint64_t registers_v4(const Registers& r) { return word_of(r.originator_v4, r.nat_source); }
inline uint64_t registers_rest(const Registers& r) {
  return static_cast<uint64_t>(r.nat_destination) | static_cast<uint64_t>(r.has_responder_ports) << 32 |
         (r.has_originator_v4 ? 1ull << 40 : 0) | (r.has_originator_v6 ? 1ull << 41 : 0) |
         (r.has_nat_source ? 1ull << 42 : 0) | (r.has_nat_destination ? 1ull << 43 : 0);
}

// DictionaryEntry: the address is two words; epoch, port and family the third.
inline DictionaryEntry entry_from_words(uint64_t hi, uint64_t lo, uint64_t rest) {
  const DictionaryEntry entry = {hi, lo, word_u32(rest, 0), word_u16(rest, 32), word_u8(rest, 48)};
  return entry;
}

// Up to eight pieces' lengths, eight bits each.
inline uint64_t lengths_word(uint32_t l0, uint32_t l1, uint32_t l2, uint32_t l3, uint32_t l4, uint32_t l5, uint32_t l6,
                             uint32_t l7) {
  return word_of(l0 | l1 << 8 | l2 << 16 | l3 << 24, l4 | l5 << 8 | l6 << 16 | l7 << 24);
}

}  // namespace delta
}  // namespace hls
}  // namespace phalanx

#endif
