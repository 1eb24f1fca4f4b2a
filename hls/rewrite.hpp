// What NAT changes in a packet that leaves.
#ifndef PHALANX_HLS_REWRITE_HPP
#define PHALANX_HLS_REWRITE_HPP

#include <stdint.h>

namespace phalanx {
namespace hls {

// The addresses and ports a packet leaves with; only those with their flag set change.
struct Rewrite {
  uint64_t source_hi;
  uint64_t source_lo;
  uint64_t destination_hi;
  uint64_t destination_lo;
  uint16_t source_port;
  uint16_t destination_port;
  uint8_t source;       // 1: source address and port are rewritten
  uint8_t destination;  // 1: destination address and port are rewritten
  uint8_t reserved[2];
};

}  // namespace hls
}  // namespace phalanx

#endif
