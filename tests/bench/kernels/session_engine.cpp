// session_engine: lookups of 1, 16, 256 and 4096 sessions in turn, lookups mixed with changes, and each change alone.
#include <algorithm>
#include <functional>
#include <memory>
#include <random>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "drivers/native/native_engine.hpp"
#include "tests/bench/kernels/rows.hpp"
#include "tests/unit/offload/packets.hpp"

namespace phalanx::bench {
namespace {

using testing::erase;
using testing::insert;
using testing::lookup;
using testing::opening;
using testing::packet;

constexpr uint32_t kNowMs = 1000;
constexpr uint32_t kSlots = 32768;
constexpr uint32_t kRun = card_table::kRunOperationsMax;
constexpr uint32_t kShortRun = kRun / 2;
constexpr uint32_t kResident = 4096;       // sessions that lookups meet
constexpr double kLookupGoalMpps = 148.8;  // 100 Gb/s of 64-byte frames
constexpr double kInsertGoalM = 2;
// Of 64 operations of a mix: sessions of some 25 packets that begin and end, and half as many that a peer tells of.
constexpr uint32_t kMixPeriod = 64, kMixInserts = 2, kMixDeletes = 2, kMixApplies = 1;

// Operations with their records.
struct Work {
  std::vector<abi::Operation> operations;
  std::vector<abi::Record> records;

  void add_lookup(uint32_t flow) { operations.push_back(lookup(packet(flow, hls::kProtocolUdp, true))); }
  void add_delete(uint32_t flow) { operations.push_back(erase(packet(flow, hls::kProtocolUdp, true))); }
  // `port` other than 0: with source NAT, so with two keys.
  void add_insert(uint32_t flow, uint16_t port = 0) {
    const hls::PacketMeta first = packet(flow, hls::kProtocolUdp, true);
    operations.push_back(insert(first, static_cast<uint32_t>(records.size())));
    records.push_back(opening(first, port));
  }
  // A replicated record; of one flow the later `version` is the newer.
  void add_apply(uint32_t flow, uint64_t version) {
    abi::Operation operation = {};
    operation.opcode = abi::Opcode::kApply;
    operation.record = static_cast<uint32_t>(records.size());
    operations.push_back(operation);
    abi::Record record = opening(packet(flow, hls::kProtocolUdp, true));
    record.session.state = hls::kStateUdpStream;
    record.session.order = uint64_t{1} << 20 << hls::kVersionBits | version;
    record.session.last_seen = kNowMs;
    records.push_back(record);
  }
};

// `buckets` 0: two entries a session at 15/16 of all places.
absl::StatusOr<std::unique_ptr<NativeEngine>> engine_of(uint64_t buckets = 0) {
  EngineConfig config;
  config.sessions_max = kSlots;
  NativeEngine::Options options;
  options.buckets = buckets;
  options.settings.memory_latency = kMemoryLatencyCycles;
  options.settings.memory_outstanding = kTableReadsInFlight;
  return NativeEngine::create(config, options);
}

// Carries it out; every operation must be done. Gives the cycles.
absl::StatusOr<uint64_t> run(NativeEngine& engine, const Work& work) {
  std::vector<abi::Completion> completions(work.operations.size());
  const uint64_t before = engine.cycles();
  const absl::Status submitted = engine.submit({.tag = 1,
                                                .now_ms = kNowMs,
                                                .operations = work.operations,
                                                .records = work.records,
                                                .completions = absl::MakeSpan(completions),
                                                .output = {}});
  if (!submitted.ok()) return submitted;
  uint64_t tag = 0;
  if (engine.poll({&tag, 1}) != 1) return absl::InternalError("a batch was not done");
  for (size_t i = 0; i < completions.size(); ++i) {
    if (completions[i].result != abi::Result::kDone) {
      return absl::InternalError(absl::StrCat("operation ", i, " of opcode ",
                                              static_cast<int>(work.operations[i].opcode), " gave ",
                                              static_cast<int>(completions[i].result)));
    }
  }
  return engine.cycles() - before;
}

absl::Status fill(NativeEngine& engine, uint32_t first, uint32_t count) {
  Work work;
  for (uint32_t i = 0; i < count; ++i) work.add_insert(first + i);
  return run(engine, work).status();
}

// A short run and a long one of what `make` gives for a number of operations.
absl::StatusOr<Cycles> measure(NativeEngine& engine, const std::function<Work(uint32_t count)>& make) {
  const absl::StatusOr<uint64_t> shorter = run(engine, make(kShortRun));
  if (!shorter.ok()) return shorter.status();
  const absl::StatusOr<uint64_t> longer = run(engine, make(kRun));
  if (!longer.ok()) return longer.status();
  return cycles_of(*shorter, kShortRun, *longer, kRun);
}

Row row_of(const std::string& name, const std::string& unit, const Cycles& cycles, double goal,
           const std::string& what) {
  return {absl::StrCat("card_", name),
          unit,
          kClockMhz / cycles.each,
          goal,
          cycles,
          absl::StrFormat("%sII %.3g, %.4g cycles each", what, cycles.interval, cycles.each)};
}

Work lookups(uint32_t count, uint32_t in_play) {
  Work work;
  for (uint32_t i = 0; i < count; ++i) work.add_lookup(i % in_play);
  return work;
}

// New flows come from `next` on; the deleted ones are the ones that were new in an earlier mix.
Work mix(uint32_t count, uint32_t in_play, bool grouped, uint32_t& next, uint32_t& oldest) {
  std::vector<abi::Opcode> order;
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t place = i % kMixPeriod;
    order.push_back(place < kMixInserts                               ? abi::Opcode::kInsert
                    : place < kMixInserts + kMixDeletes               ? abi::Opcode::kDelete
                    : place < kMixInserts + kMixDeletes + kMixApplies ? abi::Opcode::kApply
                                                                      : abi::Opcode::kLookup);
  }
  if (grouped) {
    std::sort(order.begin(), order.end());
  } else {
    std::shuffle(order.begin(), order.end(), std::mt19937_64(count));
  }
  Work work;
  uint32_t looked_up = 0;
  for (const abi::Opcode opcode : order) {
    if (opcode == abi::Opcode::kInsert) work.add_insert(next++);
    if (opcode == abi::Opcode::kDelete) work.add_delete(oldest++);
    if (opcode == abi::Opcode::kApply) work.add_apply(next++, 1);
    if (opcode == abi::Opcode::kLookup) work.add_lookup(looked_up++ % in_play);
  }
  return work;
}

absl::Status add_lookups(std::vector<Row>& rows) {
  auto engine = engine_of();
  if (!engine.ok()) return engine.status();
  if (const absl::Status filled = fill(**engine, 0, kResident); !filled.ok()) return filled;
  for (const uint32_t in_play : {1u, 16u, 256u, kResident}) {
    const auto cycles = measure(**engine, [&](uint32_t count) { return lookups(count, in_play); });
    if (!cycles.ok()) return cycles.status();
    rows.push_back(row_of(absl::StrCat("lookup_", in_play, "_sessions"), "Mpps", *cycles,
                          in_play == kResident ? kLookupGoalMpps : 0, ""));
  }
  return absl::OkStatus();
}

absl::Status add_mixes(std::vector<Row>& rows) {
  for (const bool grouped : {false, true}) {
    for (const uint32_t in_play : {1u, 16u, 256u}) {
      auto engine = engine_of();
      if (!engine.ok()) return engine.status();
      if (const absl::Status filled = fill(**engine, 0, 2 * kResident); !filled.ok()) return filled;
      uint32_t next = 2 * kResident, oldest = kResident;
      const auto cycles = measure(**engine, [&](uint32_t count) { return mix(count, in_play, grouped, next, oldest); });
      if (!cycles.ok()) return cycles.status();
      rows.push_back(row_of(absl::StrCat("mix_", in_play, "_sessions_", grouped ? "grouped" : "scattered"), "M/s",
                            *cycles, 0,
                            absl::StrFormat("of %d operations %d INSERT, %d DELETE, %d APPLY; ", kMixPeriod,
                                            kMixInserts, kMixDeletes, kMixApplies)));
    }
  }
  return absl::OkStatus();
}

absl::Status add_changes(std::vector<Row>& rows) {
  auto engine = engine_of();
  if (!engine.ok()) return engine.status();
  uint32_t inserted = 0, applied = 1u << 20, updated = 1u << 20, deleted = 0, translated = 1u << 21;
  struct Change {
    const char* name;
    double goal;
    std::function<void(Work&)> add;
  };
  const Change changes[] = {
      {"insert", kInsertGoalM, [&](Work& work) { work.add_insert(inserted++); }},
      {"insert_nat", kInsertGoalM,
       [&](Work& work) {
         work.add_insert(translated, static_cast<uint16_t>(1024 + translated % 32768));
         ++translated;
       }},
      {"apply_new", 0, [&](Work& work) { work.add_apply(applied++, 1); }},
      {"apply_update", 0, [&](Work& work) { work.add_apply(updated++, 2); }},
      {"delete", 0, [&](Work& work) { work.add_delete(deleted++); }},
  };
  for (const Change& change : changes) {
    const auto cycles = measure(**engine, [&](uint32_t count) {
      Work work;
      for (uint32_t i = 0; i < count; ++i) change.add(work);
      return work;
    });
    if (!cycles.ok()) return cycles.status();
    rows.push_back(row_of(change.name, "M/s", *cycles, change.goal, ""));
  }
  return absl::OkStatus();
}

// The same as "insert" where entries have to move: 15 of 16 places are taken in the end.
absl::Status add_full_table(std::vector<Row>& rows) {
  auto engine = engine_of(kSlots / 15);
  if (!engine.ok()) return engine.status();
  const uint32_t most = kSlots - kRun - kShortRun;
  if (const absl::Status filled = fill(**engine, 0, most); !filled.ok()) return filled;
  uint32_t next = most;
  const auto cycles = measure(**engine, [&](uint32_t count) {
    Work work;
    for (uint32_t i = 0; i < count; ++i) work.add_insert(next++);
    return work;
  });
  if (!cycles.ok()) return cycles.status();
  rows.push_back(row_of("insert_into_full_buckets", "M/s", *cycles, 0,
                        absl::StrFormat("%d entries moved; ", (*engine)->state().moves)));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Row>> measure_session_engine() {
  std::vector<Row> rows;
  for (const auto add : {add_lookups, add_mixes, add_changes, add_full_table}) {
    if (const absl::Status added = add(rows); !added.ok()) return added;
  }
  return rows;
}

}  // namespace phalanx::bench
