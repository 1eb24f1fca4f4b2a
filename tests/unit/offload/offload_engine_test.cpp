// What OffloadEngine does at each kind of failure and in planned moves, case by case.
#include "drivers/offload/offload_engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/offload/faulty_engine.hpp"
#include "tests/unit/offload/packets.hpp"

namespace phalanx::testing {
namespace {

using abi::Opcode;
using abi::Result;

EngineConfig small() {
  EngineConfig config;
  config.sessions_max = 2048;
  config.half_open_max = 1024;
  return config;
}

class OffloadTest : public ::testing::Test {
 protected:
  OffloadTest() : card_(small()), cpu_(*CpuEngine::create(small())) {
    OffloadOptions options;
    options.config = small();
    engine_ = *OffloadEngine::create(options, &card_, cpu_.get());
  }

  std::vector<abi::Completion> run(const std::vector<abi::Operation>& operations,
                                   const std::vector<abi::Record>& records = {}) {
    std::vector<abi::Completion> completions(operations.size());
    output_.assign(1024, abi::Record{});
    const absl::Status status = engine_->submit({.tag = 1,
                                                 .now_ms = now_ms_,
                                                 .operations = operations,
                                                 .records = records,
                                                 .completions = absl::MakeSpan(completions),
                                                 .output = absl::MakeSpan(output_)});
    EXPECT_TRUE(status.ok()) << status;
    uint64_t tag = 0;
    for (int i = 0; i < 1000 && status.ok() && tag == 0; ++i) engine_->poll(absl::MakeSpan(&tag, 1));
    EXPECT_EQ(tag, 1u);
    return completions;
  }
  abi::Completion one(const abi::Operation& operation, const std::vector<abi::Record>& records = {}) {
    return run({operation}, records)[0];
  }
  Result look(uint32_t flow, bool from_client = true) {
    return one(lookup(packet(flow, hls::kProtocolUdp, from_client))).result;
  }
  Result open(uint32_t flow, uint16_t hidden_port = 0) {
    const hls::PacketMeta first = packet(flow, hls::kProtocolUdp, true);
    return one(insert(first, 0), {opening(first, hidden_port)}).result;
  }
  uint32_t extract() {
    const abi::Completion completion = one(over(Opcode::kExtract, 0, 1024));
    return completion.count;
  }
  void turn(int times) {
    for (int i = 0; i < times; ++i) engine_->poll_moves(now_ns_ += 1'000'000);
  }
  void reach(OffloadState state) {
    for (int i = 0; i < 200 && engine_->status().state != state; ++i) {
      turn(1);
      extract();
    }
    ASSERT_EQ(engine_->status().state, state);
  }

  FaultyEngine card_;
  std::unique_ptr<CpuEngine> cpu_;
  std::unique_ptr<OffloadEngine> engine_;
  std::vector<abi::Record> output_;
  uint32_t now_ms_ = 5000;
  int64_t now_ns_ = 0;
};

struct Case {
  const char* name;
  Failure failure;
  CardFaultKind kind;
};
constexpr Case kCases[] = {{"hangs", Failure::kHangs, CardFaultKind::kHung},
                           {"never answers", Failure::kNeverAnswers, CardFaultKind::kHung},
                           {"answers nonsense", Failure::kNonsense, CardFaultKind::kImpossible},
                           {"dies", Failure::kDies, CardFaultKind::kDied}};

class Failing : public OffloadTest, public ::testing::WithParamInterface<Case> {};

TEST_P(Failing, KeepsWhatWasAnsweredAndCarriesOutWhatWasNot) {
  reach(OffloadState::kCard);
  for (uint32_t flow = 0; flow < 10; ++flow) ASSERT_EQ(open(flow), Result::kDone);
  ASSERT_EQ(extract(), 10u);
  for (uint32_t flow = 10; flow < 20; ++flow) ASSERT_EQ(open(flow), Result::kDone);  // not extracted
  ASSERT_EQ(one(erase(packet(3, hls::kProtocolUdp, true))).result, Result::kDone);   // nor is this
  EXPECT_EQ(engine_->name(), "offload:card");
  card_.fail_after(0, GetParam().failure);
  EXPECT_EQ(open(20), Result::kDone);  // in the batch that is lost
  EXPECT_EQ(engine_->name(), "offload:cpu");
  const OffloadStatus status = engine_->status();
  EXPECT_EQ(status.state, OffloadState::kCpu);
  EXPECT_TRUE(status.degraded);
  EXPECT_EQ(status.last_fault.kind, GetParam().kind);
  EXPECT_EQ(status.counters.failovers, 1u);
  EXPECT_EQ(status.counters.replayed, 11u);
  EXPECT_EQ(status.counters.replay_refused, 0u);
  for (uint32_t flow = 0; flow <= 20; ++flow) EXPECT_EQ(look(flow), flow == 3 ? Result::kMiss : Result::kDone) << flow;
  EXPECT_EQ(extract(), 12u);  // what nobody had heard of: ten opened, one ended, one opened since
}

TEST_P(Failing, ReturnsToTheCardWhenItIsBack) {
  reach(OffloadState::kCard);
  for (uint32_t flow = 0; flow < 600; ++flow) ASSERT_EQ(open(flow), Result::kDone);
  card_.fail_after(0, GetParam().failure);
  EXPECT_EQ(look(0), Result::kDone);
  EXPECT_EQ(engine_->status().state, OffloadState::kCpu);
  reach(OffloadState::kCard);
  EXPECT_FALSE(engine_->status().degraded);
  EXPECT_EQ(card_.counters().sessions, 600u);
  for (uint32_t flow = 0; flow < 600; ++flow) ASSERT_EQ(look(flow), Result::kDone);
}

INSTANTIATE_TEST_SUITE_P(EachFailure, Failing, ::testing::ValuesIn(kCases));

TEST_F(OffloadTest, ABindingTakenOverFromASessionWhoseEndNobodyExtractedIsNotGivenTwice) {
  reach(OffloadState::kCard);
  ASSERT_EQ(open(1, 40000), Result::kDone);
  ASSERT_EQ(extract(), 1u);  // the shadow has flow 1 with port 40000
  now_ms_ += 60'000;
  ASSERT_EQ(one(over(Opcode::kAge, 0, 2048)).count, 1u);  // ended on the card alone
  ASSERT_EQ(open(2, 40000), Result::kDone);               // and its port given to flow 2
  card_.fail_after(0, Failure::kDies);
  EXPECT_EQ(look(2), Result::kDone);
  EXPECT_EQ(look(1), Result::kMiss);
  EXPECT_EQ(open(3, 40000), Result::kExists);
}

TEST_F(OffloadTest, AnAppliedRecordIsNotEndedByWhatTheCardAnsweredBefore) {
  reach(OffloadState::kCard);
  ASSERT_EQ(open(1), Result::kDone);
  ASSERT_EQ(one(erase(packet(1, hls::kProtocolUdp, true))).result, Result::kDone);
  abi::Record later = opening(packet(1, hls::kProtocolUdp, true));
  later.session.state = hls::kStateUdpStream;
  later.session.order = uint64_t{900} << hls::kVersionBits;
  abi::Operation apply = {};
  apply.opcode = Opcode::kApply;
  ASSERT_EQ(one(apply, {later}).result, Result::kDone);
  card_.fail_after(0, Failure::kNeverAnswers);
  EXPECT_EQ(look(1), Result::kDone);
}

TEST_F(OffloadTest, MovesToTheCpuAndBackOnOrder) {
  reach(OffloadState::kCard);
  for (uint32_t flow = 0; flow < 300; ++flow) ASSERT_EQ(open(flow), Result::kDone);
  engine_->move_to_cpu();
  turn(20);
  EXPECT_EQ(engine_->status().state, OffloadState::kCpu);
  EXPECT_FALSE(engine_->status().degraded);
  EXPECT_EQ(engine_->counters().sessions, 300u);
  EXPECT_EQ(extract(), 300u);  // fetched by the move, kept for the caller
  engine_->move_to_card();
  turn(20);
  EXPECT_EQ(engine_->status().state, OffloadState::kCard);
  EXPECT_EQ(card_.counters().sessions, 300u);
  EXPECT_EQ(engine_->status().counters.failovers, 0u);
}

TEST_F(OffloadTest, AMoveIsGivenUpIfTheCardDiesInIt) {
  for (uint32_t flow = 0; flow < 1500; ++flow) {
    ASSERT_EQ(open(flow), Result::kDone);
    extract();
  }
  reach(OffloadState::kToCard);
  card_.fail_after(100, Failure::kHangs);
  turn(4);
  EXPECT_EQ(engine_->status().state, OffloadState::kCpu);
  EXPECT_EQ(engine_->status().counters.moves_failed, 1u);
  EXPECT_EQ(engine_->status().last_fault.kind, CardFaultKind::kHung);
  for (uint32_t flow = 0; flow < 1500; ++flow) ASSERT_EQ(look(flow), Result::kDone);
}

TEST_F(OffloadTest, AMoveWhoseCountsDifferIsGivenUp) {
  for (uint32_t flow = 0; flow < 10; ++flow) ASSERT_EQ(open(flow), Result::kDone);
  reach(OffloadState::kToCard);
  for (int i = 0; i < 100 && engine_->status().state == OffloadState::kToCard; ++i) {
    card_.table().clear();  // a card that forgets
    turn(1);
    extract();
  }
  EXPECT_EQ(engine_->status().state, OffloadState::kCpu);
  EXPECT_EQ(engine_->status().last_fault.kind, CardFaultKind::kRefused);
  EXPECT_NE(engine_->status().last_fault.what.find("sessions of 10"), std::string::npos);
}

TEST_F(OffloadTest, ScanReadsTheSameSlotsWhoeverDecides) {
  for (uint32_t flow = 0; flow < 50; ++flow) ASSERT_EQ(open(flow), Result::kDone);
  reach(OffloadState::kCard);
  EXPECT_EQ(one(over(Opcode::kScan, 0, 25)).count, 25u);
  card_.fail_after(0, Failure::kDies);
  EXPECT_EQ(look(0), Result::kDone);
  EXPECT_EQ(one(over(Opcode::kScan, 25, 25)).count, 25u);
}

TEST_F(OffloadTest, ACallerThatNeverExtractsIsToldTo) {
  reach(OffloadState::kCard);
  ASSERT_EQ(open(0), Result::kDone);
  std::vector<abi::Operation> operations(1000, lookup(packet(0, hls::kProtocolUdp, true)));
  std::vector<abi::Completion> completions(operations.size());
  absl::Status status;
  for (int i = 0; i < 100 && status.ok(); ++i) {
    status = engine_->submit({.tag = 1,
                              .now_ms = now_ms_,
                              .operations = operations,
                              .records = {},
                              .completions = absl::MakeSpan(completions),
                              .output = {}});
    uint64_t tag = 0;
    engine_->poll(absl::MakeSpan(&tag, 1));
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(extract(), 1u);
  EXPECT_EQ(look(0), Result::kDone);
}

TEST_F(OffloadTest, WhatWasSubmittedBeforeClearDoesNotComeBack) {
  reach(OffloadState::kCard);
  card_.fail_after(0, Failure::kHangs);
  const hls::PacketMeta first = packet(1, hls::kProtocolUdp, true);
  const abi::Operation operation = insert(first, 0);
  const abi::Record record = opening(first);
  abi::Completion completion = {};
  ASSERT_TRUE(engine_
                  ->submit({.tag = 9,
                            .now_ms = now_ms_,
                            .operations = absl::MakeConstSpan(&operation, 1),
                            .records = absl::MakeConstSpan(&record, 1),
                            .completions = absl::MakeSpan(&completion, 1),
                            .output = {}})
                  .ok());
  engine_->clear();
  uint64_t tag = 0;
  for (int i = 0; i < 10 && tag == 0; ++i) engine_->poll(absl::MakeSpan(&tag, 1));
  EXPECT_EQ(tag, 9u);
  EXPECT_EQ(completion.result, Result::kDone);
  EXPECT_EQ(look(1), Result::kMiss);
}

TEST(Offload, RefusesEnginesOfDifferentSize) {
  EngineConfig larger = small();
  larger.sessions_max *= 2;
  FaultyEngine card(small());
  const auto cpu = *CpuEngine::create(larger);
  EXPECT_TRUE(absl::IsInvalidArgument(OffloadEngine::create({}, &card, cpu.get()).status()));
}

// What a flipped bit in the card's table does to a record, and what the fault is to name.
struct Flip {
  const char* name;
  void (*flip)(abi::Record&);
  const char* named;  // nullptr: not compared, for it goes on without a change being told
};

constexpr Flip kFlips[] = {
    {"key", [](abi::Record& r) { r.session.key.a_lo ^= 1u << 20; }, "has a key that it does not know"},
    {"generation", [](abi::Record& r) { r.session.order ^= uint64_t{1} << 50; }, "generation and version"},
    {"state", [](abi::Record& r) { r.session.state ^= 1; }, "state"},
    {"originator", [](abi::Record& r) { r.session.flags ^= hls::kOriginatorIsB; }, "flags"},
    {"rule", [](abi::Record& r) { r.session.rule ^= 0x100; }, "rule"},
    {"nat_source", [](abi::Record& r) { r.session.nat_source ^= 1; }, "NAT source"},
    {"nat_source_port", [](abi::Record& r) { r.session.nat_source_port ^= 1; }, "NAT source port"},
    {"nat_destination", [](abi::Record& r) { r.session.nat_destination ^= 1; }, "NAT destination"},
    {"last_seen", [](abi::Record& r) { r.session.last_seen ^= 1; }, nullptr},
    {"window", [](abi::Record& r) { r.session.side[0].max_end ^= 1; }, nullptr},
    {"traffic", [](abi::Record& r) { r.session.traffic[1] ^= 1; }, nullptr},
};

class OffloadFlip : public OffloadTest, public ::testing::WithParamInterface<Flip> {};

TEST_P(OffloadFlip, InTheCardsTableIsNoticedAndCostsNothing) {
  reach(OffloadState::kCard);
  for (uint32_t flow = 0; flow < 600; ++flow) ASSERT_EQ(open(flow, flow == 599 ? 7000 : 0), Result::kDone);
  while (extract() != 0) {
  }
  turn(200);  // the whole table, without a fault
  ASSERT_EQ(engine_->status().counters.failovers, 0u);
  EXPECT_GE(engine_->status().counters.compared, 600u);
  card_.spoil([this, left = 1](abi::Record& record) mutable {
    if (record.session.nat_source_port == 7000 && left-- > 0) GetParam().flip(record);
  });
  turn(200);
  const OffloadStatus status = engine_->status();
  if (GetParam().named == nullptr) {
    EXPECT_EQ(status.counters.failovers, 0u);
  } else {
    ASSERT_EQ(status.counters.failovers, 1u);
    EXPECT_EQ(status.last_fault.kind, CardFaultKind::kImpossible);
    EXPECT_THAT(status.last_fault.what, ::testing::HasSubstr(GetParam().named));
  }
  for (uint32_t flow = 0; flow < 600; ++flow) EXPECT_EQ(look(flow), Result::kDone) << flow;
}

TEST_F(OffloadTest, ACardThatWillNotShowItsTableIsAtFault) {
  reach(OffloadState::kCard);
  ASSERT_EQ(open(1), Result::kDone);
  while (extract() != 0) {
  }
  card_.refuse_scan();
  turn(50);
  ASSERT_EQ(engine_->status().counters.failovers, 1u);
  EXPECT_THAT(engine_->status().last_fault.what, ::testing::HasSubstr("refuses to SCAN"));
  EXPECT_EQ(look(1), Result::kDone);
}

INSTANTIATE_TEST_SUITE_P(Bits, OffloadFlip, ::testing::ValuesIn(kFlips),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace phalanx::testing
