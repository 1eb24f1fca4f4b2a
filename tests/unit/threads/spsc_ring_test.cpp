#include "host/daemon/spsc_ring.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace phalanx::daemon {
namespace {

TEST(SpscRing, GivesInOrderAndRefusesWhenFull) {
  SpscRing<int> ring(4);
  EXPECT_FALSE(ring.pop().has_value());
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(ring.push(i));
  EXPECT_FALSE(ring.push(4)) << "a full ring takes nothing";
  for (int i = 0; i < 4; ++i) {
    ASSERT_NE(ring.front(), nullptr);
    EXPECT_EQ(*ring.front(), i) << "it stays until it is taken";
    EXPECT_EQ(ring.pop(), i);
  }
  EXPECT_EQ(ring.front(), nullptr);
  EXPECT_FALSE(ring.pop().has_value());
}

TEST(SpscRing, LosesAndRepeatsNothingBetweenTwoThreads) {
  constexpr int kItems = 200'000;
  SpscRing<int> ring(64);
  std::thread producer([&ring] {
    for (int i = 0; i < kItems;) {
      if (ring.push(i)) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  int expected = 0;
  while (expected < kItems) {
    const std::optional<int> item = ring.pop();
    if (!item) {
      std::this_thread::yield();
      continue;
    }
    ASSERT_EQ(*item, expected);
    ++expected;
  }
  producer.join();
}

}  // namespace
}  // namespace phalanx::daemon
