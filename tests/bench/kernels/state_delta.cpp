// state_delta: EXTRACT, SCAN and DIGEST, as records and in the wire's form.
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/bench/kernels/rows.hpp"
#include "tests/unit/state_delta/card_memory.hpp"
#include "tests/unit/state_delta/random_records.hpp"

namespace phalanx::bench {
namespace {

constexpr uint32_t kRecords = 16384, kShort = 8192;
constexpr double kGoalM = 50;
constexpr uint64_t kSeed = 1;

struct Case {
  const char* name;
  uint32_t mode;
  uint32_t format;
};
constexpr Case kCases[] = {
    {"extract_records", abi::kDeltaExtract, abi::kDeltaRecords}, {"extract_wire", abi::kDeltaExtract, abi::kDeltaWire},
    {"scan_records", abi::kDeltaScan, abi::kDeltaRecords},       {"scan_wire", abi::kDeltaScan, abi::kDeltaSnapshot},
    {"digest", abi::kDeltaDigest, abi::kDeltaRecords},
};

absl::StatusOr<uint64_t> run(const Case& one, uint32_t count) {
  test::CardMemory memory(count);
  memory.state.used_end = count;
  test::RandomRecords random(kSeed);
  for (uint32_t slot = 0; slot < count; ++slot) {
    abi::Record record = random.record();
    record.session.state = static_cast<uint8_t>(1 + random.below(hls::kStateDeleted - 1));
    memory.put(slot, record);
  }
  // The log is in no order of slots, as traffic would have it: 5 has no divisor in common with the number of slots.
  for (uint32_t i = 0; i < count; ++i) memory.log_change(i * 5 % count);
  test::Call call;
  call.mode = one.mode;
  call.format = one.format;
  call.output_lines = count * 3;
  hls::native::Settings settings;
  settings.memory_latency = kMemoryLatencyCycles;
  settings.memory_outstanding = kTableReadsInFlight;
  hls::native::set_settings(settings);
  const test::Answer answer = memory.run(call);
  if (answer.result.error != abi::kTableErrorNone || answer.result.records != count) {
    return absl::InternalError(
        absl::StrCat(one.name, ": error ", answer.result.error, ", ", answer.result.records, " records of ", count));
  }
  return answer.cycles;
}

}  // namespace

absl::StatusOr<std::vector<Row>> measure_state_delta() {
  std::vector<Row> rows;
  for (const Case& one : kCases) {
    const auto shorter = run(one, kShort);
    if (!shorter.ok()) return shorter.status();
    const auto longer = run(one, kRecords);
    if (!longer.ok()) return longer.status();
    const Cycles cycles = cycles_of(*shorter, kShort, *longer, kRecords);
    rows.push_back({absl::StrCat("card_", one.name), "M/s", kClockMhz / cycles.each, kGoalM, cycles,
                    absl::StrFormat("II %.3g, %.4g cycles a record", cycles.interval, cycles.each)});
  }
  return rows;
}

}  // namespace phalanx::bench
