// What the session engine needs to know of a packet: one 64-byte cache line, filled by the parser.
#ifndef PHALANX_HLS_PACKET_META_HPP
#define PHALANX_HLS_PACKET_META_HPP

#include "hls/flow_key.hpp"

namespace phalanx {
namespace hls {

// TCP flag bits as on the wire (RFC 9293, section 3.1).
const uint8_t kTcpFin = 0x01;
const uint8_t kTcpSyn = 0x02;
const uint8_t kTcpRst = 0x04;
const uint8_t kTcpPsh = 0x08;
const uint8_t kTcpAck = 0x10;
const uint8_t kTcpUrg = 0x20;

const uint8_t kProtocolIcmp = 1;
const uint8_t kProtocolTcp = 6;
const uint8_t kProtocolUdp = 17;
const uint8_t kProtocolIcmpV6 = 58;

const uint8_t kNoWindowScale = 0xff;

// How the engine treats a packet; anything that is none of the others is kOther (tracked by addresses and protocol).
const uint8_t kPacketOther = 0;
const uint8_t kPacketTcp = 1;
const uint8_t kPacketUdp = 2;
const uint8_t kPacketEchoRequest = 3;
const uint8_t kPacketEchoReply = 4;
// An ICMP error. Its key and from_b are those of the packet it quotes; it is looked up, counted against no window, and
// never creates or refreshes a session.
const uint8_t kPacketIcmpError = 5;

struct PacketMeta {
  FlowKey key;
  uint32_t seq;      // TCP sequence number; for an ICMP error that quotes TCP, the quoted one
  uint32_t ack;      // TCP acknowledgement number
  uint32_t payload;  // bytes of TCP or UDP payload (a GSO frame counts whole)
  uint32_t bytes;    // bytes from the IP header on
  uint16_t window;   // TCP window, unscaled as on the wire
  uint8_t tcp_flags;
  uint8_t window_scale;  // TCP window scale option, kNoWindowScale if absent
  uint8_t kind;          // kPacket...
  uint8_t from_b;        // 1: the packet's source is endpoint B of the key
  uint8_t segments;      // packets that a GSO frame stands for, 1 otherwise (255 at most)
  uint8_t reserved;
};
static_assert(sizeof(PacketMeta) == 64, "one cache line");

}  // namespace hls
}  // namespace phalanx

#endif
