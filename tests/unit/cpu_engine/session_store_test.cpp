#include "drivers/cpu/session_store.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace phalanx {
namespace {

uint32_t take(SessionStore& store) {
  const uint32_t slot = store.allocate();
  if (slot != SessionStore::kNone) {
    store[slot] = {};
    store[slot].state = hls::kStateUdpNew;
  }
  return slot;
}

TEST(SessionStore, GivesEverySlotOnceAndThenNone) {
  auto store = SessionStore::create(5);
  ASSERT_TRUE(store.ok());
  for (uint32_t i = 0; i < 5; ++i) EXPECT_EQ(take(*store), i);
  EXPECT_EQ(take(*store), SessionStore::kNone);
  store->release(3);
  store->release(1);
  EXPECT_EQ(take(*store), 1u);
  EXPECT_EQ(take(*store), 3u);
  EXPECT_EQ(take(*store), SessionStore::kNone);
}

TEST(SessionStore, LogHoldsASlotOnceInTheOrderOfTheFirstChange) {
  auto store = SessionStore::create(3);
  ASSERT_TRUE(store.ok());
  for (int i = 0; i < 3; ++i) take(*store);
  // Round and round the ring.
  for (int round = 0; round < 5; ++round) {
    EXPECT_TRUE(store->log_change(2));
    EXPECT_TRUE(store->log_change(0));
    EXPECT_FALSE(store->log_change(2));
    EXPECT_EQ(store->changes(), 2u);
    EXPECT_EQ(store->take_change(), 2u);
    EXPECT_EQ((*store)[2].flags & hls::kDirty, 0);
    EXPECT_EQ(store->take_change(), 0u);
    EXPECT_EQ(store->take_change(), SessionStore::kNone);
  }
}

TEST(SessionStore, SlotReleasedWhileLoggedIsFreeWhenTheLogComesToIt) {
  auto store = SessionStore::create(2);
  ASSERT_TRUE(store.ok());
  take(*store);
  take(*store);
  store->log_change(0);
  store->log_change(1);
  store->release(0);
  EXPECT_EQ(take(*store), SessionStore::kNone);
  EXPECT_EQ(store->take_change(), 1u) << "the freed slot has nothing to say";
  EXPECT_EQ(take(*store), 0u);
  EXPECT_TRUE(store->log_change(0));
}

TEST(SessionStore, WideRewritesComeBackAsTheyWentIn) {
  auto store = SessionStore::create(2);
  ASSERT_TRUE(store.ok());
  const uint32_t a = store->allocate_wide({1, 2, 3, 4});
  const uint32_t b = store->allocate_wide({5, 6, 7, 8});
  EXPECT_EQ(store->allocate_wide({}), SessionStore::kNone);
  EXPECT_EQ(store->wide(a).source_lo, 2u);
  EXPECT_EQ(store->wide(b).destination_lo, 8u);
  store->release_wide(a);
  EXPECT_EQ(store->allocate_wide({9, 9, 9, 9}), a);
  EXPECT_EQ(store->wide(b).source_hi, 5u);
}

TEST(SessionStore, ClearStartsAnew) {
  auto store = SessionStore::create(2);
  ASSERT_TRUE(store.ok());
  take(*store);
  store->log_change(0);
  store->release(0);
  store->clear();
  EXPECT_EQ(store->changes(), 0u);
  EXPECT_EQ(store->used_end(), 0u);
  EXPECT_EQ(take(*store), 0u);
  EXPECT_EQ(take(*store), 1u);
}

TEST(SessionStore, RefusesImpossibleCapacities) {
  EXPECT_EQ(SessionStore::create(0).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(SessionStore::create(SessionStore::kSlotsMax + 1).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace phalanx
