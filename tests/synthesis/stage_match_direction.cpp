// match_direction(): whether a packet belongs to a session, NAT and quoted packets of ICMP errors included. Takes words
// 0 to 4 and 6 to 8 of the session, its wide NAT, words 0 to 4 and 7 of the packet. Returns matched | direction << 1.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/nat_circuit.hpp"
#include "hls/words.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_TOP uint64_t stage_match_direction(uint64_t a_hi, uint64_t a_lo, uint64_t b_hi, uint64_t b_lo,
                                                 uint64_t tail, uint64_t status, uint64_t rule, uint64_t nat,
                                                 uint64_t wide_source_hi, uint64_t wide_source_lo,
                                                 uint64_t wide_destination_hi, uint64_t wide_destination_lo,
                                                 uint64_t packet_a_hi, uint64_t packet_a_lo, uint64_t packet_b_hi,
                                                 uint64_t packet_b_lo, uint64_t packet_tail, uint64_t packet7) {
#pragma HLS pipeline II = 1
  using namespace phalanx::hls;
  const FlowKey key = key_from_words(a_hi, a_lo, b_hi, b_lo, tail);
  const Session session = keyed_session(key, status, rule, nat);
  const WideNat wide = {wide_source_hi, wide_source_lo, wide_destination_hi, wide_destination_lo};
  const FlowKey packet_key = key_from_words(packet_a_hi, packet_a_lo, packet_b_hi, packet_b_lo, packet_tail);
  const PacketMeta packet = packet_from_words(packet_key, 0, 0, packet7);
  const Match match = match_direction_at_once(session, wide, packet);
  return (match.matched ? 1u : 0u) | static_cast<uint64_t>(match.direction) << 1;
}

#ifndef __SYNTHESIS__
#include <stdio.h>

// 10.0.0.1:1234 to 192.0.2.9:80 over TCP, its source translated to 198.51.100.1:5000: the request has the original key,
// the reply has the translated one, whose smaller address is 192.0.2.9.
int main() {
  const uint64_t client = 0x0a000001, server = 0xc0000209, outside = 0xc6336401, tcp = 4 << 8 | 6;
  const uint64_t tail = 1234ull << 48 | 80ull << 32 | tcp;
  const uint64_t translated = 80ull << 48 | 5000ull << 32 | tcp;
  const uint64_t source_nat = 0x02ull << 40;
  struct Case {
    uint64_t status, a_lo, b_lo, tail, packet7, match;
  } const cases[] = {
      {0, client, server, tail, 1ull << 32, 1},                        // no NAT, forth
      {0, client, server, tail, 1ull << 32 | 1ull << 40, 3},           // and back
      {0, client, outside, tail, 1ull << 32, 0},                       // another address
      {source_nat, client, server, tail, 1ull << 32, 1},               // forth with the original key
      {source_nat, server, outside, translated, 1ull << 32, 3},        // back with the translated one, from its A
      {source_nat, client, server, tail, 1ull << 32 | 1ull << 40, 2},  // back with the original: not the session's
      {source_nat, server, outside, translated, 5ull << 32 | 1ull << 40, 3},  // an error about what left translated
  };
  for (const Case& c : cases) {
    const uint64_t match = stage_match_direction(0, client, 0, server, tail, c.status, 5000ull << 32, outside, 0, 0, 0,
                                                 0, 0, c.a_lo, 0, c.b_lo, c.tail, c.packet7);
    if (match == c.match) continue;
    printf("case %u: %u\n", (unsigned)(&c - cases), (unsigned)match);
    return 1;
  }
  return 0;
}
#endif
