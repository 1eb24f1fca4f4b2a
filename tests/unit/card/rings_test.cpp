// Client and server in one process, on rings that the test may spoil; and what is checked of an answer.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <array>
#include <cstring>
#include <utility>

#include "drivers/card/card_check.hpp"
#include "drivers/card/card_server.hpp"
#include "drivers/card/shared_memory.hpp"
#include "drivers/cpu/cpu_engine.hpp"

namespace phalanx::testing {
namespace {

using abi::Opcode;
using abi::Result;

TEST(Places, AreContiguousAndNeverTakenTwice) {
  card::Places places(8);
  uint64_t end[4];
  EXPECT_EQ(places.take(3, end[0]), 0u);
  EXPECT_EQ(places.take(3, end[1]), 3u);
  EXPECT_EQ(places.take(3, end[2]), card::Places::kNoPlace);  // two at the end, none at the start
  places.release(end[0]);
  EXPECT_EQ(places.take(3, end[2]), 0u);  // the two at the end are passed over
  EXPECT_EQ(places.take(1, end[3]), card::Places::kNoPlace);
  places.release(end[1]);
  EXPECT_EQ(places.take(3, end[3]), 3u);
}

TEST(Places, AllOfAnEmptyRingCanBeTaken) {
  card::Places places(8);
  uint64_t end = 0;
  for (uint32_t i = 0; i < 20; ++i) {
    ASSERT_EQ(places.take(5, end), 0u);
    places.release(end);
    ASSERT_EQ(places.take(8, end), 0u);
    places.release(end);
  }
}

struct Spoiled {
  const char* field;
  Opcode opcode;
  void (*spoil)(abi::Completion&);
};

TEST(CardCheck, RefusesEachFieldThatCannotBe) {
  const Spoiled cases[] = {
      {"result", Opcode::kLookup, [](abi::Completion& c) { c.result = Result::kFull; }},
      {"result", Opcode::kLookup, [](abi::Completion& c) { c.result = static_cast<Result>(200); }},
      {"result", Opcode::kInsert, [](abi::Completion& c) { c.result = Result::kMiss; }},
      {"result", Opcode::kDelete, [](abi::Completion& c) { c.result = Result::kDrop; }},
      {"result", Opcode::kApply, [](abi::Completion& c) { c.result = Result::kExists; }},
      {"result", Opcode::kExtract, [](abi::Completion& c) { c.result = Result::kMiss; }},
      {"result", static_cast<Opcode>(99), [](abi::Completion&) {}},
      {"reason", Opcode::kLookup, [](abi::Completion& c) { c.reason = abi::TrackReason::kCount; }},
      {"direction", Opcode::kLookup, [](abi::Completion& c) { c.direction = 2; }},
      {"state", Opcode::kLookup, [](abi::Completion& c) { c.state = hls::kStates; }},
      {"rewritten", Opcode::kLookup, [](abi::Completion& c) { c.rewritten = 3; }},
      {"rewrite", Opcode::kLookup, [](abi::Completion& c) { c.rewrite.source = 2; }},
      {"changed", Opcode::kLookup, [](abi::Completion& c) { c.changed = 255; }},
      {"slot", Opcode::kInsert, [](abi::Completion& c) { c.slot = 100; }},
      {"count", Opcode::kLookup, [](abi::Completion& c) { c.count = 1; }},
      {"count", Opcode::kExtract, [](abi::Completion& c) { c.count = 6; }},
      {"count", Opcode::kAge, [](abi::Completion& c) { c.count = 11; }},
      {"next", Opcode::kScan, [](abi::Completion& c) { c.next = 101; }},
  };
  for (const Spoiled& spoiled : cases) {
    abi::Operation operation = {};
    operation.opcode = spoiled.opcode;
    operation.count = 10;
    abi::Completion completion = {};
    completion.slot = 99;
    if (spoiled.opcode <= Opcode::kScan) {
      EXPECT_EQ(card::check_completion(operation, completion, 100, 5), std::nullopt) << spoiled.field;
    }
    spoiled.spoil(completion);
    const auto wrong = card::check_completion(operation, completion, 100, 5);
    ASSERT_TRUE(wrong.has_value()) << spoiled.field;
    EXPECT_NE(wrong->find(spoiled.field), std::string::npos) << *wrong;
    EXPECT_FALSE(spoiled.opcode == Opcode::kLookup && card::plainly_a_lookup(completion, 100)) << spoiled.field;
  }
}

TEST(CardCheck, TheGlanceAcceptsNothingThatTheCheckRefuses) {
  rc::check([](std::array<uint8_t, 64> bytes) {
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(byte % 3 == 0 ? 0 : byte % 16);
    abi::Completion completion;
    std::memcpy(static_cast<void*>(&completion), bytes.data(), sizeof(completion));
    abi::Operation operation = {};
    operation.opcode = Opcode::kLookup;
    if (card::plainly_a_lookup(completion, 1000)) {
      RC_ASSERT(!card::check_completion(operation, completion, 1000, 0).has_value());
    }
  });
}

TEST(CardCheck, RefusesRecordsThatCannotBe) {
  abi::Record good = {};
  good.session.key.tail = 4 << 8 | 17;
  good.session.state = hls::kStateUdpNew;
  EXPECT_EQ(card::check_record(Opcode::kScan, good), std::nullopt);
  const auto refused = [&](auto spoil, Opcode opcode) {
    abi::Record record = good;
    spoil(record.session);
    return card::check_record(opcode, record).has_value();
  };
  EXPECT_TRUE(refused([](hls::Session& s) { s.state = hls::kStateFree; }, Opcode::kExtract));
  EXPECT_TRUE(refused([](hls::Session& s) { s.state = hls::kStates; }, Opcode::kExtract));
  EXPECT_TRUE(refused([](hls::Session& s) { s.state = hls::kStateDeleted; }, Opcode::kScan));
  EXPECT_FALSE(refused([](hls::Session& s) { s.state = hls::kStateDeleted; }, Opcode::kExtract));
  EXPECT_TRUE(refused([](hls::Session& s) { s.key.tail = 5 << 8; }, Opcode::kExtract));
  EXPECT_TRUE(refused([](hls::Session& s) { s.flags = hls::kNatWide; }, Opcode::kExtract));
  EXPECT_TRUE(refused([](hls::Session& s) { s.flags = hls::kDirty; }, Opcode::kExtract));
}

// What a server ends with when the gateway has written `spoil` before it started or into its first batch.
absl::Status serve(void (*spoil)(card::Shared&)) {
  EngineConfig config;
  config.sessions_max = 64;
  const auto memory = card::SharedMemory::create(config);
  EXPECT_TRUE(memory.ok()) << memory.status();
  card::Shared& shared = *(*memory)->get();
  shared.descriptors[0].sequence = 1;
  shared.header.submitted.store(1);
  spoil(shared);
  CardServer server(&shared, {.idle_turns = 10, .sleep_ns = 1'000'000});
  int turns = 0;
  return server.serve(
      [](const EngineConfig& c) -> absl::StatusOr<std::unique_ptr<Accelerator>> { return CpuEngine::create(c); },
      [&] { return ++turns > 3; });
}

TEST(CardServer, RefusesWhatAGatewayGoneMadAsks) {
  EXPECT_TRUE(serve([](card::Shared&) {}).ok());
  const std::pair<const char*, void (*)(card::Shared&)> cases[] = {
      {"magic", [](card::Shared& s) { s.header.magic = 7; }},
      {"layout", [](card::Shared& s) { s.header.layout_version = 99; }},
      {"ABI", [](card::Shared& s) { s.header.abi_version = 99; }},
      {"submitted", [](card::Shared& s) { s.header.submitted.store(1000); }},
      {"sequence", [](card::Shared& s) { s.descriptors[0].sequence = 2; }},
      {"places", [](card::Shared& s) { s.descriptors[0].operation_count = card::kOperationsMax + 1; }},
      {"places", [](card::Shared& s) { s.descriptors[0].record_first = 0xffffffff; }},
      {"places", [](card::Shared& s) { s.descriptors[0].output_first = 1, s.descriptors[0].output_count = ~0u; }},
  };
  for (const auto& [text, spoil] : cases) {
    const absl::Status status = serve(spoil);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text;
    EXPECT_NE(status.message().find(text), std::string::npos) << status;
  }
}

// A card that is found to have failed when its counters are read, behind the only batch.
class FailsAtItsCounters final : public Accelerator {
 public:
  std::string name() const override { return "fails"; }
  uint64_t slots() const override { return 64; }
  absl::Status submit(const Batch& batch) override {
    tag_ = batch.tag;
    return absl::OkStatus();
  }
  size_t poll(absl::Span<uint64_t> tags) override {
    tags[0] = tag_;
    return 1;
  }
  absl::Status health() const override { return health_; }
  EngineCounters counters() const override {
    health_ = absl::DataLossError("counters lost");
    return {};
  }
  void advance_generation(uint64_t) override {}
  uint64_t generation() const override { return 0; }
  void set_age_floor(uint32_t) override {}
  void clear() override {}

 private:
  uint64_t tag_ = 0;
  mutable absl::Status health_;
};

TEST(CardServer, GivesUpACardThatFailsBetweenBatches) {
  EngineConfig config;
  config.sessions_max = 64;
  const auto memory = *card::SharedMemory::create(config);
  card::Shared& shared = *memory->get();
  shared.descriptors[0].sequence = 1;
  shared.header.submitted.store(1);
  CardServer server(&shared, {.idle_turns = 10, .sleep_ns = 1'000'000});
  int turns = 0;
  const absl::Status status = server.serve(
      [](const EngineConfig&) -> absl::StatusOr<std::unique_ptr<Accelerator>> {
        return std::make_unique<FailsAtItsCounters>();
      },
      [&] { return ++turns > 3; });
  EXPECT_EQ(status, absl::DataLossError("counters lost"));
  EXPECT_EQ(shared.header.completed.load(), 1u) << "the batch itself was done";
  EXPECT_EQ(shared.header.state.load(), static_cast<uint32_t>(card::ServerState::kRefused));
  EXPECT_STREQ(shared.header.text, "counters lost");
}

}  // namespace
}  // namespace phalanx::testing
