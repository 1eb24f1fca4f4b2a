// The messages of full sync: header, body, checksum over both. docs/protocol-sync.md has the layout.
#ifndef PHALANX_HOST_SYNC_FULL_SYNC_MESSAGE_HPP
#define PHALANX_HOST_SYNC_FULL_SYNC_MESSAGE_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace phalanx::sync {

enum class FullSyncKind : uint8_t {
  kChunk = 1,         // source to sink: base generation (5) and `records` snapshot records
  kTrailer = 2,       // source to sink: totals and the delta position
  kConfirmation = 3,  // sink to source: message `number` has been taken; no body
};

struct FullSyncHeader {
  FullSyncKind kind = FullSyncKind::kChunk;
  uint64_t snapshot_id = 0;
  uint32_t number = 0;  // of the chunk, from 0; the trailer's follows the last chunk's
  uint32_t records = 0;
};
// magic 4, kind 1, snapshot 8, number 4, records 4, body bytes 4, CRC-32C of all of this and the body 4
inline constexpr size_t kFullSyncHeaderBytes = 29;
inline constexpr size_t kChunkBaseBytes = 5;
inline constexpr size_t kTrailerBytes = 8 + 4 + 8 + 4 + 8;

// Fills the first kFullSyncHeaderBytes of `message`, whose body is in place.
void seal_full_sync_message(const FullSyncHeader& header, std::string* message);
// Nothing if the message is damaged or none.
std::optional<FullSyncHeader> read_full_sync_message(std::string_view message);

}  // namespace phalanx::sync

#endif
