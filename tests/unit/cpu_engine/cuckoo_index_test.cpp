#include "drivers/cpu/cuckoo_index.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace phalanx {
namespace {

// What a table of keys does with the index: values are positions in `hashes`, and the full comparison is by position.
uint32_t find(const CuckooIndex& index, const std::vector<uint64_t>& hashes, uint32_t value) {
  return index.find(hashes[value], [&](uint32_t candidate) { return candidate == value; });
}

TEST(CuckooIndex, InsertNeverLosesAnotherEntryUpToTheBrim) {
  auto index = CuckooIndex::create(2000);
  ASSERT_TRUE(index.ok());
  std::mt19937_64 random(7);
  std::vector<uint64_t> hashes;
  for (;;) {
    hashes.push_back(random());
    if (!index->insert(hashes.back(), static_cast<uint32_t>(hashes.size() - 1))) break;
  }
  hashes.pop_back();
  // The search gives up late: far above the load of 15/16 that the index is sized for, with the stash full.
  EXPECT_GT(static_cast<double>(hashes.size()), 0.97 * static_cast<double>(index->places()));
  EXPECT_EQ(index->stashed(), CuckooIndex::kStashMax);
  EXPECT_GT(index->moves(), 0u);
  for (uint32_t i = 0; i < hashes.size(); ++i) ASSERT_EQ(find(*index, hashes, i), i);
}

TEST(CuckooIndex, EveryEntryStaysReachableAfterEachInsertAtHighLoad) {
  auto index = CuckooIndex::create(240);
  ASSERT_TRUE(index.ok());
  std::mt19937_64 random(11);
  std::vector<uint64_t> hashes;
  const auto target = static_cast<uint64_t>(0.95 * static_cast<double>(index->places()));
  while (hashes.size() < target) {
    hashes.push_back(random());
    ASSERT_TRUE(index->insert(hashes.back(), static_cast<uint32_t>(hashes.size() - 1)));
    for (uint32_t i = 0; i < hashes.size(); ++i) ASSERT_EQ(find(*index, hashes, i), i) << "after " << hashes.size();
  }
}

TEST(CuckooIndex, RefusedInsertChangesNothing) {
  auto index = CuckooIndex::create(60);
  ASSERT_TRUE(index.ok());
  // One hash for all: two buckets of 8 and the stash of 16 are all there is for it.
  std::vector<uint64_t> hashes;
  while (true) {
    hashes.push_back(0x123456789abcdef0u);
    if (!index->insert(hashes.back(), static_cast<uint32_t>(hashes.size() - 1))) break;
  }
  EXPECT_EQ(hashes.size() - 1, 2 * CuckooIndex::kWays + CuckooIndex::kStashMax);
  const uint64_t moves = index->moves();
  EXPECT_FALSE(index->insert(hashes[0], 999));
  EXPECT_EQ(index->moves(), moves);
  for (uint32_t i = 0; i + 1 < hashes.size(); ++i) EXPECT_EQ(find(*index, hashes, i), i);
}

TEST(CuckooIndex, StashEmptiesIntoPlacesThatBecomeFree) {
  auto index = CuckooIndex::create(60);
  ASSERT_TRUE(index.ok());
  const uint64_t hash = 0xfedcba9876543210u;
  const std::vector<uint64_t> hashes(2 * CuckooIndex::kWays + 4, hash);
  for (uint32_t i = 0; i < hashes.size(); ++i) ASSERT_TRUE(index->insert(hash, i));
  ASSERT_EQ(index->stashed(), 4u);
  for (uint32_t i = 0; i < 6; ++i) index->erase(hash, i);
  EXPECT_EQ(index->stashed(), 0u);
  for (uint32_t i = 0; i < 6; ++i) EXPECT_EQ(find(*index, hashes, i), CuckooIndex::kNone);
  for (uint32_t i = 6; i < hashes.size(); ++i) EXPECT_EQ(find(*index, hashes, i), i);
}

TEST(CuckooIndex, ErasesWhatItHoldsAndNothingElse) {
  auto index = CuckooIndex::create(500);
  ASSERT_TRUE(index.ok());
  std::mt19937_64 random(3);
  std::vector<uint64_t> hashes(500);
  for (auto& h : hashes) h = random();
  for (int round = 0; round < 20; ++round) {
    for (uint32_t i = 0; i < hashes.size(); ++i) ASSERT_TRUE(index->insert(hashes[i], i));
    for (uint32_t i = 0; i < hashes.size(); i += 2) index->erase(hashes[i], i);
    for (uint32_t i = 0; i < hashes.size(); ++i)
      ASSERT_EQ(find(*index, hashes, i), i % 2 == 0 ? CuckooIndex::kNone : i);
    for (uint32_t i = 1; i < hashes.size(); i += 2) index->erase(hashes[i], i);
  }
  EXPECT_EQ(index->stashed(), 0u);
  // Empty again, no bucket sends lookups to another one.
  for (const uint64_t hash : hashes) {
    bool elsewhere = true;
    EXPECT_EQ(index->guess(hash, elsewhere), CuckooIndex::kNone);
    EXPECT_FALSE(elsewhere);
  }
}

TEST(CuckooIndex, GuessSaysWhereTheEntryIs) {
  auto index = CuckooIndex::create(2000);
  ASSERT_TRUE(index.ok());
  std::mt19937_64 random(5);
  std::vector<uint64_t> hashes(2000);
  for (uint32_t i = 0; i < hashes.size(); ++i) ASSERT_TRUE(index->insert(hashes[i] = random(), i));
  uint32_t elsewhere_count = 0, right = 0;
  for (uint32_t i = 0; i < hashes.size(); ++i) {
    bool elsewhere = false;
    uint32_t guess = index->guess(hashes[i], elsewhere);
    if (elsewhere) guess = index->guess_elsewhere(hashes[i]);
    elsewhere_count += elsewhere ? 1 : 0;
    right += guess == i ? 1 : 0;
  }
  EXPECT_GT(elsewhere_count, 0u);
  EXPECT_GT(right, 1980u);  // the rest: another entry of the same 16-bit tag
}

TEST(CuckooIndex, ClearForgetsEverything) {
  auto index = CuckooIndex::create(100);
  ASSERT_TRUE(index.ok());
  const std::vector<uint64_t> hashes(20, 42);
  for (uint32_t i = 0; i < hashes.size(); ++i) ASSERT_TRUE(index->insert(42, i));
  index->clear();
  EXPECT_EQ(index->stashed(), 0u);
  for (uint32_t i = 0; i < hashes.size(); ++i) EXPECT_EQ(find(*index, hashes, i), CuckooIndex::kNone);
}

TEST(CuckooIndex, RefusesMoreBucketsThanItCanNumber) {
  EXPECT_EQ(CuckooIndex::create(uint64_t{1} << 40).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace phalanx
