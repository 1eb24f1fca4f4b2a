#include "tests/unit/crypto/esp_harness.hpp"

#include "drivers/cpu/esp/esp_engine.hpp"
#include "kernels/esp_crypto/esp_crypto.hpp"

namespace phalanx {

absl::Status KernelEngine::install(uint32_t index, const abi::EspSa& sa) {
  if (index >= table_.size()) return absl::OutOfRangeError("index");
  table_[index] = sa;
  return absl::OkStatus();
}

absl::Status KernelEngine::remove(uint32_t index) { return install(index, {}); }

absl::StatusOr<abi::EspSa> KernelEngine::read(uint32_t index) {
  if (index >= table_.size()) return absl::OutOfRangeError("index");
  if (table_[index].direction == 0) return absl::NotFoundError("not installed");
  return table_[index];
}

absl::Status KernelEngine::submit(const EspBatch& batch) {
  if (absl::Status status = check_batch(batch); !status.ok()) return status;
  static_assert(sizeof(abi::EspSa) % sizeof(abi::Line) == 0);
  std::vector<abi::Line> lines(table_.size() * abi::kSaLines);
  std::memcpy(lines.data(), table_.data(), lines.size() * sizeof(abi::Line));
  esp_crypto(batch.jobs.data(), batch.input.data(), batch.output.data(), batch.results.data(), lines.data(),
             static_cast<uint32_t>(batch.jobs.size()), sa_max());
  std::memcpy(table_.data(), lines.data(), lines.size() * sizeof(abi::Line));
  done_.push_back(batch.tag);
  return absl::OkStatus();
}

size_t KernelEngine::poll(absl::Span<uint64_t> tags) {
  const size_t count = std::min(tags.size(), done_.size());
  std::copy_n(done_.begin(), count, tags.begin());
  done_.erase(done_.begin(), done_.begin() + static_cast<ptrdiff_t>(count));
  return count;
}

std::vector<std::unique_ptr<EspEngine>> both_engines(uint32_t sa_max) {
  std::vector<std::unique_ptr<EspEngine>> engines;
  auto cpu = make_cpu_esp_engine({.sa_max = sa_max});
  EXPECT_TRUE(cpu.ok()) << cpu.status();
  engines.push_back(*std::move(cpu));
  engines.push_back(std::make_unique<KernelEngine>(sa_max));
  return engines;
}

size_t Work::add(uint8_t direction, uint32_t sa, const Bytes& input) {
  abi::EspJob job = {};
  job.direction = direction;
  job.sa = sa;
  job.input_line = static_cast<uint32_t>(input_.size());
  job.input_bytes = static_cast<uint32_t>(input.size());
  job.output_line = output_lines_;
  job.output_lines = static_cast<uint32_t>((input.size() + abi::kEspOverheadBytes + 63) / 64);
  output_lines_ += job.output_lines;
  input_.resize(input_.size() + (input.size() + 63) / 64);
  if (!input.empty()) std::memcpy(input_.data() + job.input_line, input.data(), input.size());
  jobs_.push_back(job);
  return jobs_.size() - 1;
}

void Work::run(EspEngine& engine) {
  output_.resize(output_lines_);
  std::memset(output_.data(), kUntouched, output_.size() * sizeof(abi::Line));
  results_.assign(jobs_.size(), {});
  ASSERT_TRUE(engine
                  .submit({.tag = 7,
                           .jobs = jobs_,
                           .input = input_,
                           .output = absl::MakeSpan(output_),
                           .results = absl::MakeSpan(results_)})
                  .ok());
  uint64_t tags[2] = {};
  while (engine.poll(absl::MakeSpan(tags)) == 0) continue;
  EXPECT_EQ(tags[0], 7u);
}

Bytes Work::output_of(size_t i) const {
  const auto* first = reinterpret_cast<const uint8_t*>(output_.data() + jobs_[i].output_line);
  return Bytes(first, first + results_[i].output_bytes);
}

bool Work::untouched(size_t i) const {
  const auto* first = reinterpret_cast<const uint8_t*>(output_.data() + jobs_[i].output_line);
  return std::all_of(first, first + size_t{64} * jobs_[i].output_lines, [](uint8_t b) { return b == kUntouched; });
}

Bytes from_hex(const std::string& hex) {
  Bytes bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

Bytes counting(size_t bytes, uint8_t first) {
  Bytes result(bytes);
  for (size_t i = 0; i < bytes; ++i) result[i] = static_cast<uint8_t>(first + i);
  return result;
}

EspSaConfig sa_config(uint8_t direction, uint32_t number, const Bytes& key) {
  EspSaConfig config;
  config.spi = 0x1000 + number;
  config.direction = direction;
  config.key = key;
  config.salt = {1, 2, 3, static_cast<uint8_t>(number)};
  config.sequence_limit = 1u << 20;
  return config;
}

Outcome run_one(EspEngine& engine, uint8_t direction, uint32_t sa, const Bytes& input) {
  Work work;
  work.add(direction, sa, input);
  work.run(engine);
  return {work.results()[0], work.output_of(0), work.untouched(0)};
}

}  // namespace phalanx
