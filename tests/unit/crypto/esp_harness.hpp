// Both ESP engines behind one interface, and packets to put through them.
#ifndef PHALANX_TESTS_UNIT_CRYPTO_ESP_HARNESS_HPP
#define PHALANX_TESTS_UNIT_CRYPTO_ESP_HARNESS_HPP

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <vector>

#include "drivers/crypto.hpp"

namespace phalanx {

// The kernel natively, its memory ports the harness's own.
class KernelEngine final : public EspEngine {
 public:
  explicit KernelEngine(uint32_t sa_max) : table_(sa_max) {}

  std::string name() const override { return "kernel"; }
  uint32_t sa_max() const override { return static_cast<uint32_t>(table_.size()); }
  absl::Status install(uint32_t index, const abi::EspSa& sa) override;
  absl::Status remove(uint32_t index) override;
  absl::StatusOr<abi::EspSa> read(uint32_t index) override;
  absl::Status submit(const EspBatch& batch) override;
  size_t poll(absl::Span<uint64_t> tags) override;

 private:
  std::vector<abi::EspSa> table_;
  std::vector<uint64_t> done_;
};

std::vector<std::unique_ptr<EspEngine>> both_engines(uint32_t sa_max);

using Bytes = std::vector<uint8_t>;

// A batch with its memory. Output lines not written to keep kUntouched.
class Work {
 public:
  static constexpr uint8_t kUntouched = 0xa5;

  // Gives the job's place. Room for the whole result, unless said otherwise.
  size_t add(uint8_t direction, uint32_t sa, const Bytes& input);
  abi::EspJob& job(size_t i) { return jobs_[i]; }
  size_t size() const { return jobs_.size(); }

  void run(EspEngine& engine);
  const std::vector<abi::EspResult>& results() const { return results_; }
  const std::vector<abi::Line>& output() const { return output_; }
  // What the job gave.
  Bytes output_of(size_t i) const;
  // No byte of the job's room was written.
  bool untouched(size_t i) const;

 private:
  std::vector<abi::EspJob> jobs_;
  std::vector<abi::Line> input_;
  std::vector<abi::Line> output_;
  std::vector<abi::EspResult> results_;
  uint32_t output_lines_ = 0;
};

Bytes from_hex(const std::string& hex);
// 0, 1, 2 ... from `first` on.
Bytes counting(size_t bytes, uint8_t first = 0);

// A config with key, salt and the rest by `number`; both directions fit each other.
EspSaConfig sa_config(uint8_t direction, uint32_t number, const Bytes& key);

// One job by itself.
struct Outcome {
  abi::EspResult result;
  Bytes output;
  bool untouched;
};
Outcome run_one(EspEngine& engine, uint8_t direction, uint32_t sa, const Bytes& input);

}  // namespace phalanx

#endif
