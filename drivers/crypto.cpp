#include "drivers/crypto.hpp"

#include "absl/strings/str_cat.h"
#include "hls/gcm.hpp"
#include "hls/replay_window.hpp"

namespace phalanx {
namespace {

constexpr uint32_t kSpiMin = 256;  // RFC 4303, section 2.1: 1..255 are reserved, 0 is for local use

uint32_t big_endian(const uint8_t* bytes) {
  return static_cast<uint32_t>(bytes[0]) << 24 | static_cast<uint32_t>(bytes[1]) << 16 |
         static_cast<uint32_t>(bytes[2]) << 8 | bytes[3];
}

absl::Status check_config(const EspSaConfig& config) {
  const auto refuse = [](auto... what) { return absl::InvalidArgumentError(absl::StrCat("SA: ", what...)); };
  if (config.spi < kSpiMin) return refuse("spi ", config.spi, " is below ", kSpiMin);
  if (config.direction != abi::kEspSeal && config.direction != abi::kEspOpen) {
    return refuse("direction ", config.direction, " is neither seal nor open");
  }
  if (config.key.size() != 16 && config.key.size() != 32) {
    return refuse("key of ", config.key.size(), " bytes instead of 16 or 32");
  }
  if (config.window_size % 64 != 0 || config.window_size > hls::kReplayWindowMax) {
    return refuse("window_size ", config.window_size, " is not 0, 64, 128 ... ", hls::kReplayWindowMax);
  }
  if (!config.esn && (config.sequence > UINT32_MAX || config.sequence_limit > UINT32_MAX)) {
    return refuse("sequence or sequence_limit beyond 32 bits without extended sequence numbers");
  }
  return absl::OkStatus();
}

bool reaches_beyond(uint64_t first, uint64_t count, size_t size) { return first + count > size; }

}  // namespace

absl::StatusOr<abi::EspSa> make_sa(const EspSaConfig& config) {
  if (absl::Status status = check_config(config); !status.ok()) return status;
  abi::EspSa sa = {};
  sa.spi = config.spi;
  sa.direction = config.direction;
  sa.key_bytes = static_cast<uint8_t>(config.key.size());
  sa.esn = config.esn ? 1 : 0;
  sa.salt = big_endian(config.salt.data());
  sa.window_size = config.window_size;
  sa.sequence = config.sequence;
  sa.sequence_limit = config.sequence_limit;
  uint32_t key[8] = {};
  for (size_t i = 0; i < config.key.size() / 4; ++i) key[i] = big_endian(config.key.data() + 4 * i);
  hls::aes_expand_key(key, sa.key_bytes, sa.round_key);
  hls::gcm_powers(sa.round_key, sa.key_bytes, sa.h_power);
  // A window that begins at `sequence`: it and what lies before it counts as seen.
  if (config.direction == abi::kEspOpen && config.sequence != 0) {
    for (uint64_t& word : sa.window) word = ~uint64_t{0};
  }
  return sa;
}

absl::Status check_batch(const EspBatch& batch) {
  if (batch.results.size() != batch.jobs.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("ESP batch: ", batch.results.size(), " results for ", batch.jobs.size(), " jobs"));
  }
  if (batch.jobs.size() > UINT32_MAX) return absl::InvalidArgumentError("ESP batch: more than 2^32 jobs");
  for (size_t i = 0; i < batch.jobs.size(); ++i) {
    const abi::EspJob& job = batch.jobs[i];
    const auto refuse = [i](auto... what) {
      return absl::InvalidArgumentError(absl::StrCat("ESP batch: job ", i, ": ", what...));
    };
    if (reaches_beyond(job.input_line, (uint64_t{job.input_bytes} + 63) / 64, batch.input.size())) {
      return refuse("input_line ", job.input_line, " with input_bytes ", job.input_bytes, " reaches beyond ",
                    batch.input.size(), " lines");
    }
    if (reaches_beyond(job.output_line, job.output_lines, batch.output.size())) {
      return refuse("output_line ", job.output_line, " with output_lines ", job.output_lines, " reaches beyond ",
                    batch.output.size(), " lines");
    }
  }
  return absl::OkStatus();
}

}  // namespace phalanx
