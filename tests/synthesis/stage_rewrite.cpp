// rewrite_for(), with `way` bit 1 set rewrite_for_error(): what a packet leaves as, in direction `way` bit 0. Takes
// words 0 to 4 and 6 to 8 of the session and its wide NAT. `ports`: source port | destination port << 16 | source
// changes << 32 | destination changes << 40.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/nat_circuit.hpp"
#include "hls/words.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_BEGIN
namespace {

inline void rewrite_words(uint64_t a_hi, uint64_t a_lo, uint64_t b_hi, uint64_t b_lo, uint64_t tail, uint64_t status,
                          uint64_t rule, uint64_t nat, uint64_t wide_source_hi, uint64_t wide_source_lo,
                          uint64_t wide_destination_hi, uint64_t wide_destination_lo, uint64_t way, uint64_t& source_hi,
                          uint64_t& source_lo, uint64_t& destination_hi, uint64_t& destination_lo, uint64_t& ports) {
  using namespace phalanx::hls;
  const FlowKey key = key_from_words(a_hi, a_lo, b_hi, b_lo, tail);
  const Session session = keyed_session(key, status, rule, nat);
  const WideNat wide = {wide_source_hi, wide_source_lo, wide_destination_hi, wide_destination_lo};
  const Rewrite rewrite = rewrite_at_once(session, wide, word_u8(way, 0) & 1, (way & 2) != 0);
  source_hi = rewrite.source_hi;
  source_lo = rewrite.source_lo;
  destination_hi = rewrite.destination_hi;
  destination_lo = rewrite.destination_lo;
  ports = static_cast<uint64_t>(rewrite.destination) << 40 | static_cast<uint64_t>(rewrite.source) << 32 |
          static_cast<uint64_t>(rewrite.destination_port) << 16 | rewrite.source_port;
}

}  // namespace
PHALANX_STAGE_END

PHALANX_STAGE_TOP void stage_rewrite(uint64_t a_hi, uint64_t a_lo, uint64_t b_hi, uint64_t b_lo, uint64_t tail,
                                     uint64_t status, uint64_t rule, uint64_t nat, uint64_t wide_source_hi,
                                     uint64_t wide_source_lo, uint64_t wide_destination_hi,
                                     uint64_t wide_destination_lo, uint64_t way, uint64_t* source_hi,
                                     uint64_t* source_lo, uint64_t* destination_hi, uint64_t* destination_lo,
                                     uint64_t* ports) {
#pragma HLS pipeline II = 1
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0;
  rewrite_words(a_hi, a_lo, b_hi, b_lo, tail, status, rule, nat, wide_source_hi, wide_source_lo, wide_destination_hi,
                wide_destination_lo, way, w0, w1, w2, w3, w4);
  *source_hi = w0;
  *source_lo = w1;
  *destination_hi = w2;
  *destination_lo = w3;
  *ports = w4;
}

// One word of them, number `index` (0: source_hi), for tools that take no outputs by pointer.
PHALANX_STAGE_TOP uint64_t stage_rewrite_word(uint64_t a_hi, uint64_t a_lo, uint64_t b_hi, uint64_t b_lo, uint64_t tail,
                                              uint64_t status, uint64_t rule, uint64_t nat, uint64_t wide_source_hi,
                                              uint64_t wide_source_lo, uint64_t wide_destination_hi,
                                              uint64_t wide_destination_lo, uint64_t way, uint64_t index) {
#pragma HLS pipeline II = 1
  using phalanx::hls::choose_word;
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0;
  rewrite_words(a_hi, a_lo, b_hi, b_lo, tail, status, rule, nat, wide_source_hi, wide_source_lo, wide_destination_hi,
                wide_destination_lo, way, w0, w1, w2, w3, w4);
  return choose_word(index >> 2, choose_word(index, w0, w1, w2, w3), choose_word(index, w4, 0, 0, 0), 0, 0);
}

#ifndef __SYNTHESIS__
#include <stdio.h>

// 10.0.0.1:1234 to 192.0.2.9:80, its source translated to 198.51.100.1:5000.
int main() {
  const uint64_t client = 0x0a000001, server = 0xc0000209, outside = 0xc6336401;
  const uint64_t tail = 1234ull << 48 | 80ull << 32 | 4 << 8 | 6;
  struct Case {
    uint64_t way, source, destination, ports;
  } const cases[] = {
      {0, outside, server, 1ull << 32 | 80 << 16 | 5000},  // leaves from the translated address
      {1, server, client, 1ull << 40 | 1234 << 16 | 80},   // the reply gets to the client
      {2, server, outside, 1ull << 40 | 5000 << 16 | 80},  // an error that goes forth quotes a reply
      {3, client, server, 1ull << 32 | 80 << 16 | 1234},   // one that goes back quotes a request
  };
  for (const Case& c : cases) {
    uint64_t out[5];
    stage_rewrite(0, client, 0, server, tail, 0x02ull << 40, 5000ull << 32, outside, 0, 0, 0, 0, c.way, &out[0],
                  &out[1], &out[2], &out[3], &out[4]);
    if (out[0] == 0 && out[1] == c.source && out[2] == 0 && out[3] == c.destination && out[4] == c.ports) continue;
    printf("way %u\n", (unsigned)c.way);
    return 1;
  }
  return 0;
}
#endif
