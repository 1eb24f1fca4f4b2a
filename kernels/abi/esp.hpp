// ESP jobs and security associations on the card (RFC 4303 with AES-GCM of RFC 4106, 16-byte ICV, extended sequence
// numbers of 64 bits).
#ifndef PHALANX_KERNELS_ABI_ESP_HPP
#define PHALANX_KERNELS_ABI_ESP_HPP

#include "kernels/abi/line.hpp"

namespace phalanx {
namespace abi {

const uint8_t kEspSeal = 1;  // plaintext with its ESP trailer in, ESP packet out: header, IV, ciphertext, ICV
const uint8_t kEspOpen = 2;  // ESP packet in, plaintext with its trailer out; nothing leaves unless the ICV matches

const uint32_t kEspOverheadBytes = 32;  // SPI and sequence number 8, IV 8, ICV 16
// Longest plaintext with its trailer: a jumbo frame's 9000 bytes, and a tunnel's headers and padding on top.
const uint32_t kEspPlaintextBytesMax = 9216;

// A packet to be worked on. Jobs are carried out as if one after another, in their order.
struct EspJob {
  uint8_t direction;  // kEspSeal or kEspOpen
  uint8_t reserved[3];
  uint32_t sa;            // index into the SA table
  uint32_t input_line;    // the packet's first line in `input`
  uint32_t input_bytes;   // SEAL: payload, padding, pad length and next header: a multiple of 4. OPEN: from the SPI on
  uint32_t output_line;   // where the result goes in `output`: whole lines, the rest of the last one zero
  uint32_t output_lines;  // room there; too little of it is kInvalid. Without kDone no line is written.
  uint64_t reserved2;
};
static_assert(sizeof(EspJob) == 32, "fixed layout");

enum class EspStatus : uint8_t {
  kDone = 0,
  kInvalid = 1,    // a malformed job: no such SA, another SA's SPI, a length that cannot be, no room
  kReplayed = 2,   // OPEN: the sequence number was seen, or lies before the window
  kBadIcv = 3,     // OPEN: not authentic; no byte of it left the card
  kExhausted = 4,  // SEAL: the SA's leased sequence numbers are used up
  kInactive = 5,   // the SA is not installed, or for the other direction
};

struct EspResult {
  EspStatus status;
  uint8_t reserved[3];
  uint32_t output_bytes;
  uint64_t sequence;  // SEAL: assigned; OPEN: the packet's, extended. 0 if kInvalid, kInactive or kExhausted
};
static_assert(sizeof(EspResult) == 16, "fixed layout");

// An SA: kSaLines lines of the table. The host writes all of it while no kernel runs; the kernel changes the replay and
// counter words alone.
struct EspSa {
  // line 0
  uint32_t spi;
  uint8_t direction;  // kEspSeal or kEspOpen; 0: not installed
  uint8_t key_bytes;  // 16 or 32
  uint8_t esn;        // 1: extended sequence numbers (RFC 4303, section 2.2.1)
  uint8_t reserved;
  uint32_t salt;            // RFC 4106: first 4 bytes of the nonce, big-endian as in the keying material
  uint32_t window_size;     // replay window in packets: 64..1024, a multiple of 64; 0: no replay check
  uint64_t sequence;        // SEAL: last one assigned. OPEN: highest authenticated
  uint64_t sequence_limit;  // SEAL: the last one of the lease; a sequence number is never used twice
  uint64_t packets, bytes;  // done
  uint64_t refused;         // OPEN: replayed or not authentic
  uint64_t reserved2;
  // lines 1..2: the replay window: the bit of a sequence number is its rest by 1024
  uint64_t window[16];
  // lines 3..6: round keys, 15 x 128 bits, each as two big-endian words, hi then lo
  uint64_t round_key[32];
  // lines 7..8: powers of the GHASH key H, hi then lo: H^1, H^2, H^3, H^4, H^8, H^16, and 4 words of 0
  uint64_t h_power[16];
};
const uint32_t kSaLines = 9;
static_assert(sizeof(EspSa) == 64 * kSaLines, "whole lines");

}  // namespace abi
}  // namespace phalanx

#endif
