// esp_crypto: packets of 64 to 9000 bytes sealed and opened, of 1, 16 and 256 SAs in turn, with 64 and 128 reads in
// flight.
#include "kernels/esp_crypto/esp_crypto.hpp"

#include <array>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "drivers/crypto.hpp"
#include "hls/native/dataflow.hpp"
#include "tests/bench/kernels/rows.hpp"

namespace phalanx::bench {
namespace {

constexpr uint32_t kPacketBytes[] = {64, 512, 1408, 9000};
constexpr uint32_t kGoalBytes = 1408;
constexpr double kGoalGbps = 100;
constexpr uint32_t kSas[] = {1, 16, 256};
constexpr uint32_t kSaMax = 256;
constexpr uint32_t kPackets = 2048, kShort = 1024;  // a stretch is 1024 jobs

// Memory of a run.
struct Card {
  std::vector<abi::EspSa> sas = std::vector<abi::EspSa>(kSaMax);
  std::vector<abi::EspJob> jobs;
  std::vector<abi::Line> input;
  std::vector<abi::Line> output;
  std::vector<abi::EspResult> results;
};

absl::Status install(Card& card, uint8_t direction) {
  std::array<uint8_t, 32> key = {};
  for (uint32_t i = 0; i < kSaMax; ++i) {
    key[0] = static_cast<uint8_t>(i);
    EspSaConfig config;
    config.spi = 256 + i;
    config.direction = direction;
    config.key = key;
    config.sequence_limit = uint64_t{1} << 40;
    const auto sa = make_sa(config);
    if (!sa.ok()) return sa.status();
    card.sas[i] = *sa;
  }
  return absl::OkStatus();
}

// Jobs of `bytes` each, SAs in turn.
void lay_out(Card& card, uint8_t direction, uint32_t count, uint32_t bytes, uint32_t sas) {
  const uint32_t sealed = bytes + abi::kEspOverheadBytes;
  const uint32_t room = (sealed + 63) / 64;
  card.jobs.assign(count, {});
  for (uint32_t i = 0; i < count; ++i) {
    abi::EspJob& job = card.jobs[i];
    job.direction = direction;
    job.sa = i % sas;
    job.input_bytes = direction == abi::kEspSeal ? bytes : sealed;
    job.input_line = i * room;
    job.output_line = i * room;
    job.output_lines = room;
  }
  card.output.assign(size_t{count} * room, {});
  card.results.assign(count, {});
}

absl::StatusOr<uint64_t> run(Card& card, uint32_t reads_in_flight) {
  hls::native::Settings settings;
  settings.memory_latency = kMemoryLatencyCycles;
  settings.memory_outstanding = reads_in_flight;
  hls::native::set_settings(settings);
  std::vector<abi::Line> table(card.sas.size() * abi::kSaLines);
  std::memcpy(table.data(), card.sas.data(), table.size() * sizeof(abi::Line));
  const uint64_t before = hls::native::cycles();
  ::esp_crypto(card.jobs.data(), card.input.data(), card.output.data(), card.results.data(), table.data(),
               static_cast<uint32_t>(card.jobs.size()), kSaMax);
  const uint64_t cycles = hls::native::cycles() - before;
  for (size_t i = 0; i < card.results.size(); ++i) {
    if (card.results[i].status != abi::EspStatus::kDone) {
      return absl::InternalError(
          absl::StrCat("ESP job ", i, " gave status ", static_cast<int>(card.results[i].status)));
    }
  }
  return cycles;
}

// Cycles of sealing and opening `count` packets.
struct BothWays {
  uint64_t seal = 0;
  uint64_t open = 0;
};
absl::StatusOr<BothWays> seal_and_open(uint32_t count, uint32_t bytes, uint32_t sas, uint32_t reads_in_flight) {
  Card card;
  if (const absl::Status installed = install(card, abi::kEspSeal); !installed.ok()) return installed;
  lay_out(card, abi::kEspSeal, count, bytes, sas);
  card.input.assign(card.output.size(), {});
  const auto sealed = run(card, reads_in_flight);
  if (!sealed.ok()) return sealed.status();
  if (const absl::Status installed = install(card, abi::kEspOpen); !installed.ok()) return installed;
  card.input = card.output;
  lay_out(card, abi::kEspOpen, count, bytes, sas);
  const auto opened = run(card, reads_in_flight);
  if (!opened.ok()) return opened.status();
  return BothWays{*sealed, *opened};
}

struct BothCycles {
  Cycles seal;
  Cycles open;
};
absl::StatusOr<BothCycles> measure(uint32_t bytes, uint32_t sas, uint32_t reads_in_flight) {
  const auto shorter = seal_and_open(kShort, bytes, sas, reads_in_flight);
  if (!shorter.ok()) return shorter.status();
  const auto longer = seal_and_open(kPackets, bytes, sas, reads_in_flight);
  if (!longer.ok()) return longer.status();
  return BothCycles{cycles_of(shorter->seal, kShort, longer->seal, kPackets),
                    cycles_of(shorter->open, kShort, longer->open, kPackets)};
}

// Bytes of plaintext; headers, IV and ICV come on top.
double gbps(const Cycles& cycles, uint32_t bytes) { return bytes * 8 * kClockMhz / 1000 / cycles.each; }

Row row_of(const char* direction, uint32_t bytes, uint32_t sas, const Cycles& cycles, const Cycles& with_less) {
  return {absl::StrCat("card_esp_", direction, "_", bytes, "B_", sas, sas == 1 ? "_sa" : "_sas"),
          "Gb/s",
          gbps(cycles, bytes),
          bytes == kGoalBytes ? kGoalGbps : 0,
          cycles,
          absl::StrFormat("II %.4g, %.4g cycles a packet; with %d reads in flight %.4g Gb/s", cycles.interval,
                          cycles.each, kEspReadsInFlightLess, gbps(with_less, bytes))};
}

}  // namespace

absl::StatusOr<std::vector<Row>> measure_esp_crypto() {
  std::vector<Row> rows;
  for (const uint32_t bytes : kPacketBytes) {
    for (const uint32_t sas : kSas) {
      const auto cycles = measure(bytes, sas, kEspReadsInFlight);
      if (!cycles.ok()) return cycles.status();
      const auto with_less = measure(bytes, sas, kEspReadsInFlightLess);
      if (!with_less.ok()) return with_less.status();
      rows.push_back(row_of("seal", bytes, sas, cycles->seal, with_less->seal));
      rows.push_back(row_of("open", bytes, sas, cycles->open, with_less->open));
    }
  }
  return rows;
}

}  // namespace phalanx::bench
