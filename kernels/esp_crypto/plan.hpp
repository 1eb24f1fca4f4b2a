// The first stages of esp_crypto: jobs in, and the reads of memory that they need.
#ifndef PHALANX_KERNELS_ESP_CRYPTO_PLAN_HPP
#define PHALANX_KERNELS_ESP_CRYPTO_PLAN_HPP

#include "kernels/esp_crypto/types.hpp"

namespace phalanx {
namespace esp_crypto {

inline uint32_t job_data_bytes(const abi::EspJob& job) {
  return job.direction == abi::kEspSeal ? job.input_bytes : job.input_bytes - abi::kEspOverheadBytes;
}

// What a job says of itself: is it one?
inline bool job_is_valid(const abi::EspJob& job, uint32_t sa_count) {
  const bool seal = job.direction == abi::kEspSeal;
  if (!seal && job.direction != abi::kEspOpen) return false;
  const uint32_t overhead = seal ? 0 : abi::kEspOverheadBytes;
  if (job.input_bytes % 4 != 0 || job.input_bytes <= overhead) return false;
  const uint32_t data_bytes = job.input_bytes - overhead;
  if (data_bytes > abi::kEspPlaintextBytesMax) return false;
  const uint32_t output_bytes = seal ? data_bytes + abi::kEspOverheadBytes : data_bytes;
  return job.sa < sa_count && lines_of(output_bytes) <= job.output_lines;
}

// Takes jobs until there are no more or until one's SA would need the place of another: the stretch ends before it.
// II=1.
inline void plan(const abi::EspJob* jobs, uint32_t first, uint32_t count, uint32_t sa_count, Tickets& tickets,
                 Ranges& input_ranges, Ranges& sa_ranges) {
  uint32_t owner[kSaSlots];
  uint64_t used[kSaSlots / 64] = {};
#pragma HLS array_partition variable = used complete
  for (uint32_t i = 0; i < kStretchJobs; ++i) {
#pragma HLS pipeline II = 1
    PHALANX_STEP(1);
    if (i >= count) break;
    if (i % 16 == 0) PHALANX_MEMORY_READ();  // bursts of 16 jobs
    Ticket ticket;
    ticket.job = jobs[first + i];
    ticket.status = abi::EspStatus::kDone;
    ticket.slot = ticket.job.sa % kSaSlots;
    ticket.fresh = false;
    ticket.end = false;
    if (!job_is_valid(ticket.job, sa_count)) {
      ticket.status = abi::EspStatus::kInvalid;
    } else {
      const uint64_t bit = 1ull << (ticket.slot % 64);
      const bool taken = (used[ticket.slot / 64] & bit) != 0;
      if (taken && owner[ticket.slot] != ticket.job.sa) break;
      ticket.fresh = !taken;
      used[ticket.slot / 64] |= bit;
      owner[ticket.slot] = ticket.job.sa;
      input_ranges.write({ticket.job.input_line, lines_of(ticket.job.input_bytes), false});
      if (ticket.fresh) {
        sa_ranges.write({static_cast<uint64_t>(ticket.job.sa) * abi::kSaLines, abi::kSaLines, false});
      }
    }
    tickets.write(ticket);
  }
  tickets.write({{}, abi::EspStatus::kDone, 0, false, true});
  input_ranges.write({0, 0, true});
  sa_ranges.write({0, 0, true});
}

// Ranges to their lines' addresses. II=1.
inline void expand(Ranges& ranges, Addresses& addresses) {
  Range range = {0, 0, false};
  uint32_t at = 0;
  for (;;) {
#pragma HLS pipeline II = 1
    PHALANX_STEP(1);
    if (at == range.lines) {
      range = ranges.read();
      at = 0;
    }
    addresses.write({range.line + at, at == 0, range.end});
    if (range.end) break;
    ++at;
  }
}

// Each line a read of its own, many on their way at once. II=1.
inline void read_sa_lines(const abi::Line* sa_table, Addresses& addresses, Lines& sa_lines) {
  for (;;) {
#pragma HLS pipeline II = 1
    PHALANX_STEP(1);
    const Address address = addresses.read();
    if (address.end) break;
    PHALANX_MEMORY_READ();
    sa_lines.write(sa_table[address.line]);
  }
}

// A packet's first line also goes to `heads`, for admit. II=1.
inline void read_input_lines(const abi::Line* input, Addresses& addresses, Lines& heads, Lines& lines) {
  for (;;) {
#pragma HLS pipeline II = 1
    PHALANX_STEP(1);
    const Address address = addresses.read();
    if (address.end) break;
    PHALANX_MEMORY_READ();
    const abi::Line line = input[address.line];
    if (address.head) heads.write(line);
    lines.write(line);
  }
}

}  // namespace esp_crypto
}  // namespace phalanx

#endif
