#include "host/sync/full_sync_message.hpp"

#include <cassert>

#include "host/packet/bytes.hpp"
#include "host/sync/crc32c.hpp"

namespace phalanx::sync {

namespace {

constexpr uint32_t kMagic = 0x50585331;  // "PXS1"
constexpr size_t kCrcAt = kFullSyncHeaderBytes - 4;

const uint8_t* bytes_of(std::string_view text) { return reinterpret_cast<const uint8_t*>(text.data()); }

uint32_t checksum(std::string_view message) {
  const uint32_t head = crc32c({bytes_of(message), kCrcAt});
  return crc32c({bytes_of(message) + kFullSyncHeaderBytes, message.size() - kFullSyncHeaderBytes}, head);
}

}  // namespace

void seal_full_sync_message(const FullSyncHeader& header, std::string* message) {
  assert(message->size() >= kFullSyncHeaderBytes);
  uint8_t* p = reinterpret_cast<uint8_t*>(message->data());
  store32(p, kMagic);
  p[4] = static_cast<uint8_t>(header.kind);
  store64(p + 5, header.snapshot_id);
  store32(p + 13, header.number);
  store32(p + 17, header.records);
  store32(p + 21, static_cast<uint32_t>(message->size() - kFullSyncHeaderBytes));
  store32(p + kCrcAt, checksum(*message));
}

std::optional<FullSyncHeader> read_full_sync_message(std::string_view message) {
  if (message.size() < kFullSyncHeaderBytes) return std::nullopt;
  const uint8_t* p = bytes_of(message);
  if (load32(p) != kMagic || load32(p + 21) != message.size() - kFullSyncHeaderBytes) return std::nullopt;
  if (p[4] < static_cast<uint8_t>(FullSyncKind::kChunk) || p[4] > static_cast<uint8_t>(FullSyncKind::kConfirmation)) {
    return std::nullopt;
  }
  if (load32(p + kCrcAt) != checksum(message)) return std::nullopt;
  FullSyncHeader header;
  header.kind = static_cast<FullSyncKind>(p[4]);
  header.snapshot_id = load64(p + 5);
  header.number = load32(p + 13);
  header.records = load32(p + 17);
  return header;
}

}  // namespace phalanx::sync
