// What flows between the stages of esp_crypto. A packet goes through as beats of four 16-byte blocks, one a cycle, in
// the layout of the ESP packet: block 0 is SPI, sequence number and IV, then the data, and after it whatever the line
// still holds. The block behind the last one of data is where GHASH's length block belongs; a packet's blocks are
// therefore those of its GHASH, with the AAD in the header's place, and the key stream's counter of block b is b + 1.
#ifndef PHALANX_KERNELS_ESP_CRYPTO_TYPES_HPP
#define PHALANX_KERNELS_ESP_CRYPTO_TYPES_HPP

#include "hls/dataflow.hpp"
#include "hls/gcm.hpp"
#include "hls/replay_window.hpp"
#include "hls/stream.hpp"
#include "kernels/abi/esp.hpp"

namespace phalanx {
namespace esp_crypto {

const int kLanes = 4;  // blocks of a 512-bit beat

// SAs that a stretch of a batch may use: their keys and windows stay on chip, place = index % kSaSlots.
const uint32_t kSaSlots = 256;
// Jobs of a stretch at most. A stretch that admit cuts short has read packets ahead that are thrown away: the next one
// is kStretchJobsMin long, and while none is cut each is twice as long as the one before. So somebody who sends forged
// numbers from far away, each of which may cut a stretch, costs a pipeline's latency and 16 packets each, not a batch.
const uint32_t kStretchJobs = 1024;
const uint32_t kStretchJobsMin = 16;
// Lines of the longest packet: 9216 bytes and ESP's 32 are 144.5 lines.
const uint32_t kPacketLinesMax = (abi::kEspPlaintextBytesMax + abi::kEspOverheadBytes + 63) / 64;
// Beats held back until the packet's tag is known: two of the longest packets, so that one is judged while the next
// comes in, and what crypt and ghash have in their pipelines meanwhile.
const int kHeldBeats = 512;
static_assert(kHeldBeats >= 2 * kPacketLinesMax + 128, "a packet must fit before its tag");
const int kTicketDepth =
    128;  // jobs read ahead: two memory latencies (job, then packet) of 90 cycles at two a job are 90
const int kLineDepth = 128;    // lines on their way: 300 ns at 300 MHz are 90
const int kContextDepth = 64;  // packets between admit and a later stage: what crypt and ghash hold of the shortest

// Blocks of a packet with `data_bytes` of data: header or AAD, data, ICV or length.
inline uint32_t packet_blocks(uint32_t data_bytes) { return (data_bytes + 15) / 16 + 2; }
inline uint32_t packet_beats(uint32_t data_bytes) { return (packet_blocks(data_bytes) + kLanes - 1) / kLanes; }
inline uint32_t lines_of(uint32_t bytes) { return (bytes + 63) / 64; }

struct Beat {
  hls::AesBlock block[kLanes];
};

// A job with what is known of it before its SA and its packet are read.
struct Ticket {
  abi::EspJob job;
  abi::EspStatus status;  // kDone: go on
  uint32_t slot;
  bool fresh;  // the stretch's first job of this SA: its lines follow
  bool end;    // no job: the last ticket of a stretch
};

// Lines to read, and one of them.
struct Range {
  uint64_t line;
  uint32_t lines;
  bool end;
};
struct Address {
  uint64_t line;
  bool head;  // a range's first
  bool end;
};

struct FrameContext {
  uint32_t lines;  // of input
  uint32_t data_bytes;
  bool seal;
  bool discard;          // read the lines and do nothing
  hls::AesBlock header;  // SEAL: SPI, sequence number, IV
  bool end;
};

struct CryptContext {
  uint64_t round_key[2 * hls::kAesRoundKeysMax];
  uint32_t rounds;
  uint32_t salt;
  uint64_t iv;
  hls::AesBlock aad;
  uint32_t aad_bytes;
  uint32_t data_bytes;
  bool seal;
  bool end;
};

struct HashContext {
  hls::AesBlock power[hls::kGcmPowers];
  uint32_t blocks;
  bool end;
};

// What of an SA changes, and what of it a packet is judged by.
struct SaState {
  uint32_t sa;
  bool seal;
  uint32_t window_size;
  abi::Line line0;  // as it was read
  uint64_t sequence;
  uint64_t packets, bytes, refused;
  uint64_t window[hls::kReplayWords];
};

struct JudgeContext {
  abi::EspStatus status;  // kDone: a packet is on its way, else the result
  bool seal;
  bool fresh;
  uint32_t slot;
  uint64_t sequence;
  uint32_t data_bytes;
  uint64_t output_line;
  bool end;
};

struct Verdict {
  abi::EspResult result;
  bool held;     // beats of it are held
  bool release;  // they may leave
  bool seal;
  hls::AesBlock tag;  // SEAL
  uint32_t data_bytes;
  uint64_t output_line;
  bool end;
};

using Tickets = hls::Stream<Ticket, kTicketDepth>;
using Ranges = hls::Stream<Range, kTicketDepth>;
using Addresses = hls::Stream<Address, kTicketDepth>;
using Lines = hls::Stream<abi::Line, kLineDepth>;
using FrameContexts = hls::Stream<FrameContext, kContextDepth>;
using CryptContexts = hls::Stream<CryptContext, kContextDepth>;
using HashContexts = hls::Stream<HashContext, kContextDepth>;
using JudgeContexts = hls::Stream<JudgeContext, kContextDepth>;
using SaStates = hls::Stream<SaState, kContextDepth>;
using Beats = hls::Stream<Beat, 4>;
using HeldBeats = hls::Stream<Beat, kHeldBeats>;
using Blocks = hls::Stream<hls::AesBlock, kContextDepth>;
using Verdicts = hls::Stream<Verdict, kContextDepth>;

// Memory is little-endian, AES blocks are big-endian: wires.
inline uint64_t swap_bytes(uint64_t x) {
  x = (x & 0x00ff00ff00ff00ffull) << 8 | (x >> 8 & 0x00ff00ff00ff00ffull);
  x = (x & 0x0000ffff0000ffffull) << 16 | (x >> 16 & 0x0000ffff0000ffffull);
  return x << 32 | x >> 32;
}

inline Beat beat_of(const abi::Line& line) {
  Beat beat;
  for (int lane = 0; lane < kLanes; ++lane) {
#pragma HLS unroll
    beat.block[lane] = {swap_bytes(line.word[2 * lane]), swap_bytes(line.word[2 * lane + 1])};
  }
  return beat;
}

inline abi::Line line_of(const Beat& beat) {
  abi::Line line;
  for (int lane = 0; lane < kLanes; ++lane) {
#pragma HLS unroll
    line.word[2 * lane] = swap_bytes(beat.block[lane].hi);
    line.word[2 * lane + 1] = swap_bytes(beat.block[lane].lo);
  }
  return line;
}

inline Beat zero_beat() { return {{{0, 0}, {0, 0}, {0, 0}, {0, 0}}}; }

// A block moved to its end by 0..16 bytes, and the other way; what leaves it is lost.
inline hls::AesBlock move_right(hls::AesBlock block, uint32_t bytes) {
  const uint32_t bits = 8 * (bytes % 8);
  const hls::AesBlock moved = bytes >= 8 ? hls::AesBlock{0, block.hi} : block;
  const uint64_t carry = bits == 0 ? 0 : moved.hi << (64 - bits);
  return bytes >= 16 ? hls::AesBlock{0, 0} : hls::AesBlock{moved.hi >> bits, moved.lo >> bits | carry};
}
inline hls::AesBlock move_left(hls::AesBlock block, uint32_t bytes) {
  const uint32_t bits = 8 * (bytes % 8);
  const hls::AesBlock moved = bytes >= 8 ? hls::AesBlock{block.lo, 0} : block;
  const uint64_t carry = bits == 0 ? 0 : moved.lo >> (64 - bits);
  return bytes >= 16 ? hls::AesBlock{0, 0} : hls::AesBlock{moved.hi << bits | carry, moved.lo << bits};
}

}  // namespace esp_crypto
}  // namespace phalanx

#endif
