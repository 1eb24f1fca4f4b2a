// Two engines that are given the same and must answer the same, byte by byte.
#ifndef PHALANX_TESTS_DIFFERENTIAL_ENGINE_PAIR_HPP
#define PHALANX_TESTS_DIFFERENTIAL_ENGINE_PAIR_HPP

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "drivers/accelerator.hpp"

namespace phalanx::testing {

// Operations and the records that they name, as they are put together for a batch.
struct Operations {
  std::vector<abi::Operation> operations;
  std::vector<abi::Record> records;

  Operations& then(abi::Opcode opcode, const hls::PacketMeta& packet, uint64_t argument = 0, uint64_t count = 0) {
    abi::Operation o = {};
    o.opcode = opcode;
    o.packet = packet;
    o.record = records.empty() ? 0 : static_cast<uint32_t>(records.size() - 1);
    o.argument = argument;
    o.count = count;
    operations.push_back(o);
    return *this;
  }
  Operations& lookup(const hls::PacketMeta& packet) { return then(abi::Opcode::kLookup, packet); }
  Operations& remove(const hls::PacketMeta& packet) { return then(abi::Opcode::kDelete, packet); }
  Operations& insert(const abi::Record& record, const hls::PacketMeta& packet) {
    records.push_back(record);
    return then(abi::Opcode::kInsert, packet);
  }
  Operations& apply(const abi::Record& record) {
    records.push_back(record);
    return then(abi::Opcode::kApply, {});
  }
  Operations& age(uint64_t first, uint64_t count) { return then(abi::Opcode::kAge, {}, first, count); }
  Operations& extract(uint64_t count) { return then(abi::Opcode::kExtract, {}, 0, count); }
  Operations& scan(uint64_t first, uint64_t count) { return then(abi::Opcode::kScan, {}, first, count); }
};

// What one engine made of a batch.
struct Answer {
  std::vector<abi::Completion> completions;
  std::vector<abi::Record> output;
};

// Any two engines. Waits for asynchronous ones: poll() is called kPollsMax times at most.
class EnginePair {
 public:
  static constexpr uint64_t kPollsMax = 100'000'000;

  EnginePair(std::unique_ptr<Accelerator> reference, std::unique_ptr<Accelerator> judged)
      : engines_{std::move(reference), std::move(judged)} {}

  Accelerator& reference() { return *engines_[0]; }
  Accelerator& judged() { return *engines_[1]; }
  uint64_t operations() const { return operations_; }
  // The reference's answer to the last batch.
  const Answer& answer() const { return answers_[0]; }

  // Carries a batch out on both; what differs, nothing if all is equal.
  std::optional<std::string> run(const Operations& given, uint32_t now_ms, size_t room = 0) {
    operations_ += given.operations.size();
    for (size_t e = 0; e < 2; ++e) {
      if (auto problem = carry_out(*engines_[e], given, now_ms, room, answers_[e])) return problem;
    }
    for (size_t i = 0; i < given.operations.size(); ++i) {
      const abi::Completion &want = answers_[0].completions[i], &got = answers_[1].completions[i];
      if (std::memcmp(&want, &got, sizeof(want)) != 0) {
        return absl::StrCat("operation ", i, " (opcode ", static_cast<int>(given.operations[i].opcode),
                            "): ", show(want), " != ", show(got));
      }
    }
    for (size_t i = 0; i < room; ++i) {
      if (std::memcmp(&answers_[0].output[i], &answers_[1].output[i], sizeof(abi::Record)) != 0)
        return absl::StrCat("output record ", i, ": ", bytes(answers_[0].output[i]),
                            " != ", bytes(answers_[1].output[i]));
    }
    return counters_difference();
  }

  // Every session of both tables, in slices, and everything in their change logs.
  std::optional<std::string> compare_tables(uint32_t now_ms) {
    const uint64_t slots = reference().slots();
    if (judged().slots() != slots) return "the tables differ in their slots";
    for (uint64_t first = 0, i = 0; i <= slots; ++i) {
      if (auto d = run(Operations().scan(first, slots), now_ms, 512)) return absl::StrCat("scan: ", *d);
      first = answers_[0].completions[0].next;
      if (first == 0) break;
    }
    for (uint64_t i = 0; i <= slots; ++i) {
      if (auto d = run(Operations().extract(512), now_ms, 512)) return absl::StrCat("extract: ", *d);
      if (answers_[0].completions[0].count == 0) break;
    }
    return std::nullopt;
  }

  void set_age_floor(uint32_t now_ms) {
    for (auto& e : engines_) e->set_age_floor(now_ms);
  }
  void advance_generation(uint64_t generation) {
    for (auto& e : engines_) e->advance_generation(generation);
  }
  void clear() {
    for (auto& e : engines_) e->clear();
  }

 private:
  std::optional<std::string> carry_out(Accelerator& engine, const Operations& given, uint32_t now_ms, size_t room,
                                       Answer& answer) {
    // Filled with what no engine writes, so that a completion or record left out shows.
    answer.completions.resize(given.operations.size());
    abi::Completion untouched = {};
    untouched.slot = 0xdeadbeef;
    std::fill(answer.completions.begin(), answer.completions.end(), untouched);
    answer.output.assign(room, {});
    Batch batch;
    batch.tag = ++tag_;
    batch.now_ms = now_ms;
    batch.operations = given.operations;
    batch.records = given.records;
    batch.completions = absl::MakeSpan(answer.completions);
    batch.output = absl::MakeSpan(answer.output);
    if (const absl::Status s = engine.submit(batch); !s.ok()) return absl::StrCat(engine.name(), ": ", s.ToString());
    uint64_t tag = 0;
    for (uint64_t i = 0; i < kPollsMax; ++i) {
      if (engine.poll({&tag, 1}) == 1) break;
    }
    if (tag != tag_) return absl::StrCat(engine.name(), ": the batch was not done");
    return std::nullopt;
  }

  // All but moves and stash, which are each engine's own.
  std::optional<std::string> counters_difference() {
    const EngineCounters a = reference().counters(), b = judged().counters();
#define PHALANX_COMPARE_COUNTER(name) \
  if (a.name != b.name) return absl::StrCat("counter " #name ": ", a.name, " != ", b.name);
    PHALANX_COMPARE_COUNTER(sessions)
    PHALANX_COMPARE_COUNTER(half_open)
    PHALANX_COMPARE_COUNTER(inserted)
    PHALANX_COMPARE_COUNTER(deleted)
    PHALANX_COMPARE_COUNTER(aged)
    PHALANX_COMPARE_COUNTER(applied)
    PHALANX_COMPARE_COUNTER(stale)
    PHALANX_COMPARE_COUNTER(refused_full)
    PHALANX_COMPARE_COUNTER(refused_half_open)
    PHALANX_COMPARE_COUNTER(refused_exists)
#undef PHALANX_COMPARE_COUNTER
    if (reference().generation() != judged().generation()) {
      return absl::StrCat("generation: ", reference().generation(), " != ", judged().generation());
    }
    return std::nullopt;
  }

  template <typename T>
  static std::string bytes(const T& value) {
    return absl::BytesToHexString({reinterpret_cast<const char*>(&value), sizeof(value)});
  }
  static std::string show(const abi::Completion& c) {
    return absl::StrCat("{result ", static_cast<int>(c.result), " reason ", static_cast<int>(c.reason), " slot ",
                        c.slot, " state ", c.state, " changed ", c.changed, " count ", c.count, " next ", c.next, " ",
                        bytes(c), "}");
  }

  std::array<std::unique_ptr<Accelerator>, 2> engines_;
  std::array<Answer, 2> answers_;
  uint64_t tag_ = 0;
  uint64_t operations_ = 0;
};

}  // namespace phalanx::testing

#endif
