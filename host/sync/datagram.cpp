#include "host/sync/datagram.hpp"

#include "host/packet/bytes.hpp"

namespace phalanx::sync {

void write_clear_header(const ClearHeader& header, uint8_t* out) {
  store16(out, kCcpMagic);
  store16(out + 2, 1);  // CCP version
  store16(out + 4, header.cluster);
  store16(out + 6, kCcpOpcodeSync);
  store16(out + 8, header.source_interface);
  store16(out + 10, static_cast<uint16_t>(header.stream));  // CCP's random id: which run of the sender this is
  store16(out + 12, header.source);
  store16(out + 14, header.destination);
  store16(out + 16, 0);  // policy id
  store16(out + 18, 0);  // filler
  uint8_t* own = out + kCcpHeaderBytes;
  own[0] = static_cast<uint8_t>(kFormat << 4 | static_cast<uint8_t>(header.kind));
  own[1] = header.channel;
  store32(own + 2, header.stream);
  store64(own + 6, header.incarnation);
  store16(own + 14, static_cast<uint16_t>(header.counter >> 32));
  store32(own + 16, static_cast<uint32_t>(header.counter));
}

std::optional<ClearHeader> read_clear_header(absl::Span<const uint8_t> datagram) {
  if (datagram.size() < kSealedAt + kTagBytes) return std::nullopt;
  const uint8_t* p = datagram.data();
  const uint8_t* own = p + kCcpHeaderBytes;
  if (load16(p) != kCcpMagic || load16(p + 6) != kCcpOpcodeSync || own[0] >> 4 != kFormat) return std::nullopt;
  const uint8_t kind = own[0] & 15;
  if (kind < static_cast<uint8_t>(MessageKind::kDelta) || kind > static_cast<uint8_t>(MessageKind::kAck)) {
    return std::nullopt;
  }
  ClearHeader header;
  header.cluster = load16(p + 4);
  header.source_interface = load16(p + 8);
  header.source = load16(p + 12);
  header.destination = load16(p + 14);
  header.kind = static_cast<MessageKind>(kind);
  header.channel = own[1];
  header.stream = load32(own + 2);
  header.incarnation = load64(own + 6);
  header.counter = static_cast<uint64_t>(load16(own + 14)) << 32 | load32(own + 16);
  return header;
}

std::optional<MessageKind> message_kind(absl::Span<const uint8_t> datagram) {
  const std::optional<ClearHeader> header = read_clear_header(datagram);
  if (!header.has_value()) return std::nullopt;
  return header->kind;
}

void write_solicit(const Solicit& solicit, uint8_t* out) {
  store64(out, solicit.receiver_incarnation);
  store64(out + 8, solicit.last_sequence);
}

std::optional<Solicit> read_solicit(absl::Span<const uint8_t> bytes) {
  if (bytes.size() != kSolicitBytes) return std::nullopt;
  return Solicit{load64(bytes.data()), load64(bytes.data() + 8)};
}

void write_ack(const Ack& ack, uint8_t* out) {
  store64(out, ack.sender_incarnation);
  store32(out + 8, ack.sender_stream);
  out[12] = ack.gap ? 1 : 0;
  store64(out + 13, ack.cumulative);
  store64(out + 21, ack.highest);
  for (size_t i = 0; i < kAckBitmapWords; ++i) store64(out + 29 + 8 * i, ack.received[i]);
}

std::optional<Ack> read_ack(absl::Span<const uint8_t> bytes) {
  if (bytes.size() != kAckBytes) return std::nullopt;
  const uint8_t* p = bytes.data();
  if (p[12] > 1) return std::nullopt;
  Ack ack;
  ack.sender_incarnation = load64(p);
  ack.sender_stream = load32(p + 8);
  ack.gap = p[12] == 1;
  ack.cumulative = load64(p + 13);
  ack.highest = load64(p + 21);
  for (size_t i = 0; i < kAckBitmapWords; ++i) ack.received[i] = load64(p + 29 + 8 * i);
  if (ack.highest < ack.cumulative) return std::nullopt;
  return ack;
}

}  // namespace phalanx::sync
