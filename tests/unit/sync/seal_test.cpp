#include "host/sync/seal.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "host/sync/crc32c.hpp"
#include "tests/unit/sync/sync_harness.hpp"

namespace phalanx::sync {
namespace {

using Use = SealingKey::Use;

std::vector<uint8_t> sealed(const StreamName& name, uint32_t kind, uint64_t counter) {
  absl::StatusOr<SealingKey> key = SealingKey::derive(test_key(), name, Use::kSeal);
  std::vector<uint8_t> text(100, 0x55);
  text.resize(100 + kTagBytes);
  const std::vector<uint8_t> clear(40, 0x11);
  EXPECT_TRUE(key->seal(kind, counter, clear, absl::MakeSpan(text).first(100), text.data() + 100));
  return text;
}

TEST(Seal, OpensWhatWasSealedAndNothingElse) {
  const StreamName name = {7, 1, 2, 0, 1, 1000};
  absl::StatusOr<SealingKey> key = SealingKey::derive(test_key(), name, Use::kOpen);
  ASSERT_TRUE(key.ok());
  const std::vector<uint8_t> clear(40, 0x11);
  for (uint64_t counter = 1; counter < 50; ++counter) {
    std::vector<uint8_t> text = sealed(name, 1, counter);
    ASSERT_TRUE(key->open(1, counter, clear, absl::MakeSpan(text).first(100), text.data() + 100));
    EXPECT_EQ(text[0], 0x55);
    EXPECT_EQ(text[99], 0x55);
  }
  std::vector<uint8_t> text = sealed(name, 1, 1);
  EXPECT_FALSE(key->open(1, 2, clear, absl::MakeSpan(text).first(100), text.data() + 100));
  text = sealed(name, 1, 1);
  EXPECT_FALSE(key->open(2, 1, clear, absl::MakeSpan(text).first(100), text.data() + 100));
  text = sealed(name, 1, 1);
  const std::vector<uint8_t> other(40, 0x12);
  EXPECT_FALSE(key->open(1, 1, other, absl::MakeSpan(text).first(100), text.data() + 100));
}

TEST(Seal, EveryPartOfTheNameMakesAnotherKey) {
  const StreamName name = {7, 1, 2, 0, 1, 1000};
  const StreamName others[] = {{8, 1, 2, 0, 1, 1000}, {7, 3, 2, 0, 1, 1000}, {7, 1, 3, 0, 1, 1000},
                               {7, 1, 2, 1, 1, 1000}, {7, 1, 2, 0, 2, 1000}, {7, 1, 2, 0, 1, 1001}};
  for (const StreamName& other : others) EXPECT_NE(sealed(name, 1, 1), sealed(other, 1, 1));
  EXPECT_EQ(sealed(name, 1, 1), sealed(name, 1, 1));
}

// One nonce, one datagram: whatever is on the wire under the same (name, kind, counter) is the same bytes.
TEST(Seal, NoNonceIsUsedTwice) {
  Pair p(4, {.loss = 20, .duplicate = 5, .delay_ns = 100'000, .jitter_ns = 300'000}, 64);
  p.forth.record(true);
  p.back.record(true);
  p.connect();
  for (int i = 0; i < 40; ++i) {
    for (int k = 0; k < 200; ++k) p.change();
    p.run(3 * kMs);
    if (i == 20) p.restart_receiver(2001);
    if (i == 30) p.sender->stop(), p.sender->start(p.now_ns);
  }
  for (const Wire* wire : {&p.forth, &p.back}) {
    std::map<std::vector<uint8_t>, std::vector<uint8_t>> by_nonce;
    for (const std::vector<uint8_t>& d : wire->recorded()) {
      const std::vector<uint8_t> nonce(d.begin() + 20, d.begin() + 40);
      const auto [it, added] = by_nonce.emplace(nonce, d);
      EXPECT_EQ(it->second, d);
    }
    EXPECT_GT(by_nonce.size(), 50u);
  }
  EXPECT_GE(p.sent(Counter::kRetransmitted), 1u);
}

TEST(Crc32c, AgreesWithRfc3720) {
  std::vector<uint8_t> bytes(32, 0);
  EXPECT_EQ(crc32c(bytes), 0x8a9136aau);
  std::fill(bytes.begin(), bytes.end(), uint8_t{0xff});
  EXPECT_EQ(crc32c(bytes), 0x62a8ab43u);
  std::iota(bytes.begin(), bytes.end(), uint8_t{0});
  EXPECT_EQ(crc32c(bytes), 0x46dd794eu);
  EXPECT_EQ(crc32c(absl::MakeConstSpan(bytes).subspan(5), crc32c(absl::MakeConstSpan(bytes).first(5))), 0x46dd794eu);
}

TEST(Digest, TellsSetsApartAndNotOrders) {
  std::mt19937_64 random(1);
  std::vector<abi::Record> records;
  while (records.size() < 200) {
    const abi::Record r = random_record(random);
    if (r.session.state != hls::kStateDeleted) records.push_back(r);
  }
  TableDigest all, reversed, parts;
  for (const abi::Record& r : records) all.add(r);
  for (auto it = records.rbegin(); it != records.rend(); ++it) reversed.add(*it);
  EXPECT_EQ(all, reversed);
  for (int half = 0; half < 2; ++half) {
    TableDigest part;
    for (size_t i = static_cast<size_t>(half); i < records.size(); i += 2) part.add(records[i]);
    parts.merge(part);
  }
  EXPECT_EQ(all, parts);
  abi::Record changed = records[7];
  changed.session.order = hls::next_version(changed.session.order);
  TableDigest other = all;
  other.remove(records[7]);
  EXPECT_NE(other, all);
  other.add(changed);
  EXPECT_NE(other, all);
  EXPECT_NE(other.value(), all.value());
  changed = records[7];
  changed.session.last_seen += 5;
  changed.session.packets[0] += 1;
  changed.session.flags ^= hls::kDirty;
  EXPECT_EQ(record_digest(changed), record_digest(records[7]));
}

}  // namespace
}  // namespace phalanx::sync
