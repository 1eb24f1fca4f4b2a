// Two ESP engines that are given equal packets: sealed, opened, replayed, damaged and malformed.
#ifndef PHALANX_TESTS_HARDWARE_ESP_PAIR_HPP
#define PHALANX_TESTS_HARDWARE_ESP_PAIR_HPP

#include <array>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "drivers/crypto.hpp"

namespace phalanx::testing {

// What of each status was met, for a test to see that all were.
using EspTally = std::array<uint64_t, 6>;

class EspPair {
 public:
  static constexpr uint32_t kPairs = 24;  // SA 2p seals, 2p + 1 opens

  EspPair(EspEngine& want, EspEngine& got, uint64_t seed) : want_(want), got_(got), random_(seed) {}

  absl::Status install() {
    for (uint32_t p = 0; p < kPairs; ++p) {
      std::vector<uint8_t> key(p % 2 == 0 ? 16 : 32);
      for (uint8_t& byte : key) byte = static_cast<uint8_t>(random_());
      EspSaConfig config;
      config.spi = 256 + p;
      config.key = key;
      config.salt = {static_cast<uint8_t>(p), 1, 2, 3};
      config.esn = p % 3 != 0;
      config.sequence_limit = p % 5 == 0 ? 20 : 100000;
      for (const uint8_t direction : {abi::kEspSeal, abi::kEspOpen}) {
        config.direction = direction;
        const auto sa = make_sa(config);
        if (!sa.ok()) return sa.status();
        for (EspEngine* engine : {&want_, &got_}) {
          const absl::Status status = engine->install(2 * p + (direction == abi::kEspOpen ? 1 : 0), *sa);
          if (!status.ok()) return status;
        }
      }
    }
    return absl::OkStatus();
  }

  // One batch of `count` jobs through both; the first difference is an error.
  absl::Status run(size_t count, EspTally& tally) {
    jobs_.clear();
    input_.clear();
    uint32_t lines_out = 0;
    while (jobs_.size() < count) add(lines_out);
    std::vector<abi::Line> outputs[2];
    std::vector<abi::EspResult> results[2];
    EspEngine* engines[2] = {&want_, &got_};
    for (int e = 0; e < 2; ++e) {
      outputs[e].resize(lines_out);
      results[e].resize(jobs_.size());
      std::memset(outputs[e].data(), 0xa5, lines_out * sizeof(abi::Line));
      const EspBatch batch = {e + 1u, jobs_, input_, absl::MakeSpan(outputs[e]), absl::MakeSpan(results[e])};
      if (auto status = carry_out(*engines[e], batch); !status.ok()) return status;
    }
    for (size_t i = 0; i < jobs_.size(); ++i) {
      const abi::EspResult& a = results[0][i];
      const abi::EspResult& b = results[1][i];
      if (a.status != b.status || a.output_bytes != b.output_bytes || a.sequence != b.sequence) {
        return absl::InternalError(absl::StrCat("job ", i, ": status ", static_cast<int>(a.status), "/",
                                                static_cast<int>(b.status), ", bytes ", a.output_bytes, "/",
                                                b.output_bytes));
      }
      ++tally[static_cast<size_t>(a.status)];
      keep(jobs_[i], a, outputs[0]);
    }
    if (std::memcmp(outputs[0].data(), outputs[1].data(), lines_out * sizeof(abi::Line)) != 0) {
      return absl::InternalError("the output differs");
    }
    return absl::OkStatus();
  }

  // Every SA as both engines have it.
  absl::Status compare_sas() {
    for (uint32_t i = 0; i < 2 * kPairs; ++i) {
      const auto a = want_.read(i);
      const auto b = got_.read(i);
      if (!a.ok() || !b.ok()) return absl::InternalError(absl::StrCat("SA ", i, " cannot be read"));
      if (std::memcmp(&*a, &*b, sizeof(*a)) != 0) return absl::InternalError(absl::StrCat("SA ", i, " differs"));
    }
    return absl::OkStatus();
  }

 private:
  struct Packet {
    uint32_t pair;
    std::vector<uint8_t> bytes;
  };
  // So many polls are far beyond any run's time limit; a card's engine fails long before.
  static constexpr uint64_t kPollsMax = 200'000'000;

  static absl::Status carry_out(EspEngine& engine, const EspBatch& batch) {
    if (auto status = engine.submit(batch); !status.ok()) return status;
    for (uint64_t i = 0, tag = 0; i < kPollsMax; ++i) {
      if (engine.poll({&tag, 1}) == 1) return absl::OkStatus();
    }
    return absl::DeadlineExceededError("an ESP batch is not done");
  }

  uint32_t below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }

  void add(uint32_t& lines_out) {
    abi::EspJob job = {};
    std::vector<uint8_t> bytes;
    const uint32_t draw = below(100);
    const uint32_t pair = below(kPairs);
    if (draw < 50 || sealed_.empty()) {
      job.direction = abi::kEspSeal;
      job.sa = 2 * pair;
      bytes.resize(draw < 2 ? below(9300) : 4 * below(360));
      for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random_());
    } else {
      const Packet& packet = sealed_[below(static_cast<uint32_t>(sealed_.size()))];
      job.direction = draw < 97 ? abi::kEspOpen : static_cast<uint8_t>(below(4));
      job.sa = draw < 97 ? 2 * packet.pair + 1 : below(200);
      bytes = packet.bytes;
      if (draw < 60) bytes[below(static_cast<uint32_t>(bytes.size()))] ^= 1;
    }
    job.input_line = static_cast<uint32_t>(input_.size());
    job.input_bytes = static_cast<uint32_t>(bytes.size());
    job.output_line = lines_out;
    job.output_lines = static_cast<uint32_t>((bytes.size() + abi::kEspOverheadBytes + 63) / 64);
    lines_out += job.output_lines;
    input_.resize(input_.size() + (bytes.size() + 63) / 64);
    if (!bytes.empty()) std::memcpy(input_.data() + job.input_line, bytes.data(), bytes.size());
    jobs_.push_back(job);
  }

  void keep(const abi::EspJob& job, const abi::EspResult& result, const std::vector<abi::Line>& output) {
    if (job.direction != abi::kEspSeal || result.status != abi::EspStatus::kDone) return;
    const auto* first = reinterpret_cast<const uint8_t*>(output.data() + job.output_line);
    sealed_.push_back({job.sa / 2, {first, first + result.output_bytes}});
    if (sealed_.size() > 200) sealed_.erase(sealed_.begin(), sealed_.begin() + 50);
  }

  EspEngine& want_;
  EspEngine& got_;
  std::mt19937_64 random_;
  std::vector<abi::EspJob> jobs_;
  std::vector<abi::Line> input_;
  std::vector<Packet> sealed_;
};

}  // namespace phalanx::testing

#endif
