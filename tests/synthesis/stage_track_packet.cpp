// track_packet(): what a packet of any kind does to its session. Takes words 5 to 7 and 9 to 15 of the
// session, words 5 to 7 of the packet, and the context: now_ms | direction << 32 | tcp_pickup << 33 |
// reopen_by_responder
// << 34 | refresh_units << 48. Writes the session's words as they become, and pass | log << 1 | reason << 8.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/track_circuit.hpp"
#include "hls/words.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_BEGIN
namespace {

inline void track_packet_words(uint64_t order, uint64_t status, uint64_t rule, uint64_t originator_ends,
                               uint64_t originator_window, uint64_t responder_ends, uint64_t responder_window,
                               uint64_t traffic0, uint64_t traffic1, uint64_t packets, uint64_t packet5,
                               uint64_t packet6, uint64_t packet7, uint64_t context, uint64_t& order_out,
                               uint64_t& status_out, uint64_t& rule_out, uint64_t& originator_ends_out,
                               uint64_t& originator_window_out, uint64_t& responder_ends_out,
                               uint64_t& responder_window_out, uint64_t& traffic0_out, uint64_t& traffic1_out,
                               uint64_t& packets_out, uint64_t& track_out) {
  using namespace phalanx::hls;
  Session session = tracked_session(order, status, rule, side_from_words(originator_ends, originator_window),
                                    side_from_words(responder_ends, responder_window), traffic0, traffic1, packets);
  const PacketMeta packet = packet_from_words(key_from_words(0, 0, 0, 0, 0), packet5, packet6, packet7);
  const TrackConfig config = {(context >> 33 & 1) != 0, (context >> 34 & 1) != 0, word_u16(context, 48)};
  const Track track =
      track_packet_at_once(session, packet, (context >> 32 & 1) != 0 ? 1 : 0, word_u32(context, 0), config);
  order_out = session.order;
  status_out = session_status(session);
  rule_out = session_rule(session);
  originator_ends_out = side_ends(session.side[0]);
  originator_window_out = side_window(session.side[0]);
  responder_ends_out = side_ends(session.side[1]);
  responder_window_out = side_window(session.side[1]);
  traffic0_out = session.traffic[0];
  traffic1_out = session.traffic[1];
  packets_out = session_packets(session);
  track_out = (track.pass ? 1u : 0u) | (track.log ? 2u : 0u) | static_cast<uint64_t>(track.reason) << 8;
}

}  // namespace
PHALANX_STAGE_END

PHALANX_STAGE_TOP void stage_track_packet(uint64_t order, uint64_t status, uint64_t rule, uint64_t originator_ends,
                                          uint64_t originator_window, uint64_t responder_ends,
                                          uint64_t responder_window, uint64_t traffic0, uint64_t traffic1,
                                          uint64_t packets, uint64_t packet5, uint64_t packet6, uint64_t packet7,
                                          uint64_t context, uint64_t* order_out, uint64_t* status_out,
                                          uint64_t* rule_out, uint64_t* originator_ends_out,
                                          uint64_t* originator_window_out, uint64_t* responder_ends_out,
                                          uint64_t* responder_window_out, uint64_t* traffic0_out,
                                          uint64_t* traffic1_out, uint64_t* packets_out, uint64_t* track_out) {
#pragma HLS pipeline II = 1
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0, w5 = 0, w6 = 0, w7 = 0, w8 = 0, w9 = 0, w10 = 0;
  track_packet_words(order, status, rule, originator_ends, originator_window, responder_ends, responder_window,
                     traffic0, traffic1, packets, packet5, packet6, packet7, context, w0, w1, w2, w3, w4, w5, w6, w7,
                     w8, w9, w10);
  *order_out = w0;
  *status_out = w1;
  *rule_out = w2;
  *originator_ends_out = w3;
  *originator_window_out = w4;
  *responder_ends_out = w5;
  *responder_window_out = w6;
  *traffic0_out = w7;
  *traffic1_out = w8;
  *packets_out = w9;
  *track_out = w10;
}

// One word of them, number `index` (0: order_out), for tools that take no outputs by pointer.
PHALANX_STAGE_TOP uint64_t stage_track_packet_word(uint64_t order, uint64_t status, uint64_t rule,
                                                   uint64_t originator_ends, uint64_t originator_window,
                                                   uint64_t responder_ends, uint64_t responder_window,
                                                   uint64_t traffic0, uint64_t traffic1, uint64_t packets,
                                                   uint64_t packet5, uint64_t packet6, uint64_t packet7,
                                                   uint64_t context, uint64_t index) {
#pragma HLS pipeline II = 1
  using phalanx::hls::choose_word;
  uint64_t w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0, w5 = 0, w6 = 0, w7 = 0, w8 = 0, w9 = 0, w10 = 0;
  track_packet_words(order, status, rule, originator_ends, originator_window, responder_ends, responder_window,
                     traffic0, traffic1, packets, packet5, packet6, packet7, context, w0, w1, w2, w3, w4, w5, w6, w7,
                     w8, w9, w10);
  return choose_word(index >> 2, choose_word(index, w0, w1, w2, w3), choose_word(index, w4, w5, w6, w7),
                     choose_word(index, w8, w9, w10, 0), 0);
}

#ifndef __SYNTHESIS__
#include <stdio.h>

struct Known {
  uint64_t in[10], packet[3], context, out[10], track;
};

int main() {
  const Known cases[] = {
      // 500 bytes within the window: both windows move, nothing is logged
      {{0x1000003ull, 0x1100000400000064ull, 0x0ull, 0x2328000003e8ull, 0x138800000fa0ull, 0x232800001388ull,
        0x3e800001f40ull, 0x64ull, 0xc8ull, 0x200000001ull},
       {0x1388000003e8ull, 0x21c000001f4ull, 0x10001ff181000ull},
       0xffff0000000000c8ull,
       {0x1000003ull, 0x11000004000000c8ull, 0x0ull, 0x2328000005dcull, 0x138800001000ull, 0x238800001388ull,
        0x3e800001f40ull, 0x280ull, 0xc8ull, 0x200000002ull},
       0x1},
      // the responder ends first: CLOSE-WAIT, logged
      {{0x1000003ull, 0x1100000400000064ull, 0x0ull, 0x2328000003e8ull, 0x138800000fa0ull, 0x232800001388ull,
        0x3e800001f40ull, 0x64ull, 0xc8ull, 0x200000001ull},
       {0x3e800001388ull, 0x2800000000ull, 0x10001ff111f40ull},
       0xffff0001000000c8ull,
       {0x1000004ull, 0x31000006000000c8ull, 0x10000ull, 0x2328000003e8ull, 0x138800000fa0ull, 0x232800001389ull,
        0x3e800001f40ull, 0x64ull, 0xf0ull, 0x300000001ull},
       0x3},
      // beyond what the responder has allowed: refused, nothing changes
      {{0x1000003ull, 0x1100000400000064ull, 0x0ull, 0x2328000003e8ull, 0x138800000fa0ull, 0x232800001388ull,
        0x3e800001f40ull, 0x64ull, 0xc8ull, 0x200000001ull},
       {0x138800002329ull, 0x2900000001ull, 0x10001ff101000ull},
       0xffff0000000000c8ull,
       {0x1000003ull, 0x1100000400000064ull, 0x0ull, 0x2328000003e8ull, 0x138800000fa0ull, 0x232800001388ull,
        0x3e800001f40ull, 0x64ull, 0xc8ull, 0x200000001ull},
       0x300},
      // acknowledges what was never sent
      {{0x1000003ull, 0x1100000400000064ull, 0x0ull, 0x2328000003e8ull, 0x138800000fa0ull, 0x232800001388ull,
        0x3e800001f40ull, 0x64ull, 0xc8ull, 0x200000001ull},
       {0x1389000003e8ull, 0x2800000000ull, 0x10001ff101000ull},
       0xffff0000000000c8ull,
       {0x1000003ull, 0x1100000400000064ull, 0x0ull, 0x2328000003e8ull, 0x138800000fa0ull, 0x232800001388ull,
        0x3e800001f40ull, 0x64ull, 0xc8ull, 0x200000001ull},
       0x400},
      // a RST where the responder expects the next segment
      {{0x1000003ull, 0x1100000400000064ull, 0x0ull, 0x2328000003e8ull, 0x138800000fa0ull, 0x232800001388ull,
        0x3e800001f40ull, 0x64ull, 0xc8ull, 0x200000001ull},
       {0x3e8ull, 0x2800000000ull, 0x10001ff040000ull},
       0xffff0000000000c8ull,
       {0x1000004ull, 0x11000009000000c8ull, 0x10000ull, 0x2328000003e8ull, 0x138800000fa0ull, 0x232800001388ull,
        0x3e800001f40ull, 0x8cull, 0xc8ull, 0x200000002ull},
       0x3},
      // a RST one further (RFC 5961)
      {{0x1000003ull, 0x1100000400000064ull, 0x0ull, 0x2328000003e8ull, 0x138800000fa0ull, 0x232800001388ull,
        0x3e800001f40ull, 0x64ull, 0xc8ull, 0x200000001ull},
       {0x3e9ull, 0x2800000000ull, 0x10001ff040000ull},
       0xffff0000000000c8ull,
       {0x1000003ull, 0x1100000400000064ull, 0x0ull, 0x2328000003e8ull, 0x138800000fa0ull, 0x232800001388ull,
        0x3e800001f40ull, 0x64ull, 0xc8ull, 0x200000001ull},
       0x500},
      // SYN and FIN at once
      {{0x1000003ull, 0x1100000400000064ull, 0x0ull, 0x2328000003e8ull, 0x138800000fa0ull, 0x232800001388ull,
        0x3e800001f40ull, 0x64ull, 0xc8ull, 0x200000001ull},
       {0x3e8ull, 0x2800000000ull, 0x10001ff030000ull},
       0xffff0000000000c8ull,
       {0x1000003ull, 0x1100000400000064ull, 0x0ull, 0x2328000003e8ull, 0x138800000fa0ull, 0x232800001388ull,
        0x3e800001f40ull, 0x64ull, 0xc8ull, 0x200000001ull},
       0x200},
      // SYN/ACK, window scale 2
      {{0x1000000ull, 0x970000100000064ull, 0x0ull, 0x3e9000003e9ull, 0xffffull, 0x0ull, 0x3e900000000ull, 0x3cull,
        0x0ull, 0x1ull},
       {0x3e900001b58ull, 0x3c00000000ull, 0x1000102127120ull},
       0xffff0001000000c8ull,
       {0x1000001ull, 0x99720003000000c8ull, 0x10000ull, 0x7509000003e9ull, 0x1b580000ffffull, 0x11b5800001b59ull,
        0x3e900007120ull, 0x3cull, 0x3cull, 0x100000001ull},
       0x3},
      // the answer to a datagram: a stream; the packet counter carries into its high bits
      {{0x1000000ull, 0xa00000064ull, 0x0ull, 0x0ull, 0x0ull, 0x0ull, 0x0ull, 0xffffffffffffull, 0xffffffff,
        0xffffffff00000000ull},
       {0x0ull, 0x6400000048ull, 0x1000200000000ull},
       0xffff0001000000c8ull,
       {0x1000001ull, 0xb000000c8ull, 0x10000ull, 0x0ull, 0x0ull, 0x0ull, 0x0ull, 0xffffffffffffull, 0x1000100000063ull,
        0x0ull},
       0x3},
      // an echo reply that goes with the requests
      {{0x1000000ull, 0xc00000064ull, 0x0ull, 0x0ull, 0x0ull, 0x0ull, 0x0ull, 0x0ull, 0x0ull, 0x0ull},
       {0x0ull, 0x5400000000ull, 0x1000400000000ull},
       0xffff0000000000c8ull,
       {0x1000000ull, 0xc00000064ull, 0x0ull, 0x0ull, 0x0ull, 0x0ull, 0x0ull, 0x0ull, 0x0ull, 0x0ull},
       0x700},
      // an ICMP error that quotes what was sent: passes, nothing changes
      {{0x1000003ull, 0x1100000400000064ull, 0x0ull, 0x2328000003e8ull, 0x138800000fa0ull, 0x232800001388ull,
        0x3e800001f40ull, 0x64ull, 0xc8ull, 0x200000001ull},
       {0x3e7ull, 0x0ull, 0x1000500000000ull},
       0xffff0001000000c8ull,
       {0x1000003ull, 0x1100000400000064ull, 0x0ull, 0x2328000003e8ull, 0x138800000fa0ull, 0x232800001388ull,
        0x3e800001f40ull, 0x64ull, 0xc8ull, 0x200000001ull},
       0x1},
      // an ICMP error that quotes what was never sent (RFC 5927)
      {{0x1000003ull, 0x1100000400000064ull, 0x0ull, 0x2328000003e8ull, 0x138800000fa0ull, 0x232800001388ull,
        0x3e800001f40ull, 0x64ull, 0xc8ull, 0x200000001ull},
       {0x3e9ull, 0x0ull, 0x1000500000000ull},
       0xffff0001000000c8ull,
       {0x1000003ull, 0x1100000400000064ull, 0x0ull, 0x2328000003e8ull, 0x138800000fa0ull, 0x232800001388ull,
        0x3e800001f40ull, 0x64ull, 0xc8ull, 0x200000001ull},
       0x300},
      // a datagram for a session of TCP
      {{0x1000003ull, 0x1100000400000064ull, 0x0ull, 0x2328000003e8ull, 0x138800000fa0ull, 0x232800001388ull,
        0x3e800001f40ull, 0x64ull, 0xc8ull, 0x200000001ull},
       {0x0ull, 0x1c00000000ull, 0x1000200000000ull},
       0xffff0000000000c8ull,
       {0x1000003ull, 0x1100000400000064ull, 0x0ull, 0x2328000003e8ull, 0x138800000fa0ull, 0x232800001388ull,
        0x3e800001f40ull, 0x64ull, 0xc8ull, 0x200000001ull},
       0x600},
  };
  for (const Known& k : cases) {
    uint64_t out[10], track;
    stage_track_packet(k.in[0], k.in[1], k.in[2], k.in[3], k.in[4], k.in[5], k.in[6], k.in[7], k.in[8], k.in[9],
                       k.packet[0], k.packet[1], k.packet[2], k.context, &out[0], &out[1], &out[2], &out[3], &out[4],
                       &out[5], &out[6], &out[7], &out[8], &out[9], &track);
    for (unsigned i = 0; i < 10; ++i) {
      if (out[i] == k.out[i]) continue;
      printf("case %u, word %u: %016llx\n", (unsigned)(&k - cases), i, (unsigned long long)out[i]);
      return 1;
    }
    if (track != k.track) {
      printf("case %u: track %04llx\n", (unsigned)(&k - cases), (unsigned long long)track);
      return 1;
    }
  }
  return 0;
}
#endif
