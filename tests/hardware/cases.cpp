#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/hardware/card_case.hpp"
#include "tests/hardware/driver_use.hpp"

namespace phalanx::testing {
namespace {

constexpr CardCase kCases[] = {
    {"self_test", self_test, false, false},
    {"esp", esp, false, false},
    {"untouched", untouched, false, false},
    {"soak", soak, false, false},
    {"differential_random", differential_random, false, false},
    {"differential_adversarial", differential_adversarial, false, false},
    {"fill", fill, false, false},
    {"reprogram", reprogram, false, false, 2},
    {"hang", hang, true, false},
    {"crash", crash, true, true},
    {"dma_error", dma_error, true, false},
    {"push_lost", push_lost, true, false},
    {"flip", flip, true, false},
};

// Every session of the engine, by SCAN.
absl::StatusOr<std::vector<abi::Record>> all_sessions(Accelerator& engine) {
  std::vector<abi::Record> records;
  uint64_t first = 0;
  do {
    OwnedBatch batch;
    batch.now_ms = 1000;
    abi::Operation o = {};
    o.opcode = abi::Opcode::kScan;
    o.argument = first;
    o.count = engine.slots();
    batch.operations.push_back(o);
    batch.output.resize(kBatchSessions);
    PHALANX_RETURN_IF_ERROR(carry_out(engine, batch));
    const abi::Completion& c = batch.completions[0];
    PHALANX_RETURN_IF_ERROR(expect(c.result == abi::Result::kDone, "a SCAN is done"));
    PHALANX_RETURN_IF_ERROR(expect(c.next == 0 || c.next > first, "a SCAN goes on"));
    records.insert(records.end(), batch.output.begin(), batch.output.begin() + c.count);
    first = c.next;
  } while (first != 0);
  return records;
}

absl::Status apply_all(Accelerator& engine, absl::Span<const abi::Record> records) {
  for (size_t first = 0; first < records.size(); first += kBatchSessions) {
    OwnedBatch batch;
    batch.now_ms = 1000;
    for (const abi::Record& record : records.subspan(first, kBatchSessions)) {
      abi::Operation o = {};
      o.opcode = abi::Opcode::kApply;
      o.record = static_cast<uint32_t>(batch.records.size());
      batch.records.push_back(record);
      batch.operations.push_back(o);
    }
    PHALANX_RETURN_IF_ERROR(carry_out(engine, batch));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Span<const CardCase> card_cases() { return kCases; }

absl::Status untouched(const CardUnderTest& card) {
  constexpr uint64_t kGeneration = 41;
  constexpr uint32_t kSessions = 10;
  auto driver = open_under_test(card, config_for(512));
  if (!driver.ok()) return driver.status();
  (*driver)->clear();
  PHALANX_RETURN_IF_ERROR((*driver)->health());
  (*driver)->advance_generation(kGeneration);
  PHALANX_RETURN_IF_ERROR((*driver)->health());
  PHALANX_RETURN_IF_ERROR(expect((*driver)->generation() == kGeneration, "the generation is the one that was set"));
  PHALANX_RETURN_IF_ERROR(for_all_sessions(**driver, abi::Opcode::kInsert, kSessions));
  PHALANX_RETURN_IF_ERROR(expect((*driver)->generation() > kGeneration, "the kernel went on from that generation"));
  (*driver)->clear();
  OwnedBatch after = sessions_batch(abi::Opcode::kLookup, 0, 1);
  PHALANX_RETURN_IF_ERROR(carry_out(**driver, after));
  return expect(after.completions[0].result == abi::Result::kMiss, "a table that was cleared is empty");
}

absl::Status fill(const CardUnderTest& card) {
  constexpr uint64_t kSlots = 16384;
  constexpr uint32_t kSessions = kSlots * 9 / 10;
  auto driver = open_under_test(card, config_for(kSlots));
  if (!driver.ok()) return driver.status();
  PHALANX_RETURN_IF_ERROR(for_all_sessions(**driver, abi::Opcode::kInsert, kSessions));
  PHALANX_RETURN_IF_ERROR(expect((*driver)->counters().sessions == kSessions, "90 % of the table is in use"));
  PHALANX_RETURN_IF_ERROR(for_all_sessions(**driver, abi::Opcode::kLookup, kSessions));
  std::printf("fill: %u sessions of %llu slots, each found again\n", kSessions,
              static_cast<unsigned long long>(kSlots));
  return absl::OkStatus();
}

absl::Status reprogram(const CardUnderTest& card) {
  constexpr uint32_t kSessions = 3000;
  const std::string file = card.run_directory + "/sessions";
  auto driver = open_under_test(card, config_for(4096));
  if (!driver.ok()) return driver.status();
  if (!std::filesystem::exists(file)) {
    PHALANX_RETURN_IF_ERROR(for_all_sessions(**driver, abi::Opcode::kInsert, kSessions));
    const auto records = all_sessions(**driver);
    if (!records.ok()) return records.status();
    PHALANX_RETURN_IF_ERROR(expect(records->size() == kSessions, "a SCAN gives every session"));
    std::ofstream(file, std::ios::binary)
        .write(reinterpret_cast<const char*>(records->data()),
               static_cast<std::streamsize>(records->size() * sizeof(abi::Record)));
    return absl::OkStatus();
  }
  std::vector<abi::Record> records(kSessions);
  std::ifstream in(file, std::ios::binary);
  in.read(reinterpret_cast<char*>(records.data()), static_cast<std::streamsize>(kSessions * sizeof(abi::Record)));
  PHALANX_RETURN_IF_ERROR(expect(in.good(), "the first process has left its sessions"));
  PHALANX_RETURN_IF_ERROR(expect((*driver)->counters().sessions == 0, "a card just programmed is empty"));
  PHALANX_RETURN_IF_ERROR(apply_all(**driver, records));
  PHALANX_RETURN_IF_ERROR(for_all_sessions(**driver, abi::Opcode::kLookup, kSessions));
  std::printf("reprogram: %u sessions out and in\n", kSessions);
  return absl::OkStatus();
}

}  // namespace phalanx::testing
