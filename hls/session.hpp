// The session record: 128 bytes for a session of IPv4 or IPv6, both directions. What the table holds on every engine.
//
// First cache line: what a lookup compares and every packet touches. Second: TCP windows and counters.
#ifndef PHALANX_HLS_SESSION_HPP
#define PHALANX_HLS_SESSION_HPP

#include "hls/packet_meta.hpp"

namespace phalanx {
namespace hls {

// Session::state. The TCP states follow RFC 9293 as a gateway between the two ends sees them; docs/sessions.md has the
// table.
const uint8_t kStateFree = 0;  // the slot holds no session
const uint8_t kStateTcpSynSent = 1;
const uint8_t kStateTcpSynSentBoth = 2;  // simultaneous open: a SYN from either side
const uint8_t kStateTcpSynReceived = 3;
const uint8_t kStateTcpEstablished = 4;
const uint8_t kStateTcpFinWait = 5;    // the originator has sent FIN
const uint8_t kStateTcpCloseWait = 6;  // the responder has sent FIN
const uint8_t kStateTcpClosing = 7;    // both have, not both acknowledged
const uint8_t kStateTcpTimeWait = 8;
const uint8_t kStateTcpClosed = 9;  // ended by a valid RST
const uint8_t kStateUdpNew = 10;    // packets one way only
const uint8_t kStateUdpStream = 11;
const uint8_t kStateIcmp = 12;
const uint8_t kStateOther = 13;
const uint8_t kStateDeleted = 14;  // unlinked; the slot waits until the change log has been read
const uint8_t kStates = 15;

// Session::flags
const uint8_t kOriginatorIsB = 0x01;   // the session was opened by endpoint B of its key
const uint8_t kNatSource = 0x02;       // the originator's address and port are rewritten
const uint8_t kNatDestination = 0x04;  // the responder's address and port are rewritten
const uint8_t kNatWide =
    0x08;                     // IPv6 NAT: nat_source/nat_destination are unused, nat_source is the side record's index
const uint8_t kDirty = 0x10;  // changed since the change log was last read; exactly one log entry exists
const uint8_t kReanchorOriginator = 0x20;  // installed from a replica: this side's window may lag, see docs/sessions.md
const uint8_t kReanchorResponder = 0x40;
const uint8_t kPickedUp = 0x80;  // TCP taken up in midstream: no window scale is known, the widest is assumed

// Session::tcp_flags: what has been seen of each side (bit + 4 for the responder).
const uint8_t kSideSyn = 0x01;  // and everything since, so that its `end` is exact: cleared when re-anchored
const uint8_t kSideFin = 0x02;
const uint8_t kSideFinAcked = 0x04;
const uint8_t kSideScale = 0x08;  // offered window scaling in its SYN

// One direction of TCP, as its sender: sequence space that it may use (RFC 9293 section 3.4; the tracking method is
// Guido van Rooij's "Real Stateful TCP Packet Filtering").
struct TcpSide {
  uint32_t end;         // highest sequence number sent, plus length
  uint32_t max_end;     // highest end that the other side's acknowledgements and windows have allowed
  uint32_t max_window;  // largest window that this side has advertised, scaled
  uint32_t acked;       // highest acknowledgement this side has sent
};

struct Session {
  FlowKey key;         // of the original direction, before NAT
  uint64_t order;      // generation << 24 | version: orders updates of one key from any source
  uint32_t last_seen;  // ms of engine time, wraps after 49 days
  uint8_t state;       // kState...
  uint8_t flags;
  uint8_t scales;     // window scale of the originator << 4 | of the responder
  uint8_t tcp_flags;  // kSide... of the originator | of the responder << 4
  uint16_t rule;      // the policy rule that let it in
  uint16_t synced;    // when its last change was logged, in units of 128 ms of engine time
  uint16_t nat_source_port;
  uint16_t nat_destination_port;
  uint32_t nat_source;       // IPv4 address that replaces the originator's; with kNatWide the side record's index
  uint32_t nat_destination;  // IPv4 address that replaces the responder's as the originator sees it
  TcpSide side[2];           // [0] the originator, [1] the responder
  uint64_t traffic[2];       // each way: packets' high 16 bits << 48 | bytes (48 bits)
  uint32_t packets[2];       // each way: packets' low 32 bits
};
static_assert(sizeof(Session) == 128, "two cache lines");

// The addresses of an IPv6 session's NAT, which do not fit the record; ports are in the record.
struct WideNat {
  uint64_t source_hi;
  uint64_t source_lo;
  uint64_t destination_hi;
  uint64_t destination_lo;
};

const uint64_t kVersionBits = 24;
const uint64_t kVersionMask = (1u << kVersionBits) - 1;

// Whether an update of order `x` is newer than a record of order `y`, both of one key. A later generation wins whatever
// the versions; within one, versions are compared as serial numbers (RFC 1982), so that they may wrap.
inline bool newer(uint64_t x, uint64_t y) {
  const uint64_t gx = x >> kVersionBits;
  const uint64_t gy = y >> kVersionBits;
  const uint32_t ahead = static_cast<uint32_t>((x - y) & kVersionMask);
  const bool later = (ahead != 0) & (ahead < (1u << (kVersionBits - 1)));
  return (gx > gy) | ((gx == gy) & later);
}

inline uint64_t next_version(uint64_t order) { return (order & ~kVersionMask) | ((order + 1) & kVersionMask); }

}  // namespace hls
}  // namespace phalanx

#endif
