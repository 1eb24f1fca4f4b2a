// The sync datagram: CCP header, clear part, sealed part, tag. docs/protocol-sync.md has the layout.
#ifndef PHALANX_HOST_SYNC_DATAGRAM_HPP
#define PHALANX_HOST_SYNC_DATAGRAM_HPP

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/types/span.h"
#include "host/sync/seal.hpp"

namespace phalanx::sync {

inline constexpr uint16_t kCcpMagic = 0x1a90;
inline constexpr uint16_t kCcpOpcodeSync = 10;  // FWHAP_SYNC
inline constexpr size_t kCcpHeaderBytes = 20;
inline constexpr uint8_t kFormat = 2;
// format << 4 | kind, channel, stream 4, incarnation 8, counter 6
inline constexpr size_t kClearBytes = 20;
inline constexpr size_t kSealedAt = kCcpHeaderBytes + kClearBytes;
// An Ethernet frame of 1500 bytes MTU holds IP 20 + UDP 8 + this.
inline constexpr size_t kDatagramBytes = 1500 - 20 - 8;
inline constexpr size_t kSealedBytes = kDatagramBytes - kSealedAt - kTagBytes;
// The sealed part of a delta starts with the receiver's incarnation (8) and the base generation (5).
inline constexpr size_t kDeltaHeaderBytes = 13;
inline constexpr size_t kDeltaRecordBytes = kSealedBytes - kDeltaHeaderBytes;

// What a datagram is; part of the nonce.
enum class MessageKind : uint8_t {
  kDelta = 1,    // sender to receiver: records; counter = sequence number, from 1
  kSolicit = 2,  // sender to receiver: "where are you?"; opens a stream, finds a lost tail
  kAck = 3,      // receiver to sender: what has arrived, and so what has not
};

// Who talks to whom. Both ends of a cluster's sync have one; `incarnation` as in StreamName, and never 0. There is at
// most one DeltaSender and one DeltaReceiver for each (incarnation, peer, channel), ever: they count the nonces.
struct Identity {
  uint16_t cluster = 0;
  uint16_t member = 0;
  uint16_t peer = 0;
  uint8_t channel = 0;     // tells several streams between the same two members apart, say one a worker
  uint16_t interface = 0;  // CCP source interface; informative
  uint64_t incarnation = 0;
};

// The parts of a datagram that are not sealed.
struct ClearHeader {
  uint16_t cluster = 0;
  uint16_t source_interface = 0;
  uint16_t source = 0;
  uint16_t destination = 0;
  MessageKind kind = MessageKind::kDelta;
  uint8_t channel = 0;
  uint32_t stream = 0;
  uint64_t incarnation = 0;
  uint64_t counter = 0;  // 48 bits: 8.9 years at a million datagrams a second
};
inline constexpr uint64_t kCounterMax = (1ull << 48) - 1;
void write_clear_header(const ClearHeader& header, uint8_t* out);  // kSealedAt bytes
// Nothing if it isn't a sync datagram of this format.
std::optional<ClearHeader> read_clear_header(absl::Span<const uint8_t> datagram);

// For a member that is sender and receiver: deltas and solicits are the receiver's, acks the sender's. Nothing if it's
// no sync datagram; give it to either, which will count the refusal.
std::optional<MessageKind> message_kind(absl::Span<const uint8_t> datagram);

// Sealed part of a solicit.
struct Solicit {
  uint64_t receiver_incarnation = 0;  // 0: the sender does not know it yet
  uint64_t last_sequence = 0;
};
inline constexpr size_t kSolicitBytes = 16;

// Sealed part of an ack. `received` has bit i set if cumulative + 1 + i has arrived.
inline constexpr size_t kAckBitmapWords = 8;
inline constexpr uint64_t kAckBitmapBits = kAckBitmapWords * 64;
struct Ack {
  uint64_t sender_incarnation = 0;
  uint32_t sender_stream = 0;
  bool gap = false;         // asks for what is missing up to `highest`
  uint64_t cumulative = 0;  // everything up to here has arrived
  uint64_t highest = 0;     // highest sequence number the receiver knows of, arrived or not
  uint64_t received[kAckBitmapWords] = {};
};
inline constexpr size_t kAckBytes = 8 + 4 + 1 + 8 + 8 + 8 * kAckBitmapWords;

void write_solicit(const Solicit& solicit, uint8_t* out);
std::optional<Solicit> read_solicit(absl::Span<const uint8_t> bytes);
void write_ack(const Ack& ack, uint8_t* out);
std::optional<Ack> read_ack(absl::Span<const uint8_t> bytes);

// Where datagrams leave: UDP payloads for the sync network. The bytes are valid during the call.
class DatagramSink {
 public:
  virtual ~DatagramSink() = default;
  virtual void send_datagram(absl::Span<const uint8_t> datagram) = 0;
};

}  // namespace phalanx::sync

#endif
