// Records of any length to whole lines of the output, one behind the other.
#ifndef PHALANX_KERNELS_STATE_DELTA_PACK_LINES_HPP
#define PHALANX_KERNELS_STATE_DELTA_PACK_LINES_HPP

#include "hls/dataflow.hpp"
#include "hls/delta_pack.hpp"
#include "hls/stream.hpp"
#include "kernels/abi/line.hpp"

namespace phalanx {
namespace state_delta {

using abi::Line;

using hls::delta::kLineBytes;
static_assert(kLineBytes == sizeof(Line), "the output is lines");
const uint32_t kPartsMax = 3;  // 168 bytes are less than three lines

// At most a line of a record, and where in its first output line it begins.
struct Part {
  hls::delta::Bytes<8> bytes;
  uint32_t at;
  bool last;  // of its record
};

struct OutputLine {
  Line line;
  bool end;  // no more: `line` does not count
};

// What lies between one block and the next.
struct Packing {
  Line begun;      // bytes of a line that is not full
  uint32_t fill;   // how many
  uint64_t lines;  // written
};

inline Packing no_lines() {
  const Packing none = {{{0}}, 0, 0};
  return none;
}
inline uint64_t bytes_packed(const Packing& packing) { return packing.lines * kLineBytes + packing.fill; }

// II=1 a part: one for each 64 bytes of a record, one for a record without bytes.
inline void split(uint32_t count, uint32_t fill, hls::Stream<hls::delta::PackedRecord, 8>& in,
                  hls::Stream<Part, 8>& out) {
  uint32_t at = fill;
  for (uint32_t i = 0; i < count; ++i) {
    const hls::delta::PackedRecord record = in.read();
    const uint32_t parts = record.length == 0 ? 1 : (record.length + kLineBytes - 1) / kLineBytes;
    for (uint32_t k = 0; k < kPartsMax; ++k) {
#pragma HLS pipeline II = 1
      if (k >= parts) break;
      PHALANX_STEP(1);
      const uint32_t left = record.length - k * kLineBytes;
      Part part;
      for (uint32_t w = 0; w < 8; ++w) {
        const uint64_t beyond =
            k == 1
                ? record.word[8 + w]
                : (16 + w < hls::delta::kRecordWords ? record.word[16 + w < hls::delta::kRecordWords ? 16 + w : 0] : 0);
        part.bytes.word[w] = k == 0 ? record.word[w] : beyond;
      }
      part.bytes.length = left < kLineBytes ? left : kLineBytes;
      part.at = at;
      part.last = k + 1 == parts;
      at = (at + part.bytes.length) % kLineBytes;
      out.write(part);
    }
  }
}

// II=1: the shift of a part by its place is feed-forward; from one to the next goes only the line begun, by an OR.
inline void pack(uint32_t count, const Packing& before, hls::Stream<Part, 8>& in, hls::Stream<OutputLine, 16>& out,
                 Packing& after) {
  Packing packing = before;
  uint32_t done = 0;
  while (done < count) {
#pragma HLS pipeline II = 1
    PHALANX_STEP(1);
    const Part part = in.read();
    const hls::delta::LineStep step = hls::delta::place_part(packing.begun.word, part.bytes, part.at);
    OutputLine line = {{{0}}, false};
    for (uint32_t w = 0; w < 8; ++w) {
      line.line.word[w] = step.line[w];
      packing.begun.word[w] = step.begun[w];
    }
    packing.fill = step.fill;
    packing.lines += step.full ? 1 : 0;
    done += part.last ? 1 : 0;
    if (step.full) out.write(line);
  }
  const OutputLine end = {{{0}}, true};
  out.write(end);
  after = packing;
}

// II=1, a burst.
inline void write_lines(Line* output, uint64_t first, hls::Stream<OutputLine, 16>& in) {
  uint64_t at = first;
  OutputLine line = in.read();
  while (!line.end) {
#pragma HLS pipeline II = 1
    PHALANX_STEP(1);
    output[at] = line.line;
    ++at;
    line = in.read();
  }
}

}  // namespace state_delta
}  // namespace phalanx

#endif
