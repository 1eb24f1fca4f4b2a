// Stage: delta_varint, a number below 2^49 as the packed record has it, in groups of seven bits. Returns its bytes, the
// first lowest, | its length << 56.
#include "hls/stage.hpp"
PHALANX_STAGE_BEGIN
#include "hls/delta_circuit.hpp"
PHALANX_STAGE_END

PHALANX_STAGE_TOP uint64_t stage_delta_varint(uint64_t number) {
#pragma HLS pipeline II = 1
  const phalanx::hls::delta::Varint v = phalanx::hls::delta::varint_at_once(number & ((1ull << 49) - 1));
  return static_cast<uint64_t>(v.length) << 56 | v.bytes;
}

#ifndef __SYNTHESIS__
#include <stdio.h>

// The examples of protobuf's documentation of its varints (1, 150), and each length's least and greatest number.
int main() {
  const uint64_t known[][2] = {{0, 1ull << 56},
                               {1, 1ull << 56 | 1},
                               {150, 2ull << 56 | 0x0196},
                               {127, 1ull << 56 | 0x7f},
                               {128, 2ull << 56 | 0x0180},
                               {16383, 2ull << 56 | 0x7fff},
                               {16384, 3ull << 56 | 0x018080},
                               {1ull << 21, 4ull << 56 | 0x01808080},
                               {1ull << 28, 5ull << 56 | 0x0180808080},
                               {1ull << 35, 6ull << 56 | 0x018080808080},
                               {1ull << 42, 7ull << 56 | 0x01808080808080},
                               {(1ull << 49) - 1, 7ull << 56 | 0x7fffffffffffff}};
  for (const auto& k : known) {
    if (stage_delta_varint(k[0]) == k[1]) continue;
    printf("%llu: %016llx\n", (unsigned long long)k[0], (unsigned long long)stage_delta_varint(k[0]));
    return 1;
  }
  return 0;
}
#endif
