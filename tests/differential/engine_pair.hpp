// Two engines that are given the same and must answer the same, byte by byte.
#ifndef PHALANX_TESTS_DIFFERENTIAL_ENGINE_PAIR_HPP
#define PHALANX_TESTS_DIFFERENTIAL_ENGINE_PAIR_HPP

#include <array>
#include <chrono>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
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

// What differs; nothing if all is equal.
using Difference = std::optional<std::string>;

// Any two engines. The reference carries a batch out at once; the judged one may have `in_flight` batches on their way,
// each compared when it is done, so what differs may show some batches later: settle() waits for all. Waits for
// asynchronous engines: poll() is called kPollsMax times at most, and not any more when the engine has failed.
class EnginePair {
 public:
  static constexpr uint64_t kPollsMax = 100'000'000;
  // An engine that is not done after so many is a card, and an emulated one wants this core: naps between the others.
  static constexpr uint64_t kPollsBeforeNaps = 1000;
  static constexpr std::chrono::microseconds kNap{20};
  // The judged engine's counters are asked for after each batch, or after so many of those in flight: asking waits.
  static constexpr uint64_t kCountersEvery = 64;

  EnginePair(std::unique_ptr<Accelerator> reference, std::unique_ptr<Accelerator> judged, size_t in_flight = 1)
      : in_flight_(in_flight), engines_{std::move(reference), std::move(judged)} {}

  Accelerator& reference() { return *engines_[0]; }
  Accelerator& judged() { return *engines_[1]; }
  uint64_t operations() const { return operations_; }
  // The reference's answer to the last batch.
  const Answer& answer() const { return newest_->answers[0]; }

  // Carries a batch out on both; what differs in this one or, with several in flight, in an earlier one.
  Difference run(const Operations& given, uint32_t now_ms, size_t room = 0) {
    operations_ += given.operations.size();
    newest_ = std::make_shared<Flight>();
    newest_->given = given;
    newest_->number = ++batches_;
    for (Answer& answer : newest_->answers) make_room(answer, given.operations.size(), room);
    if (auto problem = submit(0, *newest_, now_ms)) return problem;
    if (auto problem = wait(0, *newest_)) return problem;
    if (auto problem = submit(1, *newest_, now_ms)) return problem;
    flights_.push_back(newest_);
    while (flights_.size() >= in_flight_) {
      if (auto found = complete_oldest()) return found;
    }
    return in_flight_ == 1 || batches_ % kCountersEvery == 0 ? counters_difference() : std::nullopt;
  }

  // Until nothing is in flight any more.
  Difference settle() {
    while (!flights_.empty()) {
      if (auto found = complete_oldest()) return found;
    }
    return counters_difference();
  }

  // Every session of both tables, in slices, and everything in their change logs.
  Difference compare_tables(uint32_t now_ms) {
    const uint64_t slots = reference().slots();
    if (judged().slots() != slots) return "the tables differ in their slots";
    for (uint64_t first = 0, i = 0; i <= slots; ++i) {
      if (auto d = run(Operations().scan(first, slots), now_ms, 512)) return absl::StrCat("scan: ", *d);
      first = answer().completions[0].next;
      if (first == 0) break;
    }
    for (uint64_t i = 0; i <= slots; ++i) {
      if (auto d = run(Operations().extract(512), now_ms, 512)) return absl::StrCat("extract: ", *d);
      if (answer().completions[0].count == 0) break;
    }
    return settle();
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
  // A batch, and what it refers to until both engines are done with it.
  struct Flight {
    uint64_t number = 0;
    Operations given;
    std::array<Answer, 2> answers;
  };

  // Filled with what no engine writes, so that a completion or record left out shows.
  static void make_room(Answer& answer, size_t operations, size_t records) {
    abi::Completion untouched = {};
    untouched.slot = 0xdeadbeef;
    answer.completions.assign(operations, untouched);
    answer.output.assign(records, {});
  }

  Difference submit(size_t engine, Flight& flight, uint32_t now_ms) {
    Batch batch;
    batch.tag = flight.number;
    batch.now_ms = now_ms;
    batch.operations = flight.given.operations;
    batch.records = flight.given.records;
    batch.completions = absl::MakeSpan(flight.answers[engine].completions);
    batch.output = absl::MakeSpan(flight.answers[engine].output);
    const absl::Status s = engines_[engine]->submit(batch);
    return s.ok() ? std::nullopt : Difference(absl::StrCat(engines_[engine]->name(), ": ", s.ToString()));
  }

  // Until an engine's oldest batch is done, which must be `flight`.
  Difference wait(size_t engine, const Flight& flight) {
    uint64_t tag = 0;
    for (uint64_t i = 0; i < kPollsMax; ++i) {
      if (engines_[engine]->poll({&tag, 1}) == 1) break;
      if (const absl::Status s = engines_[engine]->health(); !s.ok()) {
        return absl::StrCat(engines_[engine]->name(), ": ", s.ToString());
      }
      if (i > kPollsBeforeNaps) std::this_thread::sleep_for(kNap);
    }
    if (tag == flight.number) return std::nullopt;
    return absl::StrCat(engines_[engine]->name(), ": batch ", flight.number, " was not done, ", tag, " was");
  }

  Difference complete_oldest() {
    const std::shared_ptr<const Flight> flight = flights_.front();
    if (auto problem = wait(1, *flight)) return problem;
    flights_.pop_front();
    const auto& [want, got] = flight->answers;
    for (size_t i = 0; i < want.completions.size(); ++i) {
      if (std::memcmp(&want.completions[i], &got.completions[i], sizeof(abi::Completion)) == 0) continue;
      return absl::StrCat("batch ", flight->number, " operation ", i, " (opcode ",
                          static_cast<int>(flight->given.operations[i].opcode), "): ", show(want.completions[i]),
                          " != ", show(got.completions[i]));
    }
    for (size_t i = 0; i < want.output.size(); ++i) {
      if (std::memcmp(&want.output[i], &got.output[i], sizeof(abi::Record)) == 0) continue;
      return absl::StrCat("batch ", flight->number, " output record ", i, ": ", bytes(want.output[i]),
                          " != ", bytes(got.output[i]));
    }
    return std::nullopt;
  }

  // All but moves and stash, which are each engine's own. The judged one waits for its batches in flight, so both are
  // asked after the same ones.
  Difference counters_difference() {
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

  const size_t in_flight_;
  uint64_t batches_ = 0;
  uint64_t operations_ = 0;
  std::shared_ptr<Flight> newest_;
  std::deque<std::shared_ptr<Flight>> flights_;          // submitted to the judged engine and not yet compared
  std::array<std::unique_ptr<Accelerator>, 2> engines_;  // go before what their batches refer to
};

}  // namespace phalanx::testing

#endif
