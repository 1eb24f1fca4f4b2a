// Memory for frames that the data plane itself makes or must keep until they are sent; given back all at once.
#ifndef PHALANX_HOST_GATEWAY_FRAME_ARENA_HPP
#define PHALANX_HOST_GATEWAY_FRAME_ARENA_HPP

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "host/packet/frame.hpp"

namespace phalanx::gateway {

// What one burst may make: 64 frames answered or cut, each of 64 KiB at the worst, twice over.
inline constexpr size_t kArenaBytesMax = 8u << 20;

// Pieces stay where they are until reset(). Not for several threads.
class FrameArena {
 public:
  // Empty if the bound is reached: drop the frame as kBufferFull.
  absl::Span<uint8_t> take(size_t bytes) {
    const size_t rounded = (bytes + 15) & ~size_t{15};
    if (current_ == chunks_.size() || used_ + rounded > chunks_[current_].size) {
      if (!next_chunk(rounded)) return {};
    }
    uint8_t* start = chunks_[current_].bytes.get() + used_;
    used_ += rounded;
    return {start, bytes};
  }

  // A copy of `frame` that may be sent; data is null if there is no room.
  Frame copy(const Frame& frame) {
    absl::Span<uint8_t> room = take(frame.length);
    if (room.empty()) return {};
    std::memcpy(room.data(), frame.data, frame.length);
    return {room.data(), frame.length};
  }

  void reset() {
    current_ = 0;
    used_ = 0;
  }

 private:
  struct Chunk {
    std::unique_ptr<uint8_t[]> bytes;
    size_t size;
  };
  static constexpr size_t kChunkBytes = 256u << 10;

  bool next_chunk(size_t bytes) {
    size_t next = current_ == chunks_.size() ? current_ : current_ + 1;
    if (next < chunks_.size() && chunks_[next].size >= bytes) {
      current_ = next;
      used_ = 0;
      return true;
    }
    const size_t size = std::max(bytes, kChunkBytes);
    if (total_ + size > kArenaBytesMax) return false;
    total_ += size;
    chunks_.insert(chunks_.begin() + static_cast<ptrdiff_t>(next), Chunk{std::make_unique<uint8_t[]>(size), size});
    current_ = next;
    used_ = 0;
    return true;
  }

  std::vector<Chunk> chunks_;
  size_t current_ = 0;
  size_t used_ = 0;
  size_t total_ = 0;
};

}  // namespace phalanx::gateway

#endif
