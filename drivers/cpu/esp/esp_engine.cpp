#include "drivers/cpu/esp/esp_engine.hpp"

#include <algorithm>
#include <cstring>
#include <deque>
#include <vector>

#include "absl/strings/str_cat.h"
#include "drivers/cpu/esp/gcm.hpp"
#include "hls/replay_window.hpp"

namespace phalanx {
namespace {

// Batches that are done and not polled yet: as many as a card may have in flight, twice.
constexpr size_t kBatchesMax = 64;
constexpr uint32_t kIcvBytes = 16;
constexpr uint32_t kHeaderBytes = abi::kEspOverheadBytes - kIcvBytes;  // with the IV

void put_big_endian(uint8_t* bytes, uint64_t value, int count) {
  for (int i = 0; i < count; ++i) bytes[i] = static_cast<uint8_t>(value >> (8 * (count - 1 - i)));
}

uint32_t get_big_endian(const uint8_t* bytes) {
  return static_cast<uint32_t>(bytes[0]) << 24 | static_cast<uint32_t>(bytes[1]) << 16 |
         static_cast<uint32_t>(bytes[2]) << 8 | bytes[3];
}

struct Aad {
  uint8_t bytes[12];
  size_t size;
};

// RFC 4106, section 5.
Aad aad_of(const abi::EspSa& sa, uint64_t sequence) {
  Aad aad = {};
  put_big_endian(aad.bytes, sa.spi, 4);
  aad.size = sa.esn != 0 ? 12 : 8;
  put_big_endian(aad.bytes + 4, sequence, static_cast<int>(aad.size) - 4);
  return aad;
}

GcmNonce nonce_of(const abi::EspSa& sa, const uint8_t* iv) {
  GcmNonce nonce;
  put_big_endian(nonce.data(), sa.salt, 4);
  std::copy_n(iv, 8, nonce.data() + 4);
  return nonce;
}

struct Entry {
  abi::EspSa sa = {};
  GcmKey key;
};

class CpuEspEngine final : public EspEngine {
 public:
  CpuEspEngine(const CpuEspConfig& config, Gcm gcm) : gcm_(std::move(gcm)), entries_(config.sa_max) {
    plaintext_.resize(abi::kEspPlaintextBytesMax);
  }

  std::string name() const override { return "cpu"; }
  uint32_t sa_max() const override { return static_cast<uint32_t>(entries_.size()); }
  absl::Status install(uint32_t index, const abi::EspSa& sa) override;
  absl::Status remove(uint32_t index) override;
  absl::StatusOr<abi::EspSa> read(uint32_t index) override;
  absl::Status submit(const EspBatch& batch) override;
  size_t poll(absl::Span<uint64_t> tags) override;

 private:
  absl::Status check_idle_and_index(uint32_t index) const;
  abi::EspResult carry_out(const abi::EspJob& job, const EspBatch& batch);
  abi::EspResult seal(const abi::EspJob& job, const uint8_t* input, uint8_t* output, Entry& entry);
  abi::EspResult open(const abi::EspJob& job, const uint8_t* input, uint8_t* output, Entry& entry);

  Gcm gcm_;
  std::vector<Entry> entries_;
  std::vector<uint8_t> plaintext_;  // opened, not yet known to be authentic
  std::deque<uint64_t> done_;
};

absl::Status CpuEspEngine::check_idle_and_index(uint32_t index) const {
  if (index >= entries_.size()) {
    return absl::OutOfRangeError(absl::StrCat("SA ", index, " of a table of ", entries_.size()));
  }
  if (!done_.empty()) return absl::FailedPreconditionError("SA table: a batch is in flight");
  return absl::OkStatus();
}

absl::Status CpuEspEngine::install(uint32_t index, const abi::EspSa& sa) {
  if (absl::Status status = check_idle_and_index(index); !status.ok()) return status;
  if (sa.key_bytes != 16 && sa.key_bytes != 32) {
    return absl::InvalidArgumentError(absl::StrCat("SA ", index, ": key_bytes ", sa.key_bytes));
  }
  // AES's first round keys are the key itself.
  uint8_t key[32] = {};
  for (int i = 0; i < sa.key_bytes / 8; ++i) put_big_endian(key + 8 * i, sa.round_key[i], 8);
  auto expanded = gcm_.expand(absl::MakeConstSpan(key, sa.key_bytes));
  explicit_bzero(key, sizeof key);
  if (!expanded.ok()) return expanded.status();
  entries_[index].sa = sa;
  entries_[index].key = *std::move(expanded);
  return absl::OkStatus();
}

absl::Status CpuEspEngine::remove(uint32_t index) {
  if (absl::Status status = check_idle_and_index(index); !status.ok()) return status;
  explicit_bzero(&entries_[index].sa, sizeof entries_[index].sa);
  entries_[index].key = GcmKey();
  return absl::OkStatus();
}

absl::StatusOr<abi::EspSa> CpuEspEngine::read(uint32_t index) {
  if (absl::Status status = check_idle_and_index(index); !status.ok()) return status;
  if (entries_[index].sa.direction == 0) return absl::NotFoundError(absl::StrCat("SA ", index, " is not installed"));
  return entries_[index].sa;
}

absl::Status CpuEspEngine::submit(const EspBatch& batch) {
  if (absl::Status status = check_batch(batch); !status.ok()) return status;
  if (done_.size() >= kBatchesMax) {
    return absl::ResourceExhaustedError(absl::StrCat("ESP: ", kBatchesMax, " batches are in flight"));
  }
  for (size_t i = 0; i < batch.jobs.size(); ++i) batch.results[i] = carry_out(batch.jobs[i], batch);
  done_.push_back(batch.tag);
  return absl::OkStatus();
}

size_t CpuEspEngine::poll(absl::Span<uint64_t> tags) {
  const size_t count = std::min(tags.size(), done_.size());
  std::copy_n(done_.begin(), count, tags.begin());
  done_.erase(done_.begin(), done_.begin() + static_cast<ptrdiff_t>(count));
  return count;
}

abi::EspResult result_of(abi::EspStatus status, uint64_t sequence = 0, uint32_t output_bytes = 0) {
  abi::EspResult result = {};
  result.status = status;
  result.output_bytes = output_bytes;
  result.sequence = sequence;
  return result;
}

// Lines are written whole.
void finish_lines(uint8_t* output, uint32_t bytes) {
  if (bytes % 64 != 0) std::memset(output + bytes, 0, 64 - bytes % 64);
}

abi::EspResult CpuEspEngine::carry_out(const abi::EspJob& job, const EspBatch& batch) {
  const bool sealing = job.direction == abi::kEspSeal;
  const uint32_t overhead = sealing ? 0 : abi::kEspOverheadBytes;
  const abi::EspResult invalid = result_of(abi::EspStatus::kInvalid);
  if (!sealing && job.direction != abi::kEspOpen) return invalid;
  if (job.input_bytes % 4 != 0 || job.input_bytes <= overhead) return invalid;
  if (job.input_bytes - overhead > abi::kEspPlaintextBytesMax || job.sa >= entries_.size()) return invalid;
  const uint32_t output_bytes =
      sealing ? job.input_bytes + abi::kEspOverheadBytes : job.input_bytes - abi::kEspOverheadBytes;
  if ((output_bytes + 63) / 64 > job.output_lines) return invalid;
  Entry& entry = entries_[job.sa];
  if (entry.sa.direction != job.direction || entry.sa.window_size % 64 != 0 ||
      entry.sa.window_size > hls::kReplayWindowMax) {
    return result_of(abi::EspStatus::kInactive);
  }
  const auto* input = reinterpret_cast<const uint8_t*>(batch.input.data() + job.input_line);
  auto* output = reinterpret_cast<uint8_t*>(batch.output.data() + job.output_line);
  return sealing ? seal(job, input, output, entry) : open(job, input, output, entry);
}

abi::EspResult CpuEspEngine::seal(const abi::EspJob& job, const uint8_t* input, uint8_t* output, Entry& entry) {
  abi::EspSa& sa = entry.sa;
  const uint64_t limit = sa.esn != 0 ? sa.sequence_limit : std::min<uint64_t>(sa.sequence_limit, UINT32_MAX);
  if (sa.sequence >= limit) return result_of(abi::EspStatus::kExhausted);
  ++sa.sequence;
  put_big_endian(output, sa.spi, 4);
  put_big_endian(output + 4, sa.sequence, 4);
  put_big_endian(output + 8, sa.sequence, 8);
  const Aad aad = aad_of(sa, sa.sequence);
  const GcmTag tag = gcm_.seal(entry.key, nonce_of(sa, output + 8), absl::MakeConstSpan(aad.bytes, aad.size),
                               absl::MakeConstSpan(input, job.input_bytes), output + kHeaderBytes);
  std::copy(tag.begin(), tag.end(), output + kHeaderBytes + job.input_bytes);
  const uint32_t output_bytes = job.input_bytes + abi::kEspOverheadBytes;
  finish_lines(output, output_bytes);
  ++sa.packets;
  sa.bytes += job.input_bytes;
  return result_of(abi::EspStatus::kDone, sa.sequence, output_bytes);
}

abi::EspResult CpuEspEngine::open(const abi::EspJob& job, const uint8_t* input, uint8_t* output, Entry& entry) {
  abi::EspSa& sa = entry.sa;
  if (get_big_endian(input) != sa.spi) return result_of(abi::EspStatus::kInvalid);
  const uint32_t low = get_big_endian(input + 4);
  const uint64_t sequence = sa.esn != 0 ? hls::infer_sequence(sa.sequence, sa.window_size, low) : low;
  const uint64_t word = sa.window[hls::replay_word_index(sequence)];
  if (!hls::replay_allowed(sa.sequence, sa.window_size, word, sequence)) {
    ++sa.refused;
    return result_of(abi::EspStatus::kReplayed, sequence);
  }
  const uint32_t data_bytes = job.input_bytes - abi::kEspOverheadBytes;
  const Aad aad = aad_of(sa, sequence);
  GcmTag received;
  std::copy_n(input + job.input_bytes - kIcvBytes, kIcvBytes, received.data());
  const GcmTag tag = gcm_.open(entry.key, nonce_of(sa, input + 8), absl::MakeConstSpan(aad.bytes, aad.size),
                               absl::MakeConstSpan(input + kHeaderBytes, data_bytes), plaintext_.data());
  if (!tags_equal(tag, received)) {
    ++sa.refused;
    return result_of(abi::EspStatus::kBadIcv, sequence);
  }
  for (uint32_t i = 0; i < hls::kReplayWords; ++i) {
    sa.window[i] = hls::replay_update_word(i, sa.window[i], sa.sequence, sequence);
  }
  sa.sequence = std::max(sa.sequence, sequence);
  std::memcpy(output, plaintext_.data(), data_bytes);
  finish_lines(output, data_bytes);
  ++sa.packets;
  sa.bytes += data_bytes;
  return result_of(abi::EspStatus::kDone, sequence, data_bytes);
}

}  // namespace

absl::StatusOr<std::unique_ptr<EspEngine>> make_cpu_esp_engine(const CpuEspConfig& config) {
  auto gcm = Gcm::make();
  if (!gcm.ok()) return gcm.status();
  return std::make_unique<CpuEspEngine>(config, *std::move(gcm));
}

}  // namespace phalanx
