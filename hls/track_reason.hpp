// Why a session refuses a packet.
#ifndef PHALANX_HLS_TRACK_REASON_HPP
#define PHALANX_HLS_TRACK_REASON_HPP

#include <stdint.h>

namespace phalanx {
namespace hls {

// Why a session refuses a packet. hls/ tracking returns these; host/packet's drop reasons take them in.
enum class TrackReason : uint8_t {
  kNone = 0,
  kTcpNotSyn = 1,       // the first packet isn't a SYN
  kTcpFlags = 2,        // a flag combination that RFC 9293 has no use for (SYN+FIN, SYN+RST, none)
  kTcpSequence = 3,     // sequence number outside the receiver's window
  kTcpAcknowledge = 4,  // acknowledges what was never sent, or far too old
  kTcpReset = 5,        // RST that is not exactly where the receiver expects it (RFC 5961)
  kTcpState = 6,        // no such packet in this state (e.g. data before the handshake, SYN in established)
  kIcmpState = 7,       // echo reply without request
  kCount = 8,
};

}  // namespace hls
}  // namespace phalanx

#endif
