#include "host/sync/record_codec.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "host/sync/datagram.hpp"
#include "tests/unit/sync/flow_lives.hpp"

namespace phalanx::sync {
namespace {

bool same(const abi::Record& x, const abi::Record& y) { return std::memcmp(&x, &y, sizeof(x)) == 0; }

struct Container {
  std::vector<uint8_t> bytes;
  size_t longest = 0;
};

Container encode(const std::vector<abi::Record>& records, uint64_t base, Content content, uint32_t now_ms) {
  Container c;
  RecordEncoder encoder;
  encoder.begin(base, content, now_ms);
  for (const abi::Record& record : records) {
    uint8_t out[kRecordBytesMax];
    const size_t n = encoder.encode(record, out);
    c.longest = std::max(c.longest, n);
    c.bytes.insert(c.bytes.end(), out, out + n);
  }
  return c;
}

class ExactnessTest : public testing::TestWithParam<Content> {};

TEST_P(ExactnessTest, WhatIsReplicatedComesBackBitForBit) {
  const Content content = GetParam();
  std::mt19937_64 random(7);
  for (int round = 0; round < 300; ++round) {
    std::vector<abi::Record> records;
    for (size_t i = 0; i < 1 + random() % 120; ++i) records.push_back(random_record(random));
    const uint32_t now_ms = static_cast<uint32_t>(random());
    for (abi::Record& r : records) r.session.last_seen = now_ms - static_cast<uint32_t>(random() % 1000000);
    const uint64_t base = random() & 0xffffffffffull;
    const Container c = encode(records, base, content, now_ms);
    EXPECT_LE(c.longest, kRecordBytesMax);
    RecordDecoder decoder;
    decoder.begin(c.bytes, base, content, now_ms);
    for (const abi::Record& sent : records) {
      ASSERT_FALSE(decoder.done());
      abi::Record got;
      ASSERT_EQ(decoder.next(&got), DecodeError::kNone);
      abi::Record expected = replicated(sent, content);
      if (content == Content::kDelta && sent.session.state != hls::kStateDeleted) expected.session.last_seen = now_ms;
      ASSERT_TRUE(same(got, expected)) << "state " << int{sent.session.state} << " round " << round;
    }
    EXPECT_TRUE(decoder.done());
  }
}
INSTANTIATE_TEST_SUITE_P(Contents, ExactnessTest, testing::Values(Content::kDelta, Content::kSnapshot));

TEST(RecordCodec, SecondContainerKnowsNothingOfTheFirst) {
  std::mt19937_64 random(3);
  RecordEncoder encoder;
  RecordDecoder decoder;
  for (int container = 0; container < 50; ++container) {
    const abi::Record record = random_record(random);
    uint8_t out[2 * kRecordBytesMax];
    encoder.begin(9, Content::kDelta);
    size_t n = encoder.encode(record, out);
    n += encoder.encode(record, out + n);  // now it may refer to itself
    RecordDecoder fresh;
    for (RecordDecoder* d : {&fresh, &decoder}) {
      d->begin({out, n}, 9, Content::kDelta, 0);
      for (int i = 0; i < 2; ++i) {
        abi::Record got;
        ASSERT_EQ(d->next(&got), DecodeError::kNone);
        EXPECT_TRUE(same(got, replicated(record, Content::kDelta)));
      }
    }
  }
}

TEST(RecordCodec, TakesAnyBytesWithoutReadingBehindTheEnd) {
  std::mt19937_64 random(11);
  std::array<uint64_t, static_cast<size_t>(DecodeError::kCount)> seen{};
  for (int round = 0; round < 200000; ++round) {
    std::vector<uint8_t> bytes(random() % 64);  // on the heap, so that the sanitizer sees a read too far
    for (uint8_t& b : bytes) b = static_cast<uint8_t>(random());
    bytes.shrink_to_fit();
    RecordDecoder decoder;
    decoder.begin(bytes, 1, random() % 2 ? Content::kDelta : Content::kSnapshot, 0);
    while (!decoder.done()) {
      abi::Record record;
      const DecodeError error = decoder.next(&record);
      ++seen[static_cast<size_t>(error)];
      if (error != DecodeError::kNone) break;
      ASSERT_NE(record.session.state, hls::kStateFree);
      ASSERT_LT(record.session.state, hls::kStates);
      const hls::FlowKey& key = record.session.key;
      ASSERT_FALSE(hls::endpoint_less(hls::endpoint_b(key), hls::endpoint_a(key)));
    }
  }
  for (size_t i = 0; i < seen.size(); ++i) EXPECT_GT(seen[i], 0u) << to_string(static_cast<DecodeError>(i));
}

TEST(RecordCodec, EveryTruncationIsRefused) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 2000; ++round) {
    const abi::Record record = random_record(random);
    const Container c = encode({record}, 0, Content::kSnapshot, record.session.last_seen);
    for (size_t n = 1; n < c.bytes.size(); ++n) {
      const std::vector<uint8_t> cut(c.bytes.begin(), c.bytes.begin() + static_cast<ptrdiff_t>(n));
      RecordDecoder decoder;
      decoder.begin(cut, 0, Content::kSnapshot, 0);
      abi::Record got;
      ASSERT_EQ(decoder.next(&got), DecodeError::kTruncated);
    }
  }
}

struct RefusalCase {
  const char* name;
  std::vector<uint8_t> bytes;
  DecodeError error;
};
class RefusalTest : public testing::TestWithParam<RefusalCase> {};
TEST_P(RefusalTest, SaysWhy) {
  RecordDecoder decoder;
  decoder.begin(GetParam().bytes, 0, Content::kDelta, 0);
  abi::Record record;
  EXPECT_EQ(decoder.next(&record), GetParam().error);
}
INSTANTIATE_TEST_SUITE_P(
    Bytes, RefusalTest,
    testing::Values(
        RefusalCase{"state_free", {0x40, 0x00, 2, 1, 2, 3, 4, 0, 1, 5, 6, 7, 8, 0, 2}, DecodeError::kState},
        RefusalCase{"state_15", {0x40, 0xf0, 2, 1, 2, 3, 4, 0, 1, 5, 6, 7, 8, 0, 2}, DecodeError::kState},
        RefusalCase{"tcp_state_of_udp", {0x40, 0x10, 2, 1, 2, 3, 4, 0, 1, 5, 6, 7, 8, 0, 2}, DecodeError::kState},
        RefusalCase{"shares_nothing", {0x50, 0xe0, 2, 1, 2, 0, 1, 5, 6, 7, 8, 0, 2}, DecodeError::kReference},
        RefusalCase{"index_of_nothing", {0x48, 0xe0, 2, 1, 2, 3, 4, 0, 1, 9}, DecodeError::kReference},
        RefusalCase{"responder_mode_3", {0x4c, 0xe0, 2, 1, 2, 3, 4, 0, 1, 5, 6, 7, 8, 0, 2}, DecodeError::kReference},
        RefusalCase{
            "delete_with_nat", {0x42, 0xe0, 2, 0x01, 1, 2, 3, 4, 0, 1, 5, 6, 7, 8, 0, 2}, DecodeError::kExtension},
        RefusalCase{"long_generation", {0x40, 0xe0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, DecodeError::kVarint},
        RefusalCase{"valid", {0x40, 0xe0, 2, 1, 2, 3, 4, 0, 1, 5, 6, 7, 8, 0, 2}, DecodeError::kNone}),
    [](const auto& case_info) { return case_info.param.name; });

// Bytes of a whole flow on the wire, all headers, when the datagrams are full. `active` flows overlap: a new one begins
// while the others are in later parts of their lives.
double wire_bytes_per_flow(bool tcp, bool every_change, const FlowLives::Mix& mix) {
  constexpr size_t kFlows = 20000;
  constexpr size_t kActive = 500;
  FlowLives lives(1, mix);
  std::vector<std::vector<abi::Record>> flows;
  for (size_t i = 0; i < kFlows; ++i) flows.push_back(tcp ? lives.tcp(every_change) : lives.udp(false));
  EXPECT_EQ(lives.refused(), 0u);
  RecordEncoder encoder;
  size_t datagrams = 0;
  size_t fill = 0;
  uint8_t out[kRecordBytesMax];
  const auto put = [&](const abi::Record& record) {
    const auto begin = [&] {
      ++datagrams;
      fill = 0;
      encoder.begin(record.session.order >> hls::kVersionBits, Content::kDelta);
    };
    if (datagrams == 0) begin();
    size_t n = encoder.encode(record, out);
    if (fill + n > kDeltaRecordBytes) {
      begin();
      n = encoder.encode(record, out);
    }
    fill += n;
  };
  const size_t stages = flows[0].size();
  for (size_t tick = 0; tick < kFlows + kActive * stages; ++tick) {
    for (size_t stage = 0; stage < stages; ++stage) {  // each stage happens kActive flows after the one before
      const size_t flow = tick - kActive * stage;
      if (tick >= kActive * stage && flow < kFlows) put(flows[flow][stage]);
    }
  }
  return static_cast<double>(datagrams) * (14 + 20 + 8 + kDatagramBytes) / kFlows;
}

struct BudgetCase {
  const char* name;
  bool tcp, every_change;
  FlowLives::Mix mix;
  double budget;
};
class BytesBudgetTest : public testing::TestWithParam<BudgetCase> {};
TEST_P(BytesBudgetTest, WholeLifeFits) {
  const BudgetCase& c = GetParam();
  const double bytes = wire_bytes_per_flow(c.tcp, c.every_change, c.mix);
  RecordProperty("bytes_per_flow", std::to_string(bytes));
  std::printf("%s: %.1f bytes a flow\n", c.name, bytes);
  EXPECT_LE(bytes, c.budget);
}
INSTANTIATE_TEST_SUITE_P(Lives, BytesBudgetTest,
                         testing::Values(BudgetCase{"udp_clients_of_a_network", false, false, {0, false, 100000}, 40},
                                         BudgetCase{"udp_any_address", false, false, {0, true, 100000}, 40},
                                         BudgetCase{"tcp_any_server", true, false, {0, false, 100000}, 90},
                                         BudgetCase{"tcp_popular_servers", true, false, {30, false, 100000}, 80},
                                         BudgetCase{"tcp_any_address", true, false, {0, true, 100000}, 100},
                                         BudgetCase{"tcp_every_change", true, true, {0, false, 100000}, 170}),
                         [](const auto& case_info) { return case_info.param.name; });

}  // namespace
}  // namespace phalanx::sync
